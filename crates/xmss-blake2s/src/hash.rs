//! The tweakable hash at each of its call sites, [`LANES`](crate::lanes::LANES) calls at once.
//!
//! `TH(P, type, sub, index, payload)` is the beginning of `BLAKE2s-256(tweak | P | payload)`. Tweak and parameter are
//! half a block, and most payloads are at most the other half.

use crate::blake2s::{BLOCK, BLOCK_BYTES, STATE, compress, start};
use crate::lanes::{Packed, broadcast, wipe, words};
use crate::layout::{ChainIndex, Rules};
use crate::{BASE, CHAINS};

/// Words of a digest: a node of a tree or a value of a chain.
pub(crate) const DIGEST: usize = 4;
/// Words of a randomizer.
pub(crate) const RANDOMIZER: usize = 6;
/// Words of a message, and of a seed.
pub(crate) const MESSAGE: usize = 8;

/// A node of a tree or a value of a chain, as little-endian words.
pub(crate) type Digest = [u32; DIGEST];
/// The value that personalises every hash of a key.
pub(crate) type Parameter = [u32; DIGEST];
/// What the signer varies until the message has an encoding.
pub(crate) type Randomizer = [u32; RANDOMIZER];

/// A digest in every lane.
pub(crate) type PackedDigest = [Packed; DIGEST];
/// A seed in every lane.
pub(crate) type PackedSeed = [Packed; MESSAGE];

/// The first block of a call: tweak, parameter and the beginning of the payload. The rest is zero.
#[inline]
fn first_block(
    kind: u8,
    sub: Packed,
    index: Packed,
    parameter: &PackedDigest,
    payload: &[Packed],
) -> [Packed; BLOCK] {
    let mut block = [Packed::splat(0); BLOCK];
    block[0] = Packed::splat(u32::from(kind) << 8);
    block[1] = sub;
    block[3] = index;
    block[4..8].copy_from_slice(parameter);
    block[8..8 + payload.len()].copy_from_slice(payload);
    block
}

/// The digest of an input of one block.
#[inline]
fn digest(block: &[Packed; BLOCK], bytes: u32) -> PackedDigest {
    let mut state = start();
    compress(&mut state, block, bytes, true);
    [state[0], state[1], state[2], state[3]]
}

/// A tweaked hash of the seed.
#[inline]
fn of_seed(
    kind: u8,
    sub: Packed,
    index: Packed,
    parameter: &PackedDigest,
    seed: &PackedSeed,
) -> PackedDigest {
    let mut block = first_block(kind, sub, index, parameter, seed);
    let out = digest(&block, BLOCK_BYTES);
    wipe(&mut block);
    out
}

/// The parameter of a key.
pub(crate) fn parameter(rules: &Rules, seed: &PackedSeed) -> PackedDigest {
    let zero = Packed::splat(0);
    of_seed(rules.parameter, zero, zero, &[zero; DIGEST], seed)
}

/// The secret start of a chain.
#[inline]
pub(crate) fn chain_start(
    rules: &Rules,
    parameter: &PackedDigest,
    seed: &PackedSeed,
    epoch: Packed,
    chain: Packed,
) -> PackedDigest {
    of_seed(rules.chain_start, chain, epoch, parameter, seed)
}

/// The node that stands where a key has no leaves below.
pub(crate) fn filler(
    rules: &Rules,
    parameter: &PackedDigest,
    seed: &PackedSeed,
    level: u8,
    index: Packed,
) -> PackedDigest {
    of_seed(rules.filler, Packed::splat(u32::from(level)), index, parameter, seed)
}

/// The parents of pairs of nodes, by their level and index.
#[inline]
pub(crate) fn parent(
    rules: &Rules,
    parameter: &PackedDigest,
    level: u8,
    index: Packed,
    left: &PackedDigest,
    right: &PackedDigest,
) -> PackedDigest {
    let mut block = first_block(rules.parent, Packed::splat(u32::from(level)), index, parameter, left);
    block[12..].copy_from_slice(right);
    digest(&block, BLOCK_BYTES)
}

/// Leaves over the ends of all chains.
pub(crate) fn leaf(
    rules: &Rules,
    parameter: &PackedDigest,
    epoch: Packed,
    ends: &[PackedDigest; CHAINS],
) -> PackedDigest {
    const BLOCKS: u32 = 11;
    const _: () = assert!((8 + DIGEST * CHAINS) * 4 == (BLOCKS * BLOCK_BYTES) as usize);
    let mut state = start();
    let words = ends.as_flattened();
    let block = first_block(rules.leaf, Packed::splat(0), epoch, parameter, &words[..8]);
    compress(&mut state, &block, BLOCK_BYTES, false);
    for (block, index) in words[8..].as_chunks::<BLOCK>().0.iter().zip(2..) {
        compress(&mut state, block, index * BLOCK_BYTES, index == BLOCKS);
    }
    [state[0], state[1], state[2], state[3]]
}

