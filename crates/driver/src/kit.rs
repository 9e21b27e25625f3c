//! What jobs are done with.

use std::sync::Arc;
use std::time::Duration;

use lathe_aggregation::{Backend, Cancellation, Capabilities, ComponentSize, Verifier};
use lathe_engine::{EngineConfig, Millis};
use lathe_types::{MAX_ATTESTATIONS_DATA, MILLISECONDS_PER_SLOT};

use crate::task::Task;

/// Votes that may be split out of an imported block when each costs a proof.
const COSTLY_SPLITS_PER_BLOCK: usize = 4;

/// What a merge is expected to be of before there was any: the votes of one slot, and the proposer.
const TYPICAL_BLOCK: [ComponentSize; 2] = [ComponentSize::Proof, ComponentSize::Signatures(1)];

/// The tools of a node's workers.
#[derive(Clone)]
pub struct Kit {
    /// The proof system.
    pub backend: Arc<dyn Backend>,
    /// The check of single signatures.
    pub verifier: Arc<dyn Verifier>,
    /// Ends proofs that nobody waits for any more.
    pub cancellation: Cancellation,
    /// Milliseconds of chain time that pass in one of real time: 1, but for tests that run faster.
    pub pace: f64,
}

impl Kit {
    /// A kit for a chain in real time.
    pub fn new(backend: Arc<dyn Backend>, verifier: Arc<dyn Verifier>) -> Self {
        Self { backend, verifier, cancellation: Cancellation::default(), pace: 1.0 }
    }

    /// The engine's settings as far as the proof system has a say in them.
    pub fn configure(&self, config: EngineConfig) -> EngineConfig {
        let capabilities = self.backend.capabilities();
        EngineConfig {
            merge_ms: self.chain_ms(self.backend.estimate_merge(&TYPICAL_BLOCK)),
            aggregate_capacity: capabilities.max_single_signers,
            prove_beyond: capabilities.prove_beyond,
            keeps_single_votes: capabilities.merges_signatures,
            merges_at_a_time: capabilities.provers.min(config.merges_at_a_time),
            aggregation_grace_ms: if capabilities.merges_freely { 0 } else { MILLISECONDS_PER_SLOT },
            splits_per_block: match capabilities {
                Capabilities { splits: false, .. } => 0,
                Capabilities { merges_freely: true, .. } => MAX_ATTESTATIONS_DATA,
                _ => COSTLY_SPLITS_PER_BLOCK,
            },
            ..config
        }
    }

    /// Aggregations and splits that may be under way at a time: all of them where proofs are cheap, else as many as the
    /// backend has provers, so that what is most urgent is proved next.
    pub fn max_proving(&self) -> usize {
        let capabilities = self.backend.capabilities();
        if capabilities.merges_freely { usize::MAX } else { capabilities.provers.max(1) }
    }

    /// Whether the backend's own estimate of a job lies beyond the job's deadline.
    pub fn cannot_finish(&self, task: &Task, now: Millis) -> bool {
        let Task::Aggregate(request, deadline) = task else { return false };
        let estimate = self.backend.estimate(request.signatures.len(), request.children.len());
        let estimate_ms = i64::try_from(estimate.as_millis()).unwrap_or(i64::MAX);
        now.0.saturating_add(estimate_ms) > deadline.0
    }

    /// Chain milliseconds that pass in a real duration.
    pub(crate) fn chain_ms(&self, real: Duration) -> u64 {
        (real.as_millis() as f64 * self.pace) as u64
    }
}
