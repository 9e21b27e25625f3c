//! Ranges of slots, and which trees and windows they touch.

use std::ops::Range;

use crate::error::Error;
use crate::scheme::Scheme;

/// The slots a key covers. Never empty, within the lifetime of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    first: u32,
    last: u32,
}

impl Slots {
    /// Checks a range.
    pub(crate) fn new<S: Scheme>(slots: &Range<u64>) -> Result<Self, Error> {
        let range = Error::Range { start: slots.start, end: slots.end, lifetime: S::LIFETIME };
        if slots.start >= slots.end || slots.end > S::LIFETIME {
            return Err(range);
        }
        let (Ok(first), Ok(last)) = (u32::try_from(slots.start), u32::try_from(slots.end - 1)) else {
            return Err(range);
        };
        Ok(Self { first, last })
    }

    /// First slot, and the slot after the last.
    pub(crate) fn bounds(&self) -> Range<u64> {
        u64::from(self.first)..u64::from(self.last) + 1
    }

    /// The slot, if it is one of these.
    pub(crate) fn check(&self, slot: u64) -> Result<u32, Error> {
        let Range { start, end } = self.bounds();
        match u32::try_from(slot) {
            Ok(inside) if (self.first..=self.last).contains(&inside) => Ok(inside),
            _ => Err(Error::OutOfRange { slot, start, end }),
        }
    }

    /// Indices of the nodes of a level that have slots of the range under them.
    pub(crate) fn nodes(&self, level: u8) -> Range<u32> {
        // Level 0 could end beyond 32 bits; it is never asked for.
        debug_assert!(level > 0);
        let index = |slot: u32| (u64::from(slot) >> level) as u32;
        index(self.first)..index(self.last) + 1
    }

    /// Like [`Self::nodes`], with the pads that complete the pairs at both ends.
    pub(crate) fn padded_nodes(&self, level: u8) -> Range<u32> {
        let nodes = self.nodes(level);
        nodes.start & !1..nodes.end.next_multiple_of(2)
    }

    /// The part of the range under one node.
    pub(crate) fn under(&self, level: u8, index: u32) -> Self {
        let first = u64::from(index) << level;
        let last = first + (1 << level) - 1;
        Self { first: self.first.max(first as u32), last: self.last.min(last as u32) }
    }

    /// Number of slots.
    pub(crate) fn count(&self) -> u64 {
        u64::from(self.last - self.first) + 1
    }

    /// First slot.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }
}
