//! Reading fields off bytes from outside.

use crate::error::AggregationError;

/// Reads little-endian fields off a slice.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], AggregationError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(AggregationError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AggregationError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(AggregationError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, AggregationError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, AggregationError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, AggregationError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, AggregationError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn finish(self) -> Result<(), AggregationError> {
        match self.0.len() {
            0 => Ok(()),
            trailing => Err(AggregationError::TrailingBytes(trailing)),
        }
    }
}
