//! The backend that proves signatures in a STARK when a block has no room for them as they are.
//!
//! Up to some two hundred signatures raw bytes are smaller than any proof and cost nothing to make, so this backend
//! writes what [`RawBackend`] writes, and reads more: beside raw signatures a message may have proofs. Folding, merging
//! and splitting only move parts about. Proofs are made by [`Prover::prove`] alone, ahead of the block that needs them.

mod cost;
mod plan;
mod prover;
mod statement;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use lathe_types::{
    AggregationBits, KeyRole, MAX_PROOF_BYTES, MultiMessageAggregate, Participation, SingleMessageAggregate,
    ValidatorIndex,
};

use crate::backend::{
    Backend, Cancellation, Capabilities, Component, Evidence, Message, ProofKind, Prover, Registry, Room,
    Statement, participants_of, position_of,
};
use crate::container::{self, Context, MAX_PARTS};
use crate::error::AggregationError;
use crate::part::{Flat, Origin, Part, beside, check_parts, separate, uncovered};
use crate::raw::{RawBackend, checks, held_signatures};
use crate::verifier::{Leansig, Verifier};
use cost::Cost;

/// [`Backend::id`] of this backend.
pub const STARK_BACKEND_ID: &str = "stark";

/// Raw signatures while they fit, STARKs when they do not. Only for the production scheme, which the tables are of.
#[derive(Debug)]
pub struct StarkBackend {
    raw: RawBackend<Leansig>,
    /// Bytes that a block's proof may have before proofs take the place of signatures.
    max_raw_bytes: usize,
    cost: Cost,
}

impl Default for StarkBackend {
    fn default() -> Self {
        Self::new(MAX_PROOF_BYTES)
    }
}

impl StarkBackend {
    /// A backend that wants proofs in blocks whose proof would take more than `max_raw_bytes` with signatures alone,
    /// and in all that would be larger than a proof may be.
    pub fn new(max_raw_bytes: usize) -> Self {
        Self { raw: RawBackend::default(), max_raw_bytes, cost: Cost::default() }
    }

    fn context(&self, registry: &Registry) -> Context {
        Context { registry: registry.len(), shape: self.raw.verifier.shape(), starks: true }
    }

    /// Votes that a block should carry raw at most.
    fn raw_votes(&self) -> usize {
        self.raw.budget().block_votes_in(self.max_raw_bytes)
    }

    /// A single-message proof, with all structure checked.
    fn read_single(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        message: Message,
    ) -> Result<Vec<Part>, AggregationError> {
        let participants = participants_of(&aggregate.participants, registry)?;
        let parts = container::decode_single(&aggregate.proof, self.context(registry))?;
        check_parts(&parts, &participants, message, KeyRole::Attestation)?;
        Ok(parts)
    }

    /// A multi-message proof, with all structure checked.
    fn read_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<Vec<Vec<Part>>, AggregationError> {
        let components = container::decode_multi(&proof.proof, statements.len(), self.context(registry))?;
        for (parts, statement) in components.iter().zip(statements) {
            let participants = participants_of(&statement.participants, registry)?;
            check_parts(parts, &participants, statement.message, statement.role)?;
        }
        Ok(components)
    }

