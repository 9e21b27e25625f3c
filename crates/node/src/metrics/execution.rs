//! The execution client beside the node.

use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::buckets;
use super::registrar::Registrar;

/// Calls to the execution client.
pub struct ExecutionMetrics {
    /// Seconds until an answer or a failure, by method.
    pub latency: HistogramVec,
    /// Calls by method and what came of them: the status of a payload, or the name of an error.
    pub calls: IntCounterVec,
    /// Whether the client can be asked.
    pub online: IntGauge,
    /// Payloads handed over again to a client that lagged.
    pub replayed: IntCounter,
    /// Orders that found no room.
    pub dropped: IntCounter,
}

impl ExecutionMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            latency: r.histograms(
                "lathe_execution_call_seconds",
                "Time of a call to the execution client",
                &["method"],
                buckets::FINE,
            )?,
            calls: r.counters(
                "lathe_execution_calls_total",
                "Calls to the execution client",
                &["method", "status"],
            )?,
            online: r.gauge("lathe_execution_online", "Whether the execution client can be asked")?,
            replayed: r.counter(
                "lathe_execution_replayed_total",
                "Payloads handed over again to a client that lagged",
            )?,
            dropped: r.counter("lathe_execution_dropped_total", "Orders that found no room")?,
        })
    }
}
