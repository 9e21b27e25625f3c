//! The compression function of BLAKE2s (RFC 7693) on [`LANES`](crate::lanes::LANES) states at once.
//!
//! Libraries that hash many inputs side by side take byte strings and turn them into lanes on each call. Here what
//! one call gives is what the next one takes, lane for lane, so that turning would cost more than hashing: only the
//! compression function is ours.

use crate::lanes::{Packed, rotate_right};

/// Words of a state.
pub(crate) const STATE: usize = 8;
/// Words of a block.
pub(crate) const BLOCK: usize = 16;
/// Bytes of a block.
pub(crate) const BLOCK_BYTES: u32 = 64;

const IV: [u32; STATE] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// Digest of 32 bytes, no key, sequential.
const PARAMETERS: u32 = 0x0101_0020;

/// The state before any input.
#[inline]
pub(crate) fn start() -> [Packed; STATE] {
    let mut state = IV.map(Packed::splat);
    state[0] = Packed::splat(IV[0] ^ PARAMETERS);
    state
}

/// Mixes two words into a column or a diagonal of the state.
macro_rules! mix {
    ($v:ident, $a:literal, $b:literal, $c:literal, $d:literal, $x:expr, $y:expr) => {
        $v[$a] = $v[$a] + $x + $v[$b];
        $v[$d] = rotate_right::<16>($v[$d] ^ $v[$a]);
        $v[$c] += $v[$d];
        $v[$b] = rotate_right::<12>($v[$b] ^ $v[$c]);
        $v[$a] = $v[$a] + $y + $v[$b];
        $v[$d] = rotate_right::<8>($v[$d] ^ $v[$a]);
        $v[$c] += $v[$d];
        $v[$b] = rotate_right::<7>($v[$b] ^ $v[$c]);
    };
}

/// One round, with the order in which it takes the words of the block. A macro, so that the order is known where the
/// words are loaded.
macro_rules! round {
    ($v:ident, $m:ident, [$($s:literal),*]) => {
        let s: [usize; BLOCK] = [$($s),*];
        mix!($v, 0, 4, 8, 12, $m[s[0]], $m[s[1]]);
        mix!($v, 1, 5, 9, 13, $m[s[2]], $m[s[3]]);
        mix!($v, 2, 6, 10, 14, $m[s[4]], $m[s[5]]);
        mix!($v, 3, 7, 11, 15, $m[s[6]], $m[s[7]]);
        mix!($v, 0, 5, 10, 15, $m[s[8]], $m[s[9]]);
        mix!($v, 1, 6, 11, 12, $m[s[10]], $m[s[11]]);
        mix!($v, 2, 7, 8, 13, $m[s[12]], $m[s[13]]);
        mix!($v, 3, 4, 9, 14, $m[s[14]], $m[s[15]]);
    };
}

/// Takes one block into every lane's state. `counted` is the number of input bytes so far, with those of this block;
/// the `last` block may be padded with zeros.
// Ten rounds are eight kilobytes of code: once is enough.
#[inline(never)]
pub(crate) fn compress(state: &mut [Packed; STATE], block: &[Packed; BLOCK], counted: u32, last: bool) {
    let flag = if last { u32::MAX } else { 0 };
    let low = [IV[0], IV[1], IV[2], IV[3], IV[4] ^ counted, IV[5], IV[6] ^ flag, IV[7]].map(Packed::splat);
    let mut v: [Packed; BLOCK] = std::array::from_fn(|i| if i < STATE { state[i] } else { low[i - STATE] });
    round!(v, block, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    round!(v, block, [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3]);
    round!(v, block, [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4]);
    round!(v, block, [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8]);
    round!(v, block, [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13]);
    round!(v, block, [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9]);
    round!(v, block, [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11]);
    round!(v, block, [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10]);
    round!(v, block, [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5]);
    round!(v, block, [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0]);
    for (i, word) in state.iter_mut().enumerate() {
        *word ^= v[i] ^ v[i + STATE];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{LANES, gather, lane};
    use crate::primitives::blake2s;

    #[test]
    fn every_lane_compresses_its_own_block() {
        let block = |lane: usize| -> [u32; BLOCK] { std::array::from_fn(|i| (lane * 1000 + i * 77) as u32) };
        let mut state = start();
        compress(&mut state, &gather(block), BLOCK_BYTES, true);
        for index in 0..LANES {
            let bytes: Vec<u8> = block(index).iter().flat_map(|word| word.to_le_bytes()).collect();
            let found: Vec<u8> = lane(&state, index).iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(found, blake2s(&bytes), "lane {index}");
        }
    }

    #[test]
    fn any_length_hashes_like_another_implementation() {
        use blake2::{Blake2s256, Digest as _};
        for len in (0..200).chain([704, 1000]) {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 31 + 7) as u8).collect();
            assert_eq!(blake2s(&bytes)[..], Blake2s256::digest(&bytes)[..], "{len} bytes");
        }
    }
}
