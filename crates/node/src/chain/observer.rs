//! Times the engine's steps from outside.

use std::sync::Arc;
use std::time::Instant;

use lathe_engine::{Observer, Step};

use super::pulse::{Pulse, step_name};
use crate::metrics::Metrics;

/// Feeds the histograms of the steps. Steps nest, so the open ones form a stack.
pub(super) struct StepTimer {
    metrics: Arc<Metrics>,
    pulse: Pulse,
    open: Vec<(Step, Instant)>,
}

impl StepTimer {
    pub(super) fn new(metrics: Arc<Metrics>, pulse: Pulse) -> Self {
        Self { metrics, pulse, open: Vec::new() }
    }
}

impl Observer for StepTimer {
    fn enter(&mut self, step: Step) {
        self.pulse.at(step_name(step));
        self.open.push((step, Instant::now()));
    }

    fn exit(&mut self, step: Step) {
        let Some((_, entered)) = self.open.pop_if(|(open, _)| *open == step) else { return };
        let metrics = &self.metrics;
        let histogram = match step {
            Step::BlockProcessing => &metrics.fork_choice.block_processing,
            Step::StateTransition => &metrics.transition.transition,
            Step::SlotsProcessing => &metrics.transition.slots_processing,
            Step::BlockApplication => &metrics.transition.block_processing,
            Step::AttestationsProcessing => &metrics.transition.attestations_processing,
            Step::AttestationValidation => &metrics.fork_choice.attestation_validation,
            Step::AttestationProduction => &metrics.validator.attestation_production,
            _ => return,
        };
        histogram.observe(entered.elapsed().as_secs_f64());
    }
}
