//! The node's metrics: leanMetrics names, labels and buckets, and our own under `lathe_`.
//!
//! Each node has its own registry, so that several nodes can live in one process. Counters are fed as things happen;
//! gauges that mirror the chain are set from one immutable view when they are asked for, so a scrape is consistent.

mod arrivals;
mod blocks;
mod buckets;
mod coverage;
mod execution;
mod fork_choice;
mod network;
pub(crate) mod process;
mod proofs;
mod registrar;
mod resources;
mod signatures;
mod validator;
mod view;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{Encoder, Registry, TextEncoder};

pub use arrivals::{ArrivalMetrics, Arrived};
#[cfg(test)]
pub(crate) use blocks::MISS_REASONS;
pub(crate) use blocks::PHASES;
pub use blocks::{ChainMetrics, ProductionMetrics};
pub use coverage::{CoverageMetrics, Section};
pub use execution::ExecutionMetrics;
pub use fork_choice::{ForkChoiceMetrics, TransitionMetrics};
pub use network::NetworkMetrics;
pub use proofs::ProofMetrics;
pub use resources::ResourceMetrics;
pub use signatures::SignatureMetrics;
pub use validator::{NodeMetrics, REFUSALS, ValidatorMetrics};
pub use workers::WorkerMetrics;

use registrar::Registrar;

use crate::options::ProcessOptions;

/// Every metric of one node.
pub struct Metrics {
    registry: Registry,
    /// The node and its process.
    pub node: NodeMetrics,
    /// Signatures, single and aggregated.
    pub signatures: SignatureMetrics,
    /// Proofs of blocks.
    pub proofs: ProofMetrics,
    /// Block production.
    pub production: ProductionMetrics,
    /// Imported blocks and missed duties.
    pub chain: ChainMetrics,
    /// The store.
    pub fork_choice: ForkChoiceMetrics,
    /// Whose votes are heard of.
    pub coverage: CoverageMetrics,
    /// Checkpoints and state transition.
    pub transition: TransitionMetrics,
    /// Local validators.
    pub validator: ValidatorMetrics,
    /// Peers and gossip.
    pub network: NetworkMetrics,
    /// When gossip arrives.
    pub arrivals: ArrivalMetrics,
    /// Mailboxes and files.
    pub resources: ResourceMetrics,
    /// Workers, signer and store.
    pub workers: WorkerMetrics,
    /// The execution client.
    pub execution: ExecutionMetrics,
    /// Counts the lines that the process's log lost.
    pub log_lines_lost: Arc<AtomicU64>,
}

impl Metrics {
    /// An empty registry for the node `name`, started at `start_time` (unix seconds).
    pub fn new(name: &str, start_time: f64) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let r = Registrar(&registry);
        let metrics = Self {
            node: NodeMetrics::new(&r)?,
            signatures: SignatureMetrics::new(&r)?,
            proofs: ProofMetrics::new(&r)?,
            production: ProductionMetrics::new(&r)?,
            chain: ChainMetrics::new(&r)?,
            fork_choice: ForkChoiceMetrics::new(&r)?,
            coverage: CoverageMetrics::new(&r)?,
            transition: TransitionMetrics::new(&r)?,
            validator: ValidatorMetrics::new(&r)?,
            network: NetworkMetrics::new(&r)?,
            arrivals: ArrivalMetrics::new(&r)?,
            resources: ResourceMetrics::new(&r)?,
            workers: WorkerMetrics::new(&r)?,
            execution: ExecutionMetrics::new(&r)?,
            log_lines_lost: Arc::default(),
            registry,
        };
        metrics.describe_process(name, &ProcessOptions::default());
        metrics.node.start_time.set(start_time);
        metrics.node.process_start_time.set(start_time);
        Ok(metrics)
    }

    /// Says what the node `name` was built from and for.
    pub(crate) fn describe_process(&self, name: &str, process: &ProcessOptions) {
        self.node.info.reset();
        self.node.build.reset();
        self.node.info.with_label_values(&["lathe", &process.version]).set(1);
        self.node.build.with_label_values(&[name, &process.version, &process.target]).set(1);
    }

    /// Says where each key ends.
    pub(crate) fn describe_keys(&self, keys: &[lathe_signer::HeldKey]) {
        for key in keys {
            let labels = [&*key.validator.to_string(), crate::signer::role_name(key.role)];
            self.validator.key_end.with_label_values(&labels).set(key.slots.end as i64);
        }
    }

    /// Everything in the Prometheus text format 0.0.4.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        if let Some(usage) = process::usage() {
            self.node.observe(&usage, process::limits());
        }
        self.resources.observe();
        // The log counts by itself, because it is there before any metric.
        let lost = self.log_lines_lost.load(Ordering::Relaxed);
        self.node.log_lines_lost.reset();
        self.node.log_lines_lost.inc_by(lost);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
