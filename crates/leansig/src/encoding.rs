//! From the hash of a message to the codeword that a signature reveals: one digit per chain, adding up to a constant.

use crate::field::{Element, P, limb};
use crate::hash::HASH;
use crate::scheme::{BASE, Scheme};

/// Digits in one field element.
const DIGITS: usize = 8;
/// P - 1 is this times BASE^DIGITS; dividing by it makes the digits uniform.
const QUOTIENT: u32 = 127;
const _: () = assert!(QUOTIENT as u64 * (BASE as u64).pow(DIGITS as u32) == P as u64 - 1);

/// Room for the digits of the largest scheme: all that the elements of one digest can give.
pub(crate) const MAX_DIMENSION: usize = HASH * DIGITS;

/// A codeword; only the first `DIMENSION` digits mean anything.
pub(crate) type Codeword = [u8; MAX_DIMENSION];

/// The codeword in the hash of a message; `None` if it has none, as about 900 in 901 have.
pub fn codeword<S: Scheme>(hash: &[Element; HASH]) -> Option<Codeword> {
    const { assert!(S::DIMENSION <= MAX_DIMENSION) };
    let mut groups = [0u32; HASH];
    let used = S::DIMENSION.div_ceil(DIGITS);
    let mut sum = 0;
    for (position, (group, element)) in groups.iter_mut().zip(hash).take(used).enumerate() {
        let value = limb(*element);
        // The one value that belongs to no group of QUOTIENT consecutive ones.
        if value == P - 1 {
            return None;
        }
        let digits = (S::DIMENSION - position * DIGITS).min(DIGITS);
        *group = (value / QUOTIENT) & (((1u64 << (3 * digits)) - 1) as u32);
        sum += digit_sum(*group);
    }
    if sum != S::TARGET_SUM {
        return None;
    }
    Some(std::array::from_fn(|i| ((groups[i / DIGITS] >> (3 * (i % DIGITS))) & (BASE - 1)) as u8))
}

/// The sum of the eight octal digits of a 24-bit integer.
#[inline]
fn digit_sum(group: u32) -> u32 {
    const ONES: u32 = 0o11_111_111;
    (group & ONES).count_ones()
        + 2 * ((group >> 1) & ONES).count_ones()
        + 4 * ((group >> 2) & ONES).count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::zeros;
    use crate::scheme::{Prod, Test};

    fn hash(limbs: &[u32]) -> [Element; HASH] {
        let mut hash = zeros::<HASH>();
        for (element, limb) in hash.iter_mut().zip(limbs) {
            *element = Element::new(*limb);
        }
        hash
    }

    #[test]
    fn digits_are_read_least_significant_first() {
        // 5, 0, 1, 0 add up to 6; the digits above the fourth do not count, nor does the remainder of the division.
        let group = 0o7777_0105 * QUOTIENT + 126;
        assert_eq!(codeword::<Test>(&hash(&[group])).map(|c| c[..4].to_vec()), Some(vec![5, 0, 1, 0]));
        assert_eq!(codeword::<Test>(&hash(&[0o2222 * QUOTIENT])), None, "adds up to 8");
    }

    #[test]
    fn the_largest_element_has_no_digits() {
        let ok = 0o0105 * QUOTIENT;
        assert!(
            codeword::<Test>(&hash(&[ok, P - 1])).is_some(),
            "an element that is not used does not count"
        );
        assert_eq!(codeword::<Test>(&hash(&[P - 1])), None);
    }

    #[test]
    fn production_takes_46_digits_of_six_elements() {
        // Five groups of eight digits add up to 36 each, six digits of the last to 20; its top two digits are ignored.
        let group = 0o4444_5555 * QUOTIENT;
        let last = 0o77_555_500 * QUOTIENT;
        let found = codeword::<Prod>(&hash(&[group, group, group, group, group, last, P - 1])).unwrap();
        assert_eq!(found[..8], [5, 5, 5, 5, 4, 4, 4, 4]);
        assert_eq!(found[40..46], [0, 0, 5, 5, 5, 5]);
        assert_eq!(codeword::<Prod>(&hash(&[group, group, group, group, group, last + 3 * QUOTIENT])), None);
    }
}
