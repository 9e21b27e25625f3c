//! Votes and aggregates from outside: checked against the store, verified on workers, then counted and relayed.

mod batch;
mod held;
mod room;
mod seen;
mod vote;

pub(crate) use room::{Counted, Votes};
pub(crate) use vote::{PendingAggregate, PendingVote, Vote};
