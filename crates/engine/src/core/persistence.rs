//! In which order batches are written, and how far the disk is behind.

use crate::io::Sequence;

/// The order of what is written.
#[derive(Default)]
pub(super) struct Persistence {
    last: Sequence,
    durable: Sequence,
}

impl Persistence {
    pub(super) fn next(&mut self) -> Sequence {
        self.last = Sequence(self.last.0 + 1);
        self.last
    }

    pub(super) fn durable(&mut self, sequence: Sequence) {
        self.durable = self.durable.max(sequence);
    }

    /// Batches that were handed out and are not known to be durable.
    pub(super) fn lag(&self) -> u64 {
        self.last.0.saturating_sub(self.durable.0)
    }
}
