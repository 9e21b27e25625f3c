//! The bytes of the worker protocol: numbers little-endian, byte strings and lists behind a 32-bit length.

use std::io::{self, Read, Write};

use crate::protocol::Message;

/// Bytes of a frame at most, without its length: a signature of each of 4,096 validators, and seventeen proofs with
/// their keys.
pub const MAX_FRAME_BYTES: usize = 24 << 20;

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The stream ended or failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A frame is longer than it may be.
    #[error("{length} bytes, at most {limit} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// The bytes end before the message does, or go on after it.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Takes bytes apart.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(CodecError::Malformed("the message ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| CodecError::Malformed("the message ends too early"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, CodecError> {
        let length = self.u32()? as usize;
        Ok(self.take(length)?.to_vec())
    }

    pub(crate) fn text(&mut self) -> Result<String, CodecError> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    /// A list; what it allocates is bounded by the bytes that are there.
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.u32()? as usize;
        // An item has at least one byte.
        if count > self.0.len() {
            return Err(CodecError::Malformed("a list is longer than its message"));
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// Bytes that are left.
    pub(crate) fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn end(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::Malformed("bytes follow the message")) }
    }
}

/// Puts bytes together.
#[derive(Default)]
pub struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(bytes.len() as u32).raw(bytes)
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.u32(items.len() as u32);
        items.iter().for_each(|it| item(self, it));
        self
    }
}

/// Sends one message as a frame.
pub fn write_frame<M: Message>(stream: &mut impl Write, id: u32, message: &M) -> io::Result<()> {
    let mut body = Writer::default();
    body.u32(id);
    message.write(&mut body);
    let mut frame = Vec::with_capacity(4 + body.0.len());
    frame.extend_from_slice(&(body.0.len() as u32).to_le_bytes());
    frame.extend_from_slice(&body.0);
    // In one piece, so that no reader sees half of it for long.
    stream.write_all(&frame)?;
    stream.flush()
}

/// Reads one frame of at most `limit` bytes: the number of the request, and the message.
pub fn read_frame<M: Message>(stream: &mut impl Read, limit: usize) -> Result<(u32, M), CodecError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > limit {
        return Err(CodecError::TooLong { length, limit });
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let mut reader = Reader::new(&body);
    let id = reader.u32()?;
    let message = M::read(&mut reader)?;
    reader.end()?;
    Ok((id, message))
}
