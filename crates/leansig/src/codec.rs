//! Canonical limbs to bytes and back.

use crate::error::Error;
use crate::field::{Element, from_limb, limb, zeros};

/// Bytes of a limb.
pub(crate) const LIMB: usize = 4;

/// A cursor over bytes of known origin; every read checks that there is enough left.
pub(crate) struct Reader<'a> {
    what: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte; `what` names the thing in errors.
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, at: 0 }
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            let expected = self.at.saturating_add(count);
            return Err(Error::Length { what: self.what, expected, found: self.bytes.len() });
        };
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    /// The next `N` bytes, where they are: a secret is not to be copied more often than need be.
    pub(crate) fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let what = self.what;
        let part = self.take(N)?;
        part.first_chunk().ok_or(Error::Length { what, expected: N, found: part.len() })
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.chunk().copied()
    }

    /// A little-endian integer of two bytes.
    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    /// A little-endian integer of four bytes.
    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// A little-endian integer of eight bytes.
    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// An SSZ offset that may only have one value.
    pub(crate) fn offset(&mut self, expected: usize) -> Result<(), Error> {
        let found = self.u32()? as usize;
        if found == expected { Ok(()) } else { Err(Error::Offset { what: self.what, expected, found }) }
    }

    /// `N` canonical limbs.
    pub(crate) fn elements<const N: usize>(&mut self) -> Result<[Element; N], Error> {
        let what = self.what;
        let bytes = self.take(LIMB * N)?;
        let mut elements = zeros::<N>();
        for (element, limb) in elements.iter_mut().zip(bytes.as_chunks::<LIMB>().0) {
            *element = from_limb(u32::from_le_bytes(*limb)).ok_or(Error::NonCanonical { what })?;
        }
        Ok(elements)
    }

    /// `count` rows of `N` canonical limbs. The bytes are known to be there before anything is allocated.
    pub(crate) fn rows<const N: usize>(&mut self, count: usize) -> Result<Vec<[Element; N]>, Error> {
        let what = self.what;
        let mut rows = Reader::new(what, self.take(count.saturating_mul(LIMB * N))?);
        (0..count).map(|_| rows.elements()).collect()
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Fails if there are bytes left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.left() == 0 {
            return Ok(());
        }
        Err(Error::Length { what: self.what, expected: self.at, found: self.bytes.len() })
    }
}

/// Appends the limbs of elements.
pub(crate) fn put(out: &mut Vec<u8>, elements: &[Element]) {
    for element in elements {
        out.extend_from_slice(&limb(*element).to_le_bytes());
    }
}

/// Appends an SSZ offset.
pub(crate) fn put_offset(out: &mut Vec<u8>, offset: usize) {
    out.extend_from_slice(&(offset as u32).to_le_bytes());
}
