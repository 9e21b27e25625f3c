//! The backend without a proof system: a proof is the signatures themselves.
//!
//! Up to some two hundred signatures this is smaller than any known proof and faster to make and to check; beyond that
//! it does not fit, and [`Backend::aggregate`] says so.

use std::time::Duration;

use lathe_types::{
    AggregationBits, KeyRole, MultiMessageAggregate, Participation, ProofBytes, PublicKey, Signature,
    SingleMessageAggregate, ValidatorIndex,
};
use rayon::prelude::*;

use crate::backend::{
    Backend, Cancellation, Capabilities, Component, Evidence, Message, Registry, Statement, participants_of,
    position_of,
};
use crate::budget::RawBudget;
use crate::container::{self, Context};
use crate::error::AggregationError;
use crate::part::{Entry, Part, RawPart};
use crate::verifier::{SignatureCheck, Verifier};

/// [`Backend::id`] of the raw backend.
pub const RAW_BACKEND_ID: &str = "raw";
/// Signatures handed to the verifier at once: enough to fill the lanes of a packed check, few enough to spread a small
/// aggregate over the cores.
const VERIFY_BATCH: usize = 16;
/// Copying one signature out of a proof and checking its encoding.
const COPY_COST: Duration = Duration::from_micros(2);

/// Carries raw signatures; checks them with `V`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawBackend<V> {
    pub(crate) verifier: V,
}

impl<V: Verifier> RawBackend<V> {
    /// A backend that checks signatures with `verifier`.
    pub fn new(verifier: V) -> Self {
        Self { verifier }
    }

    pub(crate) fn budget(&self) -> RawBudget {
        RawBudget::new(self.verifier.shape())
    }

    fn context(&self, registry: &Registry) -> Context {
        Context { registry: registry.len(), shape: self.verifier.shape(), starks: false }
    }

    /// The signatures of a single-message proof, with all structure checked.
    fn read_single(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
    ) -> Result<Vec<Entry>, AggregationError> {
        let participants = participants_of(&aggregate.participants, registry)?;
        let parts = container::decode_single(&aggregate.proof, self.context(registry))?;
        entries_covering(parts, &participants)
    }

    /// The signatures of a multi-message proof, component by component, with all structure checked.
    fn read_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<Vec<Vec<Entry>>, AggregationError> {
        let components = container::decode_multi(&proof.proof, statements.len(), self.context(registry))?;
        components
            .into_iter()
            .zip(statements)
            .map(|(parts, statement)| {
                entries_covering(parts, &participants_of(&statement.participants, registry)?)
            })
            .collect()
    }

    fn write_single(&self, entries: Vec<Entry>) -> Result<SingleMessageAggregate, AggregationError> {
        let (signatures, max) = (entries.len(), self.budget().single_signatures());
        if signatures > max {
            return Err(AggregationError::TooLarge { signatures, max });
        }
        let signers = entries.iter().map(|(signer, _)| ValidatorIndex(u64::from(*signer)));
        let participants = AggregationBits::from_indices(signers).ok_or(AggregationError::NoParticipants)?;
        let bytes = container::encode_single(&[Part::Raw(RawPart { entries })]);
        Ok(SingleMessageAggregate { participants, proof: container::proof_bytes(bytes, signatures, max)? })
    }

