//! When gossip arrives, measured from the interval in which it is due.

use lathe_engine::Millis;
use lathe_types::{MILLISECONDS_PER_INTERVAL, MILLISECONDS_PER_SLOT, Phase, Slot};
use prometheus::{Histogram, IntCounterVec};

use super::buckets;
use super::registrar::Registrar;

/// Messages of slots further away than this say nothing of the network's speed.
const MAX_DISTANCE_SLOTS: u64 = 256;

/// What arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// A block, due in interval 0 of its slot.
    Block,
    /// A vote, due in interval 1 of its slot.
    Attestation,
    /// An aggregate, due in any interval 2: it may be folded anew in later slots.
    Aggregate,
}

/// Delays and positions, by kind.
pub struct ArrivalMetrics {
    blocks: Arrivals,
    attestations: Arrivals,
    aggregates: Arrivals,
}

struct Arrivals {
    delay: Histogram,
    total: IntCounterVec,
}

impl ArrivalMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        let of = |kind: &str, positions: &[&str]| {
            let delay = r.histogram(
                &format!("lean_gossip_{kind}_arrival_delay_seconds"),
                "Time from the start of the interval in which it is due to its arrival",
                buckets::ARRIVAL,
            )?;
            let name = format!("lean_gossip_{kind}_arrival_total");
            let total = r.counters(
                &name,
                "Messages by where they fall: before, inside or after that interval",
                &["position"],
            )?;
            positions.iter().for_each(|position| total.with_label_values(&[position]).reset());
            Ok::<_, prometheus::Error>(Arrivals { delay, total })
        };
        Ok(Self {
            blocks: of("block", &["before", "inside", "after"])?,
            attestations: of("attestation", &["before", "inside", "after"])?,
            aggregates: of("aggregation", &["inside", "after"])?,
        })
    }

    /// A peer's message for `slot` arrived at `now`.
    pub fn note(&self, what: Arrived, slot: Slot, now: Millis) {
        if now.slot().0.abs_diff(slot.0) > MAX_DISTANCE_SLOTS {
            return;
        }
        let after_slot = now.since(Millis::of_slot(slot));
        let interval = MILLISECONDS_PER_INTERVAL as i64;
        let (arrivals, delay) = match what {
            Arrived::Block => (&self.blocks, after_slot),
            Arrived::Attestation => (&self.attestations, after_slot - Phase::Attest as i64 * interval),
            Arrived::Aggregate => {
                let after_due = now.0 - Phase::Aggregate as i64 * interval;
                (&self.aggregates, after_due.rem_euclid(MILLISECONDS_PER_SLOT as i64))
            }
        };
        let position = match delay {
            ..0 => "before",
            _ if delay < interval => "inside",
            _ => "after",
        };
        arrivals.total.with_label_values(&[position]).inc();
        arrivals.delay.observe(delay.max(0) as f64 / 1000.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn arrivals_are_measured_from_the_interval_in_which_they_are_due() {
        let metrics = Metrics::new("lathe_0", 0.0).unwrap();
        let note = |what, slot, now| metrics.arrivals.note(what, Slot(slot), Millis(now));
        for now in [11_999, 12_000, 12_799, 12_800] {
            note(Arrived::Block, 3, now);
        }
        for now in [12_799, 12_800, 13_599, 13_600, 13_601] {
            note(Arrived::Attestation, 3, now);
        }
        // From interval 2 of whichever slot.
        for now in [13_599, 13_600, 14_399, 14_400] {
            note(Arrived::Aggregate, 3, now);
        }
        note(Arrived::Block, 300, 12_000);
        let text = metrics.render().unwrap();
        for line in [
            "block_arrival_total{position=\"before\"} 1",
            "block_arrival_total{position=\"inside\"} 2",
            "block_arrival_total{position=\"after\"} 1",
            "block_arrival_delay_seconds_count 4",
            "block_arrival_delay_seconds_bucket{le=\"0.05\"} 2",
            "attestation_arrival_total{position=\"before\"} 1",
            "attestation_arrival_total{position=\"inside\"} 2",
            "attestation_arrival_total{position=\"after\"} 2",
            "aggregation_arrival_total{position=\"inside\"} 2",
            "aggregation_arrival_total{position=\"after\"} 2",
        ] {
            assert!(text.contains(&format!("lean_gossip_{line}\n")), "{line}");
        }
        assert!(!text.contains("aggregation_arrival_total{position=\"before\"}"));
    }
}
