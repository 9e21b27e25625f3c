//! Block production, and our own account of blocks and duties.

use lathe_types::RejectionReason;
use prometheus::{Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::buckets;
use super::registrar::Registrar;

/// Duties, as labels.
const DUTIES: [&str; 3] = ["attestation", "proposal", "aggregation"];
/// Objects from outside, as labels.
const OBJECTS: [&str; 3] = ["block", "attestation", "aggregate"];
/// Phases of a block's building: choosing and merging votes, the proposer's signature, and the block's proof.
pub(crate) const PHASES: [&str; 3] = ["prepare", "sign", "seal"];
/// Why duties are missed, as labels.
pub(crate) const MISS_REASONS: &[&str] = &[
    "not_synced",
    "late_tick",
    "not_prepared",
    "prover_busy",
    "signer_refused",
    "key_exhausted",
    "key_not_prepared",
    "key_stopped",
    "unknown_key",
    "ledger",
    "signer_away",
    "signer_slow",
    "signer_not_served",
    "signer_overloaded",
    "refused",
    "deadline",
    "backend",
    "panicked",
    "head_moved",
    "clock_implausible",
    "out_of_time",
    "optimistic_head",
    "execution_offline",
    "payload_not_building",
    "payload_timeout",
    "payload_refused",
    "payload_mismatch",
    "payload_too_large",
    "other",
];

/// Producing blocks.
pub struct ProductionMetrics {
    /// Aggregated payloads in a block that we built.
    pub aggregated_payloads: Histogram,
    /// Seconds to merge a block's payloads and the proposer's signature.
    pub payload_aggregation: Histogram,
    /// Seconds to build a block.
    pub building: Histogram,
    /// Seconds of each phase.
    pub phases: HistogramVec,
    /// Blocks built.
    pub success: IntCounter,
    /// Blocks that could not be built.
    pub failures: IntCounter,
}

impl ProductionMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        let phases = r.histograms(
            "lathe_block_building_phase_seconds",
            "Time of a phase of a block's building",
            &["phase"],
            buckets::FINE,
        )?;
        PHASES.iter().for_each(|phase| _ = phases.with_label_values(&[phase]));
        Ok(Self {
            aggregated_payloads: r.histogram(
                "lean_block_aggregated_payloads",
                "Aggregated payloads in a built block",
                buckets::PAYLOADS,
            )?,
            payload_aggregation: r.histogram(
                "lean_block_building_payload_aggregation_time_seconds",
                "Time to merge the payloads of a block",
                buckets::PAYLOAD_AGGREGATION,
            )?,
            building: r.histogram(
                "lean_block_building_time_seconds",
                "Time to build a block",
                buckets::PRODUCTION,
            )?,
            phases,
            success: r.counter("lean_block_building_success_total", "Blocks built")?,
            failures: r.counter("lean_block_building_failures_total", "Blocks that could not be built")?,
        })
    }
}

/// What `lathe devnet` reads beside the common metrics.
pub struct ChainMetrics {
    /// Blocks imported, our own included.
    pub blocks_imported: IntCounter,
    /// Slot of the block imported last.
    pub last_block_slot: IntGauge,
    /// When the last block arrived, in milliseconds after its slot began.
    pub last_block_arrival_ms: IntGauge,
    /// Votes for the slot before their block, summed over all imported blocks.
    pub previous_slot_votes: IntCounter,
    /// Seconds from the start of a slot to the arrival of its block.
    pub block_arrival: Histogram,
    /// Seconds from the arrival of a block to its import, its verification included.
    pub block_import: Histogram,
    /// Seconds from the start of a slot to the publication of our block.
    pub block_published: Histogram,
    /// Slot from which on peers can be served with blocks; kept while older ones are fetched.
    pub earliest_block_slot: IntGauge,
    /// Slot of the checkpoint that the chain began at in this run; 0 without one.
    pub checkpoint_slot: IntGauge,
    /// Duties not done, by duty and reason.
    pub missed_duties: IntCounterVec,
    /// Inputs refused by a rule, by kind and reason.
    pub rejected: IntCounterVec,
    /// Times that the chain stood still for more than a slot.
    pub stalls: IntCounter,
    /// Seconds since the chain's last turn.
    pub age: Gauge,
    /// Validators that signed twice for one slot, by kind.
    pub equivocations: IntCounterVec,
    /// Blocks that wait for their parents.
    pub pending_blocks: IntGauge,
    /// Votes and aggregates that wait for a block or for the clock.
    pub held_votes: IntGauge,
    /// Batches that were handed to the store and are not known to be durable.
    pub unwritten_batches: IntGauge,
    /// Turns of the chain's loop that took longer than they should.
    pub turn: Histogram,
}

impl ChainMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        // A series that appears with its first event hides that event from a rate, so all are there from the start.
        let missed_duties =
            r.counters("lathe_missed_duties_total", "Duties not done", &["duty", "reason"])?;
        for duty in DUTIES {
            MISS_REASONS.iter().for_each(|reason| missed_duties.with_label_values(&[duty, reason]).reset());
        }
        let rejected = r.counters("lathe_rejected_total", "Inputs refused by a rule", &["kind", "reason"])?;
        let equivocations = r.counters(
            "lathe_equivocations_total",
            "Second blocks and votes of one validator for one slot",
            &["kind"],
        )?;
        for kind in OBJECTS {
            equivocations.with_label_values(&[kind]).reset();
            RejectionReason::ALL
                .iter()
                .for_each(|reason| rejected.with_label_values(&[kind, reason.name()]).reset());
        }
        Ok(Self {
            blocks_imported: r.counter("lathe_blocks_imported_total", "Blocks imported")?,
            last_block_slot: r.gauge("lathe_last_block_slot", "Slot of the block imported last")?,
            last_block_arrival_ms: r.gauge(
                "lathe_last_block_arrival_ms",
                "Arrival of the last block after the start of its slot",
            )?,
            previous_slot_votes: r.counter(
                "lathe_previous_slot_votes_total",
                "Votes for the previous slot that imported blocks carry",
            )?,
            block_arrival: r.histogram(
                "lathe_block_arrival_seconds",
                "Time from the start of a slot to the arrival of its block",
                buckets::FINE,
            )?,
            block_import: r.histogram(
                "lathe_block_import_seconds",
                "Time from the arrival of a block to its import",
                buckets::FINE,
            )?,
            block_published: r.histogram(
                "lathe_block_published_seconds",
                "Time from the start of a slot to the publication of our block",
                buckets::FINE,
            )?,
            earliest_block_slot: r.gauge(
                "lathe_earliest_block_slot",
                "First slot whose block can be served, when it was looked at last",
            )?,
            checkpoint_slot: r.gauge(
                "lathe_checkpoint_slot",
                "Slot of the checkpoint that this run began at; 0 without one",
            )?,
            missed_duties,
            rejected,
            stalls: r.counter("lathe_chain_stalls_total", "Times that the chain stood still")?,
            age: r.float_gauge("lathe_chain_age_seconds", "Time since the chain's last turn")?,
            equivocations,
            pending_blocks: r.gauge("lathe_pending_blocks", "Blocks that wait for their parents")?,
            held_votes: r
                .gauge("lathe_held_votes", "Votes and aggregates that wait for a block or the clock")?,
            unwritten_batches: r
                .gauge("lathe_unwritten_batches", "Batches of the chain that are not known to be on disk")?,
            turn: r.histogram(
                "lathe_chain_turn_seconds",
                "Time of one turn of the chain's loop",
                buckets::FINE,
            )?,
        })
    }
}
