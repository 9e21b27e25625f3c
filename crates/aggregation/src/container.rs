//! The composite container: how parts over one message, and messages of one block, share a byte list.
//!
//! ```text
//! proof     = version (1) | layout (1: 1 single, 2 multi, 3 shared) | body
//! single    = parts
//! multi     = component count (1) | parts, once per component: attestations in body order, then the proposer
//! shared    = flat count (1) | flat ... | multi
//! parts     = part count (1) | part ...
//! part      = kind (1) | content
//! 1 raw     = signers | signature count (2) | signature ...      (signatures in the order of the signers)
//! 2 stark   = signers | stark                                    (one STARK over these signers)
//! 3 flat    = flat | position (1)
//! 4 share   = index of a flat (1) | position (1)                 (in the shared layout only)
//! flat      = group count (1) | group ... | stark                (one STARK over the signers of all groups)
//! group     = root (32) | slot (8) | signers
//! stark     = length (4) | bytes
//! ```
//! A flat proof is over the votes of several data. It carries the statement that it holds for, so that the part of it
//! that is about one message, the one at `position`, can be checked without the block that it came in. A block in which
//! several components use the same flat proof holds it once.
//!
//! Messages, slots and keys of the other parts are not in the bytes; they come from whoever asks. Decoding is strict:
//! whatever this module accepts, it can only have been meant in one way, and what was meant has one encoding. Nobody
//! can cut or order the parts of a proof anew: proofs stand before signatures, the largest first, each of them adds
//! somebody, and signatures are in one part.

use std::sync::Arc;

use lathe_types::{Decode, MAX_ATTESTATIONS_DATA, ProofBytes, Root, Signature, SignatureShape, Slot};

use crate::backend::Message;
use crate::error::AggregationError;
use crate::part::{Flat, FlatPart, Part, RawPart, StarkPart, VoteGroup, check_canonical};
use crate::reader::Reader;
use crate::signers;

/// Version of the embedded format.
pub const FORMAT_VERSION: u8 = 1;
/// Parts that one message may have, and flat proofs that one block may share. One raw part always suffices and each
/// proof system adds a few; more only serves to make many encodings of one statement.
pub const MAX_PARTS: usize = 8;
/// Components of a multi-message proof: every attestation of a block and the proposer. A flat proof over more could be
/// in no block either.
pub const MAX_COMPONENTS: usize = MAX_ATTESTATIONS_DATA + 1;

const LAYOUT_SINGLE: u8 = 1;
const LAYOUT_MULTI: u8 = 2;
const LAYOUT_SHARED: u8 = 3;
/// Signers with their signatures.
const PART_RAW: u8 = 1;
/// A STARK over the signatures of its signers.
const PART_STARK: u8 = 2;
/// A flat proof, of which one component counts.
const PART_ORIGIN: u8 = 3;
/// The same, of a flat proof that stands before the components.
const PART_SHARE: u8 = 4;

/// Bytes before the parts of a single-message proof.
pub(crate) const SINGLE_HEADER_LEN: usize = 2;
/// Bytes before the components of a multi-message proof that shares nothing.
pub(crate) const MULTI_HEADER_LEN: usize = 3;
/// Bytes of a component with one raw part, without its signers and signatures.
pub(crate) const RAW_COMPONENT_LEN: usize = 1 + 1 + signers::HEADER_LEN + 2;

/// How a single-message proof begins that has nothing but one raw part.
pub(crate) const ONE_RAW_PART: [u8; 4] = [FORMAT_VERSION, LAYOUT_SINGLE, 1, PART_RAW];
/// Bytes at most by which a flat proof takes more in a block, shared, than in a single-message proof.
pub(crate) const SHARES_LEN: usize = 3 * MAX_COMPONENTS;

/// Whether the bytes of a proof are of another proof system than ours: they do not begin as any of this format do.
/// What does may still be nonsense. No bytes at all are of no system.
pub fn is_foreign(proof: &[u8]) -> bool {
    !matches!(proof, [] | [FORMAT_VERSION, LAYOUT_SINGLE..=LAYOUT_SHARED, ..])
}

/// What a container needs to know of its surroundings to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    /// Validators in the registry.
    pub(crate) registry: usize,
    /// The signature scheme.
    pub(crate) shape: SignatureShape,
    /// Whether the backend knows parts and layouts that hold a STARK.
    pub(crate) starks: bool,
}

