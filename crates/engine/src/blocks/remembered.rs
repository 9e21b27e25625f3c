//! A memory for what was found to be bad.

use std::collections::{BTreeSet, VecDeque};

/// Roots whose transition failed, and proofs that failed: enough that a peer who repeats itself is not listened to.
const MAX_BAD: usize = 1_024;

/// The last `MAX_BAD` things of a kind, oldest out first.
pub(super) struct Remembered<T> {
    known: BTreeSet<T>,
    order: VecDeque<T>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { known: BTreeSet::new(), order: VecDeque::new() }
    }
}

impl<T: Ord + Copy> Remembered<T> {
    pub(super) fn insert(&mut self, item: T) {
        if self.known.insert(item) {
            self.order.push_back(item);
            if self.order.len() > MAX_BAD
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }

    pub(super) fn contains(&self, item: &T) -> bool {
        self.known.contains(item)
    }
}
