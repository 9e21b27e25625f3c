//! Nodes as seen from outside: where they are, and what they say of themselves.

mod exposition;
mod overview;
mod page;
mod poll;
mod sample;

pub use overview::Overview;
pub use page::{NetworkServer, PagePort};
pub use poll::{Endpoint, Poller};
#[cfg(test)]
pub use sample::{Block, Checkpoint, Figures, ForkChoice};
pub use sample::{BlockProofs, Percentiles, Sample, round};
