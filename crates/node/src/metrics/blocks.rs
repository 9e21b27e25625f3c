//! Block production, and our own account of blocks and duties.

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge};

use super::buckets;
use super::registrar::Registrar;

/// Producing blocks.
pub struct ProductionMetrics {
    /// Aggregated payloads in a block that we built.
    pub aggregated_payloads: Histogram,
    /// Seconds to merge a block's payloads and the proposer's signature.
    pub payload_aggregation: Histogram,
    /// Seconds to build a block.
    pub building: Histogram,
    /// Blocks built.
    pub success: IntCounter,
    /// Blocks that could not be built.
    pub failures: IntCounter,
}

impl ProductionMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
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
            missed_duties: r.counters("lathe_missed_duties_total", "Duties not done", &["duty", "reason"])?,
            rejected: r.counters("lathe_rejected_total", "Inputs refused by a rule", &["kind", "reason"])?,
            stalls: r.counter("lathe_chain_stalls_total", "Times that the chain stood still")?,
            age: r.float_gauge("lathe_chain_age_seconds", "Time since the chain's last turn")?,
            equivocations: r.counters(
                "lathe_equivocations_total",
                "Second blocks and votes of one validator for one slot",
                &["kind"],
            )?,
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
