//! Snappy with bounds: raw blocks for gossip, the framing format for requests and responses.
//!
//! Nothing is allocated before the claimed length is known to be within the limit, and a stream that produces more
//! than it claimed is refused.

use std::io::{Read as _, Write as _};

use crate::error::Error;

/// The longest payload on the wire, uncompressed: 10 MiB.
pub const MAX_PAYLOAD_SIZE: usize = 10 * 1024 * 1024;

/// The chunk that opens every framed stream.
const STREAM_IDENTIFIER: &[u8; 10] = b"\xff\x06\x00\x00sNaPpY";
/// Bytes of a chunk header: type and 24-bit length.
pub(crate) const FRAME_HEADER_LEN: usize = 4;
/// Checksum in front of a data chunk.
const CHECKSUM_LEN: usize = 4;
/// Uncompressed bytes that a data chunk holds at most.
const MAX_CHUNK_LEN: usize = 65_536;
/// Room for padding chunks, which we never send but have to skip.
const PADDING_ALLOWANCE: usize = 1024;

const COMPRESSED: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x01;
const IDENTIFIER: u8 = 0xff;

/// Compresses a gossip payload into one raw block.
pub fn compress_block(data: &[u8]) -> Result<Vec<u8>, Error> {
    check_len(data.len() as u64, MAX_PAYLOAD_SIZE)?;
    snap::raw::Encoder::new().compress_vec(data).map_err(|_| Error::Codec("payload does not compress"))
}

/// Decompresses a raw block of at most `limit` uncompressed bytes.
pub fn decompress_block(data: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    decompress_block_after(&[], data, limit)
}

/// The length that a raw block claims to decompress to, if it claims any.
pub(crate) fn claimed_len(data: &[u8]) -> Option<usize> {
    snap::raw::decompress_len(data).ok()
}

/// Decompresses a raw block behind a prefix, without copying it there.
pub(crate) fn decompress_block_after(prefix: &[u8], data: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let claimed = snap::raw::decompress_len(data).map_err(|_| Error::Codec("no snappy length"))?;
    check_len(claimed as u64, limit)?;
    let mut out = vec![0; prefix.len() + claimed];
    out[..prefix.len()].copy_from_slice(prefix);
    let written = snap::raw::Decoder::new()
        .decompress(data, &mut out[prefix.len()..])
        .map_err(|_| Error::Codec("corrupt snappy block"))?;
    out.truncate(prefix.len() + written);
    Ok(out)
}

/// Compresses `data` in the framing format, stream identifier included even if `data` is empty.
pub fn compress_frames(data: &[u8]) -> Result<Vec<u8>, Error> {
    if data.is_empty() {
        return Ok(STREAM_IDENTIFIER.to_vec());
    }
    let mut encoder = snap::write::FrameEncoder::new(Vec::with_capacity(data.len() / 2 + 64));
    encoder.write_all(data).map_err(|_| Error::Codec("payload does not compress"))?;
    encoder.into_inner().map_err(|_| Error::Codec("payload does not compress"))
}

/// Decompresses a whole framed stream of at most `limit` uncompressed bytes.
pub fn decompress_frames(data: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let mut scanner = FrameScanner::unbounded(limit);
    let mut rest = data;
    while !rest.is_empty() {
        let (header, tail) = rest.split_first_chunk().ok_or(Error::Codec("cut inside a chunk header"))?;
        let body_len = scanner.header(*header)?;
        let (body, tail) = tail.split_at_checked(body_len).ok_or(Error::Codec("cut inside a chunk"))?;
        scanner.body(body)?;
        rest = tail;
    }
    if !scanner.identified {
        return Err(Error::Codec("no stream identifier"));
    }
    decompress_scanned(data, scanner.produced)
}

/// Decompresses frames that a [`FrameScanner`] accepted and found to hold `len` bytes; checks their checksums.
pub(crate) fn decompress_scanned(frames: &[u8], len: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(len);
    let mut decoder = snap::read::FrameDecoder::new(frames).take(len as u64 + 1);
    decoder.read_to_end(&mut out).map_err(|_| Error::Codec("corrupt snappy frame"))?;
    if out.len() == len { Ok(out) } else { Err(Error::Codec("frames hold another length than they claim")) }
}

/// Refuses a claimed length over `limit`.
pub(crate) fn check_len(claimed: u64, limit: usize) -> Result<(), Error> {
    if claimed > limit as u64 { Err(Error::TooLarge { claimed, limit }) } else { Ok(()) }
}

/// Finds the end of a framed stream, which the format itself does not mark: it is where `expected` uncompressed
/// bytes are reached. Sees only headers and length prefixes, so it costs nothing.
#[derive(Debug)]
pub(crate) struct FrameScanner {
    /// Uncompressed bytes to come, or the limit on them.
    expected: usize,
    /// Uncompressed bytes seen.
    produced: usize,
    /// Bytes on the wire that may still come.
    budget: usize,
    identified: bool,
    current: u8,
}

impl FrameScanner {
    /// A scanner that is done once exactly `expected` bytes were produced.
    pub(crate) fn new(expected: usize) -> Self {
        let chunks = expected.div_ceil(MAX_CHUNK_LEN);
        // A data chunk is stored uncompressed when that is shorter, but other encoders may not do so.
        let budget = STREAM_IDENTIFIER.len()
            + chunks * (FRAME_HEADER_LEN + CHECKSUM_LEN)
            + snap::raw::max_compress_len(expected).max(expected)
            + chunks * 32
            + PADDING_ALLOWANCE;
        Self { expected, produced: 0, budget, identified: false, current: 0 }
    }

