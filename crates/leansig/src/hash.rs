//! The tweakable hash: Poseidon1 in compression mode for chains, nodes and messages, as a sponge for leaves.
//!
//! Every function is generic over [`Word`], so one call hashes one input or as many as a vector holds.

use crate::field::{Element, Word, broadcast, split};

/// Field elements of a digest.
pub const HASH: usize = 8;
/// Field elements of the public parameter.
pub const PARAMETER: usize = 5;
/// Field elements of the randomness.
pub const RANDOMNESS: usize = 7;
/// Field elements of a tweak.
pub const TWEAK: usize = 2;
/// Field elements of a message.
pub const MESSAGE: usize = 9;
/// Field elements of the sponge that no input reaches.
pub const CAPACITY: usize = 9;
const RATE: usize = 24 - CAPACITY;

/// A digest: a node of a tree, or a value of a chain.
pub type Digest = [Element; HASH];
/// The value that personalises every hash of a key.
pub type Parameter = [Element; PARAMETER];
/// What the signer varies until the message encodes to a codeword.
pub type Randomness = [Element; RANDOMNESS];
/// What keeps every hash of a key apart from every other.
pub type Tweak<W = Element> = [W; TWEAK];

const CHAIN: u64 = 0x00;
const TREE: u64 = 0x01;
const ENCODING: u64 = 0x02;

/// What one step adds to the integer behind [`chain_tweak`].
pub(crate) const CHAIN_STEP: u64 = 1 << 8;

/// The integer behind the tweak of the chain value at `step` (1..=7).
#[inline]
pub fn chain_tweak(epoch: u32, chain: usize, step: u32) -> u64 {
    (u64::from(epoch) << 24) | ((chain as u64) << 16) | (u64::from(step) << 8) | CHAIN
}

/// Tweak of the node at `index` of `level`; leaves are at level 0.
#[inline]
pub fn tree_tweak(level: u8, index: u32) -> Tweak {
    split((u64::from(level) << 40) | (u64::from(index) << 8) | TREE)
}

/// Tweak of the encoding of a message.
#[inline]
pub fn message_tweak(epoch: u32) -> Tweak {
    split((u64::from(epoch) << 8) | ENCODING)
}

/// The 32 bytes of a message, read as one little-endian integer, in base-P limbs.
pub fn message_limbs(message: &[u8; 32]) -> [Element; MESSAGE] {
    let mut digits = [0u32; 8];
    for (digit, bytes) in digits.iter_mut().zip(message.chunks_exact(4)) {
        *digit = bytes.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
    }
    std::array::from_fn(|_| {
        let mut remainder = 0u64;
        for digit in digits.iter_mut().rev() {
            let value = (remainder << 32) | u64::from(*digit);
            let [low, high] = [value % u64::from(crate::field::P), value / u64::from(crate::field::P)];
            remainder = low;
            *digit = high as u32;
        }
        Element::new(remainder as u32)
    })
}

#[inline]
fn compress_24<W: Word>(input: [W; 24]) -> [W; HASH] {
    let mut state = input;
    W::permute_24(&mut state);
    std::array::from_fn(|i| state[i] + input[i])
}

/// Joins rows into one permutation input, zero-padded.
macro_rules! join {
    ($width:literal; $($part:expr),+) => {{
        let mut input = [W::ZERO; $width];
        let mut at = 0;
        $(input[at..at + $part.len()].copy_from_slice(&$part); at += $part.len();)+
        debug_assert!(at <= $width);
        input
    }};
}

/// One step along a chain.
#[inline]
pub(crate) fn chain_step<W: Word>(
    value: &[W; HASH],
    parameter: &[W; PARAMETER],
    tweak: Tweak<W>,
) -> [W; HASH] {
    let mut state = join!(16; value[..], parameter[..], tweak);
    W::permute_16(&mut state);
    std::array::from_fn(|i| state[i] + value[i])
}

/// The parent of two nodes.
#[inline]
pub(crate) fn node<W: Word>(
    parameter: &[W; PARAMETER],
    tweak: Tweak<W>,
    left: &[W; HASH],
    right: &[W; HASH],
) -> [W; HASH] {
    compress_24(join!(24; parameter[..], tweak, left[..], right[..]))
}

/// The elements that a message encodes to under one choice of randomness.
#[inline]
pub(crate) fn message<W: Word>(
    message: &[W; MESSAGE],
    parameter: &[W; PARAMETER],
    tweak: Tweak<W>,
    randomness: &[W; RANDOMNESS],
) -> [W; HASH] {
    compress_24(join!(24; message[..], parameter[..], tweak, randomness[..]))
}

/// The leaf over the ends of all chains of a slot.
pub(crate) fn leaf<W: Word>(
    capacity: &[Element; CAPACITY],
    parameter: &[W; PARAMETER],
    tweak: Tweak<W>,
    ends: &[[W; HASH]],
) -> [W; HASH] {
    let mut state = [W::ZERO; 24];
    state[..CAPACITY].copy_from_slice(&broadcast::<W, CAPACITY>(capacity));
    let mut filled = 0;
    // Input replaces the rate; a block is permuted when the next element needs room.
    for word in parameter.iter().chain(&tweak).chain(ends.iter().flatten()) {
        if filled == RATE {
            W::permute_24(&mut state);
            filled = 0;
        }
        state[CAPACITY + filled] = *word;
        filled += 1;
    }
    state[CAPACITY + filled..].fill(W::ZERO);
    W::permute_24(&mut state);
    std::array::from_fn(|i| state[CAPACITY + i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::limb;

    #[test]
    fn message_limbs_are_base_p_digits() {
        let mut message = [0u8; 32];
        message[0] = 5;
        assert_eq!(message_limbs(&message).map(limb), [5, 0, 0, 0, 0, 0, 0, 0, 0]);
        message[..4].copy_from_slice(&crate::field::P.to_le_bytes());
        assert_eq!(message_limbs(&message).map(limb), [0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let all = message_limbs(&[0xff; 32]).map(limb);
        assert!(all.iter().all(|limb| *limb < crate::field::P));
        // Put together again modulo 2^128, 2^256 - 1 has all low bits set.
        let p = u128::from(crate::field::P);
        let low =
            all.iter().rev().fold(0u128, |value, limb| value.wrapping_mul(p).wrapping_add(u128::from(*limb)));
        assert_eq!(low, u128::MAX);
    }

    #[test]
    fn tweaks_occupy_disjoint_integers() {
        assert_eq!(tree_tweak(0, 1).map(limb), [0x101, 0]);
        assert_eq!(message_tweak(3).map(limb), [0x302, 0]);
        assert_eq!(chain_tweak(1, 2, 3), 0x01_02_03_00);
        let p = u64::from(crate::field::P);
        let top = chain_tweak(u32::MAX, 45, 7);
        assert_eq!(split(top).map(|e| u64::from(limb(e))), [top % p, top / p]);
    }
}
