//! The pseudorandom function behind a secret key: SHAKE128 of the seed and a position.
//!
//! Every input fits one block and every output fits one squeeze, so a call is a single Keccak permutation, and
//! [`KECCAK_LANES`] calls are one packed permutation.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::field::{Element, KECCAK_LANES, keccak_f, reduce};
use crate::hash::{Digest, Randomness};

/// Bytes of a seed.
pub(crate) const SEED_BYTES: usize = 32;

const PREFIX: [u8; 16] =
    [0xae, 0xae, 0x22, 0xff, 0x00, 0x01, 0xfa, 0xff, 0x21, 0xaf, 0x12, 0x00, 0x01, 0x11, 0xff, 0x00];
const CHAIN_START: u8 = 0x00;
const ATTEMPT: u8 = 0x01;
/// Ours: nodes that stand for the part of the tree outside the range of a key. leanSig draws them from its generator.
const PAD: u8 = 0x02;

const RATE_WORDS: usize = 168 / 8;
/// Words that are the same in all calls of a kind: the prefix, the domain and all of the seed but its last byte.
const HEAD_WORDS: usize = (PREFIX.len() + 1 + SEED_BYTES - 1) / 8;
/// Words of the rest: the last byte of the seed, a position of at most 44 bytes and the byte that ends the input.
const TAIL_WORDS: usize = 6;
/// The byte that ends the input of SHAKE.
const END: u8 = 0x1f;
/// Where the padding of SHAKE ends a block.
const LAST_BIT: u64 = 0x80 << 56;

/// The seed of a secret key. Wiped when dropped, never printed, and on the heap, where it stays when a key is moved.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Seed(Box<[u8; SEED_BYTES]>);

impl Seed {
    /// Copies a seed. The caller wipes its own.
    pub(crate) fn new(bytes: &[u8; SEED_BYTES]) -> Self {
        let mut own = Box::new([0; SEED_BYTES]);
        own.copy_from_slice(bytes);
        Self(own)
    }

    /// For key files only.
    pub(crate) fn expose(&self) -> &[u8; SEED_BYTES] {
        &self.0
    }

    /// The secret starts of chains, given as slot and chain index; one for each place in `out`.
    pub(crate) fn chain_starts(&self, position: impl Fn(usize) -> (u32, usize), out: &mut [Digest]) {
        self.fill(CHAIN_START, out, |index| {
            let (epoch, chain) = position(index);
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&epoch.to_be_bytes());
            bytes[4..].copy_from_slice(&(chain as u64).to_be_bytes());
            bytes
        });
    }

    /// The randomness of consecutive attempts to encode a message.
    pub(crate) fn attempts(&self, epoch: u32, message: &[u8; 32], first: u64, out: &mut [Randomness]) {
        self.fill(ATTEMPT, out, |index| {
            let mut bytes = [0; 44];
            bytes[..4].copy_from_slice(&epoch.to_be_bytes());
            bytes[4..36].copy_from_slice(message);
            bytes[36..].copy_from_slice(&(first + index as u64).to_be_bytes());
            bytes
        });
    }

    /// The node that stands at `index` of `level`, outside the range of the key.
    pub(crate) fn pad(&self, level: u8, index: u32) -> Digest {
        let mut out = [Digest::default()];
        self.fill(PAD, &mut out, |_| {
            let [a, b, c, d] = index.to_be_bytes();
            [level, a, b, c, d]
        });
        out[0]
    }

    /// One call for each place in `out`, at the position that `position` gives for it.
    fn fill<const N: usize, const POSITION: usize>(
        &self,
        domain: u8,
        out: &mut [[Element; N]],
        position: impl Fn(usize) -> [u8; POSITION],
    ) {
        const { assert!(2 * N <= RATE_WORDS && POSITION + 2 <= 8 * TAIL_WORDS) };
        let mut head = Zeroizing::new([0; 8 * HEAD_WORDS]);
        head[..PREFIX.len()].copy_from_slice(&PREFIX);
        head[PREFIX.len()] = domain;
        head[PREFIX.len() + 1..].copy_from_slice(&self.0[..SEED_BYTES - 1]);
        let mut state = [[0; KECCAK_LANES]; 25];
        let mut tail = Zeroizing::new([0; 8 * TAIL_WORDS]);
        for (group, rows) in out.chunks_mut(KECCAK_LANES).enumerate() {
            state.fill([0; KECCAK_LANES]);
            for (words, bytes) in state.iter_mut().zip(head.as_chunks::<8>().0) {
                *words = [u64::from_le_bytes(*bytes); KECCAK_LANES];
            }
            for lane in 0..rows.len() {
                tail[0] = self.0[SEED_BYTES - 1];
                tail[1..=POSITION].copy_from_slice(&position(group * KECCAK_LANES + lane));
                tail[POSITION + 1] = END;
                for (words, bytes) in state[HEAD_WORDS..].iter_mut().zip(tail.as_chunks::<8>().0) {
                    words[lane] = u64::from_le_bytes(*bytes);
                }
            }
            state[RATE_WORDS - 1] = [LAST_BIT; KECCAK_LANES];
            keccak_f(&mut state);
            for (lane, row) in rows.iter_mut().enumerate() {
                // Each element is 16 bytes, big-endian, reduced.
                let half = |word: usize| state[word][lane].swap_bytes();
                *row = std::array::from_fn(|i| reduce(half(2 * i), half(2 * i + 1)));
            }
        }
        state.as_flattened_mut().zeroize();
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
        Seed::new(&std::array::from_fn(|i| i as u8 * 7 + 1))
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
    fn a_seed_is_wiped_when_it_is_dropped() {
        fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<Seed>();
        let mut seed = seed();
        seed.zeroize();
        assert_eq!(seed.expose(), &[0; SEED_BYTES]);
    }

    #[test]
    fn debug_keeps_the_seed_to_itself() {
        assert_eq!(format!("{:?}", seed()), "Seed(secret)");
    }
}
