//! The field and the permutations everything else is built from: KoalaBear, Poseidon1 of width 16 and 24, Keccak-f.
//!
//! This is the only module that names the library they come from. The rest of the crate is generic over [`Word`]: one
//! field element, or as many as the machine's vectors hold ([`Packed`], [`LANES`] of them). Only canonical integers
//! below [`P`] cross the border of the crate.

use std::sync::LazyLock;

use p3_field::{Algebra, Field, PackedValue, PrimeCharacteristicRing, PrimeField32};
use p3_keccak::{KeccakF, VECTOR_LEN};
use p3_koala_bear::{
    KoalaBear, Poseidon1KoalaBear, default_koalabear_poseidon1_16, default_koalabear_poseidon1_24,
};
use p3_symmetric::Permutation;

/// One element of the field.
pub type Element = KoalaBear;

/// As many elements as one vector register holds; a plain element on machines without vectors.
pub(crate) type Packed = <KoalaBear as Field>::Packing;

/// Elements in one [`Packed`] word.
pub(crate) const LANES: usize = <Packed as PackedValue>::WIDTH;

/// The KoalaBear prime, 2^31 - 2^24 + 1.
pub const P: u32 = 0x7f00_0001;

/// Keccak states permuted at once by [`keccak_f`].
pub(crate) const KECCAK_LANES: usize = VECTOR_LEN;

const _: () = assert!(P == KoalaBear::ORDER_U32);

// Building a permutation factors its matrix; copying one costs more than using it. Both are built once and shared.
static POSEIDON_16: LazyLock<Poseidon1KoalaBear<16>> = LazyLock::new(default_koalabear_poseidon1_16);
static POSEIDON_24: LazyLock<Poseidon1KoalaBear<24>> = LazyLock::new(default_koalabear_poseidon1_24);

/// One element, or several side by side that go through the same arithmetic.
pub(crate) trait Word: Algebra<Element> + PackedValue<Value = Element> {
    /// Applies the width-16 permutation in every lane.
    fn permute_16(state: &mut [Self; 16]);
    /// Applies the width-24 permutation in every lane.
    fn permute_24(state: &mut [Self; 24]);
}

impl<W> Word for W
where
    W: Algebra<Element> + PackedValue<Value = Element>,
    Poseidon1KoalaBear<16>: Permutation<[W; 16]>,
    Poseidon1KoalaBear<24>: Permutation<[W; 24]>,
{
    #[inline]
    fn permute_16(state: &mut [Self; 16]) {
        POSEIDON_16.permute_mut(state);
    }

    #[inline]
    fn permute_24(state: &mut [Self; 24]) {
        POSEIDON_24.permute_mut(state);
    }
}

/// Puts one row per lane side by side: word `i` of the answer holds element `i` of every row.
#[inline]
pub(crate) fn gather<W: Word, const N: usize>(row: impl Fn(usize) -> [Element; N]) -> [W; N] {
    W::pack_columns_fn(row)
}

/// The same row in every lane.
#[inline]
pub(crate) fn broadcast<W: Word, const N: usize>(row: &[Element; N]) -> [W; N] {
    row.map(W::from)
}

/// The first elements of the row that one lane holds.
#[inline]
pub(crate) fn lane<W: Word, const N: usize>(words: &[W], lane: usize) -> [Element; N] {
    std::array::from_fn(|i| words[i].extract(lane))
}

/// Replaces the row that one lane holds.
#[inline]
pub(crate) fn set_lane<W: Word>(words: &mut [W], lane: usize, row: &[Element]) {
    for (word, element) in words.iter_mut().zip(row) {
        word.as_slice_mut()[lane] = *element;
    }
}

/// The element of a canonical limb; `None` for a limb that is not below [`P`].
#[inline]
pub fn from_limb(limb: u32) -> Option<Element> {
    (limb < P).then(|| Element::new(limb))
}

/// The canonical limb of an element.
#[inline]
pub fn limb(element: Element) -> u32 {
    element.as_canonical_u32()
}

/// Elements from limbs known at compile time.
pub(crate) const fn constants<const N: usize>(limbs: [u32; N]) -> [Element; N] {
    KoalaBear::new_array(limbs)
}

