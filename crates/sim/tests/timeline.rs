//! The specification's timeline, slot by slot, in a healthy network.

use lathe_sim::{Scenario, run};
use lathe_types::Slot;

/// Head, justified and finalized slot of the head's state at interval 3, as measured on the specification.
fn expected(slot: u64) -> (u64, u64, u64) {
    match slot {
        0 => (0, 0, 0),
        1 => (1, 0, 0),
        2 => (2, 0, 0),
        3 => (3, 1, 0),
        4 => (4, 2, 1),
        _ => (slot, slot - 2, slot - 3),
    }
}

#[test]
fn four_nodes_finalize_every_slot() {
    let outcome = run(Scenario::healthy(1, 12)).unwrap();
    assert_eq!(outcome.missed_duties, 0);
    for slot in 0..=11 {
        let seen: Vec<_> = (0..4).map(|node| outcome.observations[&(node, Slot(slot))]).collect();
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "slot {slot}: {seen:?}");
        let (head, justified, finalized) = seen[0];
        assert_eq!((head.slot.0, justified.slot.0, finalized.slot.0), expected(slot), "slot {slot}");
    }
}