    /// Checks all signatures, spread over the cores; names the first that fails.
    pub(crate) fn check(&self, checks: &[(u16, SignatureCheck<'_>)]) -> Result<(), AggregationError> {
        checks.par_chunks(VERIFY_BATCH).try_for_each(|chunk| {
            let batch: Vec<SignatureCheck<'_>> = chunk.iter().map(|(_, check)| *check).collect();
            let verdicts = self.verifier.verify_batch(&batch);
            for (position, (signer, _)) in chunk.iter().enumerate() {
                // A verdict that is missing is not a yes.
                if verdicts.get(position) != Some(&true) {
                    return Err(AggregationError::InvalidSignature(u64::from(*signer)));
                }
            }
            Ok(())
        })
    }
}

impl<V: Verifier> Backend for RawBackend<V> {
    fn id(&self) -> &str {
        RAW_BACKEND_ID
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_single_signers: self.budget().single_signatures(),
            max_block_votes: self.budget().block_votes(),
            prove_beyond: None,
            trims: true,
            merges_freely: true,
        }
    }

    fn estimate(&self, n_raw: usize, children: usize) -> Duration {
        let most = children.saturating_mul(self.budget().single_signatures()).saturating_add(n_raw);
        COPY_COST.saturating_mul(u32::try_from(most).unwrap_or(u32::MAX))
    }

    fn aggregate(
        &self,
        registry: &Registry,
        children: &[&SingleMessageAggregate],
        raw: &[(ValidatorIndex, Signature)],
        _message: Message,
        cancellation: &Cancellation,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        let mut entries = Vec::new();
        for child in children {
            cancellation.check()?;
            entries.extend(self.read_single(registry, child)?);
        }
        entries.extend(held_signatures(raw, registry)?);
        // The sort is stable and children come first, so they win over raw signatures.
        entries.sort_by_key(|(signer, _)| *signer);
        entries.dedup_by_key(|(signer, _)| *signer);
        self.write_single(entries)
    }

    fn verify_single(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        message: Message,
    ) -> Result<(), AggregationError> {
        let entries = self.read_single(registry, aggregate)?;
        self.check(&checks(&entries, registry, message, KeyRole::Attestation)?)
    }

    fn merge(
        &self,
        registry: &Registry,
        components: &[Component<'_>],
        cancellation: &Cancellation,
    ) -> Result<MultiMessageAggregate, AggregationError> {
        if components.is_empty() || components.len() > container::MAX_COMPONENTS {
            let (expected, found) = (container::MAX_COMPONENTS, components.len());
            return Err(AggregationError::WrongComponentCount { expected, found });
        }
        let mut signatures = 0;
        let mut merged = Vec::with_capacity(components.len());
        for component in components {
            cancellation.check()?;
            let entries = match component.evidence {
                Evidence::Proof(proof) => self.read_single(registry, proof)?,
                Evidence::Signatures(held) => held_signatures(held, registry)?,
            };
            if entries.is_empty() {
                return Err(AggregationError::NoParticipants);
            }
            signatures += entries.len();
            merged.push(vec![Part::Raw(RawPart { entries })]);
        }
        let max = self.budget().block_votes() + 1;
        if signatures > max {
            return Err(AggregationError::TooLarge { signatures, max });
        }
        let proof: ProofBytes = container::proof_bytes(container::encode_multi(&merged), signatures, max)?;
        Ok(MultiMessageAggregate { proof })
    }

    fn verify_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<(), AggregationError> {
        let components = self.read_multi(registry, statements, proof)?;
        let mut all = Vec::new();
        for (entries, statement) in components.iter().zip(statements) {
            all.extend(checks(entries, registry, statement.message, statement.role)?);
        }
        self.check(&all)
    }

    fn split(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
        message: Message,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        let position = position_of(statements, message)?;
        let mut components = self.read_multi(registry, statements, proof)?;
        self.write_single(components.swap_remove(position))
    }

    fn trim(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        let mut entries = self.read_single(registry, aggregate)?;
        entries.retain(|(signer, _)| keep.get(usize::from(*signer)).unwrap_or(false));
        self.write_single(entries)
    }
}

/// All signatures of the parts, ascending, provided that they are pairwise disjoint and cover exactly `participants`.
fn entries_covering(
    parts: Vec<Part>,
    participants: &[ValidatorIndex],
) -> Result<Vec<Entry>, AggregationError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(participants.len());
    for part in parts {
        // A context without STARKs decodes no others.
        let Part::Raw(raw) = part else { return Err(AggregationError::InvalidProof) };
        entries.extend(raw.entries);
    }
    entries.sort_by_key(|(signer, _)| *signer);
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(AggregationError::OverlappingSigner(u64::from(pair[0].0)));
    }
    let covered = entries.iter().map(|(signer, _)| u64::from(*signer));
    if !covered.eq(participants.iter().map(|participant| participant.0)) {
        return Err(AggregationError::ParticipantsMismatch);
    }
    Ok(entries)
}

/// Our own signatures in the container's terms.
pub(crate) fn held_signatures(
    held: &[(ValidatorIndex, Signature)],
    registry: &Registry,
) -> Result<Vec<Entry>, AggregationError> {
    if held.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(AggregationError::UnorderedSignatures);
    }
    held.iter()
        .map(|(index, signature)| match u16::try_from(index.0) {
            Ok(signer) if usize::from(signer) < registry.len() => Ok((signer, signature.clone())),
            _ => Err(AggregationError::SignerOutsideRegistry { index: index.0, registry: registry.len() }),
        })
        .collect()
}

pub(crate) fn checks<'a>(
    entries: &'a [Entry],
    registry: &'a Registry,
    message: Message,
    role: KeyRole,
) -> Result<Vec<(u16, SignatureCheck<'a>)>, AggregationError> {
    entries
        .iter()
        .map(|(signer, signature)| {
            let public_key = public_key(registry, *signer, role)?;
            Ok((*signer, SignatureCheck { public_key, slot: message.slot, message: message.root, signature }))
        })
        .collect()
}

pub(crate) fn public_key(
    registry: &Registry,
    signer: u16,
    role: KeyRole,
) -> Result<&PublicKey, AggregationError> {
    let validator = registry.get(usize::from(signer)).ok_or(AggregationError::SignerOutsideRegistry {
        index: u64::from(signer),
        registry: registry.len(),
    })?;
    Ok(match role {
        KeyRole::Attestation => &validator.attestation_public_key,
        KeyRole::Proposal => &validator.proposal_public_key,
    })
}
