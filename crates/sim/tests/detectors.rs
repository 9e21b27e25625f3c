//! Every detector finds the bug that it is there for, once that bug is put back in; and finds nothing without it.

use lathe_sim::{Crash, Partition, Sabotage, Scenario, run};

fn violated(scenario: Scenario) -> Option<&'static str> {
    run(scenario).err().map(|violation| violation.invariant)
}

#[test]
fn a_signer_that_signs_twice() {
    let scenario = Scenario { sabotage: Some(Sabotage::SignsTwice), ..Scenario::healthy(1, 4) };
    assert_eq!(violated(scenario), Some("one root per key and slot"));
}

/// Every validator on both sides of a partition: each side finalizes a chain of its own.
#[test]
fn two_chains_finalized() {
    let partition = |side: &[usize]| Partition {
        from_ms: -1_000,
        until_ms: i64::MAX,
        side: side.to_vec(),
        one_way: false,
    };
    // Without the twins each half has half of the votes and finalizes nothing.
    assert_eq!(violated(Scenario::healthy(2, 12).parted(&partition(&[0, 1]))), None);
    let mut scenario = Scenario::healthy(2, 12).parted(&partition(&[0, 1, 2, 3]));
    scenario.sabotage = Some(Sabotage::TwinsOnBothSides);
    // The sides differ in what they hear of: delays alone make the same blocks, so one node of one
    // side is away first.
    scenario.crashes.push(Crash { at_ms: 3_900, node: 1, down_ms: 6_000, power: true });
    assert_eq!(violated(scenario), Some("no conflicting finalization"));
}

/// A disk that says durable and is not: after a power loss the node knows less than it was told it would.
#[test]
fn a_disk_that_does_not_sync() {
    let mut scenario = Scenario::healthy(3, 16);
    scenario.crashes.push(Crash { at_ms: 40_000, node: 2, down_ms: 1_000, power: true });
    assert_eq!(violated(scenario.clone()), None);
    scenario.sabotage = Some(Sabotage::SyncsNothing);
    assert_eq!(violated(scenario), Some("what was durable is there after a start"));
}

/// Without an aggregator no vote counts, and nothing is ever justified.
#[test]
fn a_healed_network_that_does_not_finalize() {
    let scenario = Scenario::healthy(4, 2).healing();
    assert_eq!(violated(scenario.clone()), None);
    let scenario = Scenario { aggregators: Vec::new(), ..scenario };
    assert_eq!(violated(scenario), Some("a healed network finalizes"));
}
