//! Execution clients in trouble, of a kind each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and so do their helpers")]

use lathe_sim::{
    Behaviour, ExecutionFault, ExecutionPlan, ExecutionTrouble, HEALED_SLOTS, Outcome, Sabotage, Scenario,
    run,
};
use lathe_types::Slot;

fn paired(slots: u64, faults: Vec<ExecutionFault>) -> Scenario {
    let execution = Some(ExecutionPlan { faults, names_latest_valid: vec![0, 2] });
    Scenario { execution, ..Scenario::healthy(1, slots) }
}

fn fault(node: usize, trouble: ExecutionTrouble, from_ms: i64, until_ms: i64) -> ExecutionFault {
    ExecutionFault { from_ms, until_ms, node, trouble }
}

/// Slots of the heads and finalized checkpoints of all nodes in `slot`.
fn heads(outcome: &Outcome, slot: u64) -> Vec<(u64, u64)> {
    let at_slot = outcome.observations.iter().filter(|((_, seen), _)| *seen == Slot(slot));
    at_slot.map(|(_, (head, _, finalized))| (head.slot.0, finalized.slot.0)).collect()
}

const TROUBLES: [ExecutionTrouble; 4] = [
    ExecutionTrouble::Offline,
    ExecutionTrouble::Wiped,
    ExecutionTrouble::Syncing,
    ExecutionTrouble::Useless,
];

/// One client of four is out for five slots: its node keeps up, the others finalize, and soon it
/// does its duties again.
#[test]
fn one_client_of_four_in_trouble_stops_nothing() {
    for trouble in TROUBLES {
        let outcome = run(paired(24, vec![fault(2, trouble, 30_500, 50_500)])).unwrap();
        let during = heads(&outcome, 11);
        assert!(
            during.iter().all(|(head, finalized)| *head >= 10 && *finalized >= 5),
            "{trouble:?}: {during:?}"
        );
        let after = heads(&outcome, 23);
        assert!(
            after.iter().all(|(head, finalized)| *head == 23 && *finalized >= 19),
            "{trouble:?}: {after:?}"
        );
    }
}

/// With two of four out nothing is final any more; when they are back it is.
#[test]
fn two_clients_of_four_in_trouble_stop_finality_and_bring_it_back() {
    for trouble in TROUBLES {
        let faults = [1, 2].map(|node| fault(node, trouble, 30_500, 70_500)).to_vec();
        let outcome = run(paired(40, faults)).unwrap();
        let during = heads(&outcome, 16);
        assert!(during.iter().all(|(_, finalized)| *finalized <= 7), "{trouble:?}: {during:?}");
        let after = heads(&outcome, 39);
        assert!(
            after.iter().all(|(head, finalized)| *head >= 38 && *finalized >= 33),
            "{trouble:?}: {after:?}"
        );
    }
}

/// A proposer whose payloads nobody else accepts costs its slots and nothing else, whether clients name the latest
/// valid payload or not, and also where a client is away when the bad block arrives.
#[test]
fn bad_payloads_are_left_behind() {
    let faults = vec![
        fault(1, ExecutionTrouble::Syncing, 25_000, 45_000),
        fault(2, ExecutionTrouble::Offline, 60_000, 75_000),
    ];
    let mut scenario = paired(20, faults).healing();
    scenario.byzantine.insert(3, Behaviour::BadPayload);
    let outcome = run(scenario).unwrap();
    let settled = heads(&outcome, 20 + HEALED_SLOTS - 1);
    assert!(settled[..3].iter().all(|(head, finalized)| *head >= 53 && *finalized >= 45), "{settled:?}");
}

/// Duties rest while a client is out, and are said to.
#[test]
fn missed_duties_are_counted() {
    let healthy = run(paired(16, Vec::new())).unwrap();
    assert_eq!(healthy.missed_duties, 0);
    let outcome = run(paired(16, vec![fault(2, ExecutionTrouble::Offline, 30_500, 50_500)])).unwrap();
    assert!((4..=8).contains(&outcome.missed_duties), "{}", outcome.missed_duties);
}

/// An execution layer costs no slot and no vote.
#[test]
fn four_pairs_finalize_every_slot() {
    let outcome = run(paired(12, Vec::new())).unwrap();
    assert_eq!(outcome.missed_duties, 0);
    for slot in 5..=11 {
        assert_eq!(heads(&outcome, slot), [(slot, slot - 3); 4]);
    }
}

fn violated(scenario: Scenario) -> Option<&'static str> {
    run(scenario).err().map(|violation| violation.invariant)
}

/// Clients that are taken for believing everything, while one proposer's payloads are bad. The
/// votes for its block come
/// before the next proposal, so their detector fires as well; which one is first is a matter of timing.
#[test]
fn the_detectors_find_a_node_that_believes_every_payload() {
    let mut scenario = paired(12, Vec::new());
    scenario.byzantine.insert(3, Behaviour::BadPayload);
    assert_eq!(violated(scenario.clone()), None);
    scenario.sabotage = Some(Sabotage::BelievesEveryPayload);
    let found = violated(scenario);
    assert!(
        found == Some("no block on an invalid payload") || found == Some("no vote for an optimistic head"),
        "{found:?}"
    );
}

/// A client that says that it cannot tell, taken for a yes.
#[test]
fn the_detector_finds_a_vote_for_an_optimistic_head() {
    let mut scenario = paired(12, vec![fault(1, ExecutionTrouble::Syncing, 10_000, 30_000)]);
    assert_eq!(violated(scenario.clone()), None);
    scenario.sabotage = Some(Sabotage::BelievesEveryPayload);
    assert_eq!(violated(scenario), Some("no vote for an optimistic head"));
}