/// The encoding of a message: its first block is hashed once, whatever the randomizer.
pub(crate) struct Encoding {
    state: [Packed; STATE],
    /// The second block: the randomizer, then zeros.
    block: [Packed; BLOCK],
}

impl Encoding {
    /// Takes all but the randomizer.
    pub(crate) fn new(
        rules: &Rules,
        parameter: &PackedDigest,
        epoch: Packed,
        message: &[Packed; MESSAGE],
    ) -> Self {
        let mut state = start();
        let block = first_block(rules.encoding, Packed::splat(0), epoch, parameter, message);
        compress(&mut state, &block, BLOCK_BYTES, false);
        Self { state, block: [Packed::splat(0); BLOCK] }
    }

    /// The digest that holds the digits.
    #[inline]
    pub(crate) fn digest(&mut self, randomizer: &[Packed; RANDOMIZER]) -> PackedDigest {
        let mut state = self.state;
        self.block[..RANDOMIZER].copy_from_slice(randomizer);
        compress(&mut state, &self.block, BLOCK_BYTES + 32, true);
        [state[0], state[1], state[2], state[3]]
    }
}

/// The search for a randomizer: all that is the same in every trial is laid out once. Wiped when dropped.
pub(crate) struct Trials {
    encoding: Encoding,
    /// The blocks of the randomizer: tweak, parameter and seed; the message.
    blocks: [[Packed; BLOCK]; 2],
}

impl Trials {
    /// The trials of a key to sign a message.
    pub(crate) fn new(
        rules: &Rules,
        parameter: &PackedDigest,
        seed: &PackedSeed,
        epoch: u32,
        message: &[u8; 32],
    ) -> Self {
        let (epoch, message) = (Packed::splat(epoch), broadcast(&words(message)));
        let mut second = [Packed::splat(0); BLOCK];
        second[..MESSAGE].copy_from_slice(&message);
        Self {
            encoding: Encoding::new(rules, parameter, epoch, &message),
            blocks: [first_block(rules.randomizer, Packed::splat(0), epoch, parameter, seed), second],
        }
    }

    /// The randomizers of some trials, and the digests of the message under them.
    #[inline]
    pub(crate) fn run(&mut self, trial: Packed) -> ([Packed; RANDOMIZER], PackedDigest) {
        let [first, second] = &mut self.blocks;
        first[1] = trial;
        let mut state = start();
        compress(&mut state, first, BLOCK_BYTES, false);
        compress(&mut state, second, BLOCK_BYTES + 32, true);
        let [a, b, c, d, e, f, ..] = state;
        let randomizer = [a, b, c, d, e, f];
        (randomizer, self.encoding.digest(&randomizer))
    }
}

impl Drop for Trials {
    fn drop(&mut self) {
        wipe(self.blocks.as_flattened_mut());
    }
}

impl ChainIndex {
    /// The sub-position of a chain step, and the word after the value.
    #[inline]
    fn place(self, chain: Packed, position: Packed) -> (Packed, Packed) {
        match self {
            Self::InTweak => (chain * Packed::splat(BASE) + position, Packed::splat(0)),
            Self::InPayload => (position, chain),
        }
    }
}

/// A chain per lane, on its way.
pub(crate) struct Chains {
    block: [Packed; BLOCK],
    chain_index: ChainIndex,
}

impl Chains {
    /// Chains whose values stand at `position`.
    #[inline]
    pub(crate) fn new(
        rules: &Rules,
        parameter: &PackedDigest,
        epoch: Packed,
        chain: Packed,
        position: Packed,
        value: &PackedDigest,
    ) -> Self {
        let chain_index = rules.chain_index;
        let (sub, payload) = chain_index.place(chain, position);
        let mut block = first_block(rules.chain_step, sub, epoch, parameter, value);
        block[12] = payload;
        Self { block, chain_index }
    }

    /// Lanes where `turns` is all ones go on with another chain; where it is zero nothing changes.
    #[inline]
    pub(crate) fn turn(&mut self, turns: Packed, chain: Packed, position: Packed, value: &PackedDigest) {
        let (sub, payload) = self.chain_index.place(chain, position);
        let [a, b, c, d] = *value;
        for (at, word) in [(1, sub), (8, a), (9, b), (10, c), (11, d), (12, payload)] {
            let old = self.block[at];
            self.block[at] = old ^ ((old ^ word) & turns);
        }
    }

