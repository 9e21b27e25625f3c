//! The pseudorandom function behind a secret key: SHAKE128 of the seed and a position.
//!
//! Every input fits one block and every output fits one squeeze, so a call is a single Keccak permutation, and
//! [`KECCAK_LANES`] calls are one packed permutation.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::field::{Element, KECCAK_LANES, keccak_f, reduce};
use crate::hash::{Digest, HASH, RANDOMNESS, Randomness};

/// Bytes of a seed.
pub const SEED_BYTES: usize = 32;

const PREFIX: [u8; 16] =
    [0xae, 0xae, 0x22, 0xff, 0x00, 0x01, 0xfa, 0xff, 0x21, 0xaf, 0x12, 0x00, 0x01, 0x11, 0xff, 0x00];
const CHAIN_START: u8 = 0x00;
const ATTEMPT: u8 = 0x01;
/// Ours: nodes that stand for the part of the tree outside the range of a key. leanSig draws them from its generator.
const PAD: u8 = 0x02;

const RATE_WORDS: usize = 168 / 8;
/// Words of the longest input, 93 bytes, with its padding byte.
const INPUT_WORDS: usize = 12;
/// Where the padding of SHAKE ends a block.
const LAST_BIT: u64 = 0x80 << 56;

/// The seed of a secret key. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; SEED_BYTES]);

/// The bytes of one call: prefix, domain, seed and the position, then the padding.
struct Input {
    bytes: [u8; 8 * INPUT_WORDS],
    len: usize,
}

impl Input {
    fn new(seed: &Seed, domain: u8) -> Self {
        let mut input = Self { bytes: [0; 8 * INPUT_WORDS], len: 0 };
        input.push(&PREFIX);
        input.push(&[domain]);
        input.push(&seed.0);
        input
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn pad(&mut self) {
        self.push(&[0x1f]);
    }

    fn store(&self, state: &mut [[u64; KECCAK_LANES]; 25], lane: usize) {
        for (word, bytes) in state.iter_mut().zip(self.bytes.as_chunks::<8>().0) {
            word[lane] = u64::from_le_bytes(*bytes);
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Runs the calls of up to [`KECCAK_LANES`] inputs and hands out `N` elements for each.
fn squeeze<const N: usize>(inputs: impl Iterator<Item = Input>, out: &mut [[Element; N]]) {
    const { assert!(2 * N <= RATE_WORDS) };
    let mut state = [[0; KECCAK_LANES]; 25];
    let mut used = 0;
    for (lane, input) in inputs.enumerate() {
        input.store(&mut state, lane);
        used += 1;
    }
    state[RATE_WORDS - 1] = [LAST_BIT; KECCAK_LANES];
    keccak_f(&mut state);
    for (lane, row) in out.iter_mut().enumerate().take(used) {
        // Each element is 16 bytes, big-endian, reduced.
        *row = std::array::from_fn(|i| {
            reduce(state[2 * i][lane].swap_bytes(), state[2 * i + 1][lane].swap_bytes())
        });
    }
    state.as_flattened_mut().zeroize();
}

impl Seed {
    /// Takes the seed over.
    pub fn new(bytes: [u8; SEED_BYTES]) -> Self {
        Self(bytes)
    }

    /// For key files only.
    pub fn expose(&self) -> &[u8; SEED_BYTES] {
        &self.0
    }

    /// The secret starts of chains, given as slot and chain index; one for each place in `out`.
    pub fn chain_starts(&self, position: impl Fn(usize) -> (u32, usize), out: &mut [Digest]) {
        self.fill::<HASH>(CHAIN_START, out, |index, input| {
            let (epoch, chain) = position(index);
            input.push(&epoch.to_be_bytes());
            input.push(&(chain as u64).to_be_bytes());
        });
    }

    /// The randomness of consecutive attempts to encode a message.
    pub fn attempts(&self, epoch: u32, message: &[u8; 32], first: u64, out: &mut [Randomness]) {
        self.fill::<RANDOMNESS>(ATTEMPT, out, |index, input| {
            input.push(&epoch.to_be_bytes());
            input.push(message);
            input.push(&(first + index as u64).to_be_bytes());
        });
    }

    /// The node that stands at `index` of `level`, outside the range of the key.
    pub fn pad(&self, level: u8, index: u32) -> Digest {
        let mut out = [Digest::default()];
        self.fill::<HASH>(PAD, &mut out, |_, input| {
            input.push(&[level]);
            input.push(&index.to_be_bytes());
        });
        out[0]
    }

    fn fill<const N: usize>(
        &self,
        domain: u8,
        out: &mut [[Element; N]],
        position: impl Fn(usize, &mut Input),
    ) {
        for (group, rows) in out.chunks_mut(KECCAK_LANES).enumerate() {
            let inputs = (0..rows.len()).map(|lane| {
                let mut input = Input::new(self, domain);
                position(group * KECCAK_LANES + lane, &mut input);
                input.pad();
                input
            });
            squeeze(inputs, rows);
        }
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::limb;

    // The expected values are SHAKE128 of the specified bytes, from an unrelated implementation.

    fn seed() -> Seed {
        Seed::new(std::array::from_fn(|i| i as u8 * 7 + 1))
    }

    #[test]
    fn chain_starts_are_shake128_of_the_specified_bytes() {
        let mut out = [Digest::default(); 9];
        seed().chain_starts(|i| (0x0102_0304 + i as u32, 45 + i * 3), &mut out);
        assert_eq!(
            out[0].map(limb),
            [1804644669, 125517246, 1320738102, 1432120982, 193874124, 2017715301, 1868208208, 276982705]
        );
        assert_eq!(
            out[7].map(limb),
            [1169269644, 1602559807, 1218330997, 807544008, 1968283608, 2018978789, 1755485571, 2018638330]
        );
    }

    #[test]
    fn attempts_are_shake128_of_the_specified_bytes() {
        let mut out = [Randomness::default(); 5];
        seed().attempts(77, &[9; 32], u64::MAX - 100, &mut out);
        assert_eq!(
            out[0].map(limb),
            [495723366, 934164796, 39423221, 847692252, 1092107607, 439107708, 1483106050]
        );
        assert_eq!(
            out[4].map(limb),
            [1004613075, 617185502, 434147649, 1797830904, 991017068, 1536152481, 481972551]
        );
    }

    #[test]
    fn debug_keeps_the_seed_to_itself() {
        assert_eq!(format!("{:?}", seed()), "Seed(secret)");
    }
}
