//! Sets of signers inside a proof, in the shorter of two encodings.
//!
//! A bitfield costs up to 512 bytes however few bits it has, and a block holds nine of them; the list form keeps the
//! cost at two bytes per signer, which is what lets a block hold the promised number of votes at any registry size.
//! Exactly one encoding of a set is valid.
//!
//! | form | then |
//! |---|---|
//! | 0, bits | `u16` byte count, bits least significant first; the last byte is not zero |
//! | 1, list | `u16` signer count, one `u16` per signer, strictly ascending |
//!
//! The list is used when it is strictly shorter. All integers are little-endian.

use lathe_types::VALIDATOR_REGISTRY_LIMIT;

use crate::error::AggregationError;
use crate::reader::Reader;

const FORM_BITS: u8 = 0;
const FORM_LIST: u8 = 1;
/// Bytes before the bits or the list.
pub(crate) const HEADER_LEN: usize = 3;
/// Bytes per signer in the list form, the most that a signer can cost.
pub(crate) const LIST_ENTRY_LEN: usize = 2;

/// Appends `signers`, which are strictly ascending, below the registry limit and not empty.
pub(crate) fn encode(signers: &[u16], out: &mut Vec<u8>) {
    let byte_len = bits_len(signers);
    if list_is_shorter(signers.len(), byte_len) {
        out.push(FORM_LIST);
        out.extend_from_slice(&(signers.len() as u16).to_le_bytes());
        signers.iter().for_each(|signer| out.extend_from_slice(&signer.to_le_bytes()));
        return;
    }
    out.push(FORM_BITS);
    out.extend_from_slice(&(byte_len as u16).to_le_bytes());
    let start = out.len();
    out.resize(start + byte_len, 0);
    for signer in signers {
        out[start + usize::from(signer / 8)] |= 1 << (signer % 8);
    }
}

/// Reads a set; the result is strictly ascending, within `registry` and not empty.
pub(crate) fn decode(reader: &mut Reader<'_>, registry: usize) -> Result<Vec<u16>, AggregationError> {
    let form = reader.u8()?;
    let count = usize::from(reader.u16()?);
    if count == 0 {
        return Err(AggregationError::EmptyPart);
    }
    let signers = match form {
        FORM_BITS => decode_bits(reader.take(count)?)?,
        FORM_LIST => decode_list(reader.take(count * LIST_ENTRY_LEN)?)?,
        _ => return Err(AggregationError::NonCanonicalSigners("unknown form")),
    };
    let limit = registry.min(VALIDATOR_REGISTRY_LIMIT as usize);
    if let Some(outside) = signers.iter().find(|signer| usize::from(**signer) >= limit) {
        return Err(AggregationError::SignerOutsideRegistry { index: u64::from(*outside), registry });
    }
    if list_is_shorter(signers.len(), bits_len(&signers)) != (form == FORM_LIST) {
        return Err(AggregationError::NonCanonicalSigners("not the shorter form"));
    }
    Ok(signers)
}

fn decode_bits(bytes: &[u8]) -> Result<Vec<u16>, AggregationError> {
    if bytes.len() > VALIDATOR_REGISTRY_LIMIT as usize / 8 {
        return Err(AggregationError::NonCanonicalSigners("more bits than validators can exist"));
    }
    if bytes.last() == Some(&0) {
        return Err(AggregationError::NonCanonicalSigners("last byte is zero"));
    }
    let is_set = |index: &u16| bytes[usize::from(index / 8)] >> (index % 8) & 1 == 1;
    Ok((0..bytes.len() as u16 * 8).filter(is_set).collect())
}

fn decode_list(bytes: &[u8]) -> Result<Vec<u16>, AggregationError> {
    let signers: Vec<u16> =
        bytes.chunks_exact(LIST_ENTRY_LEN).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    if signers.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(AggregationError::NonCanonicalSigners("list is not strictly ascending"));
    }
    Ok(signers)
}

fn bits_len(signers: &[u16]) -> usize {
    signers.last().map_or(0, |highest| usize::from(highest / 8) + 1)
}

fn list_is_shorter(count: usize, bits_len: usize) -> bool {
    count * LIST_ENTRY_LEN < bits_len
}