    /// Takes every chain one step on.
    #[inline]
    pub(crate) fn step(&mut self) {
        let bytes = match self.chain_index {
            ChainIndex::InTweak => 48,
            ChainIndex::InPayload => BLOCK_BYTES,
        };
        let next = digest(&self.block, bytes);
        self.block[8..12].copy_from_slice(&next);
        // In every layout the sub-position ends with the position.
        self.block[1] += Packed::splat(1);
    }

    /// Where the chains are.
    #[inline]
    pub(crate) fn value(&self) -> PackedDigest {
        [self.block[8], self.block[9], self.block[10], self.block[11]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{LANES, gather_word, lane};
    use crate::layout::Layout;
    use crate::primitives::tweak_hash;

    const P: [u8; 16] = *b"parameter of key";
    const SEED: [u8; 32] = *b"a seed that is anything but safe";

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Numbers that differ from lane to lane and need more than two bytes.
    fn number(lane: usize) -> u32 {
        0x89ab_0001 + lane as u32
    }

    /// In every lane `found` must be the hash that the type, the sub-position and the payload of the lane give.
    fn check(
        layout: Layout,
        found: PackedDigest,
        kind: u8,
        sub: impl Fn(usize) -> u32,
        payload: impl Fn(usize) -> Vec<u8>,
    ) {
        for index in 0..LANES {
            let expected = tweak_hash(layout, &P, kind, sub(index), number(index), &payload(index)).unwrap();
            assert_eq!(bytes(&lane(&found, index)), expected, "{layout}, type {kind}, lane {index}");
        }
    }

    #[test]
    fn every_call_site_hashes_what_the_table_says() {
        let p = broadcast(&words(&P));
        let seed = broadcast(&words(&SEED));
        let numbers = gather_word(number);
        let chain = |lane: usize| 41 - lane as u32;
        let value = |lane: usize| -> Digest { std::array::from_fn(|i| (lane * 4 + i) as u32) };
        let values = crate::lanes::gather(value);
        for layout in Layout::ALL {
            let rules = layout.rules();
            let [start, step, leaf_type, parent_type, ..] = rules.types();
            let starts = chain_start(rules, &p, &seed, numbers, gather_word(chain));
            check(layout, starts, start, chain, |_| SEED.to_vec());
            check(layout, filler(rules, &p, &seed, 31, numbers), rules.filler, |_| 31, |_| SEED.to_vec());
            let parents = parent(rules, &p, 32, numbers, &values, &starts);
            let pair = |index: usize| [bytes(&value(index)), bytes(&lane(&starts, index))].concat();
            check(layout, parents, parent_type, |_| 32, pair);
            let ends: [PackedDigest; CHAINS] =
                std::array::from_fn(|i| values.map(|w| w + Packed::splat(i as u32)));
            let all =
                |index: usize| -> Vec<u8> { ends.iter().flat_map(|end| bytes(&lane(end, index))).collect() };
            check(layout, leaf(rules, &p, numbers, &ends), leaf_type, |_| 0, all);

            let mut chains = Chains::new(rules, &p, numbers, gather_word(chain), Packed::splat(5), &values);
            for position in [5, 6] {
                let before = chains.value();
                chains.step();
                let before = |index: usize| bytes(&lane(&before, index));
                if layout == Layout::L3 {
                    let with_chain = |index: usize| [before(index), bytes(&[chain(index), 0, 0, 0])].concat();
                    check(layout, chains.value(), step, |_| position, with_chain);
                } else {
                    check(layout, chains.value(), step, |lane| 8 * chain(lane) + position, before);
                }
            }
        }
    }

    #[test]
    fn parameter_and_randomizer_are_tweaked_hashes_of_the_seed() {
        let message = [0x5a; 32];
        for layout in Layout::ALL {
            let rules = layout.rules();
            let seed = broadcast(&words(&SEED));
            let found = lane(&parameter(rules, &seed), 0);
            let expected = tweak_hash(layout, &[0; 16], rules.parameter, 0, 0, &SEED).unwrap();
            assert_eq!(bytes(&found), expected);
            let p = broadcast(&words(&P));
            let mut trials = Trials::new(rules, &p, &seed, number(0), &message);
            let (found, digests) = trials.run(gather_word(|lane| 7000 + lane as u32));
            let begin = [found[0], found[1], found[2], found[3]];
            for index in 0..LANES {
                let hash = |kind, sub, payload: &[u8]| {
                    tweak_hash(layout, &P, kind, sub, number(0), payload).unwrap()
                };
                let payload = [SEED, message].concat();
                let expected = hash(rules.randomizer, 7000 + index as u32, &payload);
                assert_eq!(bytes(&lane(&begin, index)), expected, "{layout}, lane {index}");
                let payload = [&message[..], &bytes(&lane(&found, index)), &[0; 8]].concat();
                assert_eq!(bytes(&lane(&digests, index)), hash(rules.encoding, 0, &payload));
            }
        }
    }
}