/// `count` zeros.
pub(crate) const fn zeros<const N: usize>() -> [Element; N] {
    [KoalaBear::ZERO; N]
}

/// An integer of less than 62 bits as two base-P limbs, least significant first.
#[inline]
pub fn split(value: u64) -> [Element; 2] {
    let p = u64::from(P);
    debug_assert!(value < p * p);
    [Element::new((value % p) as u32), Element::new((value / p) as u32)]
}

/// A 128-bit integer, given as its high and low half, modulo P.
#[inline]
pub(crate) fn reduce(high: u64, low: u64) -> Element {
    // The powers of 2^32 modulo P. The sum cannot overflow: two of the products are below (P - 1) * 2^32 each, the
    // third below 2^57, and 2 * (2^63 - 2^56) + 2^57 is 2^64; the strict inequalities leave room for the last limb.
    const P32: u64 = (1 << 32) % (P as u64);
    const P64: u64 = (P32 * P32) % (P as u64);
    const P96: u64 = (P64 * P32) % (P as u64);
    const MASK: u64 = 0xffff_ffff;
    const _: () = assert!(P32 < 1 << 25);
    let sum = (high >> 32) * P96 + (high & MASK) * P64 + (low >> 32) * P32 + (low & MASK);
    Element::new((sum % u64::from(P)) as u32)
}

/// Keccak-f\[1600\] on [`KECCAK_LANES`] states; the lanes of each state word lie side by side.
#[inline]
pub(crate) fn keccak_f(state: &mut [[u64; KECCAK_LANES]; 25]) {
    KeccakF.permute_mut(state);
}

/// The Poseidon1 permutation of a state of 16 or 24 canonical limbs; `None` for other widths and other limbs.
pub fn poseidon(state: &[u32]) -> Option<Vec<u32>> {
    fn run<const N: usize>(state: &[u32], permute: fn(&mut [Element; N])) -> Option<Vec<u32>> {
        let mut elements = zeros::<N>();
        for (element, value) in elements.iter_mut().zip(state) {
            *element = from_limb(*value)?;
        }
        permute(&mut elements);
        Some(elements.map(limb).to_vec())
    }
    match state.len() {
        16 => run::<16>(state, Element::permute_16),
        24 => run::<24>(state, Element::permute_24),
        _ => None,
    }
}

/// Overwrites secret elements.
pub(crate) fn wipe(elements: &mut [Element]) {
    elements.fill(KoalaBear::ZERO);
    // Keeps the compiler from dropping a store that nothing reads.
    std::hint::black_box(elements);
}

/// Overwrites secret elements of all lanes.
pub(crate) fn wipe_packed(words: &mut [Packed]) {
    words.fill(Packed::from(KoalaBear::ZERO));
    std::hint::black_box(words);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduce_agrees_with_128_bit_division_at_the_edges() {
        let halves =
            [0, 1, u64::from(P), u64::from(P) - 1, 1 << 32, u64::MAX, u64::MAX - 1, 0xdead_beef_0bad_cafe];
        for high in halves {
            for low in halves {
                let value = (u128::from(high) << 64) | u128::from(low);
                assert_eq!(u128::from(limb(reduce(high, low))), value % u128::from(P), "{value:#x}");
            }
        }
    }

    #[test]
    fn limbs_at_the_modulus_are_refused() {
        assert_eq!(from_limb(P - 1).map(limb), Some(P - 1));
        assert_eq!(from_limb(P), None);
        assert_eq!(from_limb(u32::MAX), None);
    }

    #[test]
    fn every_lane_permutes_like_a_single_element() {
        let rows: Vec<[Element; 24]> =
            (0..LANES).map(|lane| std::array::from_fn(|i| Element::new((lane * 1000 + i) as u32))).collect();
        let mut packed: [Packed; 24] = gather(|lane| rows[lane]);
        Packed::permute_24(&mut packed);
        for (index, row) in rows.iter().enumerate() {
            let mut single = *row;
            Element::permute_24(&mut single);
            assert_eq!(lane(&packed, index), single);
        }
    }
}