/// Flat proofs that stand before the components of a block.
type Shared = [Arc<Flat>];

pub(crate) fn encode_single(parts: &[Part]) -> Vec<u8> {
    let mut out = vec![FORMAT_VERSION, LAYOUT_SINGLE];
    encode_parts(parts, &[], &mut out);
    out
}

pub(crate) fn encode_multi(components: &[Vec<Part>]) -> Vec<u8> {
    let shared = shared_flats(components);
    let mut out = vec![FORMAT_VERSION, if shared.is_empty() { LAYOUT_MULTI } else { LAYOUT_SHARED }];
    if !shared.is_empty() {
        out.push(shared.len() as u8);
        shared.iter().for_each(|flat| encode_flat(flat, &mut out));
    }
    out.push(components.len() as u8);
    components.iter().for_each(|parts| encode_parts(parts, &shared, &mut out));
    out
}

/// Flat proofs that are used more than once, in the order of their first use.
fn shared_flats(components: &[Vec<Part>]) -> Vec<Arc<Flat>> {
    let mut once: Vec<&Arc<Flat>> = Vec::new();
    let mut shared: Vec<Arc<Flat>> = Vec::new();
    for part in components.iter().flatten() {
        let Part::Flat(FlatPart { flat, .. }) = part else { continue };
        if !once.contains(&flat) {
            once.push(flat);
        } else if !shared.contains(flat) && shared.len() < MAX_PARTS {
            shared.push(flat.clone());
        }
    }
    shared
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
    match decode_layout(&mut reader)? {
        LAYOUT_SINGLE => {}
        found => return Err(AggregationError::WrongLayout { expected: LAYOUT_SINGLE, found }),
    }
    let parts = decode_parts(&mut reader, context, &[])?;
    reader.finish()?;
    Ok(parts)
}

pub(crate) fn decode_multi(
    bytes: &[u8],
    expected: usize,
    context: Context,
) -> Result<Vec<Vec<Part>>, AggregationError> {
    let mut reader = Reader::new(bytes);
    let shared = match decode_layout(&mut reader)? {
        LAYOUT_MULTI => Vec::new(),
        LAYOUT_SHARED if context.starks => decode_shared(&mut reader, context)?,
        found => return Err(AggregationError::WrongLayout { expected: LAYOUT_MULTI, found }),
    };
    let found = usize::from(reader.u8()?);
    if found != expected || found == 0 || found > MAX_COMPONENTS {
        return Err(AggregationError::WrongComponentCount { expected, found });
    }
    let components: Vec<Vec<Part>> =
        (0..found).map(|_| decode_parts(&mut reader, context, &shared)).collect::<Result<_, _>>()?;
    reader.finish()?;
    // What is not used twice needs no sharing; there is one encoding of everything.
    if shared_flats(&components) != shared {
        return Err(AggregationError::NonCanonicalShares);
    }
    Ok(components)
}

fn decode_layout(reader: &mut Reader<'_>) -> Result<u8, AggregationError> {
    match reader.u8()? {
        FORMAT_VERSION => reader.u8(),
        version => Err(AggregationError::UnknownVersion(version)),
    }
}

fn decode_shared(reader: &mut Reader<'_>, context: Context) -> Result<Vec<Arc<Flat>>, AggregationError> {
    match usize::from(reader.u8()?) {
        0 => Err(AggregationError::NonCanonicalShares),
        found if found > MAX_PARTS => Err(AggregationError::TooManyParts { found, max: MAX_PARTS }),
        count => (0..count).map(|_| decode_flat(reader, context)).collect(),
    }
}

fn encode_parts(parts: &[Part], shared: &Shared, out: &mut Vec<u8>) {
    out.push(parts.len() as u8);
    for part in parts {
        match part {
            Part::Raw(raw) => {
                out.push(PART_RAW);
                signers::encode(&part.signers(), out);
                out.extend_from_slice(&(raw.entries.len() as u16).to_le_bytes());
                raw.entries.iter().for_each(|(_, signature)| out.extend_from_slice(signature.as_bytes()));
            }
            Part::Stark(stark) => {
                out.push(PART_STARK);
                signers::encode(&stark.signers, out);
                encode_stark(&stark.proof, out);
            }
            Part::Flat(FlatPart { position, flat }) => {
                match shared.iter().position(|shared| shared == flat) {
                    Some(index) => out.extend_from_slice(&[PART_SHARE, index as u8]),
                    None => {
                        out.push(PART_ORIGIN);
                        encode_flat(flat, out);
                    }
                }
                out.push(*position as u8);
            }
        }
    }
}

