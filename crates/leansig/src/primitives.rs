//! The permutations by themselves, for benches that set a figure beside what bounds it.

use crate::field::{Element, KECCAK_LANES, LANES, Packed, Word, keccak_f};

/// States that one call of [`packed_16`] and [`packed_24`] permutes.
pub const POSEIDON_LANES: u64 = LANES as u64;
/// States that one call of [`keccak`] permutes.
pub const SHAKE_LANES: u64 = KECCAK_LANES as u64;

fn chain<T>(mut state: T, count: u64, permute: impl Fn(&mut T)) {
    for _ in 0..count {
        permute(std::hint::black_box(&mut state));
    }
    std::hint::black_box(state);
}

/// Permutes a state of width 16 so many times.
pub fn single_16(count: u64) {
    chain([Element::new(1); 16], count, Element::permute_16);
}

/// Permutes a state of width 24 so many times.
pub fn single_24(count: u64) {
    chain([Element::new(1); 24], count, Element::permute_24);
}

/// Permutes a full vector of states of width 16 so many times.
pub fn packed_16(count: u64) {
    chain([Packed::from(Element::new(1)); 16], count, Packed::permute_16);
}

/// Permutes a full vector of states of width 24 so many times.
pub fn packed_24(count: u64) {
    chain([Packed::from(Element::new(1)); 24], count, Packed::permute_24);
}

/// Permutes a full vector of Keccak states so many times.
pub fn keccak(count: u64) {
    chain([[1; KECCAK_LANES]; 25], count, keccak_f);
}
