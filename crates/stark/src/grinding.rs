//! The hash of the transcript: BLAKE3, and for grinding many short messages of it at once.
//!
//! A witness for grinding is searched by hashing the transcript's last 32 bytes with one candidate after the other:
//! messages of a single block, which the library hashes one by one. Here each lane of a vector hashes one.

use p3_blake3::Blake3;
use p3_symmetric::CryptographicHasher;
use wide::u32x16;

/// BLAKE3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TranscriptHash;

const BLOCK: usize = 64;
const DIGEST: usize = 32;
const LANES: usize = 16;
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// The order of the message's words in a round, given the one before.
const ORDER: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS: usize = 7;
/// First block, last block, root: a message of one block is all of them.
const FLAGS: u32 = 1 | 2 | 8;

impl CryptographicHasher<u8, [u8; DIGEST]> for TranscriptHash {
    const LANES: usize = LANES;

    fn hash_iter<I: IntoIterator<Item = u8>>(&self, input: I) -> [u8; DIGEST] {
        Blake3.hash_iter(input)
    }

    fn hash_iter_slices<'a, I: IntoIterator<Item = &'a [u8]>>(&self, input: I) -> [u8; DIGEST] {
        Blake3.hash_iter_slices(input)
    }

    fn hash_many(&self, input: &[u8], out: &mut [[u8; DIGEST]]) {
        let length = input.len() / out.len().max(1);
        if length == 0 || length > BLOCK || input.len() != length * out.len() {
            return Blake3.hash_many(input, out);
        }
        for (messages, digests) in input.chunks(length * LANES).zip(out.chunks_mut(LANES)) {
            hash_blocks(messages, length, digests);
        }
    }
}

/// Hashes messages of at most a block each, no more than there are lanes.
fn hash_blocks(messages: &[u8], length: usize, digests: &mut [[u8; DIGEST]]) {
    let mut words = [[0; LANES]; 16];
    for (lane, message) in messages.chunks_exact(length).enumerate() {
        let mut block = [0; BLOCK];
        block[..length].copy_from_slice(message);
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            word[lane] = u32::from_le_bytes(*bytes);
        }
    }
    let output = compress(words.map(u32x16::new), length as u32).map(|word| *word.as_array());
    for (lane, digest) in digests.iter_mut().enumerate() {
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(&output) {
            *bytes = word[lane].to_le_bytes();
        }
    }
}

/// The compression of a message's only block.
fn compress(mut words: [u32x16; 16], length: u32) -> [u32x16; 8] {
    let mut state = [u32x16::splat(0); 16];
    for (word, initial) in state.iter_mut().zip(INITIAL.iter().chain(&INITIAL[..4])) {
        *word = u32x16::splat(*initial);
    }
    state[14] = u32x16::splat(length);
    state[15] = u32x16::splat(FLAGS);
    for _ in 0..ROUNDS {
        for (column, pair) in words.as_chunks::<2>().0[..4].iter().enumerate() {
            mix(&mut state, [column, column + 4, column + 8, column + 12], *pair);
        }
        for (row, pair) in words.as_chunks::<2>().0[4..].iter().enumerate() {
            mix(&mut state, [row, 4 + (row + 1) % 4, 8 + (row + 2) % 4, 12 + (row + 3) % 4], *pair);
        }
        words = ORDER.map(|index| words[index]);
    }
    std::array::from_fn(|i| state[i] ^ state[i + 8])
}

#[inline(always)]
fn mix(state: &mut [u32x16; 16], [a, b, c, d]: [usize; 4], [first, second]: [u32x16; 2]) {
    state[a] += state[b] + first;
    state[d] = rotate::<16>(state[d] ^ state[a]);
    state[c] += state[d];
    state[b] = rotate::<12>(state[b] ^ state[c]);
    state[a] += state[b] + second;
    state[d] = rotate::<8>(state[d] ^ state[a]);
    state[c] += state[d];
    state[b] = rotate::<7>(state[b] ^ state[c]);
}

#[inline(always)]
fn rotate<const BITS: u32>(word: u32x16) -> u32x16 {
    (word >> BITS) | (word << (32 - BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_are_hashed_as_each_by_itself() {
        for length in [1, 4, 31, 32, 36, 63, 64, 65, 200, 1025] {
            for count in [1, 15, 16, 17, 40] {
                let bytes = (0..length * count).map(|i| (i * 31 + length) as u8);
                let messages: Vec<u8> = bytes.collect();
                let mut digests = vec![[0; DIGEST]; count];
                TranscriptHash.hash_many(&messages, &mut digests);
                for (digest, message) in digests.iter().zip(messages.chunks_exact(length)) {
                    assert_eq!(digest, blake3::hash(message).as_bytes(), "{count} of {length} bytes");
                }
            }
        }
    }
}
