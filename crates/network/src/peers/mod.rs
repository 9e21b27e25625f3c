//! Peers: whom to dial and when, whom to refuse, and how much to trust.

mod book;
mod buckets;
mod guard;
mod score;

pub(crate) use book::PeerBook;
pub(crate) use buckets::Buckets;
pub(crate) use guard::{Guard, is_timeout};
pub use score::Offence;
pub(crate) use score::{Consequence, Scores};
