//! Cutting and joining runs of bits byte by byte.
//!
//! A state's bitlists reach hundreds of thousands of bits and have a fixed length once made, so resizing one bit at a
//! time would dominate a transition. Bits are little-endian within a byte, as in SSZ.

use lathe_types::{Decode, DecodeError};

/// `len` bits of `bytes` from bit `start` on, moved to bit 0. Bits beyond `bytes` read as zero.
pub(crate) fn slice(bytes: &[u8], start: usize, len: usize) -> Vec<u8> {
    let (first, shift) = (start / 8, start % 8);
    let byte = |index: usize| u16::from(bytes.get(index).copied().unwrap_or_default());
    let mut out: Vec<u8> = (first..first + len.div_ceil(8))
        .map(|index| ((byte(index) | byte(index + 1) << 8) >> shift).to_le_bytes()[0])
        .collect();
    clear_beyond(&mut out, len);
    out
}

fn clear_beyond(bytes: &mut [u8], len: usize) {
    if let (Some(last), used @ 1..) = (bytes.last_mut(), len % 8) {
        *last &= (1 << used) - 1;
    }
}

/// Joins runs of bits into one bitlist.
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    len: usize,
}

impl BitWriter {
    /// A writer with room for `bits`.
    pub(crate) fn with_capacity(bits: usize) -> Self {
        Self { bytes: Vec::with_capacity(bits / 8 + 1), len: 0 }
    }

    /// Appends the first `count` bits of `bits`, whose higher bits are zero.
    pub(crate) fn extend(&mut self, bits: &[u8], count: usize) {
        let shift = self.len % 8;
        for byte in bits {
            if shift == 0 {
                self.bytes.push(*byte);
            } else {
                if let Some(last) = self.bytes.last_mut() {
                    *last |= byte << shift;
                }
                self.bytes.push(byte >> (8 - shift));
            }
        }
        self.len += count;
        self.bytes.truncate(self.len.div_ceil(8));
    }

    /// The bitlist; fails if it is longer than its type allows.
    pub(crate) fn finish<L: Decode>(mut self) -> Result<L, DecodeError> {
        // SSZ marks the end of a bitlist with one bit more.
        self.extend(&[1], 1);
        L::from_ssz_bytes(&self.bytes)
    }
}

/// The bitlist of `len` bits that starts at bit `start` of `bytes`, with zeros where `bytes` end early.
pub(crate) fn window<L: Decode>(bytes: &[u8], start: usize, len: usize) -> Result<L, DecodeError> {
    let mut writer = BitWriter::with_capacity(len);
    writer.extend(&slice(bytes, start, len), len);
    writer.finish()
}
