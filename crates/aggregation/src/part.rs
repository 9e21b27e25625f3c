//! Pieces of evidence, and what a set of them has to be to stand for one message.

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
    Origin(OriginPart),
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
pub(crate) struct OriginPart {
    /// The component that counts; below the number of components.
    pub(crate) position: usize,
    pub(crate) flat: Arc<Flat>,
}

/// One proof over votes of several data, and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flat {
    pub(crate) components: Vec<Origin>,
    pub(crate) proof: Vec<u8>,
}

/// Votes that a flat proof is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) message: Message,
    /// Strictly ascending and not empty.
    pub(crate) signers: Vec<u16>,
}

impl OriginPart {
    /// The component that counts.
    pub(crate) fn component(&self) -> &Origin {
        &self.flat.components[self.position]
    }
}

impl Part {
    /// Whom the part covers, strictly ascending.
    pub(crate) fn signers(&self) -> Vec<u16> {
        match self {
            Self::Raw(raw) => raw.entries.iter().map(|(signer, _)| *signer).collect(),
            Self::Stark(stark) => stark.signers.clone(),
            Self::Origin(origin) => origin.component().signers.clone(),
        }
    }

    pub(crate) fn is_raw(&self) -> bool {
        matches!(self, Self::Raw(_))
    }
}

/// Whether the parts cover exactly the participants, raw signers once and apart from everybody else's, and are all
/// about that message.
pub(crate) fn check_parts(
    parts: &[Part],
    participants: &[ValidatorIndex],
    message: Message,
    role: KeyRole,
) -> Result<(), AggregationError> {
    let mut raw = Vec::new();
    let mut proved = Vec::new();
    for part in parts {
        // A block is signed when everything else about it is proved, so flat proofs are about votes.
        if let Part::Origin(origin) = part
            && (origin.component().message, KeyRole::Attestation) != (message, role)
        {
            return Err(AggregationError::ForeignPart);
        }
        if part.is_raw() { &mut raw } else { &mut proved }.extend(part.signers());
    }
    // Proofs may overlap: there is no way to take a signer out of one.
    proved.sort_unstable();
    proved.dedup();
    raw.extend(proved);
    raw.sort_unstable();
    if let Some(pair) = raw.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(AggregationError::OverlappingSigner(u64::from(pair[0])));
    }
    if !raw.iter().map(|signer| u64::from(*signer)).eq(participants.iter().map(|index| index.0)) {
        return Err(AggregationError::ParticipantsMismatch);
    }
    Ok(())
}

/// Takes parts of one message apart: the proofs that no other makes superfluous, the largest first, and all signatures,
/// ascending by signer and once.
pub(crate) fn separate(parts: Vec<Part>) -> (Vec<Part>, Vec<Entry>) {
    let mut entries = Vec::new();
    let mut proofs: Vec<Part> = Vec::new();
    for part in parts {
        match part {
            Part::Raw(raw) => entries.extend(raw.entries),
            proof => proofs.push(proof),
        }
    }
    // The largest first, so that whatever another part covers comes after it.
    proofs.sort_by_key(|proof| std::cmp::Reverse(proof.signers().len()));
    let mut kept: Vec<(Vec<u16>, Part)> = Vec::new();
    for proof in proofs {
        let signers = proof.signers();
        if !kept.iter().any(|(others, _)| signers.iter().all(|signer| others.binary_search(signer).is_ok())) {
            kept.push((signers, proof));
        }
    }
    // The sort is stable, so of several signatures of one signer the first wins.
    entries.sort_by_key(|(signer, _)| *signer);
    entries.dedup_by_key(|(signer, _)| *signer);
    (kept.into_iter().map(|(_, proof)| proof).collect(), entries)
}

/// Those of `entries` that none of the proofs covers.
pub(crate) fn uncovered(entries: &[Entry], proofs: &[Part]) -> Vec<Entry> {
    let covered: Vec<Vec<u16>> = proofs.iter().map(Part::signers).collect();
    let is_covered = |signer| covered.iter().any(|signers| signers.binary_search(signer).is_ok());
    entries.iter().filter(|(signer, _)| !is_covered(signer)).cloned().collect()
}

/// The parts for proofs and for signatures beside them.
pub(crate) fn beside(mut proofs: Vec<Part>, entries: Vec<Entry>) -> Vec<Part> {
    if !entries.is_empty() {
        proofs.push(Part::Raw(RawPart { entries }));
    }
    proofs
}
