//! A proof system that only takes its time: raw signatures, at the price of proofs.

use std::sync::Arc;
use std::time::Duration;

use lathe_aggregation::{
    AggregationError, Backend, Cancellation, Capabilities, Component, ComponentSize, Message, RawBackend,
    Registry, SignatureBackend, Statement,
};
use lathe_driver::Task;
use lathe_engine::VoteEvidence;
use lathe_types::{
    AggregationBits, MultiMessageAggregate, Signature, SingleMessageAggregate, ValidatorIndex,
};

use crate::keys::Scheme;
use crate::scenario::{ProvingPlan, Scenario};

/// What the work of an external proof system costs, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProofCosts {
    /// An aggregate takes this,
    pub aggregate_ms: u64,
    /// and this for each of its signatures.
    pub per_signature_ms: u64,
    /// A merge takes this,
    pub merge_ms: u64,
    /// and this for each of its components, the proposer's among them.
    pub per_component_ms: u64,
    /// Proofs at a time.
    pub provers: usize,
}

impl ProofCosts {
    /// Costs nothing, one proof at a time.
    pub fn one_prover() -> Self {
        Self { provers: 1, ..Self::default() }
    }

    /// Costs nothing, two proofs at a time.
    pub fn two_provers() -> Self {
        Self { provers: 2, ..Self::default() }
    }

    fn fold(&self, signatures: usize) -> u64 {
        self.aggregate_ms + self.per_signature_ms * signatures as u64
    }

    /// Signatures are folded first, as many at a time as there are provers.
    fn merge(&self, components: &[ComponentSize]) -> u64 {
        let mut folds: Vec<u64> = components
            .iter()
            .filter_map(|component| match component {
                ComponentSize::Proof => None,
                ComponentSize::Signatures(count) => Some(self.fold(*count)),
            })
            .collect();
        folds.sort_unstable_by_key(|fold| std::cmp::Reverse(*fold));
        let folding: u64 = folds.iter().step_by(self.provers.max(1)).sum();
        folding + self.merge_ms + self.per_component_ms * components.len() as u64
    }

    /// What a prover is kept busy by; `None` if the job needs none.
    pub(crate) fn of(&self, task: &Task) -> Option<i64> {
        let cost = match task {
            Task::Aggregate(request, _) => self.fold(request.signatures.len()),
            Task::Seal(prepared, _) => {
                let votes = prepared.components.iter().map(|component| match component {
                    VoteEvidence::Proof(_) => ComponentSize::Proof,
                    VoteEvidence::Signatures(held) => ComponentSize::Signatures(held.len()),
                });
                self.merge(&votes.chain([ComponentSize::Signatures(1)]).collect::<Vec<_>>())
            }
            Task::Split { .. } => self.merge_ms,
            Task::Verify(_) | Task::Prepare(..) => return None,
        };
        Some(cost as i64)
    }
}

/// What the nodes of a scenario show votes with.
pub(crate) fn backend(scheme: &Scheme, scenario: &Scenario) -> Arc<dyn Backend> {
    let verifier = scheme.clone();
    match (scenario.proofs, &scenario.proving) {
        (Some(costs), _) => Arc::new(SlowBackend { raw: RawBackend::new(verifier), costs }),
        (None, Some(ProvingPlan { max_raw_bytes, .. })) => {
            Arc::new(SignatureBackend::proving(verifier, Arc::new(scheme.clone()), *max_raw_bytes))
        }
        (None, None) => Arc::new(RawBackend::new(verifier)),
    }
}

/// The raw backend with estimates of another one.
pub(crate) struct SlowBackend {
    pub(crate) raw: RawBackend<Scheme>,
    pub(crate) costs: ProofCosts,
}

impl Backend for SlowBackend {
    fn id(&self) -> &str {
        "slow"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            merges_freely: false,
            merges_signatures: true,
            provers: self.costs.provers,
            ..self.raw.capabilities()
        }
    }

    fn estimate(&self, n_raw: usize, _: usize) -> Duration {
        Duration::from_millis(self.costs.fold(n_raw))
    }

    fn estimate_merge(&self, components: &[ComponentSize]) -> Duration {
        Duration::from_millis(self.costs.merge(components))
    }

    fn aggregate(
        &self,
        registry: &Registry,
        children: &[&SingleMessageAggregate],
        raw: &[(ValidatorIndex, Signature)],
        message: Message,
        cancellation: &Cancellation,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        self.raw.aggregate(registry, children, raw, message, cancellation)
    }

    fn verify_single(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        message: Message,
    ) -> Result<(), AggregationError> {
        self.raw.verify_single(registry, aggregate, message)
    }

    fn merge(
        &self,
        registry: &Registry,
        components: &[Component<'_>],
        cancellation: &Cancellation,
    ) -> Result<MultiMessageAggregate, AggregationError> {
        self.raw.merge(registry, components, cancellation)
    }

    fn verify_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<(), AggregationError> {
        self.raw.verify_multi(registry, statements, proof)
    }

    fn split(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
        message: Message,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        self.raw.split(registry, statements, proof, message)
    }

    fn trim(
        &self,
        _: &Registry,
        _: &SingleMessageAggregate,
        _: &AggregationBits,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        Err(AggregationError::Unsupported("take signers out of a proof"))
    }
}
