//! The parameters of the scheme: what differs between the production instantiation and the small one used in tests.

use crate::field::{Element, constants};
use crate::hash::CAPACITY;

/// One parameter set of the generalized XMSS scheme.
///
/// Sizes common to every set (digest, parameter, randomness, tweak) are constants of the `hash` module.
pub trait Scheme: Copy + Clone + std::fmt::Debug + Default + Eq + Send + Sync + Unpin + 'static {
    /// What this set is called in messages and key files.
    const NAME: &'static str;
    /// Number that stands for this set in key files.
    const ID: u16;
    /// Base-2 logarithm of the number of slots that a key could cover; the height of the tree.
    const LOG_LIFETIME: u8;
    /// Hash chains per signature.
    const DIMENSION: usize;
    /// What the digits of a codeword add up to.
    const TARGET_SUM: u32;
    /// Initial capacity of the leaf sponge: a hash of the shape of its input.
    const LEAF_CAPACITY: [Element; CAPACITY];

    /// Slots that a key could cover.
    const LIFETIME: u64 = 1 << Self::LOG_LIFETIME;
    /// Height of a bottom tree, and of the top tree above them.
    const BOTTOM_LEVEL: u8 = Self::LOG_LIFETIME / 2;
    /// Slots under one bottom tree.
    const BOTTOM_LEAVES: u64 = 1 << Self::BOTTOM_LEVEL;
    /// Level of the nodes that a compact key keeps of each bottom tree. Half way up, what is kept and what must be
    /// rebuilt at a time are of equal size.
    const WINDOW_LEVEL: u8 = Self::LOG_LIFETIME / 4;
    /// Slots under one kept node; the part of the tree that is rebuilt at a time.
    const WINDOW_LEAVES: u64 = 1 << Self::WINDOW_LEVEL;
    /// Bytes of an SSZ-encoded signature: three offsets, the siblings, rho and the chain hashes.
    const SIGNATURE_BYTES: usize = 3 * 4 + 32 * Self::LOG_LIFETIME as usize + 28 + 32 * Self::DIMENSION;
}

/// Base of the digits of a codeword; a chain has `BASE - 1` steps.
pub const BASE: u32 = 8;

/// Attempts to find a codeword before signing gives up. One attempt in about 900 succeeds with the production set.
pub(crate) const MAX_TRIES: u64 = 100_000;

/// The production parameters: 2^32 slots, 46 chains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prod;

impl Scheme for Prod {
    const NAME: &'static str = "prod";
    const ID: u16 = 1;
    const LOG_LIFETIME: u8 = 32;
    const DIMENSION: usize = 46;
    const TARGET_SUM: u32 = 200;
    const LEAF_CAPACITY: [Element; CAPACITY] = constants([
        2060061975, 916902315, 229801915, 83751504, 2093549181, 1743125625, 721042244, 1252069948, 1192880636,
    ]);
}

/// The test parameters: 256 slots, 4 chains. Offers no security.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Test;

impl Scheme for Test {
    const NAME: &'static str = "test";
    const ID: u16 = 2;
    const LOG_LIFETIME: u8 = 8;
    const DIMENSION: usize = 4;
    const TARGET_SUM: u32 = 6;
    const LEAF_CAPACITY: [Element; CAPACITY] = constants([
        627826400, 1244476188, 370678638, 978729783, 1996000804, 1380088873, 1753334201, 433326939,
        1294775677,
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{P, Word, zeros};
    use crate::hash::{HASH, PARAMETER, TWEAK};

    /// Capacity for leaves over `dimension` chains: a hash of the lengths of the parts of the input.
    fn leaf_capacity(dimension: usize) -> [Element; CAPACITY] {
        let packed = ((PARAMETER as u128) << 96)
            | ((TWEAK as u128) << 64)
            | ((dimension as u128) << 32)
            | HASH as u128;
        let p = u128::from(P);
        let mut input = zeros::<24>();
        let mut rest = packed;
        for element in &mut input {
            *element = Element::new((rest % p) as u32);
            rest /= p;
        }
        let mut state = input;
        Element::permute_24(&mut state);
        std::array::from_fn(|i| state[i] + input[i])
    }

    #[test]
    fn sizes_are_those_of_the_specification() {
        assert_eq!((Prod::SIGNATURE_BYTES, Test::SIGNATURE_BYTES), (2536, 424));
        assert_eq!((Prod::BOTTOM_LEAVES, Test::BOTTOM_LEAVES), (65_536, 16));
        assert_eq!((Prod::WINDOW_LEAVES, Test::WINDOW_LEAVES), (256, 4));
    }

    #[test]
    fn the_leaf_capacities_are_the_hash_of_the_leaf_shape() {
        assert_eq!(Prod::LEAF_CAPACITY, leaf_capacity(Prod::DIMENSION));
        assert_eq!(Test::LEAF_CAPACITY, leaf_capacity(Test::DIMENSION));
    }
}
