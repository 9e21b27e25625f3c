//! The chains of one one-time key, which are of unequal length, walked at once.
//!
//! The longest go first, a vector full at a time, so that those side by side have equally far to go. About two thirds
//! of the lanes are busy.

use std::cmp::Reverse;

use crate::CHAINS;
use crate::hash::{Chains, Digest, Parameter};
use crate::lanes::{LANES, Packed, broadcast, gather_rows, gather_word, lane};
use crate::layout::Rules;

/// A one-time key whose chains are walked.
pub(crate) struct OneTime<'a> {
    /// Parameter of the key.
    pub parameter: Parameter,
    /// Slot of the chains.
    pub epoch: u32,
    /// Where the walks begin, one value per chain.
    pub values: &'a [Digest; CHAINS],
}

/// A walk.
#[derive(Clone, Copy)]
struct Walk {
    chain: usize,
    /// The position of the value.
    from: u32,
    /// Steps to take.
    steps: u32,
}

/// Parts of the chains of a one-time key.
#[derive(Default)]
pub(crate) struct Walks(Vec<Walk>);

impl Walks {
    /// Room for all of them.
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(CHAINS))
    }

    /// Adds the part of a chain between two positions. True if there are steps to take.
    #[inline]
    pub(crate) fn add(&mut self, chain: usize, from: u32, to: u32) -> bool {
        let steps = to.saturating_sub(from);
        if steps > 0 {
            self.0.push(Walk { chain, from, steps });
        }
        steps > 0
    }

    /// Takes every walk to its end. `done` hears of each: the chain, and the value that it has come to.
    pub(crate) fn walk(mut self, rules: &Rules, key: &OneTime<'_>, mut done: impl FnMut(usize, Digest)) {
        self.0.sort_unstable_by_key(|walk| Reverse(walk.steps));
        let (parameter, epoch) = (broadcast(&key.parameter), Packed::splat(key.epoch));
        for group in self.0.chunks(LANES) {
            // Lanes beyond the last walk repeat it.
            let walk = |lane: usize| group[lane.min(group.len() - 1)];
            let mut chains = Chains::new(
                rules,
                &parameter,
                epoch,
                gather_word(|lane| walk(lane).chain as u32),
                gather_word(|lane| walk(lane).from),
                &gather_rows(|lane| key.values[walk(lane).chain]),
            );
            let mut under_way = group.len();
            let mut taken = 0;
            while under_way > 0 {
                chains.step();
                taken += 1;
                let value = chains.value();
                while under_way > 0 && group[under_way - 1].steps == taken {
                    under_way -= 1;
                    done(group[under_way].chain, lane(&value, under_way));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::primitives::tweak_hash;

    fn bytes(words: &[u32; 4]) -> [u8; 16] {
        let mut bytes = [0; 16];
        for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    #[test]
    fn walks_of_any_length_end_where_single_steps_do() {
        let parameter: Parameter = std::array::from_fn(|i| 31 + i as u32);
        let values: [Digest; CHAINS] = std::array::from_fn(|i| std::array::from_fn(|j| (i * 8 + j) as u32));
        let key = OneTime { parameter, epoch: u32::MAX - 1, values: &values };
        for count in [0, 1, 3, LANES, LANES + 1, CHAINS] {
            let mut walks = Walks::new();
            let mut expected = Vec::new();
            for (chain, value) in values.iter().enumerate().take(count) {
                let from = (chain as u32 * 5) % 4;
                let to = from + (chain as u32 * 3) % 4;
                if walks.add(chain, from, to) {
                    let end = (from..to).fold(bytes(value), |value, position| {
                        let sub = 8 * chain as u32 + position;
                        tweak_hash(Layout::L5, &bytes(&parameter), 1, sub, key.epoch, &value).unwrap()
                    });
                    expected.push((chain, end));
                }
            }
            let mut found = Vec::new();
            walks.walk(Layout::L5.rules(), &key, |chain, value| found.push((chain, bytes(&value))));
            found.sort_unstable();
            assert_eq!(found, expected, "{count} walks");
        }
    }
}