    fn unbounded(limit: usize) -> Self {
        Self { budget: usize::MAX, ..Self::new(limit) }
    }

    /// Whether the stream is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.identified && self.produced == self.expected
    }

    /// Takes a chunk header and tells how long the chunk's body is.
    pub(crate) fn header(&mut self, header: [u8; FRAME_HEADER_LEN]) -> Result<usize, Error> {
        let [kind, a, b, c] = header;
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        if !self.identified && header != STREAM_IDENTIFIER[..FRAME_HEADER_LEN] {
            return Err(Error::Codec("no stream identifier"));
        }
        let max = match kind {
            COMPRESSED => CHECKSUM_LEN + snap::raw::max_compress_len(MAX_CHUNK_LEN),
            UNCOMPRESSED => CHECKSUM_LEN + MAX_CHUNK_LEN,
            IDENTIFIER => STREAM_IDENTIFIER.len() - FRAME_HEADER_LEN,
            0x02..=0x7f => return Err(Error::Codec("unknown chunk that may not be skipped")),
            0x80..=0xfe => self.budget,
        };
        if len > max {
            return Err(Error::Codec("chunk is too long"));
        }
        self.budget = self
            .budget
            .checked_sub(FRAME_HEADER_LEN + len)
            .ok_or(Error::Codec("more bytes than the claimed length can need"))?;
        self.current = kind;
        Ok(len)
    }

    /// Takes the body whose header was given last.
    pub(crate) fn body(&mut self, body: &[u8]) -> Result<(), Error> {
        let produced = match self.current {
            COMPRESSED => {
                let block = body.get(CHECKSUM_LEN..).ok_or(Error::Codec("chunk without checksum"))?;
                snap::raw::decompress_len(block).map_err(|_| Error::Codec("no snappy length"))?
            }
            UNCOMPRESSED => {
                body.len().checked_sub(CHECKSUM_LEN).ok_or(Error::Codec("chunk without checksum"))?
            }
            IDENTIFIER if body != &STREAM_IDENTIFIER[FRAME_HEADER_LEN..] => {
                return Err(Error::Codec("no stream identifier"));
            }
            IDENTIFIER => {
                self.identified = true;
                0
            }
            _ => 0,
        };
        if produced > MAX_CHUNK_LEN {
            return Err(Error::Codec("chunk holds more than 64 KiB"));
        }
        self.produced += produced;
        check_len(self.produced as u64, self.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(len)
        .collect()
    }

    #[test]
    fn blocks_and_frames_round_trip() {
        for len in [0, 1, 100, MAX_CHUNK_LEN, MAX_CHUNK_LEN + 1, 1_000_000, MAX_PAYLOAD_SIZE] {
            for data in [vec![7; len], noise(len)] {
                let block = compress_block(&data).unwrap();
                assert_eq!(decompress_block(&block, MAX_PAYLOAD_SIZE).unwrap(), data);
                let frames = compress_frames(&data).unwrap();
                assert_eq!(decompress_frames(&frames, MAX_PAYLOAD_SIZE).unwrap(), data);
            }
        }
    }

    #[test]
    fn the_limit_is_exact_and_checked_on_the_claim() {
        let block = compress_block(&[0; 100]).unwrap();
        assert!(decompress_block(&block, 100).is_ok());
        assert_eq!(decompress_block(&block, 99), Err(Error::TooLarge { claimed: 100, limit: 99 }));
        // Claims 4 GiB - 1 and holds nothing.
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let refused = Error::TooLarge { claimed: u64::from(u32::MAX), limit: MAX_PAYLOAD_SIZE };
        assert_eq!(decompress_block(&bomb, MAX_PAYLOAD_SIZE), Err(refused));
        assert!(compress_block(&vec![0; MAX_PAYLOAD_SIZE + 1]).is_err());
        let frames = compress_frames(&[0; 100]).unwrap();
        assert_eq!(decompress_frames(&frames, 99), Err(Error::TooLarge { claimed: 100, limit: 99 }));
    }

    #[test]
    fn corrupt_frames_are_errors() {
        let good = compress_frames(&noise(100)).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(decompress_frames(&bad, MAX_PAYLOAD_SIZE).is_err(), "flipped at {at}");
            // The one cut that leaves a stream is after the identifier.
            assert_eq!(
                decompress_frames(&good[..at], MAX_PAYLOAD_SIZE).is_ok(),
                at == STREAM_IDENTIFIER.len()
            );
        }
    }

    #[test]
    fn the_scanner_finds_the_end_and_bounds_padding() {
        let frames = compress_frames(&noise(100)).unwrap();
        let mut scanner = FrameScanner::new(100);
        assert_eq!(scanner.header(frames[..4].try_into().unwrap()), Ok(6));
        scanner.body(&frames[4..10]).unwrap();
        assert!(!scanner.is_done());
        assert_eq!(scanner.header(frames[10..14].try_into().unwrap()), Ok(104));
        scanner.body(&frames[14..]).unwrap();
        assert!(scanner.is_done());

        let mut scanner = FrameScanner::new(0);
        scanner.header(*b"\xff\x06\x00\x00").unwrap();
        scanner.body(b"sNaPpY").unwrap();
        assert!(scanner.is_done());
        let padding =
            std::iter::repeat_with(|| scanner.header([0xfe, 0xff, 0, 0])).take_while(Result::is_ok).count();
        assert!(padding <= 4, "{padding} padding chunks were accepted");
    }
}
