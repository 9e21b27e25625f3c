//! Faults of a kind each, longer than the random runs have them.

use lathe_sim::{
    Behaviour, ClockStep, Crash, Fault, Outcome, Partition, ProvingPlan, Scenario, Strangers, Violation, run,
    run_telling,
};
use lathe_types::Slot;

fn with_healing(faulty_slots: u64) -> Scenario {
    Scenario::healthy(1, faulty_slots).healing()
}

fn partition(side: &[usize], one_way: bool) -> Partition {
    Partition { from_ms: 10_000, until_ms: i64::MAX, side: side.to_vec(), one_way }
}

/// Slots of the heads and finalized checkpoints of all nodes that run in `slot`.
fn heads(outcome: &Outcome, slot: u64) -> Vec<(u64, u64)> {
    let at_slot = outcome.observations.iter().filter(|((_, seen), _)| *seen == Slot(slot));
    at_slot.map(|(_, (head, _, finalized))| (head.slot.0, finalized.slot.0)).collect()
}

#[test]
fn two_halves_for_two_hundred_slots() {
    for side in [&[0, 1][..], &[0, 2]] {
        run(with_healing(200).parted(&partition(side, false))).unwrap();
    }
}

/// Two halves that long, and how many slots they may take to finalize once they are whole: two justifiable slots in a
/// row, and the pipeline.
fn two_halves_for(slots: u64, healed_slots: u64) -> Result<Outcome, Violation> {
    let mut scenario = with_healing(slots).parted(&partition(&[0, 1], false));
    scenario.rounds.iter_mut().for_each(|round| round.healed_slots = healed_slots);
    run(scenario)
}

#[test]
fn two_halves_for_five_hundred_slots() {
    two_halves_for(500, 66).unwrap();
}

#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_ten_thousand_slots_without_finality() {
    two_halves_for(10_000, 207).unwrap();
}

#[test]
fn one_half_hears_the_other_and_is_not_heard() {
    for side in [&[0, 1][..], &[3]] {
        run(with_healing(40).parted(&partition(side, true))).unwrap();
    }
}

#[test]
fn one_of_four_away_stops_nothing() {
    let mut scenario = Scenario::healthy(1, 40);
    scenario.crashes.push(Crash { at_ms: 41_000, node: 3, down_ms: i64::MAX / 2, power: true });
    let late = heads(&run(scenario).unwrap(), 38);
    assert_eq!(late.len(), 3);
    for (head, finalized) in late {
        assert!(head >= 37 && finalized >= head - 6, "head {head}, finalized {finalized}");
    }
}

#[test]
fn two_of_four_away_stop_finality_and_bring_it_back() {
    let mut scenario = Scenario::healthy(1, 60);
    for node in [2, 3] {
        scenario.crashes.push(Crash { at_ms: 41_000, node, down_ms: 80_000, power: true });
    }
    let outcome = run(scenario).unwrap();
    let stopped = heads(&outcome, 29);
    assert!(stopped.iter().all(|(_, finalized)| *finalized <= 9), "{stopped:?}");
    let resumed = heads(&outcome, 59);
    assert_eq!(resumed.len(), 4);
    assert!(resumed.iter().all(|(head, finalized)| *head == 59 && *finalized >= 50), "{resumed:?}");
}

/// The sleeper is in sync within two slots of waking and does its duties again; it does none before.
#[test]
fn a_thousand_slots_behind() {
    let mut scenario = Scenario::healthy(1, 1_030);
    scenario.crashes.push(Crash { at_ms: 41_000, node: 3, down_ms: 4_000_000, power: true });
    let mut head = 0;
    let mut votes = 0;
    let outcome = run_telling(scenario, &mut |event| {
        let slot_after =
            |name: &str| event.split(name).nth(1)?.split("Slot(").nth(1)?.split(')').next()?.parse().ok();
        let is_sleeper = event.split(' ').nth(1) == Some("3");
        if is_sleeper && let Some(slot) = slot_after(" Head") {
            head = slot;
        }
        if is_sleeper && let Some(slot) = slot_after(" Attested") {
            let slot: u64 = slot;
            assert!(slot <= head + 4, "voted at {slot} with its head at {head}");
            votes += u64::from(slot > 1_000);
        }
    })
    .unwrap();
    assert!(votes >= 15, "{votes} votes after waking");
    let woken = heads(&outcome, 1_015);
    assert_eq!(woken.len(), 4);
    assert!(woken.iter().all(|(head, _)| *head == 1_015), "{woken:?}");
    let settled = heads(&outcome, 1_029);
    assert!(settled.iter().all(|(head, finalized)| *head == 1_029 && *finalized == 1_026), "{settled:?}");
}

/// A peer that claims a newer chain and delivers nothing neither silences a node nor keeps it from catching up.
#[test]
fn a_lying_peer_delays_nobody_for_long() {
    let mut scenario = Scenario::healthy(1, 80);
    scenario.nodes = 7;
    scenario.validators = 7;
    scenario.byzantine.insert(6, Behaviour::Lie);
    scenario.crashes.push(Crash { at_ms: 41_000, node: 3, down_ms: 120_000, power: true });
    let settled = heads(&run(scenario).unwrap(), 79);
    assert!(settled[..6].iter().all(|(head, finalized)| *head >= 78 && *finalized >= 70), "{settled:?}");
}

/// Proofs that are made in time are in the blocks, and cost no slot; those that are not cost none either.
#[test]
fn proofs_in_place_of_signatures() {
    for (ms_per_signature, fault) in [(1, Fault::ProofMade), (900, Fault::ProofLate)] {
        let proving = Some(ProvingPlan { max_raw_bytes: 0, ms_per_signature: vec![ms_per_signature; 4] });
        let outcome = run(Scenario { proving, ..Scenario::healthy(1, 16) }).unwrap();
        assert_eq!(heads(&outcome, 15), [(15, 12); 4], "{ms_per_signature} ms");
        assert!(outcome.coverage[&fault] > 0, "{:?}", outcome.coverage);
    }
}

/// Whatever strangers claim and send, a chain that stood still goes on.
#[test]
fn no_number_of_strangers_stops_a_network() {
    for (liars, orphans, one_address) in [(1, 0, false), (4, 20, true), (40, 2, false)] {
        let strangers = Some(Strangers { liars, orphans, one_address });
        let scenario = with_healing(20).parted(&partition(&[0, 1], false));
        let outcome = run(Scenario { strangers, ..scenario }).unwrap();
        let settled = heads(&outcome, 55);
        assert!(settled.iter().all(|(head, finalized)| *head == 55 && *finalized == 52), "{settled:?}");
    }
}

#[test]
fn clocks_that_are_wrong_jump_and_stand_still() {
    for skew_ms in [-400, 400, -800, 800, -5_000, 5_000, -30_000, 30_000] {
        let mut scenario = with_healing(30);
        scenario.clock_steps.push(ClockStep { at_ms: 42_345, node: 1, skew_ms });
        scenario.clock_steps.push(ClockStep { at_ms: 82_345, node: 1, skew_ms: 0 });
        run(scenario).unwrap();
    }
}

/// Every millisecond of a slot is a good moment to lose power.
#[test]
fn power_lost_at_every_moment_of_a_slot() {
    for offset in (0..4_000).step_by(125) {
        let mut scenario = Scenario::healthy(1, 16);
        scenario.crashes.push(Crash { at_ms: 36_000 + offset, node: 2, down_ms: 40, power: true });
        let settled = heads(&run(scenario).unwrap(), 15);
        assert!(settled.iter().all(|(head, _)| *head >= 14), "offset {offset}: {settled:?}");
    }
}
