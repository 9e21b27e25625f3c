//! The backend of networks of our own: signatures as they are, and where the network knows them, STARKs in their place.
//!
//! Up to some two hundred signatures raw bytes are smaller than any proof and cost nothing to make. Beyond that they
//! do not fit, and without proofs [`Backend::aggregate`] says so. With proofs a message may have them beside its raw
//! signatures. Folding, merging and splitting only move parts about: proofs are made by [`Prover::prove`] alone,
//! ahead of the block that needs them.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use lathe_types::{
    AggregationBits, KeyRole, MAX_PROOF_BYTES, MultiMessageAggregate, Participation, PublicKey, Signature,
    SingleMessageAggregate, ValidatorIndex,
};
use rayon::prelude::*;

use crate::backend::{
    Backend, Cancellation, Capabilities, Component, Evidence, Message, ProofKind, Prover, Registry, Room,
    Statement, participants_of, position_of,
};
use crate::budget::RawBudget;
use crate::container::{self, Context, MAX_PARTS};
use crate::error::AggregationError;
use crate::part::{
    Entry, Flat, Part, VoteGroup, check_cover, check_message, separate, uncovered, with_signatures,
};
use crate::stark::{ProofSystem, Proofs, Stark, statement};
use crate::verifier::{Leansig, SignatureCheck, Verifier};

/// [`Backend::id`] without proofs.
pub const RAW_BACKEND_ID: &str = "raw";
/// [`Backend::id`] with proofs.
pub const STARK_BACKEND_ID: &str = "stark";
/// Signatures handed to the verifier at once: enough to fill the lanes of a packed check, few enough to spread a small
/// aggregate over the cores.
const VERIFY_BATCH: usize = 16;
/// Copying one signature out of a proof and checking its encoding.
const COPY_COST: Duration = Duration::from_micros(2);

/// Raw signatures, checked with `V`, and STARKs where they are wanted.
#[derive(Debug, Default)]
pub struct SignatureBackend<V = Leansig> {
    verifier: V,
    pub(crate) proofs: Option<Proofs>,
}

/// What [`SignatureBackend::new`] makes: it reads and writes no proofs.
pub type RawBackend<V = Leansig> = SignatureBackend<V>;

impl<V: Verifier> SignatureBackend<V> {
    /// A backend without proofs, that checks signatures with `verifier`.
    pub fn new(verifier: V) -> Self {
        Self { verifier, proofs: None }
    }

    /// A backend that checks signatures with `verifier` and has proofs by `system`. It wants them in blocks whose proof
    /// would take more than `max_raw_bytes` with signatures alone, and in all that would be larger than a proof may be.
    pub fn proving(verifier: V, system: Arc<dyn ProofSystem>, max_raw_bytes: usize) -> Self {
        Self { verifier, proofs: Some(Proofs::new(system, max_raw_bytes.min(MAX_PROOF_BYTES))) }
    }

    pub(crate) fn budget(&self) -> RawBudget {
        RawBudget::new(self.verifier.shape())
    }

    fn context(&self, registry: usize) -> Context {
        Context { registry, shape: self.verifier.shape(), starks: self.proofs.is_some() }
    }

    /// A single-message proof, with all structure checked.
    pub(crate) fn read_single(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        message: Message,
    ) -> Result<Vec<Part>, AggregationError> {
        let parts = self.read_covering(registry, aggregate)?;
        check_message(&parts, message, KeyRole::Attestation)?;
        Ok(parts)
    }

    /// The same, whatever the message is.
    fn read_covering(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
    ) -> Result<Vec<Part>, AggregationError> {
        let participants = participants_of(&aggregate.participants, registry)?;
        let parts = container::decode_single(&aggregate.proof, self.context(registry.len()))?;
        check_cover(&parts, &participants)?;
        Ok(parts)
    }

    /// A multi-message proof, with all structure checked.
    fn read_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<Vec<Vec<Part>>, AggregationError> {
        let context = self.context(registry.len());
        let components = container::decode_multi(&proof.proof, statements.len(), context)?;
        for (parts, statement) in components.iter().zip(statements) {
            check_cover(parts, &participants_of(&statement.participants, registry)?)?;
            check_message(parts, statement.message, statement.role)?;
        }
        Ok(components)
    }

    pub(crate) fn write_single(&self, parts: &[Part]) -> Result<SingleMessageAggregate, AggregationError> {
        let mut signers: Vec<u16> = parts.iter().flat_map(Part::signers).collect();
        signers.sort_unstable();
        signers.dedup();
        let indices = signers.iter().map(|signer| ValidatorIndex(u64::from(*signer)));
        let participants = AggregationBits::from_indices(indices).ok_or(AggregationError::NoParticipants)?;
        let max = self.budget().single_signatures();
        let proof = container::proof_bytes(container::encode_single(parts), signers.len(), max)?;
        Ok(SingleMessageAggregate { participants, proof })
    }

