//! The node itself and its validators.

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::buckets;
use super::registrar::Registrar;

/// Who this node is and what its process needs.
pub struct NodeMetrics {
    /// Always 1, labelled with name and version.
    pub info: IntGaugeVec,
    /// Unix time of the start.
    pub start_time: Gauge,
    /// Resident memory of the process.
    pub resident_bytes: IntGauge,
    /// The highest that it has been.
    pub max_resident_bytes: IntGauge,
    /// CPU time of the process.
    pub cpu_seconds: Gauge,
    /// Lines that the log lost because they could not be written in time.
    pub log_lines_lost: IntCounter,
}

impl NodeMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            info: r.gauges("lean_node_info", "Name and version of the node", &["name", "version"])?,
            start_time: r.float_gauge("lean_node_start_time_seconds", "Unix time of the start")?,
            resident_bytes: r.gauge("process_resident_memory_bytes", "Resident memory of the process")?,
            max_resident_bytes: r
                .gauge("lathe_process_max_resident_memory_bytes", "Highest resident memory of the process")?,
            cpu_seconds: r.float_gauge("process_cpu_seconds_total", "CPU time of the process")?,
            log_lines_lost: r.counter("lathe_log_lines_lost_total", "Lines of the log that were lost")?,
        })
    }
}

/// Why a signature was not made, as a label.
pub const REFUSALS: [&str; 10] = [
    "already_signed",
    "below_watermark",
    "key_stopped",
    "key_exhausted",
    "key_not_prepared",
    "unknown_key",
    "signer_away",
    "signer_slow",
    "signer_not_served",
    "ledger",
];

/// What the local validators do.
pub struct ValidatorMetrics {
    /// Validators with keys on this node.
    pub count: IntGauge,
    /// 1 when this node aggregates.
    pub is_aggregator: IntGauge,
    /// 1 when keys may sign again what they have signed for another genesis.
    pub key_reuse_allowed: IntGauge,
    /// The first slot that a key cannot sign at any more, by validator and role.
    pub key_end: IntGaugeVec,
    /// Keys that rest because somebody else signs with them.
    pub keys_stopped: IntGauge,
    /// Signatures that were wanted and not made, by reason.
    pub signatures_refused: IntCounterVec,
    /// Seconds from the decision to vote to the vote's publication.
    pub attestation_production: Histogram,
    /// Aggregations that were due and not done, by reason.
    pub aggregator_skipped: IntCounterVec,
    /// Votes published.
    pub attestations_published: IntCounter,
}

impl ValidatorMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        let aggregator_skipped =
            r.counters("lean_aggregator_skipped_total", "Aggregations not done, by reason", &["reason"])?;
        for reason in ["not_aggregator", "not_synced", "missing_state", "spawn_failed", "other"] {
            aggregator_skipped.with_label_values(&[reason]);
        }
        let signatures_refused = r.counters(
            "lathe_signatures_refused_total",
            "Signatures that were wanted and not made, by reason",
            &["reason"],
        )?;
        for reason in REFUSALS {
            signatures_refused.with_label_values(&[reason]);
        }
        Ok(Self {
            count: r.gauge("lean_validators_count", "Validators of this node")?,
            is_aggregator: r.gauge("lean_is_aggregator", "1 when the node aggregates")?,
            key_reuse_allowed: r.gauge(
                "lathe_key_reuse_allowed",
                "1 when keys may sign again what they have signed for another genesis",
            )?,
            key_end: r.gauges(
                "lathe_key_end_slot",
                "First slot that the key cannot sign at any more",
                &["validator", "role"],
            )?,
            keys_stopped: r.gauge(
                "lathe_keys_stopped",
                "Keys that rest because a signature was seen that is not ours",
            )?,
            signatures_refused,
            attestation_production: r.histogram(
                "lean_attestations_production_time_seconds",
                "Time to produce an attestation",
                buckets::PRODUCTION,
            )?,
            aggregator_skipped,
            attestations_published: r.counter("lathe_attestations_published_total", "Votes published")?,
        })
    }
}
