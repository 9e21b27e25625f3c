//! Pieces of evidence, and what a set of them has to be to stand for one message.

use std::cmp::Reverse;
use std::sync::Arc;

use lathe_types::{KeyRole, Signature, ValidatorIndex};

use crate::backend::Message;
use crate::error::AggregationError;

/// A signer and its signature.
pub(crate) type Entry = (u16, Signature);

/// One piece of evidence about one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Raw(RawPart),
    Stark(StarkPart),
    Flat(FlatPart),
}

/// Signers, strictly ascending and not empty, with their signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawPart {
    pub(crate) entries: Vec<Entry>,
}

/// Signers, strictly ascending and not empty, with a proof that all of them signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StarkPart {
    pub(crate) signers: Vec<u16>,
    pub(crate) proof: Vec<u8>,
}

/// The part of a proof over several messages that is about one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlatPart {
    /// The component that counts; below the number of components.
    pub(crate) position: usize,
    pub(crate) flat: Arc<Flat>,
}

/// One proof over votes of several data, and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flat {
    pub(crate) components: Vec<VoteGroup>,
    pub(crate) proof: Vec<u8>,
}

/// Votes that a flat proof is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VoteGroup {
    pub(crate) message: Message,
    /// Strictly ascending and not empty.
    pub(crate) signers: Vec<u16>,
}

impl FlatPart {
    /// The component that counts.
    pub(crate) fn component(&self) -> &VoteGroup {
        &self.flat.components[self.position]
    }
}

impl Part {
    /// Whom the part covers, strictly ascending.
    pub(crate) fn signers(&self) -> Vec<u16> {
        match self {
            Self::Raw(raw) => raw.entries.iter().map(|(signer, _)| *signer).collect(),
            Self::Stark(stark) => stark.signers.clone(),
            Self::Flat(part) => part.component().signers.clone(),
        }
    }

    pub(crate) fn is_raw(&self) -> bool {
        matches!(self, Self::Raw(_))
    }
}

/// Whether parts stand in the one form that their set has: proofs first, those over the most signers before those over
/// fewer and otherwise by signers, none of which the others together make superfluous; then at most one raw part, whose
/// signers stand nowhere else. Proofs may overlap: there is no way to take a signer out of one.
pub(crate) fn check_canonical(parts: &[Part]) -> Result<(), AggregationError> {
    let refuse = |why| Err(AggregationError::NonCanonicalParts(why));
    let proofs = match parts.split_last() {
        Some((Part::Raw(_), proofs)) => proofs,
        _ => parts,
    };
    if proofs.iter().any(Part::is_raw) {
        return refuse("signatures are not in one part, after all proofs");
    }
    let signers: Vec<Vec<u16>> = proofs.iter().map(Part::signers).collect();
    if signers.windows(2).any(|pair| order(&pair[0]) > order(&pair[1])) {
        return refuse("proofs are not in order");
    }
    if (0..proofs.len()).any(|index| is_covered(&signers, index)) {
        return refuse("a proof covers nobody whom the others do not");
    }
    if let Some(Part::Raw(raw)) = parts.last()
        && let Some((twice, _)) = raw.entries.iter().find(|(signer, _)| covers(&signers, *signer))
    {
        return Err(AggregationError::OverlappingSigner(u64::from(*twice)));
    }
    Ok(())
}

/// Whether the parts cover exactly the participants.
pub(crate) fn check_cover(parts: &[Part], participants: &[ValidatorIndex]) -> Result<(), AggregationError> {
    let mut covered: Vec<u16> = parts.iter().flat_map(Part::signers).collect();
    covered.sort_unstable();
    covered.dedup();
    if !covered.iter().map(|signer| u64::from(*signer)).eq(participants.iter().map(|index| index.0)) {
        return Err(AggregationError::ParticipantsMismatch);
    }
    Ok(())
}

/// Whether the parts are about that message.
pub(crate) fn check_message(parts: &[Part], message: Message, role: KeyRole) -> Result<(), AggregationError> {
    // A block is signed when everything else about it is proved, so flat proofs are about votes. Other parts do not say
    // what they are about.
    let is_foreign = |part: &Part| match part {
        Part::Flat(part) => (part.component().message, KeyRole::Attestation) != (message, role),
        Part::Raw(_) | Part::Stark(_) => false,
    };
    if parts.iter().any(is_foreign) { Err(AggregationError::ForeignPart) } else { Ok(()) }
}

/// Takes parts of one message apart: proofs that make none of each other superfluous, in their order, and all
/// signatures, ascending by signer and once.
pub(crate) fn separate(parts: Vec<Part>) -> (Vec<Part>, Vec<Entry>) {
    let mut entries = Vec::new();
    let mut proofs: Vec<Part> = Vec::new();
    for part in parts {
        match part {
            Part::Raw(raw) => entries.extend(raw.entries),
            proof => proofs.push(proof),
        }
    }
    proofs.sort_by_cached_key(|proof| {
        let signers = proof.signers();
        (Reverse(signers.len()), signers)
    });
    let mut signers: Vec<Vec<u16>> = proofs.iter().map(Part::signers).collect();
    // The smallest go first.
    for index in (0..proofs.len()).rev() {
        if is_covered(&signers, index) {
            signers.remove(index);
            proofs.remove(index);
        }
    }
    // The sort is stable, so of several signatures of one signer the first wins.
    entries.sort_by_key(|(signer, _)| *signer);
    entries.dedup_by_key(|(signer, _)| *signer);
    (proofs, entries)
}

/// What proofs are ordered by.
fn order(signers: &[u16]) -> (Reverse<usize>, &[u16]) {
    (Reverse(signers.len()), signers)
}

/// Whether any of the proofs covers the signer.
fn covers(proofs: &[Vec<u16>], signer: u16) -> bool {
    proofs.iter().any(|signers| signers.binary_search(&signer).is_ok())
}

/// Whether the other proofs cover everybody whom this one covers.
fn is_covered(proofs: &[Vec<u16>], index: usize) -> bool {
    let (before, rest) = proofs.split_at(index);
    let Some((signers, after)) = rest.split_first() else { return false };
    signers.iter().all(|signer| covers(before, *signer) || covers(after, *signer))
}

/// Those of `entries` that none of the proofs covers.
pub(crate) fn uncovered(entries: &[Entry], proofs: &[Part]) -> Vec<Entry> {
    let proofs: Vec<Vec<u16>> = proofs.iter().map(Part::signers).collect();
    entries.iter().filter(|(signer, _)| !covers(&proofs, *signer)).cloned().collect()
}

/// The parts for proofs and for the signatures that no proof covers.
pub(crate) fn with_signatures(mut proofs: Vec<Part>, entries: Vec<Entry>) -> Vec<Part> {
    if !entries.is_empty() {
        proofs.push(Part::Raw(RawPart { entries }));
    }
    proofs
}
