//! The workers of a simulated node: the same work as in a real one, with the simulator's cryptography.

use std::sync::Arc;

use lathe_engine::{
    AggregateRequest, Input, JobFailure, JobId, PrepareRequest, PreparedBlock, ProveRequest, SignatureCheck,
    VerifyAnswer, VerifyRequest,
};
use lathe_forkchoice::{BlockInputs, ProofWork, build_block};
use lathe_types::{
    AggregationBits, AttestationData, Rejection, Signature, SignedBlock, SingleMessageAggregate, State,
};

use crate::crypto;

pub(crate) fn verify(job: JobId, request: &VerifyRequest) -> Input {
    let answer = match request {
        VerifyRequest::Attestations(checks) => {
            let verify = |check: &SignatureCheck| {
                crypto::verify(&check.public_key, check.slot, &check.message, &check.signature)
            };
            VerifyAnswer::Attestations(checks.iter().map(verify).collect())
        }
        VerifyRequest::Aggregate { aggregate, state } => {
            VerifyAnswer::Aggregate(crypto::verify_aggregate(state, &aggregate.data, &aggregate.proof))
        }
        VerifyRequest::Block { block, parent_state } => {
            VerifyAnswer::Block(crypto::verify_block(parent_state, block))
        }
    };
    Input::Verified { job, answer }
}

pub(crate) fn aggregate(job: JobId, request: &AggregateRequest) -> Input {
    let children = request.children.iter().map(|child| &**child);
    match crypto::aggregate(&request.state, &request.data, children, &request.signatures) {
        Some(proof) => Input::Aggregated { job, proof },
        None => Input::JobFailed { job, failure: JobFailure::Backend },
    }
}

/// Proves the most important votes.
pub(crate) fn prove(job: JobId, request: &ProveRequest) -> Input {
    let proved = request.votes.first().and_then(|(data, proofs)| {
        let proof = crypto::aggregate(&request.state, data, proofs.iter().map(|proof| &**proof), &[])?;
        Some((*data, proof))
    });
    match proved {
        Some(proof) => Input::Proved { job, proofs: vec![proof] },
        None => Input::JobFailed { job, failure: JobFailure::Backend },
    }
}

pub(crate) fn prepare(job: JobId, request: &PrepareRequest) -> Input {
    match build(request) {
        Ok(prepared) => Input::Prepared { job, prepared: Arc::new(prepared) },
        Err(_) => Input::JobFailed { job, failure: JobFailure::Backend },
    }
}

pub(crate) fn build(request: &PrepareRequest) -> Result<PreparedBlock, Rejection> {
    let inputs = BlockInputs {
        slot: request.slot,
        proposer_index: request.proposer_index,
        parent_root: request.parent_root,
        parent_state: &request.parent_state,
        known_block_roots: &request.known_block_roots,
        candidates: &request.candidates,
    };
    let built = build_block(inputs, &mut Proofs { state: &request.parent_state })?;
    Ok(PreparedBlock {
        block: built.block,
        root: built.root,
        parent_state: request.parent_state.clone(),
        post_state: Arc::new(built.post_state),
        components: built.components,
        merge_ms: 0,
    })
}

pub(crate) fn seal(job: JobId, prepared: &PreparedBlock, signature: &Signature) -> Input {
    let block = &prepared.block;
    let sealed = crypto::seal(
        &prepared.parent_state,
        block.slot,
        &prepared.root,
        block.proposer_index,
        &prepared.components,
        signature,
    );
    match sealed {
        Some(proof) => Input::Sealed { job, proof },
        None => Input::JobFailed { job, failure: JobFailure::Backend },
    }
}

pub(crate) fn split(job: JobId, block: &SignedBlock, wanted: &[AttestationData]) -> Input {
    let parts = crypto::split(block).unwrap_or_default();
    Input::Split { job, proofs: parts.into_iter().filter(|(data, _)| wanted.contains(data)).collect() }
}

struct Proofs<'a> {
    state: &'a State,
}

impl ProofWork for Proofs<'_> {
    fn merge(
        &mut self,
        data: &AttestationData,
        proofs: &[Arc<SingleMessageAggregate>],
    ) -> Option<SingleMessageAggregate> {
        crypto::aggregate(self.state, data, proofs.iter().map(|proof| &**proof), &[])
    }

    fn trim(
        &mut self,
        _: &AttestationData,
        _: &SingleMessageAggregate,
        _: &AggregationBits,
    ) -> Option<SingleMessageAggregate> {
        None
    }
}
