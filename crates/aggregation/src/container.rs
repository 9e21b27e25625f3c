//! The composite container: how parts over one message, and messages of one block, share a byte list.
//!
//! ```text
//! proof     = version (1) | layout (1: 1 single, 2 multi) | body
//! single    = parts
//! multi     = component count (1) | parts, once per component: attestations in body order, then the proposer
//! parts     = part count (1) | part ...
//! part      = kind (1) | content
//! raw part  = signers | signature count (2) | signature ...      (signatures in the order of the signers)
//! ```
//! Messages, slots and keys are not in the bytes; they come from whoever asks. Decoding is strict: whatever this module
//! accepts, it can only have been meant in one way.

use lathe_types::{Decode, MAX_ATTESTATIONS_DATA, ProofBytes, Signature, SignatureShape};

use crate::error::AggregationError;
use crate::signers;

/// Version of the embedded format.
pub const FORMAT_VERSION: u8 = 1;
/// Parts that one message may have. One raw part always suffices and each proof system adds a few; more only serves to
/// make many encodings of one statement.
pub const MAX_PARTS: usize = 8;
/// Components of a multi-message proof: every attestation of a block and the proposer.
pub const MAX_COMPONENTS: usize = MAX_ATTESTATIONS_DATA + 1;

const LAYOUT_SINGLE: u8 = 1;
const LAYOUT_MULTI: u8 = 2;
/// Signers with their signatures. Kinds 2 (a STARK over signatures) and 3 (a whole multi-message proof with its
/// statements) are set aside.
const PART_RAW: u8 = 1;

/// Bytes before the parts of a single-message proof.
pub(crate) const SINGLE_HEADER_LEN: usize = 2;
/// Bytes before the components of a multi-message proof.
pub(crate) const MULTI_HEADER_LEN: usize = 3;
/// Bytes of a component with one raw part, without its signers and signatures.
pub(crate) const RAW_COMPONENT_LEN: usize = 1 + 1 + signers::HEADER_LEN + 2;

/// One piece of evidence about one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Raw(RawPart),
}

/// Signers, strictly ascending and not empty, with their signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawPart {
    pub(crate) entries: Vec<(u16, Signature)>,
}

/// What a container needs to know of its surroundings to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    /// Validators in the registry.
    pub(crate) registry: usize,
    /// The signature scheme.
    pub(crate) shape: SignatureShape,
}

pub(crate) fn encode_single(parts: &[Part]) -> Vec<u8> {
    let mut out = vec![FORMAT_VERSION, LAYOUT_SINGLE];
    encode_parts(parts, &mut out);
    out
}

pub(crate) fn encode_multi(components: &[Vec<Part>]) -> Vec<u8> {
    let mut out = vec![FORMAT_VERSION, LAYOUT_MULTI, components.len() as u8];
    components.iter().for_each(|parts| encode_parts(parts, &mut out));
    out
}

/// Wraps encoded bytes; fails if they exceed the limit of the type.
pub(crate) fn proof_bytes(
    bytes: Vec<u8>,
    signatures: usize,
    max: usize,
) -> Result<ProofBytes, AggregationError> {
    ProofBytes::new(bytes).map_err(|_| AggregationError::TooLarge { signatures, max })
}

pub(crate) fn decode_single(bytes: &[u8], context: Context) -> Result<Vec<Part>, AggregationError> {
    let mut reader = Reader::new(bytes);
    expect_layout(&mut reader, LAYOUT_SINGLE)?;
    let parts = decode_parts(&mut reader, context)?;
    reader.finish()?;
    Ok(parts)
}

pub(crate) fn decode_multi(
    bytes: &[u8],
    expected: usize,
    context: Context,
) -> Result<Vec<Vec<Part>>, AggregationError> {
    let mut reader = Reader::new(bytes);
    expect_layout(&mut reader, LAYOUT_MULTI)?;
    let found = usize::from(reader.u8()?);
    if found != expected || found == 0 || found > MAX_COMPONENTS {
        return Err(AggregationError::WrongComponentCount { expected, found });
    }
    let components = (0..found).map(|_| decode_parts(&mut reader, context)).collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(components)
}

fn expect_layout(reader: &mut Reader<'_>, expected: u8) -> Result<(), AggregationError> {
    match reader.u8()? {
        FORMAT_VERSION => {}
        version => return Err(AggregationError::UnknownVersion(version)),
    }
    match reader.u8()? {
        found if found == expected => Ok(()),
        found => Err(AggregationError::WrongLayout { expected, found }),
    }
}

fn encode_parts(parts: &[Part], out: &mut Vec<u8>) {
    out.push(parts.len() as u8);
    for part in parts {
        match part {
            Part::Raw(raw) => {
                out.push(PART_RAW);
                let signers: Vec<u16> = raw.entries.iter().map(|(signer, _)| *signer).collect();
                signers::encode(&signers, out);
                out.extend_from_slice(&(signers.len() as u16).to_le_bytes());
                raw.entries.iter().for_each(|(_, signature)| out.extend_from_slice(signature.as_bytes()));
            }
        }
    }
}

fn decode_parts(reader: &mut Reader<'_>, context: Context) -> Result<Vec<Part>, AggregationError> {
    match usize::from(reader.u8()?) {
        0 => Err(AggregationError::NoParts),
        found if found > MAX_PARTS => Err(AggregationError::TooManyParts { found, max: MAX_PARTS }),
        count => (0..count).map(|_| decode_part(reader, context)).collect(),
    }
}

fn decode_part(reader: &mut Reader<'_>, context: Context) -> Result<Part, AggregationError> {
    match reader.u8()? {
        PART_RAW => decode_raw(reader, context).map(Part::Raw),
        kind => Err(AggregationError::UnknownPartKind(kind)),
    }
}

fn decode_raw(reader: &mut Reader<'_>, context: Context) -> Result<RawPart, AggregationError> {
    let signers = signers::decode(reader, context.registry)?;
    let signatures = usize::from(reader.u16()?);
    if signatures != signers.len() {
        return Err(AggregationError::SignatureCountMismatch { signers: signers.len(), signatures });
    }
    let length = context.shape.encoded_len();
    // Taken at once, so that nothing is allocated for signatures that are not there.
    let bytes = reader.take(signatures * length)?;
    let entries = signers
        .into_iter()
        .zip(bytes.chunks_exact(length))
        .map(|(signer, bytes)| match Signature::from_ssz_bytes(bytes) {
            Ok(signature) => Ok((signer, signature)),
            Err(_) => Err(AggregationError::MalformedSignature(u64::from(signer))),
        })
        .collect::<Result<_, _>>()?;
    Ok(RawPart { entries })
}

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

    pub(crate) fn u8(&mut self) -> Result<u8, AggregationError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, AggregationError> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn finish(self) -> Result<(), AggregationError> {
        match self.0.len() {
            0 => Ok(()),
            trailing => Err(AggregationError::TrailingBytes(trailing)),
        }
    }
}
