//! The statements that votes and blocks make, in the words of the specification.

use lathe_types::{
    AggregationBits, AttestationData, Block, KeyRole, MultiMessageAggregate, Participation, Rejection,
    RejectionReason, Root, Signature, SignedAggregatedAttestation, SignedBlock, SingleMessageAggregate,
    TreeHash, ValidatorIndex,
};

use crate::backend::{Backend, Cancellation, Component, Evidence, Message, Registry, Statement};
use crate::error::AggregationError;

/// What a block's proof has to show: every attestation in body order, then the proposer over the block `root`.
pub fn block_statements(block: &Block, root: Root, registry: &Registry) -> Result<Vec<Statement>, Rejection> {
    let validators = registry.len() as u64;
    let mut statements = Vec::with_capacity(block.body.attestations.len() + 1);
    for attestation in &block.body.attestations {
        let bits = &attestation.aggregation_bits;
        let Some(highest) = bits.indices().last() else {
            let detail = "an attestation of the block has no voters";
            return Err(Rejection::new(RejectionReason::EmptyAggregationBits, detail));
        };
        if !highest.is_within_registry(validators) {
            let detail = format!("voter {highest} is outside the registry of {validators}");
            return Err(Rejection::new(RejectionReason::ValidatorIndexOutOfRange, detail));
        }
        statements.push(Statement {
            message: vote_message(&attestation.data),
            role: KeyRole::Attestation,
            participants: bits.clone(),
        });
    }
    let proposer = Some(block.proposer_index).filter(|index| index.is_within_registry(validators));
    let participants =
        proposer.and_then(|index| AggregationBits::from_indices([index])).ok_or_else(|| {
            let detail = format!("proposer {} is outside the registry of {validators}", block.proposer_index);
            Rejection::new(RejectionReason::ProposerIndexOutOfRange, detail)
        })?;
    statements.push(Statement {
        message: Message { root, slot: block.slot },
        role: KeyRole::Proposal,
        participants,
    });
    Ok(statements)
}

/// What was found out about a proof.
pub type Verdict = Result<(), Rejection>;

/// `verify_signatures` of the specification: whether the block's proof holds for the block. Fails if the backend could
/// not tell.
pub fn verify_block(
    backend: &dyn Backend,
    registry: &Registry,
    block: &SignedBlock,
) -> Result<Verdict, AggregationError> {
    let statements = match block_statements(&block.block, block.block.tree_hash_root(), registry) {
        Ok(statements) => statements,
        Err(rejection) => return Ok(Err(rejection)),
    };
    verdict(backend.verify_multi(registry, &statements, &block.proof), RejectionReason::InvalidBlockProof)
}

/// Whether the proof of an aggregated vote holds for its data. Fails if the backend could not tell.
pub fn verify_vote(
    backend: &dyn Backend,
    registry: &Registry,
    vote: &SignedAggregatedAttestation,
) -> Result<Verdict, AggregationError> {
    let outcome = backend.verify_single(registry, &vote.proof, vote_message(&vote.data));
    verdict(outcome, RejectionReason::InvalidSignature)
}

fn verdict(
    outcome: Result<(), AggregationError>,
    reason: RejectionReason,
) -> Result<Verdict, AggregationError> {
    match outcome {
        Err(error) if error.is_verdict() => Ok(Err(Rejection::new(reason, error.to_string()))),
        Err(error) => Err(error),
        Ok(()) => Ok(Ok(())),
    }
}

/// Merges what shows a block's attestations, in body order, and the proposer's signature over its `root`.
pub fn seal_block(
    backend: &dyn Backend,
    registry: &Registry,
    (block, root): (&Block, Root),
    votes: &[Evidence<'_>],
    signature: &Signature,
    cancellation: &Cancellation,
) -> Result<MultiMessageAggregate, AggregationError> {
    let attestations = &block.body.attestations;
    if attestations.len() != votes.len() {
        let (expected, found) = (attestations.len(), votes.len());
        return Err(AggregationError::WrongComponentCount { expected, found });
    }
    let mut components = Vec::with_capacity(votes.len() + 1);
    for (attestation, evidence) in attestations.iter().zip(votes) {
        let claimed = attestation.aggregation_bits.indices();
        let is_shown = match evidence {
            Evidence::Proof(proof) => claimed.eq(proof.participants.indices()),
            Evidence::Signatures(held) => claimed.eq(held.iter().map(|(voter, _)| *voter)),
        };
        if !is_shown {
            return Err(AggregationError::ParticipantsMismatch);
        }
        components.push(Component {
            message: vote_message(&attestation.data),
            role: KeyRole::Attestation,
            evidence: *evidence,
        });
    }
    let proposer: [(ValidatorIndex, Signature); 1] = [(block.proposer_index, signature.clone())];
    components.push(Component {
        message: Message { root, slot: block.slot },
        role: KeyRole::Proposal,
        evidence: Evidence::Signatures(&proposer),
    });
    backend.merge(registry, &components, cancellation)
}

/// Takes the `wanted` votes out of the proof of a verified block. Votes that the block does not carry are left out.
pub fn split_votes(
    backend: &dyn Backend,
    registry: &Registry,
    block: &SignedBlock,
    wanted: &[AttestationData],
) -> Result<Vec<(AttestationData, SingleMessageAggregate)>, AggregationError> {
    // The proposer's message is never asked for, so its root is not worth computing.
    let statements = block_statements(&block.block, Root::ZERO, registry)
        .map_err(|_| AggregationError::ParticipantsMismatch)?;
    let mut votes = Vec::with_capacity(wanted.len());
    for data in wanted {
        match backend.split(registry, &statements, &block.proof, vote_message(data)) {
            Ok(proof) => votes.push((*data, proof)),
            Err(AggregationError::UnknownMessage) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(votes)
}

fn vote_message(data: &AttestationData) -> Message {
    Message { root: data.tree_hash_root(), slot: data.slot }
}
