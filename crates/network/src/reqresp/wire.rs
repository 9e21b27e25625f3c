//! Reading and writing payloads on a stream, with a limit on bytes and on patience.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::codec::decode_varint;
use crate::error::Error;
use crate::snappy::{FRAME_HEADER_LEN, FrameScanner, check_len, decompress_scanned};

/// Bytes of the longest varint that can be a legal length: 10 MiB needs four.
const MAX_LENGTH_PREFIX: usize = 5;

/// Why a payload could not be read or written.
#[derive(Debug)]
pub enum StreamError {
    /// The stream ended in the middle of something.
    Cut,
    /// The stream failed.
    Io(io::Error),
    /// The peer took too long.
    Elapsed,
    /// The bytes break a rule.
    Malformed(Error),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the stream ended early"),
            Self::Io(error) => write!(f, "the stream failed: {error}"),
            Self::Elapsed => f.write_str("the peer took too long"),
            Self::Malformed(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(error) }
    }
}

impl From<Error> for StreamError {
    fn from(error: Error) -> Self {
        Self::Malformed(error)
    }
}

/// The time that an exchange may still spend waiting for its peer.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
}

impl Patience {
    pub(super) fn new(total: Duration) -> Self {
        Self { left: total }
    }

    /// Waits for `work`, and takes the time that it needed off the budget.
    pub(super) async fn spend<T, E>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StreamError>
    where
        StreamError: From<E>,
    {
        let started = Instant::now();
        let outcome = tokio::time::timeout(self.left, work).await;
        self.left = self.left.saturating_sub(started.elapsed());
        Ok(outcome.map_err(|_| StreamError::Elapsed)??)
    }
}

/// Reads `varint || framed snappy` of at most `limit` uncompressed bytes, and not one byte more.
pub async fn read_payload(
    reader: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<Vec<u8>, StreamError> {
    let claimed = read_length(reader).await?;
    check_len(claimed, limit)?;
    let len = claimed as usize;
    let mut scanner = FrameScanner::new(len);
    let mut frames = Vec::new();
    while !scanner.is_done() {
        let mut header = [0; FRAME_HEADER_LEN];
        reader.read_exact(&mut header).await?;
        let body_len = scanner.header(header)?;
        frames.extend(header);
        let start = frames.len();
        // The scanner bounds a chunk, so a lying header costs at most one chunk of memory.
        frames.resize(start + body_len, 0);
        reader.read_exact(&mut frames[start..]).await?;
        scanner.body(&frames[start..])?;
    }
    Ok(decompress_scanned(&frames, len)?)
}

/// Reads one byte, or `None` at the end of the stream.
pub(super) async fn read_byte(reader: &mut (impl AsyncRead + Unpin)) -> Result<Option<u8>, StreamError> {
    let mut byte = [0];
    Ok((reader.read(&mut byte).await? == 1).then_some(byte[0]))
}

/// Writes and flushes.
pub(super) async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), StreamError> {
    writer.write_all(bytes).await?;
    Ok(writer.flush().await?)
}

async fn read_length(reader: &mut (impl AsyncRead + Unpin)) -> Result<u64, StreamError> {
    let mut prefix = Vec::with_capacity(MAX_LENGTH_PREFIX);
    while prefix.len() < MAX_LENGTH_PREFIX {
        let byte = read_byte(reader).await?.ok_or(StreamError::Cut)?;
        prefix.push(byte);
        if byte < 0x80 {
            return Ok(decode_varint(&prefix)?.0);
        }
    }
    Err(Error::Codec("length prefix is too long").into())
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;
    use crate::reqresp::codec::{encode_request, encode_varint};
    use crate::snappy::MAX_PAYLOAD_SIZE;

    fn read(bytes: &[u8], limit: usize) -> (Result<Vec<u8>, String>, usize) {
        let mut cursor = Cursor::new(bytes);
        let outcome = block_on(read_payload(&mut cursor, limit)).map_err(|error| format!("{error:?}"));
        (outcome, cursor.position() as usize)
    }

    #[test]
    fn payloads_are_read_to_their_last_byte_and_no_further() {
        for len in [0, 1, 65_536, 65_537, 300_000] {
            let data = vec![3; len];
            let mut wire = encode_request(&data).unwrap();
            let end = wire.len();
            wire.extend(b"next chunk");
            assert_eq!(read(&wire, MAX_PAYLOAD_SIZE), (Ok(data), end));
        }
    }

    #[test]
    fn every_cut_is_an_error() {
        let wire = encode_request(&[9; 1000]).unwrap();
        for at in 0..wire.len() {
            assert_eq!(read(&wire[..at], 1000).0, Err("Cut".to_owned()), "{at}");
        }
    }

    #[test]
    fn lies_are_refused_before_their_bytes_are_read() {
        let lying = [encode_varint(u64::from(u32::MAX)), vec![0; 100]].concat();
        let (outcome, read_to) = read(&lying, MAX_PAYLOAD_SIZE);
        assert!(outcome.unwrap_err().contains("TooLarge"));
        assert_eq!(read_to, 5);
        assert!(read(&[0xff; 64], MAX_PAYLOAD_SIZE).0.unwrap_err().contains("length prefix is too long"));
        // A chunk that decompresses to more than the prefix claims.
        let bomb = [encode_varint(10), encode_request(&[0; 6000]).unwrap()[2..].to_vec()].concat();
        assert!(read(&bomb, MAX_PAYLOAD_SIZE).0.unwrap_err().contains("TooLarge"));
    }
}
