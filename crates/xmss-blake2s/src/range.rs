//! Ranges of slots, and which nodes of the tree lie above them.

use std::ops::Range;

use crate::error::Error;

/// The slots a key covers. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    first: u32,
    last: u32,
}

impl Slots {
    /// Checks a range.
    pub(crate) fn new(slots: &Range<u64>) -> Result<Self, Error> {
        let range = Error::Range { start: slots.start, end: slots.end };
        if slots.start >= slots.end {
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
    pub(crate) fn nodes(&self, level: u8) -> Range<u64> {
        let index = |slot: u32| u64::from(slot) >> level;
        index(self.first)..index(self.last) + 1
    }

    /// The part of the range under some consecutive nodes of a level, which must lie above it.
    pub(crate) fn under(&self, level: u8, nodes: &Range<u64>) -> Self {
        let first = nodes.start << level;
        let last = (nodes.end << level) - 1;
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

    /// Last slot.
    pub(crate) fn last(&self) -> u32 {
        self.last
    }

    /// Level of the nodes that a key keeps: half way up the tree over its range, where what is kept and what must be
    /// rebuilt at a time are of equal size. The key files of all clients have the same.
    pub(crate) fn kept_level(&self) -> u8 {
        let log = (self.count() - 1).checked_ilog2().map_or(0, |log| log + 1);
        log.div_ceil(2) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_not_empty_and_ends_with_the_scheme() {
        for (start, end) in [(5, 5), (9, 3), (0, (1 << 32) + 1), (1 << 32, (1 << 32) + 1), (0, u64::MAX)] {
            assert_eq!(Slots::new(&(start..end)), Err(Error::Range { start, end }));
        }
        let all = Slots::new(&(0..1 << 32)).unwrap();
        assert_eq!((all.bounds(), all.count(), all.kept_level()), (0..1 << 32, 1 << 32, 16));
        assert_eq!((all.nodes(0), all.nodes(32)), (0..1 << 32, 0..1));
        assert_eq!(all.under(16, &(65_535..65_536)).bounds(), 0xffff_0000..1 << 32);
    }

    #[test]
    fn nodes_are_kept_half_way_up() {
        for (count, level) in
            [(1, 0), (2, 1), (3, 1), (4, 1), (5, 2), (16, 2), (17, 3), (1 << 18, 9), ((1 << 18) + 1, 10)]
        {
            assert_eq!(Slots::new(&(7..7 + count)).unwrap().kept_level(), level, "{count} slots");
        }
    }
}
