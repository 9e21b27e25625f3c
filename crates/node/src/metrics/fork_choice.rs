//! Fork choice and state transition.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::buckets;
use super::registrar::Registrar;

/// Every value of the sync status.
pub(super) const SYNC_STATUSES: [&str; 3] = ["idle", "syncing", "synced"];

/// The store, its head and its pools.
pub struct ForkChoiceMetrics {
    /// Slot of the head.
    pub head_slot: IntGauge,
    /// Slot that the clock is in.
    pub current_slot: IntGauge,
    /// Slot of the safe target.
    pub safe_target_slot: IntGauge,
    /// Seconds of the turn that imports a block: state transition and head update, without proof verification.
    pub block_processing: Histogram,
    /// Votes and aggregates whose signatures verify.
    pub attestations_valid: IntCounter,
    /// Votes and aggregates refused by a rule.
    pub attestations_invalid: IntCounter,
    /// Seconds to validate a vote before its signature is checked.
    pub attestation_validation: Histogram,
    /// Head changes that left blocks behind.
    pub reorgs: IntCounter,
    /// How many.
    pub reorg_depth: Histogram,
    /// Single signatures waiting for aggregation.
    pub gossip_signatures: IntGauge,
    /// Aggregates not yet promoted.
    pub new_payloads: IntGauge,
    /// Aggregates that count.
    pub known_payloads: IntGauge,
    /// Seconds to aggregate a committee's signatures.
    pub committee_aggregation: Histogram,
    /// 1 for the current status.
    pub sync_status: IntGaugeVec,
    /// Seconds between interval ticks.
    pub tick_interval: Histogram,
}

impl ForkChoiceMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        let sync_status = r.gauges("lean_node_sync_status", "1 for the node's sync status", &["status"])?;
        for status in SYNC_STATUSES {
            sync_status.with_label_values(&[status]);
        }
        Ok(Self {
            head_slot: r.gauge("lean_head_slot", "Slot of the head")?,
            current_slot: r.gauge("lean_current_slot", "Current slot")?,
            safe_target_slot: r.gauge("lean_safe_target_slot", "Slot of the safe target")?,
            block_processing: r.histogram(
                "lean_fork_choice_block_processing_time_seconds",
                "Time to process a block in fork choice",
                buckets::BLOCK_PROCESSING,
            )?,
            attestations_valid: r.counter("lean_attestations_valid_total", "Votes accepted")?,
            attestations_invalid: r.counter("lean_attestations_invalid_total", "Votes refused")?,
            attestation_validation: r.histogram(
                "lean_attestation_validation_time_seconds",
                "Time to validate a vote",
                buckets::FAST,
            )?,
            reorgs: r.counter("lean_fork_choice_reorgs_total", "Reorganisations of the chain")?,
            reorg_depth: r.histogram(
                "lean_fork_choice_reorg_depth",
                "Blocks left behind by a reorganisation",
                buckets::REORG_DEPTH,
            )?,
            gossip_signatures: r.gauge("lean_gossip_signatures", "Signatures waiting for aggregation")?,
            new_payloads: r.gauge("lean_latest_new_aggregated_payloads", "Aggregates not yet promoted")?,
            known_payloads: r.gauge("lean_latest_known_aggregated_payloads", "Aggregates that count")?,
            committee_aggregation: r.histogram(
                "lean_committee_signatures_aggregation_time_seconds",
                "Time to aggregate a committee's signatures",
                buckets::COMMITTEE,
            )?,
            sync_status,
            tick_interval: r.histogram(
                "lean_tick_interval_duration_seconds",
                "Time between interval ticks",
                buckets::TICK,
            )?,
        })
    }
}

/// Checkpoints and the work of the state transition.
pub struct TransitionMetrics {
    /// The store's justified slot.
    pub latest_justified_slot: IntGauge,
    /// The store's finalized slot.
    pub latest_finalized_slot: IntGauge,
    /// The head state's justified slot.
    pub justified_slot: IntGauge,
    /// The head state's finalized slot.
    pub finalized_slot: IntGauge,
    /// Attempts to finalize, by result.
    pub finalizations: IntCounterVec,
    /// Seconds of a state transition.
    pub transition: Histogram,
    /// Seconds to advance to a block's slot.
    pub slots_processing: Histogram,
    /// Seconds to apply a block, its attestations included.
    pub block_processing: Histogram,
    /// Seconds to count a block's attestations.
    pub attestations_processing: Histogram,
    /// Slots that imported blocks passed through.
    pub slots_processed: IntCounter,
    /// Aggregated votes inside imported blocks.
    pub attestations_processed: IntCounter,
}

impl TransitionMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        let finalizations =
            r.counters("lean_finalizations_total", "Attempts to finalize, by result", &["result"])?;
        // The core finalizes or does not; it has no failing attempt, but dashboards expect both series.
        for result in ["success", "error"] {
            finalizations.with_label_values(&[result]);
        }
        Ok(Self {
            latest_justified_slot: r.gauge("lean_latest_justified_slot", "Highest justified slot")?,
            latest_finalized_slot: r.gauge("lean_latest_finalized_slot", "Highest finalized slot")?,
            justified_slot: r.gauge("lean_justified_slot", "Justified slot of the head state")?,
            finalized_slot: r.gauge("lean_finalized_slot", "Finalized slot of the head state")?,
            finalizations,
            transition: r.histogram(
                "lean_state_transition_time_seconds",
                "Time of a state transition",
                buckets::STATE_TRANSITION,
            )?,
            slots_processing: r.histogram(
                "lean_state_transition_slots_processing_time_seconds",
                "Time to process slots",
                buckets::FAST,
            )?,
            block_processing: r.histogram(
                "lean_state_transition_block_processing_time_seconds",
                "Time to process a block",
                buckets::FAST,
            )?,
            attestations_processing: r.histogram(
                "lean_state_transition_attestations_processing_time_seconds",
                "Time to process attestations",
                buckets::FAST,
            )?,
            slots_processed: r.counter("lean_state_transition_slots_processed_total", "Slots processed")?,
            attestations_processed: r
                .counter("lean_state_transition_attestations_processed_total", "Attestations processed")?,
        })
    }
}
