//! Proofs for blocks of ours, made apart from the pool: one at a time, and of no use once they come too late.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use lathe_aggregation::{AggregationError, Message, ProofRequest};
use lathe_engine::{JobFailure, Millis, ProveRequest};
use lathe_types::{AttestationData, SingleMessageAggregate, TreeHash};

use crate::kit::Kit;

/// Proofs, each with its data.
pub type Proved = Vec<(AttestationData, SingleMessageAggregate)>;

/// How a request for proofs ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofOutcome {
    /// Made in time.
    Made,
    /// Made, but too late to be of use.
    Late,
    /// There was not enough time, or nothing to gain.
    Declined,
    /// Another proof was under way.
    Busy,
    /// The prover failed.
    Failed(AggregationError),
    /// The prover panicked; the panic was contained.
    Panicked,
}

impl ProofOutcome {
    /// Label of the metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Late => "late",
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::Failed(_) | Self::Panicked => "failed",
        }
    }

    /// What the engine is told where there is no proof for it.
    pub const fn failure(&self) -> JobFailure {
        match self {
            Self::Declined | Self::Busy => JobFailure::Refused,
            Self::Made | Self::Late => JobFailure::Deadline,
            Self::Failed(_) => JobFailure::Backend,
            Self::Panicked => JobFailure::Panicked,
        }
    }
}

/// Makes the proofs that a block of ours needs, as far as they can be had between `now` and `deadline`. Seconds of
/// work.
pub fn prove(
    kit: &Kit,
    request: &ProveRequest,
    now: Millis,
    deadline: Millis,
) -> Result<Proved, ProofOutcome> {
    match catch_unwind(AssertUnwindSafe(|| make(kit, request, now, deadline))) {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(AggregationError::NotWorthwhile | AggregationError::Cancelled)) => Err(ProofOutcome::Declined),
        Ok(Err(error)) => Err(ProofOutcome::Failed(error)),
        Err(_) => Err(ProofOutcome::Panicked),
    }
}

fn make(
    kit: &Kit,
    request: &ProveRequest,
    now: Millis,
    deadline: Millis,
) -> Result<Proved, AggregationError> {
    let prover = kit.backend.prover().ok_or(AggregationError::NotWorthwhile)?;
    let votes = request.votes.iter().map(|(data, held)| {
        let message = Message { root: data.tree_hash_root(), slot: data.slot };
        (message, held.iter().map(|proof| &**proof).collect())
    });
    let within = Duration::from_millis(deadline.since(now).try_into().unwrap_or(0));
    let asked = ProofRequest { votes: votes.collect(), expected: request.expected, within };
    let made = prover.prove(&request.state.validators, &asked, &kit.cancellation)?;
    let data_of = |message: Message| {
        let position = asked.votes.iter().position(|(asked, _)| *asked == message)?;
        request.votes.get(position).map(|(data, _)| *data)
    };
    Ok(made.into_iter().filter_map(|(message, proof)| Some((data_of(message)?, proof))).collect())
}

/// Judges proofs that took so long and are there at `now`: the backend learns from them, and they count unless the
/// deadline has passed.
pub fn conclude(kit: &Kit, made: &Proved, took: Duration, now: Millis, deadline: Millis) -> ProofOutcome {
    if let Some(prover) = kit.backend.prover() {
        prover.learn(signatures(made), took);
    }
    if now > deadline { ProofOutcome::Late } else { ProofOutcome::Made }
}

/// Signatures that proofs cover.
pub fn signatures(made: &Proved) -> usize {
    made.iter().map(|(_, proof)| proof.participants.num_set_bits()).sum()
}
