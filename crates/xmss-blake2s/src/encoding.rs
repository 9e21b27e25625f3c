//! From the hash of a message to the digits that a signature reveals: one per chain, adding up to a constant.
//!
//! The digest is two words of 64 bits; each holds 21 digits of three bits, least significant first, and a spare bit
//! that must be zero. One digest in 29,489 has the right sum.

use crate::hash::{Digest, PackedDigest};
use crate::lanes::{LANES, Packed, lane};
use crate::{CHAINS, TARGET_SUM};

/// One digit per chain, each below 8.
pub(crate) type Digits = [u8; CHAINS];

/// Digits of one half of a digest.
const HALF: usize = CHAINS / 2;

/// The digits of a digest; `None` if a spare bit is set or the sum is wrong.
pub(crate) fn digits(digest: &Digest) -> Option<Digits> {
    let half = |low: u32, high: u32| u64::from(low) | (u64::from(high) << 32);
    let halves = [half(digest[0], digest[1]), half(digest[2], digest[3])];
    let digits: Digits = std::array::from_fn(|i| ((halves[i / HALF] >> (3 * (i % HALF))) & 7) as u8);
    let spare = (halves[0] | halves[1]) >> 63;
    let sum: u32 = digits.iter().copied().map(u32::from).sum();
    (spare == 0 && sum == TARGET_SUM).then_some(digits)
}

/// The first lane whose digest has digits, and these. All lanes are judged at once, because hardly ever one of them
/// has.
#[inline]
pub(crate) fn first_admissible(digests: &PackedDigest) -> Option<(usize, Digits)> {
    let candidates = may_be_admissible(digests);
    if candidates == 0 {
        return None;
    }
    (0..LANES)
        .filter(|index| candidates >> index & 1 == 1)
        .find_map(|index| Some((index, digits(&lane(digests, index))?)))
}

/// A bit for each lane whose spare bits are zero and whose digits have the right sum.
#[inline]
fn may_be_admissible(digests: &PackedDigest) -> u32 {
    // Ten digits of a 32-bit word, every other one.
    const EVEN: u32 = 0o07_0707_0707;
    // The sums of two digits, every other one.
    const FIELDS: u32 = 0x3f03_f03f;
    let splat = Packed::splat;
    let two_digits = |word: Packed| (word & splat(EVEN)) + ((word >> 3_u32) & splat(EVEN));
    // The eleventh digit of a half lies across its words.
    let middle = |low: Packed, high: Packed| (low >> 30_u32) | ((high & splat(1)) << 2_u32);
    let [a, b, c, d] = *digests;
    let pairs = two_digits(a) + two_digits(b >> 1_u32) + two_digits(c) + two_digits(d >> 1_u32);
    let fields = (pairs & splat(FIELDS)) + ((pairs >> 6_u32) & splat(FIELDS));
    let sum = (fields & splat(0xfff)) + ((fields >> 12_u32) & splat(0xfff)) + (fields >> 24_u32);
    // A spare bit makes the sum too large for any target.
    let spare = ((b | d) >> 31_u32) << 12_u32;
    let total = sum + middle(a, b) + middle(c, d) + spare;
    total.simd_eq(splat(TARGET_SUM)).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::gather;

    /// A digest with the given digits and spare bits.
    fn digest(digits: &[u8; CHAINS], spare: [bool; 2]) -> Digest {
        let half = |index: usize| {
            let digits = &digits[index * HALF..(index + 1) * HALF];
            digits.iter().rev().fold(u64::from(spare[index]), |word, digit| (word << 3) | u64::from(*digit))
        };
        let (low, high) = (half(0), half(1));
        [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]
    }

    /// 42 digits that add up to `sum`, turned by `turn` places.
    fn with_sum(sum: u32, turn: usize) -> [u8; CHAINS] {
        let mut digits = [0; CHAINS];
        for unit in 0..sum as usize {
            digits[(unit * 5 + unit / CHAINS) % CHAINS] += 1;
        }
        digits.rotate_left(turn);
        digits
    }

    #[test]
    fn digits_are_read_least_significant_first() {
        for turn in 0..CHAINS {
            let expected = with_sum(TARGET_SUM, turn);
            assert!(expected.iter().all(|digit| *digit < 8));
            assert_eq!(digits(&digest(&expected, [false; 2])), Some(expected));
        }
    }

    #[test]
    fn a_spare_bit_or_another_sum_is_enough_to_be_refused() {
        for (sum, spare) in [
            (194, [false; 2]),
            (196, [false; 2]),
            (195, [true, false]),
            (195, [false, true]),
            (195, [true; 2]),
        ] {
            assert_eq!(digits(&digest(&with_sum(sum, 3), spare)), None, "{sum} {spare:?}");
        }
    }

    #[test]
    fn all_lanes_at_once_are_judged_like_each_alone() {
        let mut word = 1_u32;
        let mut noise = || {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            word
        };
        let mut admissible = 0;
        for round in 0..2000 {
            let rows: Vec<Digest> = (0..LANES)
                .map(|lane| match (round + lane) % 4 {
                    0 => digest(&with_sum(TARGET_SUM, round % CHAINS), [false; 2]),
                    1 => {
                        let sum = 180 + (round % 30) as u32;
                        digest(&with_sum(sum, lane), [round % 3 == 0, round % 5 == 0])
                    }
                    _ => std::array::from_fn(|_| noise()),
                })
                .collect();
            let found = may_be_admissible(&gather(|lane| rows[lane]));
            for (lane, row) in rows.iter().enumerate() {
                assert_eq!(found >> lane & 1 == 1, digits(row).is_some(), "{row:x?}");
                admissible += u32::from(digits(row).is_some());
            }
            let first = (0..LANES).find_map(|lane| Some((lane, digits(&rows[lane])?)));
            assert_eq!(first_admissible(&gather(|lane| rows[lane])), first);
        }
        assert!(admissible > 500);
        let extremes = [[0; 4], [u32::MAX; 4], [u32::MAX, 0x7fff_ffff, u32::MAX, 0x7fff_ffff]];
        for row in extremes {
            assert_eq!(may_be_admissible(&gather(|_| row)), 0);
        }
    }
}
