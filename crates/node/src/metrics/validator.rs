//! The node itself and its validators.

use lathe_http::Process;
use prometheus::{Counter, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::buckets;
use super::process::ProcessLimits;
use super::registrar::Registrar;

/// Who this node is and what its process needs.
pub struct NodeMetrics {
    /// Always 1, labelled with the client's name and its version.
    pub info: IntGaugeVec,
    /// Always 1, labelled with the node's name, version and target.
    pub build: IntGaugeVec,
    /// Unix time of the start.
    pub start_time: Gauge,
    /// Resident memory of the process.
    pub resident_bytes: IntGauge,
    /// The highest that it has been.
    pub max_resident_bytes: IntGauge,
    /// CPU time of the process.
    pub cpu_seconds: Counter,
    /// Unix time of the start, under the name that every process has it.
    pub process_start_time: Gauge,
    /// Virtual memory of the process.
    pub virtual_bytes: IntGauge,
    /// Threads of the process.
    pub threads: IntGauge,
    /// Files that the process has open.
    pub open_files: IntGauge,
    /// Files that it may have open.
    pub max_files: IntGauge,
    /// Lines that the log lost because they could not be written in time.
    pub log_lines_lost: IntCounter,
}

impl NodeMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            info: r.gauges(
                "lean_node_info",
                "Client and its version with the commit",
                &["name", "version"],
            )?,
            build: r.gauges(
                "lathe_build_info",
                "This node's name, and what it was built from and for",
                &["node", "version", "target"],
            )?,
            start_time: r.float_gauge("lean_node_start_time_seconds", "Unix time of the start")?,
            resident_bytes: r.gauge("process_resident_memory_bytes", "Resident memory of the process")?,
            max_resident_bytes: r
                .gauge("lathe_process_max_resident_memory_bytes", "Highest resident memory of the process")?,
            cpu_seconds: r.float_counter("process_cpu_seconds_total", "CPU time of the process")?,
            process_start_time: r.float_gauge("process_start_time_seconds", "Unix time of the start")?,
            virtual_bytes: r.gauge("process_virtual_memory_bytes", "Virtual memory of the process")?,
            threads: r.gauge("process_threads", "Threads of the process")?,
            open_files: r.gauge("process_open_fds", "Files that the process has open")?,
            max_files: r.gauge("process_max_fds", "Files that the process may have open")?,
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

impl NodeMetrics {
    /// Sets what the process takes now.
    pub(super) fn observe(&self, usage: &Process, limits: ProcessLimits) {
        self.resident_bytes.set(usage.resident_bytes);
        self.max_resident_bytes.set(usage.max_resident_bytes);
        // A process's time only grows.
        self.cpu_seconds.inc_by((usage.cpu_seconds - self.cpu_seconds.get()).max(0.0));
        self.virtual_bytes.set(limits.virtual_bytes);
        self.threads.set(limits.threads);
        self.open_files.set(limits.open_files);
        self.max_files.set(limits.max_files.unwrap_or(i64::MAX));
    }
}

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