fn encode_flat(flat: &Flat, out: &mut Vec<u8>) {
    out.push(flat.components.len() as u8);
    for component in &flat.components {
        out.extend_from_slice(component.message.root.as_slice());
        out.extend_from_slice(&component.message.slot.0.to_le_bytes());
        signers::encode(&component.signers, out);
    }
    encode_stark(&flat.proof, out);
}

fn encode_stark(proof: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(proof.len() as u32).to_le_bytes());
    out.extend_from_slice(proof);
}

fn decode_parts(
    reader: &mut Reader<'_>,
    context: Context,
    shared: &Shared,
) -> Result<Vec<Part>, AggregationError> {
    match usize::from(reader.u8()?) {
        0 => Err(AggregationError::NoParts),
        found if found > MAX_PARTS => Err(AggregationError::TooManyParts { found, max: MAX_PARTS }),
        count => {
            let parts: Vec<Part> =
                (0..count).map(|_| decode_part(reader, context, shared)).collect::<Result<_, _>>()?;
            check_canonical(&parts)?;
            Ok(parts)
        }
    }
}

fn decode_part(reader: &mut Reader<'_>, context: Context, shared: &Shared) -> Result<Part, AggregationError> {
    match reader.u8()? {
        PART_RAW => decode_raw(reader, context).map(Part::Raw),
        PART_STARK if context.starks => {
            let signers = signers::decode(reader, context.registry)?;
            Ok(Part::Stark(StarkPart { signers, proof: decode_stark(reader)? }))
        }
        PART_ORIGIN if context.starks => {
            let flat = decode_flat(reader, context)?;
            if shared.contains(&flat) {
                return Err(AggregationError::NonCanonicalShares);
            }
            decode_position(reader, flat)
        }
        PART_SHARE if !shared.is_empty() => {
            let flat = shared.get(usize::from(reader.u8()?)).ok_or(AggregationError::NonCanonicalShares)?;
            decode_position(reader, flat.clone())
        }
        kind => Err(AggregationError::UnknownPartKind(kind)),
    }
}

/// The component of a flat proof that counts, checked so that it can always be used as an index.
fn decode_position(reader: &mut Reader<'_>, flat: Arc<Flat>) -> Result<Part, AggregationError> {
    let position = usize::from(reader.u8()?);
    if position >= flat.components.len() {
        return Err(AggregationError::NoSuchComponent { position, components: flat.components.len() });
    }
    Ok(Part::Flat(FlatPart { position, flat }))
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

fn decode_flat(reader: &mut Reader<'_>, context: Context) -> Result<Arc<Flat>, AggregationError> {
    let found = usize::from(reader.u8()?);
    if found == 0 || found > MAX_COMPONENTS {
        return Err(AggregationError::WrongComponentCount { expected: MAX_COMPONENTS, found });
    }
    let components: Vec<VoteGroup> =
        (0..found).map(|_| decode_group(reader, context)).collect::<Result<_, _>>()?;
    // Or there would be two positions to choose from.
    let is_repeated =
        |at: usize| components[..at].iter().any(|other| other.message == components[at].message);
    if (1..found).any(is_repeated) {
        return Err(AggregationError::NonCanonicalShares);
    }
    Ok(Arc::new(Flat { components, proof: decode_stark(reader)? }))
}

fn decode_group(reader: &mut Reader<'_>, context: Context) -> Result<VoteGroup, AggregationError> {
    let root = Root::from_slice(reader.take(Root::len_bytes())?);
    let slot = Slot(reader.u64()?);
    let signers = signers::decode(reader, context.registry)?;
    Ok(VoteGroup { message: Message { root, slot }, signers })
}

fn decode_stark(reader: &mut Reader<'_>) -> Result<Vec<u8>, AggregationError> {
    let length = reader.u32()? as usize;
    Ok(reader.take(length)?.to_vec())
}
