//! Nodes as seen from outside: where they are, and what they say of themselves.

mod exposition;
mod overview;
mod page;
mod poll;
mod sample;

pub(crate) use overview::Overview;
pub(crate) use page::{NetworkServer, PagePort};
pub(crate) use poll::{Endpoint, Poller};
#[cfg(test)]
pub(crate) use sample::{Block, Checkpoint, Figures, ForkChoice};
pub(crate) use sample::{BlockProofs, Percentiles, Sample, round};