    /// Whether the parts hold. A flat proof that several of them use is checked once.
    fn verify_parts<'a>(
        &self,
        registry: &Registry,
        parts: impl IntoIterator<Item = (&'a Part, Message, KeyRole)>,
    ) -> Result<(), AggregationError> {
        let mut verified: HashSet<*const Flat> = HashSet::new();
        for (part, message, role) in parts {
            match part {
                Part::Raw(raw) => self.raw.check(&checks(&raw.entries, registry, message, role)?)?,
                Part::Stark(stark) => {
                    let origin = Origin { message, signers: stark.signers.clone() };
                    statement::verify(registry, &[origin], role, &stark.proof)?;
                }
                Part::Origin(origin) => {
                    if verified.insert(Arc::as_ptr(&origin.flat)) {
                        let Flat { components, proof } = &*origin.flat;
                        statement::verify(registry, components, KeyRole::Attestation, proof)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn write_single(&self, parts: &[Part]) -> Result<SingleMessageAggregate, AggregationError> {
        let mut signers: Vec<u16> = parts.iter().flat_map(Part::signers).collect();
        signers.sort_unstable();
        signers.dedup();
        let indices = signers.iter().map(|signer| ValidatorIndex(u64::from(*signer)));
        let participants = AggregationBits::from_indices(indices).ok_or(AggregationError::NoParticipants)?;
        let max = self.raw.budget().single_signatures();
        let proof = container::proof_bytes(container::encode_single(parts), signers.len(), max)?;
        Ok(SingleMessageAggregate { participants, proof })
    }
}

impl Backend for StarkBackend {
    fn id(&self) -> &str {
        STARK_BACKEND_ID
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { prove_beyond: Some(self.raw_votes()), ..self.raw.capabilities() }
    }

    fn prover(&self) -> Option<&dyn Prover> {
        Some(self)
    }

    fn room(&self, aggregate: &SingleMessageAggregate) -> Room {
        // The usual case, known without reading on: one part, and that is raw.
        if aggregate.proof.starts_with(&container::ONE_RAW_PART) {
            return Room::PerSigner;
        }
        let context = Context { registry: usize::MAX, shape: self.raw.verifier.shape(), starks: true };
        // What does not decode was not verified either, and there is no way to take anything out of it.
        let parts = container::decode_single(&aggregate.proof, context).unwrap_or_default();
        if !parts.is_empty() && parts.iter().all(Part::is_raw) {
            return Room::PerSigner;
        }
        let mut content = DefaultHasher::new();
        match parts.as_slice() {
            [Part::Origin(origin)] => origin.flat.proof.hash(&mut content),
            _ => aggregate.proof[..].hash(&mut content),
        }
        Room::Whole {
            content: content.finish(),
            votes: self.raw.budget().votes_for(aggregate.proof.len() + container::SHARES_LEN),
        }
    }

    fn kind(&self, registry: &Registry, components: usize, proof: &MultiMessageAggregate) -> ProofKind {
        let mut components =
            container::decode_multi(&proof.proof, components, self.context(registry)).unwrap_or_default();
        // The proposer's signature says nothing about the votes.
        components.pop();
        let is_raw = |parts: &Part| parts.is_raw();
        match (components.iter().flatten().any(is_raw), components.iter().flatten().all(is_raw)) {
            (_, true) => ProofKind::Raw,
            (true, false) => ProofKind::Mixed,
            (false, false) => ProofKind::Stark,
        }
    }

    fn estimate(&self, n_raw: usize, children: usize) -> Duration {
        self.raw.estimate(n_raw, children)
    }

    fn aggregate(
        &self,
        registry: &Registry,
        children: &[&SingleMessageAggregate],
        raw: &[(ValidatorIndex, lathe_types::Signature)],
        message: Message,
        cancellation: &Cancellation,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        let mut parts = Vec::new();
        for child in children {
            cancellation.check()?;
            parts.extend(self.read_single(registry, child, message)?);
        }
        let parts = beside(parts, held_signatures(raw, registry)?);
        let (mut proofs, entries) = separate(parts);
        loop {
            let parts = beside(proofs.clone(), uncovered(&entries, &proofs));
            let fits = parts.len() <= MAX_PARTS && container::encode_single(&parts).len() <= MAX_PROOF_BYTES;
            // What does not fit together does without the proofs that cover the fewest; they are aggregates already.
            if fits || proofs.pop().is_none() {
                return self.write_single(&parts);
            }
        }
    }

    fn verify_single(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        message: Message,
    ) -> Result<(), AggregationError> {
        let parts = self.read_single(registry, aggregate, message)?;
        self.verify_parts(registry, parts.iter().map(|part| (part, message, KeyRole::Attestation)))
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
            let parts = match component.evidence {
                Evidence::Proof(proof) => self.read_single(registry, proof, component.message)?,
                Evidence::Signatures(held) => beside(Vec::new(), held_signatures(held, registry)?),
            };
            if parts.is_empty() {
                return Err(AggregationError::NoParticipants);
            }
            signatures += parts.iter().map(|part| part.signers().len()).sum::<usize>();
            merged.push(parts);
        }
        let max = self.raw.budget().block_votes() + 1;
        let proof = container::proof_bytes(container::encode_multi(&merged), signatures, max)?;
        Ok(MultiMessageAggregate { proof })
    }

    fn verify_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<(), AggregationError> {
        let components = self.read_multi(registry, statements, proof)?;
        let parts = components.iter().zip(statements).flat_map(|(parts, statement)| {
            parts.iter().map(|part| (part, statement.message, statement.role))
        });
        self.verify_parts(registry, parts)
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
        self.write_single(&components.swap_remove(position))
    }

    fn trim(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        participants_of(&aggregate.participants, registry)?;
        let kept = |signer: &u16| keep.get(usize::from(*signer)).unwrap_or(false);
        let mut parts = container::decode_single(&aggregate.proof, self.context(registry))?;
        let mut lost = false;
        parts.retain_mut(|part| {
            if let Part::Raw(raw) = part {
                raw.entries.retain(|(signer, _)| kept(signer));
                return !raw.entries.is_empty();
            }
            // A proof is kept whole or not at all.
            let signers = part.signers();
            let whole = signers.iter().all(kept);
            lost |= !whole && signers.iter().any(kept);
            whole
        });
        if lost {
            return Err(AggregationError::Unsupported("take some of the signers out of a proof"));
        }
        self.write_single(&parts)
    }
}
