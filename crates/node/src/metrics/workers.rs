//! Workers, signer and store.

use prometheus::{Histogram, HistogramVec, IntCounterVec, IntGauge};

use super::buckets;
use super::registrar::Registrar;

/// The pool, by kind of job.
pub struct WorkerMetrics {
    /// Seconds that a job waited.
    pub waiting: HistogramVec,
    /// Seconds that a job ran.
    pub running: HistogramVec,
    /// Jobs not done, by kind and reason.
    pub failed: IntCounterVec,
    /// Jobs waiting now.
    pub queued: IntGauge,
    /// Seconds for a group of signatures, ledger record and fsync included.
    pub signing: Histogram,
    /// Seconds for a group of batches to become durable.
    pub persisting: Histogram,
}

impl WorkerMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            waiting: r.histograms(
                "lathe_worker_wait_seconds",
                "Time that a job waited",
                &["kind"],
                buckets::FINE,
            )?,
            running: r.histograms(
                "lathe_worker_run_seconds",
                "Time that a job ran",
                &["kind"],
                buckets::FINE,
            )?,
            failed: r.counters("lathe_worker_failed_total", "Jobs not done", &["kind", "reason"])?,
            queued: r.gauge("lathe_worker_queued", "Jobs waiting")?,
            signing: r.histogram(
                "lathe_signing_seconds",
                "Time to record and sign a group of messages",
                buckets::FINE,
            )?,
            persisting: r.histogram(
                "lathe_persist_seconds",
                "Time for a group of batches to become durable",
                buckets::FINE,
            )?,
        })
    }
}
