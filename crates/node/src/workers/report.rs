//! Jobs that were run, as metrics and log lines.

use lathe_driver::{Done, Remark, Task};
use lathe_engine::{Input, VerifyAnswer, VerifyRequest};
use lathe_types::{Block, MultiMessageAggregate, Validators};
use tracing::{debug, error, warn};

use super::Shared;
use crate::metrics::PHASES;

/// Phases of a block's building that are workers' jobs.
const PREPARE: &str = PHASES[0];
const SEAL: &str = PHASES[2];

/// Counts a job that took so many seconds.
pub(super) fn report(shared: &Shared, task: &Task, done: &Done, seconds: f64) {
    let kind = task.urgency().kind;
    for remark in &done.remarks {
        match remark {
            Remark::DoesNotVerify(_) => debug!("{remark}"),
            Remark::VotesLeftOut { .. } => warn!("{remark}"),
            Remark::Failed(_) | Remark::Panicked => error!(kind = kind.name(), "{remark}"),
        }
    }
    if let Input::JobFailed { failure, .. } = &done.answer {
        shared.count_failure(kind, *failure);
    }
    let (signatures, fork_choice) = (&shared.metrics.signatures, &shared.metrics.fork_choice);
    let production = &shared.metrics.production;
    match (task, &done.answer) {
        (Task::Verify(request), Input::Verified { answer, .. }) => {
            count_verdicts(shared, request, answer, seconds);
        }
        (Task::Aggregate(..), Input::Aggregated { proof, .. }) => {
            signatures.aggregated_building.observe(seconds);
            fork_choice.committee_aggregation.observe(seconds);
            signatures.aggregated_signatures.inc();
            signatures.attestations_in_aggregated.inc_by(proof.participants.num_set_bits() as u64);
        }
        (Task::Prepare(..), Input::Prepared { prepared, .. }) => {
            production.building.observe(seconds);
            production.phases.with_label_values(&[PREPARE]).observe(seconds);
            production.aggregated_payloads.observe(prepared.components.len() as f64);
        }
        (Task::Seal(prepared, _), Input::Sealed { proof, .. }) => {
            production.payload_aggregation.observe(seconds);
            production.phases.with_label_values(&[SEAL]).observe(seconds);
            production.success.inc();
            count_block(shared, &prepared.parent_state.validators, &prepared.block, proof);
        }
        (Task::Prepare(..), _) => production.failures.inc(),
        (Task::Seal(..), _) => {
            production.payload_aggregation.observe(seconds);
            production.failures.inc();
        }
        _ => {}
    }
}

fn count_verdicts(shared: &Shared, request: &VerifyRequest, answer: &VerifyAnswer, seconds: f64) {
    let (signatures, fork_choice) = (&shared.metrics.signatures, &shared.metrics.fork_choice);
    match answer {
        VerifyAnswer::Attestations(verdicts) => {
            let valid = verdicts.iter().filter(|valid| **valid).count() as u64;
            signatures.attestation_valid.inc_by(valid);
            signatures.attestation_invalid.inc_by(verdicts.len() as u64 - valid);
            fork_choice.attestations_valid.inc_by(valid);
            // A batch is verified as one, so each of its signatures counts with an equal share of the time.
            let share = seconds / verdicts.len().max(1) as f64;
            verdicts.iter().for_each(|_| signatures.attestation_verification.observe(share));
        }
        VerifyAnswer::Aggregate(valid) => {
            signatures.aggregated_verification.observe(seconds);
            signatures.aggregated_valid.inc_by(u64::from(*valid));
            signatures.aggregated_invalid.inc_by(u64::from(!*valid));
            fork_choice.attestations_valid.inc_by(u64::from(*valid));
        }
        VerifyAnswer::Block(valid) => {
            if let VerifyRequest::Block { block, parent_state } = request
                && *valid
            {
                count_block(shared, &parent_state.validators, &block.block, &block.proof);
            }
        }
    }
}

fn count_block(shared: &Shared, registry: &Validators, block: &Block, proof: &MultiMessageAggregate) {
    let metrics = &shared.metrics.proofs;
    let kind = shared.kit.backend.kind(registry, block.body.attestations.len() + 1, proof);
    metrics.blocks.with_label_values(&[kind.name()]).inc();
    metrics.block_bytes.observe(proof.proof.len() as f64);
}
