//! Many chains of unequal length walked at once.
//!
//! The longest go first, a vector full at a time, so that those side by side have equally far to go. In a batch of
//! signatures hardly a lane rests; the chains of one signature alone keep about two thirds of the lanes busy.

use crate::hash::{Chains, Digest, Parameter};
use crate::lanes::{LANES, Packed, gather_rows, gather_word, lane};
use crate::layout::Rules;
use crate::{BASE, CHAINS};

/// A one-time key whose chains are walked.
pub struct OneTime<'a> {
    /// Parameter of the key.
    pub parameter: Parameter,
    /// Slot of the chains.
    pub epoch: u32,
    /// Where the walks begin, one value per chain.
    pub values: &'a [Digest; CHAINS],
}

/// A walk: its one-time key, its chain, the position of the value and the steps to take, packed into a word.
type Walk = u32;

const KEY_AT: u32 = 16;
const CHAIN_AT: u32 = 8;
const FROM_AT: u32 = 4;
const FROM: u32 = 0xf;
const STEPS: u32 = 0xf;

/// Parts of the chains of some one-time keys, sorted by their lengths.
#[derive(Default)]
pub struct Walks {
    /// By the number of steps to take; nothing is walked no step.
    by_steps: [Vec<Walk>; BASE as usize],
}

impl Walks {
    /// Room for the chains of so many one-time keys, at most 2^16.
    pub fn for_keys(count: usize) -> Self {
        Self { by_steps: std::array::from_fn(|_| Vec::with_capacity(count * CHAINS / 4)) }
    }

    /// Adds the part of a chain of a key between two positions below 8. True if there are steps to take.
    #[inline]
    pub fn add(&mut self, key: usize, chain: usize, from: u32, to: u32) -> bool {
        let steps = to.saturating_sub(from);
        let walk = (key as u32) << KEY_AT | (chain as u32) << CHAIN_AT | from << FROM_AT | steps;
        if steps > 0 {
            self.by_steps[steps as usize].push(walk);
        }
        steps > 0
    }

    /// Takes every walk to its end. `done` hears of each: the key, the chain, and the value that it has come to.
    pub fn walk(&self, rules: &Rules, keys: &[OneTime<'_>], mut done: impl FnMut(usize, usize, Digest)) {
        let longest_first: Vec<Walk> =
            self.by_steps.iter().rev().map(Vec::as_slice).collect::<Vec<_>>().concat();
        for group in longest_first.chunks(LANES) {
            // Lanes beyond the last walk repeat it.
            let codes = gather_word(|lane| group[lane.min(group.len() - 1)]);
            let key = |lane: usize| &keys[(codes.as_array()[lane] >> KEY_AT) as usize];
            let chain = |lane: usize| (codes.as_array()[lane] >> CHAIN_AT) as usize & 0xff;
            let mut chains = Chains::new(
                rules,
                &gather_rows(|lane| key(lane).parameter),
                gather_word(|lane| key(lane).epoch),
                (codes >> CHAIN_AT) & Packed::splat(0xff),
                (codes >> FROM_AT) & Packed::splat(FROM),
                &gather_rows(|lane| key(lane).values[chain(lane)]),
            );
            let mut under_way = group.len();
            let mut taken = 0;
            while under_way > 0 {
                chains.step();
                taken += 1;
                let value = chains.value();
                while under_way > 0 && group[under_way - 1] & STEPS == taken {
                    under_way -= 1;
                    let key = group[under_way] >> KEY_AT;
                    done(key as usize, chain(under_way), lane(&value, under_way));
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
        let parameters: Vec<Parameter> =
            (0..3).map(|key| std::array::from_fn(|i| key * 31 + i as u32)).collect();
        let values: [Digest; CHAINS] = std::array::from_fn(|i| std::array::from_fn(|j| (i * 8 + j) as u32));
        let keys: Vec<OneTime<'_>> = parameters
            .iter()
            .zip(0..)
            .map(|(parameter, key)| OneTime { parameter: *parameter, epoch: u32::MAX - key, values: &values })
            .collect();
        for count in [0, 1, 3, LANES, LANES + 1, 100] {
            let mut walks = Walks::for_keys(3);
            let mut expected = Vec::new();
            for i in 0..count {
                let (key, chain, from) = (i % 3, i % 42, (i as u32 * 5) % 4);
                let to = from + (i as u32 * 3) % 4;
                if walks.add(key, chain, from, to) {
                    let end = (from..to).fold(bytes(&values[chain]), |value, position| {
                        let sub = 8 * chain as u32 + position;
                        let parameter = bytes(&parameters[key]);
                        tweak_hash(Layout::L5, &parameter, 1, sub, keys[key].epoch, &value).unwrap()
                    });
                    expected.push((key, chain, end));
                }
            }
            let mut found = Vec::new();
            let done = |key, chain, value| found.push((key, chain, bytes(&value)));
            walks.walk(Layout::L5.rules(), &keys, done);
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{count} walks");
        }
    }
}
