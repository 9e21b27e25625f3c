//! The parts of the scheme by themselves: for its test vectors, and for benches that set a figure beside what bounds
//! it.

use crate::blake2s::{BLOCK, BLOCK_BYTES, STATE, compress, start};
use crate::encoding::{Digits, digits};
use crate::hash::Encoding;
use crate::lanes::{LANES, Packed, broadcast, gather_word, lane, words};
use crate::layout::Layout;
use crate::seed::{SEED_BYTES, Source};

/// States that one call of the compression function takes.
pub const COMPRESS_LANES: u64 = LANES as u64;

/// Compresses a full vector of blocks so many times.
pub fn packed(count: u64) {
    let mut state = start();
    let block = [Packed::splat(7); BLOCK];
    for _ in 0..count {
        compress(&mut state, std::hint::black_box(&block), BLOCK_BYTES, true);
    }
    std::hint::black_box(state);
}

/// BLAKE2s-256 of a byte string, in one lane.
pub fn blake2s(bytes: &[u8]) -> [u8; 32] {
    let mut state = start();
    let blocks = bytes.len().div_ceil(BLOCK_BYTES as usize).max(1);
    for index in 0..blocks {
        let from = index * BLOCK_BYTES as usize;
        let part = &bytes[from..bytes.len().min(from + BLOCK_BYTES as usize)];
        let mut block = [0; BLOCK_BYTES as usize];
        block[..part.len()].copy_from_slice(part);
        compress(&mut state, &broadcast(&words(&block)), (from + part.len()) as u32, index + 1 == blocks);
    }
    let state: [u32; STATE] = lane(&state, 0);
    let mut out = [0; 32];
    for (bytes, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_le_bytes();
    }
    out
}

/// The tweakable hash of any payload; `None` for a type that names no call site of the layout.
pub fn tweak_hash(
    layout: Layout,
    parameter: &[u8; 16],
    kind: u8,
    sub: u32,
    index: u32,
    payload: &[u8],
) -> Option<[u8; 16]> {
    if !layout.rules().types().contains(&kind) {
        return None;
    }
    let mut input = vec![0; 16];
    input[1] = kind;
    input[4..8].copy_from_slice(&sub.to_le_bytes());
    input[12..].copy_from_slice(&index.to_le_bytes());
    input.extend_from_slice(parameter);
    input.extend_from_slice(payload);
    blake2s(&input).first_chunk().copied()
}

/// The digits that a message encodes to, if it does.
pub fn encode(
    layout: Layout,
    parameter: &[u8; 16],
    message: &[u8; 32],
    randomizer: &[u8; 24],
    epoch: u32,
) -> Option<Digits> {
    let parameter = broadcast(&words(parameter));
    let mut encoding =
        Encoding::new(layout.rules(), &parameter, gather_word(|_| epoch), &broadcast(&words(message)));
    digits(&lane(&encoding.digest(&broadcast(&words(randomizer))), 0))
}

/// The number of the trial that succeeds, from 0, when the key of a seed signs a message.
pub fn winning_trial(layout: Layout, seed: &[u8; SEED_BYTES], epoch: u32, message: &[u8; 32]) -> Option<u32> {
    crate::sign::search(&Source::new(layout, seed), epoch, message).map(|found| found.trial)
}