    /// Whether the parts hold: all signatures first, then the proofs. A flat proof that several parts use is checked
    /// once.
    fn verify_parts<'a>(
        &self,
        registry: &Registry,
        parts: impl IntoIterator<Item = (&'a Part, Message, KeyRole)>,
    ) -> Result<(), AggregationError> {
        let mut checks = Vec::new();
        let mut proofs = Vec::new();
        for (part, message, role) in parts {
            match part {
                Part::Raw(raw) => {
                    for (signer, signature) in &raw.entries {
                        let public_key = public_key(registry, *signer, role)?;
                        let (slot, message) = (message.slot, message.root);
                        checks.push((*signer, SignatureCheck { public_key, slot, message, signature }));
                    }
                }
                proof => proofs.push((proof, message, role)),
            }
        }
        self.check(&checks)?;
        let system = match &self.proofs {
            Some(known) => &*known.system,
            None if proofs.is_empty() => return Ok(()),
            None => return Err(AggregationError::InvalidProof),
        };
        let mut verified: HashSet<*const Flat> = HashSet::new();
        for (part, message, role) in proofs {
            match part {
                Part::Raw(_) => {}
                Part::Stark(stark) => {
                    let group = VoteGroup { message, signers: stark.signers.clone() };
                    statement::verify(system, registry, &[group], role, &stark.proof)?;
                }
                Part::Flat(part) => {
                    if verified.insert(Arc::as_ptr(&part.flat)) {
                        let Flat { components, proof } = &*part.flat;
                        statement::verify(system, registry, components, KeyRole::Attestation, proof)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks all signatures, spread over the cores; names the first that fails.
    fn check(&self, checks: &[(u16, SignatureCheck<'_>)]) -> Result<(), AggregationError> {
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

impl SignatureBackend<Leansig> {
    /// [`Self::proving`] with the production scheme and its STARK.
    pub fn with_proofs(max_raw_bytes: usize) -> Self {
        Self::proving(Leansig::default(), Arc::new(Stark), max_raw_bytes)
    }
}

impl<V: Verifier> Backend for SignatureBackend<V> {
    fn id(&self) -> &str {
        if self.proofs.is_some() { STARK_BACKEND_ID } else { RAW_BACKEND_ID }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_single_signers: self.budget().single_signatures(),
            max_block_votes: self.budget().block_votes(),
            prove_beyond: self.proofs.as_ref().map(|proofs| proofs.raw_votes(self.budget())),
            trims: true,
            merges_freely: true,
            merges_signatures: false,
            provers: usize::MAX,
            splits: true,
        }
    }

    fn prover(&self) -> Option<&dyn Prover> {
        self.proofs.as_ref().map(|_| self as &dyn Prover)
    }

    fn room(&self, aggregate: &SingleMessageAggregate) -> Room {
        // The usual case, known without reading on: one part, and that is raw.
        if self.proofs.is_none() || aggregate.proof.starts_with(&container::ONE_RAW_PART) {
            return Room::PerSigner;
        }
        // What does not decode was not verified either, and there is no way to take anything out of it.
        let parts = container::decode_single(&aggregate.proof, self.context(usize::MAX)).unwrap_or_default();
        let mut content = DefaultHasher::new();
        match parts.as_slice() {
            [Part::Flat(part)] => part.flat.proof.hash(&mut content),
            _ => aggregate.proof[..].hash(&mut content),
        }
        Room::Whole {
            content: content.finish(),
            votes: self.budget().votes_for(aggregate.proof.len() + container::SHARES_LEN),
        }
    }

    fn kind(&self, registry: &Registry, components: usize, proof: &MultiMessageAggregate) -> ProofKind {
        let context = self.context(registry.len());
        let mut components = container::decode_multi(&proof.proof, components, context).unwrap_or_default();
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
        let most = children.saturating_mul(self.budget().single_signatures()).saturating_add(n_raw);
        COPY_COST.saturating_mul(u32::try_from(most).unwrap_or(u32::MAX))
    }

    fn aggregate(
        &self,
        registry: &Registry,
        children: &[&SingleMessageAggregate],
        raw: &[(ValidatorIndex, Signature)],
        message: Message,
        cancellation: &Cancellation,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        let mut parts = Vec::new();
        for child in children {
            cancellation.check()?;
            parts.extend(self.read_single(registry, child, message)?);
        }
        let (mut proofs, entries) = separate(with_signatures(parts, held_signatures(raw, registry)?));
        loop {
            let parts = with_signatures(proofs.clone(), uncovered(&entries, &proofs));
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
                Evidence::Signatures(held) => with_signatures(Vec::new(), held_signatures(held, registry)?),
            };
            if parts.is_empty() {
                return Err(AggregationError::NoParticipants);
            }
            signatures += parts.iter().map(|part| part.signers().len()).sum::<usize>();
            merged.push(parts);
        }
        let max = self.budget().block_votes() + 1;
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
        let kept = |signer: &u16| keep.get(usize::from(*signer)).unwrap_or(false);
        let mut parts = self.read_covering(registry, aggregate)?;
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

/// Our own signatures in the container's terms.
fn held_signatures(
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
