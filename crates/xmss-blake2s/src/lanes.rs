//! Vectors of 32-bit words, one lane per hash.
//!
//! The width is the machine's: 16 lanes with AVX-512, 8 with AVX2, 4 with NEON or SSE2. Elsewhere the four lanes are
//! plain integers. This is the only module that names the library behind them.

use wide::u32x4;

/// As many words as one vector register holds.
#[cfg(target_feature = "avx512f")]
pub(crate) type Packed = wide::u32x16;
/// As many words as one vector register holds.
#[cfg(all(target_feature = "avx2", not(target_feature = "avx512f")))]
pub type Packed = wide::u32x8;
/// As many words as one vector register holds.
#[cfg(not(any(target_feature = "avx2", target_feature = "avx512f")))]
pub type Packed = u32x4;

/// Words in one [`Packed`].
pub(crate) const LANES: usize = size_of::<Packed>() / size_of::<u32>();

/// Puts one row per lane side by side: word `i` of the answer holds word `i` of every row.
#[inline]
pub(crate) fn gather<const N: usize>(row: impl Fn(usize) -> [u32; N]) -> [Packed; N] {
    let mut columns = [[0; LANES]; N];
    for lane in 0..LANES {
        for (column, word) in columns.iter_mut().zip(row(lane)) {
            column[lane] = word;
        }
    }
    columns.map(Packed::new)
}

/// Rows of four words, turned four lanes at a time without going through memory word by word.
#[inline]
pub(crate) fn gather_rows(row: impl Fn(usize) -> [u32; 4]) -> [Packed; 4] {
    let mut columns = [[0; LANES]; 4];
    for from in (0..LANES).step_by(4) {
        let turned = u32x4::transpose(std::array::from_fn(|lane| u32x4::new(row(from + lane))));
        for (column, words) in columns.iter_mut().zip(turned) {
            column[from..from + 4].copy_from_slice(words.as_array());
        }
    }
    columns.map(Packed::new)
}

/// One word per lane.
#[inline]
pub(crate) fn gather_word(word: impl Fn(usize) -> u32) -> Packed {
    Packed::new(std::array::from_fn(word))
}

/// The same row in every lane.
#[inline]
pub(crate) fn broadcast<const N: usize>(row: &[u32; N]) -> [Packed; N] {
    row.map(Packed::splat)
}

/// The row that one lane holds.
#[inline]
pub(crate) fn lane<const N: usize>(words: &[Packed; N], lane: usize) -> [u32; N] {
    std::array::from_fn(|i| words[i].as_array()[lane])
}

/// Words rotated to the right by `N` bits.
#[inline(always)]
pub(crate) fn rotate_right<const N: u32>(word: Packed) -> Packed {
    (word >> N) | (word << (32 - N))
}

/// Overwrites secret words.
pub(crate) fn wipe(words: &mut [Packed]) {
    words.fill(Packed::splat(0));
    // Keeps the compiler from dropping a store that nothing reads.
    std::hint::black_box(words);
}

/// Bytes as little-endian words.
pub(crate) fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// Appends words as little-endian bytes.
pub(crate) fn put(out: &mut Vec<u8>, words: &[u32]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_as_many_as_the_machine_has() {
        let expected = if cfg!(target_feature = "avx512f") {
            16
        } else if cfg!(target_feature = "avx2") {
            8
        } else {
            4
        };
        assert_eq!(LANES, expected);
        println!("{LANES} lanes");
    }

    #[test]
    fn what_is_gathered_is_found_in_its_lane() {
        let row = |lane: usize| [lane as u32, 100 + lane as u32, u32::MAX - lane as u32];
        let packed = gather(row);
        for index in 0..LANES {
            assert_eq!(lane(&packed, index), row(index));
        }
        let row = |lane: usize| [lane as u32, 100 + lane as u32, 200 + lane as u32, 300 + lane as u32];
        assert_eq!(gather_rows(row), gather(row));
        assert_eq!(
            lane(&[rotate_right::<7>(Packed::splat(0x8000_0001))], 1),
            [0x8000_0001_u32.rotate_right(7)]
        );
    }

    #[test]
    fn words_are_little_endian() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(words::<2>(&bytes), [0x0403_0201, 0x0807_0605]);
        let mut out = Vec::new();
        put(&mut out, &words::<2>(&bytes));
        assert_eq!(out, bytes);
    }
}
