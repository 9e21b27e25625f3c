//! What the node takes of its machine: mailboxes, files.

use std::path::PathBuf;
use std::sync::OnceLock;

use lathe_actor::Probe;
use prometheus::{IntCounterVec, IntGaugeVec};

use super::registrar::Registrar;

/// Mailboxes and files.
pub struct ResourceMetrics {
    depth: IntGaugeVec,
    capacity: IntGaugeVec,
    dropped: IntCounterVec,
    table_bytes: IntGaugeVec,
    probes: OnceLock<Vec<Probe>>,
    files: OnceLock<Vec<(&'static str, PathBuf)>>,
}

impl ResourceMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            depth: r.gauges("lathe_mailbox_depth", "Messages that wait for an actor", &["mailbox"])?,
            capacity: r.gauges("lathe_mailbox_capacity", "Messages that fit", &["mailbox"])?,
            dropped: r.counters(
                "lathe_mailbox_dropped_total",
                "Messages that found no room, or gave way to newer ones",
                &["mailbox"],
            )?,
            table_bytes: r.gauges("lean_table_bytes", "Bytes on the disk, by what they hold", &["table"])?,
            probes: OnceLock::new(),
            files: OnceLock::new(),
        })
    }

    /// Says which mailboxes and files are looked at from now on.
    pub(crate) fn watch(&self, probes: Vec<Probe>, files: Vec<(&'static str, PathBuf)>) {
        let _ = self.probes.set(probes);
        let _ = self.files.set(files);
    }

    /// Looks.
    pub(super) fn observe(&self) {
        for probe in self.probes.get().into_iter().flatten() {
            let (stats, labels) = (probe.stats(), [probe.name()]);
            self.depth.with_label_values(&labels).set(stats.depth as i64);
            // A capacity without a bound has none to show.
            self.capacity.with_label_values(&labels).set(i64::try_from(stats.capacity).unwrap_or(i64::MAX));
            let dropped = self.dropped.with_label_values(&labels);
            dropped.inc_by((stats.dropped + stats.refused).saturating_sub(dropped.get()));
        }
        for (table, path) in self.files.get().into_iter().flatten() {
            let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
            self.table_bytes.with_label_values(&[table]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}
