//! What the jobs do, each in terms of the pure crates.

use lathe_aggregation::{
    AggregationError, Message, SignatureCheck, Verdict, seal_block, split_votes, verify_block, verify_vote,
};
use lathe_engine::{AggregateRequest, Input, JobId, PreparedBlock, VerifyRequest};
use lathe_types::{Block, MultiMessageAggregate, Signature, SingleMessageAggregate, TreeHash, Validators};
use tracing::debug;

use super::{Shared, Task, prepare};
use crate::metrics::Metrics;

/// Why a job could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    /// The backend.
    #[error(transparent)]
    Backend(#[from] AggregationError),
    /// The block could not be built.
    #[error(transparent)]
    Build(#[from] lathe_types::Rejection),
}

pub(super) fn execute(shared: &Shared, job: JobId, task: Task) -> Result<Input, JobError> {
    match task {
        Task::Verify(request) => Ok(Input::Verified { job, verdicts: verify(shared, &request)? }),
        Task::Aggregate(request, _) => Ok(Input::Aggregated { job, proof: aggregate(shared, &request)? }),
        Task::Prepare(request, _) => {
            let production = &shared.metrics.production;
            let timer = production.building.start_timer();
            let prepared = prepare::prepare(shared, &request).inspect_err(|_| production.failures.inc())?;
            timer.observe_duration();
            production.aggregated_payloads.observe(prepared.components.len() as f64);
            Ok(Input::Prepared { job, prepared: prepared.into() })
        }
        Task::Seal(prepared, signature) => {
            Ok(Input::Sealed { job, proof: seal(shared, &prepared, &signature)? })
        }
        Task::Split { block, parent_state, wanted } => {
            let proofs = split_votes(&*shared.backend, &parent_state.validators, &block, &wanted)?;
            Ok(Input::Split { job, proofs })
        }
    }
}

fn verify(shared: &Shared, request: &VerifyRequest) -> Result<Vec<bool>, AggregationError> {
    let metrics = &shared.metrics.signatures;
    match request {
        VerifyRequest::Attestations(checks) => {
            let checks: Vec<_> = checks
                .iter()
                .map(|check| SignatureCheck {
                    public_key: &check.public_key,
                    slot: check.slot,
                    message: check.message,
                    signature: &check.signature,
                })
                .collect();
            let timer = std::time::Instant::now();
            let verdicts = shared.verifier.verify_batch(&checks);
            count_attestations(&shared.metrics, &verdicts, timer.elapsed().as_secs_f64());
            Ok(verdicts)
        }
        VerifyRequest::Aggregate { aggregate, state } => {
            let timer = metrics.aggregated_verification.start_timer();
            let outcome = verify_vote(&*shared.backend, &state.validators, aggregate)?;
            timer.observe_duration();
            if outcome.is_ok() {
                metrics.aggregated_valid.inc();
                shared.metrics.fork_choice.attestations_valid.inc();
            } else {
                metrics.aggregated_invalid.inc();
            }
            Ok(vec![verdict(outcome)])
        }
        VerifyRequest::Block { block, parent_state } => {
            let outcome = verify_block(&*shared.backend, &parent_state.validators, block)?;
            if outcome.is_ok() {
                count_block(shared, &parent_state.validators, &block.block, &block.proof);
            }
            Ok(vec![verdict(outcome)])
        }
    }
}

fn count_block(shared: &Shared, registry: &Validators, block: &Block, proof: &MultiMessageAggregate) {
    let metrics = &shared.metrics.proofs;
    let kind = shared.backend.kind(registry, block.body.attestations.len() + 1, proof);
    metrics.blocks.with_label_values(&[kind.name()]).inc();
    metrics.block_bytes.observe(proof.proof.len() as f64);
}

fn verdict(outcome: Verdict) -> bool {
    outcome.inspect_err(|rejection| debug!(%rejection, "does not verify")).is_ok()
}

/// A batch is verified as one, so each of its signatures counts with an equal share of the time.
fn count_attestations(metrics: &Metrics, verdicts: &[bool], seconds: f64) {
    let share = seconds / verdicts.len().max(1) as f64;
    let valid = verdicts.iter().filter(|valid| **valid).count();
    metrics.signatures.attestation_valid.inc_by(valid as u64);
    metrics.fork_choice.attestations_valid.inc_by(valid as u64);
    metrics.signatures.attestation_invalid.inc_by((verdicts.len() - valid) as u64);
    for _ in verdicts {
        metrics.signatures.attestation_verification.observe(share);
    }
}

fn aggregate(shared: &Shared, request: &AggregateRequest) -> Result<SingleMessageAggregate, JobError> {
    let metrics = &shared.metrics;
    let started = std::time::Instant::now();
    let children: Vec<&SingleMessageAggregate> = request.children.iter().map(|child| &**child).collect();
    let message = Message { root: request.data.tree_hash_root(), slot: request.data.slot };
    let proof = shared.backend.aggregate(
        &request.state.validators,
        &children,
        &request.signatures,
        message,
        &shared.cancellation,
    )?;
    let seconds = started.elapsed().as_secs_f64();
    metrics.signatures.aggregated_building.observe(seconds);
    metrics.fork_choice.committee_aggregation.observe(seconds);
    metrics.signatures.aggregated_signatures.inc();
    metrics.signatures.attestations_in_aggregated.inc_by(proof.participants.num_set_bits() as u64);
    Ok(proof)
}

fn seal(
    shared: &Shared,
    prepared: &PreparedBlock,
    signature: &Signature,
) -> Result<MultiMessageAggregate, JobError> {
    let production = &shared.metrics.production;
    let timer = production.payload_aggregation.start_timer();
    let sealed = seal_block(
        &*shared.backend,
        &prepared.parent_state.validators,
        (&prepared.block, prepared.root),
        &prepared.components,
        signature,
        &shared.cancellation,
    );
    timer.observe_duration();
    match &sealed {
        Ok(proof) => {
            production.success.inc();
            count_block(shared, &prepared.parent_state.validators, &prepared.block, proof);
        }
        Err(_) => production.failures.inc(),
    }
    Ok(sealed?)
}
