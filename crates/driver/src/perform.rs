//! What the jobs do, each in terms of the pure crates.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lathe_aggregation::{
    AggregationError, Evidence, Message, SignatureCheck, Verdict, seal_block, split_votes, verify_block,
    verify_vote,
};
use lathe_engine::{
    AggregateRequest, Input, JobFailure, JobId, PreparedBlock, VerifyAnswer, VerifyRequest, VoteEvidence,
};
use lathe_types::{MultiMessageAggregate, Rejection, Signature, SingleMessageAggregate, Slot, TreeHash};

use crate::kit::Kit;
use crate::prepare::prepare;
use crate::task::Task;

/// A job that was run.
#[derive(Debug)]
pub struct Done {
    /// What the engine is told.
    pub answer: Input,
    /// What an operator may want to know beside it.
    pub remarks: Vec<Remark>,
}

/// What there is to say of a job beside its answer.
#[derive(Debug, thiserror::Error)]
pub enum Remark {
    /// A signature or a proof does not hold.
    #[error("does not verify: {0}")]
    DoesNotVerify(Rejection),
    /// Some votes are missing in a prepared block, because the proof system failed.
    #[error("{failures} operations on the proofs of the block of slot {slot} failed: {last}")]
    VotesLeftOut {
        /// Slot of the block.
        slot: Slot,
        /// How many operations failed.
        failures: usize,
        /// The last failure.
        last: AggregationError,
    },
    /// The job could not be done.
    #[error("a worker could not do its job: {0}")]
    Failed(JobError),
    /// The job panicked.
    #[error("a worker panicked; the panic was contained")]
    Panicked,
}

/// Why a job could not be done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The backend.
    #[error(transparent)]
    Backend(#[from] AggregationError),
    /// The block could not be built.
    #[error(transparent)]
    Build(#[from] Rejection),
}

/// Does a job. Whatever becomes of it, the engine gets its one answer.
pub fn perform(kit: &Kit, job: JobId, task: &Task) -> Done {
    let mut remarks = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| execute(kit, job, task, &mut remarks)));
    let (failure, remark) = match outcome {
        Ok(Ok(answer)) => return Done { answer, remarks },
        Ok(Err(error)) => (JobFailure::Backend, Remark::Failed(error)),
        Err(_) => (JobFailure::Panicked, Remark::Panicked),
    };
    remarks.push(remark);
    Done { answer: Input::JobFailed { job, failure }, remarks }
}

fn execute(kit: &Kit, job: JobId, task: &Task, remarks: &mut Vec<Remark>) -> Result<Input, JobError> {
    Ok(match task {
        Task::Verify(request) => Input::Verified { job, answer: verify(kit, request, remarks)? },
        Task::Aggregate(request, _) => Input::Aggregated { job, proof: aggregate(kit, request)? },
        Task::Prepare(request, _) => {
            Input::Prepared { job, prepared: prepare(kit, request, remarks)?.into() }
        }
        Task::Seal(prepared, signature) => Input::Sealed { job, proof: seal(kit, prepared, signature)? },
        Task::Split { block, parent_state, wanted } => {
            let proofs = split_votes(&*kit.backend, &parent_state.validators, block, wanted)?;
            Input::Split { job, proofs }
        }
    })
}

fn verify(
    kit: &Kit,
    request: &VerifyRequest,
    remarks: &mut Vec<Remark>,
) -> Result<VerifyAnswer, AggregationError> {
    let mut holds =
        |verdict: Verdict| verdict.map_err(|why| remarks.push(Remark::DoesNotVerify(why))).is_ok();
    Ok(match request {
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
            VerifyAnswer::Attestations(kit.verifier.verify_batch(&checks))
        }
        VerifyRequest::Aggregate { aggregate, state } => {
            VerifyAnswer::Aggregate(holds(verify_vote(&*kit.backend, &state.validators, aggregate)?))
        }
        VerifyRequest::Block { block, parent_state } => {
            VerifyAnswer::Block(holds(verify_block(&*kit.backend, &parent_state.validators, block)?))
        }
    })
}

fn aggregate(kit: &Kit, request: &AggregateRequest) -> Result<SingleMessageAggregate, AggregationError> {
    let children: Vec<&SingleMessageAggregate> = request.children.iter().map(|child| &**child).collect();
    let message = Message { root: request.data.tree_hash_root(), slot: request.data.slot };
    kit.backend.aggregate(
        &request.state.validators,
        &children,
        &request.signatures,
        message,
        &kit.cancellation,
    )
}

fn seal(
    kit: &Kit,
    prepared: &PreparedBlock,
    signature: &Signature,
) -> Result<MultiMessageAggregate, AggregationError> {
    let votes: Vec<Evidence<'_>> = prepared
        .components
        .iter()
        .map(|component| match component {
            VoteEvidence::Proof(proof) => Evidence::Proof(proof),
            VoteEvidence::Signatures(held) => Evidence::Signatures(held),
        })
        .collect();
    seal_block(
        &*kit.backend,
        &prepared.parent_state.validators,
        (&prepared.block, prepared.root),
        &votes,
        signature,
        &kit.cancellation,
    )
}
