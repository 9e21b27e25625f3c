//! Statements, keys and proofs of this project, in the terms of the worker protocol.

use std::collections::BTreeSet;

use lathe_aggregation::{
    AggregationError, Component, ComponentSize, Evidence, KeyRole, MAX_COMPONENTS, Message, Registry,
    Statement, participants_of,
};
use lathe_aggregation_abi as protocol;
use lathe_types::{
    AggregationBits, MultiMessageAggregate, Participation, ProofBytes, Signature, SingleMessageAggregate,
    ValidatorIndex,
};

/// Children whose signers are not all in another one. A child costs as much as many signatures.
pub(crate) fn widest<'a>(children: &[&'a SingleMessageAggregate]) -> Vec<&'a SingleMessageAggregate> {
    let is_within = |inner: &AggregationBits, outer: &AggregationBits| {
        inner.indices().all(|index| outer.get(index.0 as usize).unwrap_or(false))
    };
    let mut kept: Vec<&SingleMessageAggregate> = Vec::with_capacity(children.len());
    for &child in children {
        if kept.iter().any(|other| is_within(&child.participants, &other.participants)) {
            continue;
        }
        kept.retain(|other| !is_within(&other.participants, &child.participants));
        kept.push(child);
    }
    kept
}

/// Everybody whom the children cover.
pub(crate) fn covered(
    children: &[&SingleMessageAggregate],
    registry: &Registry,
) -> Result<BTreeSet<ValidatorIndex>, AggregationError> {
    let mut covered = BTreeSet::new();
    for child in children {
        covered.extend(participants_of(&child.participants, registry)?);
    }
    Ok(covered)
}

/// The signatures of everybody else.
pub(crate) fn uncovered<'a>(
    raw: &'a [(ValidatorIndex, Signature)],
    covered: &BTreeSet<ValidatorIndex>,
    registry: &Registry,
) -> Result<Vec<&'a (ValidatorIndex, Signature)>, AggregationError> {
    if raw.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(AggregationError::UnorderedSignatures);
    }
    if let Some((outside, _)) = raw.iter().find(|(index, _)| !index.is_within_registry(registry.len() as u64))
    {
        let registry = registry.len();
        return Err(AggregationError::SignerOutsideRegistry { index: outside.0, registry });
    }
    Ok(raw.iter().filter(|(index, _)| !covered.contains(index)).collect())
}

/// What a proof has to show, and its bytes.
pub(crate) fn claims(
    registry: &Registry,
    statements: &[Statement],
    proof: &MultiMessageAggregate,
) -> Result<(Vec<protocol::Statement>, Vec<u8>), AggregationError> {
    let found = statements.len();
    if found == 0 || found > MAX_COMPONENTS {
        return Err(AggregationError::WrongComponentCount { expected: MAX_COMPONENTS, found });
    }
    let claims = statements.iter().map(|shown| {
        let participants = participants_of(&shown.participants, registry)?;
        statement(registry, shown.role, participants, shown.message)
    });
    Ok((claims.collect::<Result<_, _>>()?, bytes_of(&proof.proof)?))
}

pub(crate) fn size_of(component: &Component<'_>) -> ComponentSize {
    match component.evidence {
        Evidence::Proof(_) => ComponentSize::Proof,
        Evidence::Signatures(held) => ComponentSize::Signatures(held.len()),
    }
}

/// A component whose signatures are not folded.
pub(crate) fn as_it_is(
    registry: &Registry,
    component: &Component<'_>,
) -> Result<protocol::Component, AggregationError> {
    let (role, message) = (component.role, component.message);
    Ok(match component.evidence {
        Evidence::Proof(proof) => {
            protocol::Component { evidence: evidence(registry, role, proof, message)?, is_signatures: false }
        }
        Evidence::Signatures(held) => {
            let statement = statement(registry, role, held.iter().map(|(index, _)| *index), message)?;
            let bytes = held.iter().flat_map(|(_, signature)| signature.as_bytes()).copied().collect();
            protocol::Component { evidence: protocol::Evidence { statement, bytes }, is_signatures: true }
        }
    })
}

pub(crate) fn evidence(
    registry: &Registry,
    role: KeyRole,
    aggregate: &SingleMessageAggregate,
    message: Message,
) -> Result<protocol::Evidence, AggregationError> {
    let participants = participants_of(&aggregate.participants, registry)?;
    let statement = statement(registry, role, participants, message)?;
    Ok(protocol::Evidence { statement, bytes: bytes_of(&aggregate.proof)? })
}

/// A proof has bytes; no library has to think about one that has none.
pub(crate) fn bytes_of(proof: &ProofBytes) -> Result<Vec<u8>, AggregationError> {
    if proof.is_empty() { Err(AggregationError::Truncated) } else { Ok(proof.to_vec()) }
}

pub(crate) fn statement(
    registry: &Registry,
    role: KeyRole,
    participants: impl IntoIterator<Item = ValidatorIndex>,
    message: Message,
) -> Result<protocol::Statement, AggregationError> {
    let mut public_keys = Vec::new();
    for index in participants {
        let validator = registry
            .get(index.0 as usize)
            .ok_or(AggregationError::SignerOutsideRegistry { index: index.0, registry: registry.len() })?;
        let key = match role {
            KeyRole::Attestation => validator.attestation_public_key,
            KeyRole::Proposal => validator.proposal_public_key,
        };
        public_keys.extend_from_slice(key.as_bytes());
    }
    Ok(protocol::Statement { message: message.root.0, slot: message.slot.0, public_keys })
}
