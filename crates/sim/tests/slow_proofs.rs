//! Proofs that take as long as those of other clients' networks: they degrade a network, and never stop it.
//!
//! Four nodes of a validator each, one of which aggregates. What is counted is blocks that left for the network, for a
//! block that comes after its slot still carries votes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use lathe_sim::{ProofCosts, Scenario, run_telling};
use lathe_types::Slot;

const SLOTS: u64 = 48;

struct Seen {
    /// Slots for which a block was published.
    published: BTreeSet<u64>,
    missed: Vec<String>,
    /// Head, justified and finalized slot at interval 3 of each slot, as node 0 sees them.
    chain: Vec<(u64, u64, u64)>,
}

impl Seen {
    fn lags(&self, from: usize) -> (u64, u64) {
        let lag = |pick: fn(&(u64, u64, u64)) -> u64| self.chain[from..].iter().map(pick).max().unwrap_or(0);
        (lag(|(head, justified, _)| head - justified), lag(|(head, _, finalized)| head - finalized))
    }

    fn assert_every_slot_has_a_block(&self) {
        let without: Vec<_> = (1..SLOTS).filter(|slot| !self.published.contains(slot)).collect();
        assert_eq!((without, &self.missed), (Vec::new(), &Vec::new()));
    }

    fn finalized(&self) -> u64 {
        self.chain.last().map_or(0, |(.., finalized)| *finalized)
    }
}

fn watch(proofs: ProofCosts) -> Seen {
    let scenario = Scenario { aggregators: vec![0], proofs: Some(proofs), ..Scenario::healthy(7, SLOTS) };
    let (mut published, mut missed) = (BTreeSet::new(), Vec::new());
    let mut tell = |line: &str| {
        if line.contains("DutyMissed") {
            missed.push(line.trim().to_owned());
        }
        let slot = line.split_once(" Proposed {").and_then(|(_, rest)| rest.split_once("slot: Slot("));
        if let Some(slot) = slot.and_then(|(_, rest)| rest.split(')').next()?.parse().ok()) {
            published.insert(slot);
        }
    };
    let outcome = run_telling(scenario, &mut tell).unwrap();
    let chain = (0..SLOTS).map(|slot| {
        let (head, justified, finalized) = outcome.observations[&(0, Slot(slot))];
        (head.slot.0, justified.slot.0, finalized.slot.0)
    });
    Seen { published, missed, chain: chain.collect() }
}

#[test]
fn proofs_of_half_a_second_cost_nothing() {
    let costs =
        ProofCosts { aggregate_ms: 500, merge_ms: 500, per_component_ms: 250, ..ProofCosts::one_prover() };
    let seen = watch(costs);
    assert_eq!(seen.lags(6), (2, 3));
    seen.assert_every_slot_has_a_block();
}

#[test]
fn merges_of_two_and_a_half_seconds_cost_nothing_either() {
    let costs =
        ProofCosts { aggregate_ms: 900, merge_ms: 1_500, per_component_ms: 500, ..ProofCosts::two_provers() };
    let seen = watch(costs);
    assert_eq!(seen.lags(6), (2, 3));
    seen.assert_every_slot_has_a_block();
}

#[test]
fn merges_longer_than_a_slot_make_late_blocks_and_finality_goes_on() {
    let costs = ProofCosts {
        aggregate_ms: 900,
        merge_ms: 3_000,
        per_component_ms: 1_000,
        ..ProofCosts::one_prover()
    };
    let seen = watch(costs);
    assert!(seen.published.len() as u64 * 10 >= (SLOTS - 3) * 9, "{}", seen.published.len());
    assert!(seen.finalized() >= SLOTS / 2, "{}", seen.finalized());
}

#[test]
fn merges_of_two_slots_still_make_a_block_in_most_slots() {
    let costs = ProofCosts {
        aggregate_ms: 900,
        merge_ms: 2_000,
        per_component_ms: 3_000,
        ..ProofCosts::one_prover()
    };
    let seen = watch(costs);
    assert!(seen.published.len() as u64 * 2 > SLOTS, "{}", seen.published.len());
}

#[test]
fn costs_that_grow_with_everything_leave_the_head_one_slot_behind() {
    let costs = ProofCosts { per_signature_ms: 227, per_component_ms: 2_500, ..ProofCosts::one_prover() };
    let seen = watch(costs);
    assert!(seen.chain[14].0 >= 13, "{:?}", seen.chain[14]);
}
