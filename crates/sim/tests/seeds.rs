//! Some hundred short runs with faults, and proof that a run is a function of its seed.

#![allow(clippy::panic, reason = "tests fail by panicking, and so do their helpers")]

use lathe_sim::{Scenario, replay_command, run};

/// Seeds in each of the eight parts; the parts run side by side.
const SEEDS_PER_PART: u64 = 20;
/// A paired chain on which the gate closed while a payload was to be fetched.
const PAIRED_BEHIND_A_GATE: u64 = 120;
/// A paired chain on which a node whose blocks are refused proposes in every other slot that may be justified.
const PAIRED_WITH_REFUSED_BLOCKS: u64 = 71;

fn must_hold(seed: u64) {
    if let Err(violation) = run(Scenario::paired_from_seed(seed)) {
        panic!("seed {seed}, paired: {violation}\nreplay with: {}", replay_command(seed, true));
    }
}

fn run_part(part: u64) {
    for seed in part * SEEDS_PER_PART..(part + 1) * SEEDS_PER_PART {
        if let Err(violation) = run(Scenario::from_seed(seed)) {
            panic!("seed {seed}: {violation}\nreplay with: {}", replay_command(seed, false));
        }
        // Every other one on a paired chain too, for the time that it takes.
        if seed % 2 == 0 {
            must_hold(seed);
        }
    }
}

macro_rules! parts {
    ($($name:ident: $part:literal,)*) => {
        $(
            #[test]
            fn $name() {
                run_part($part);
            }
        )*
    };
}

parts! {
    part_0: 0,
    part_1: 1,
    part_2: 2,
    part_3: 3,
    part_4: 4,
    part_5: 5,
    part_6: 6,
    part_7: 7,
}

#[test]
fn a_closed_gate_does_not_stop_time() {
    must_hold(PAIRED_BEHIND_A_GATE);
}

#[test]
fn refused_blocks_on_justifiable_slots_only_delay_finality() {
    must_hold(PAIRED_WITH_REFUSED_BLOCKS);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7, 11] {
        let first = run(Scenario::from_seed(seed)).unwrap();
        let second = run(Scenario::from_seed(seed)).unwrap();
        assert_eq!(first.trace, second.trace, "seed {seed}");
        let [first, second] = [0, 1].map(|_| run(Scenario::paired_from_seed(seed)).unwrap().trace);
        assert_eq!(first, second, "seed {seed}, paired");
    }
    let [one, two] = [1, 2].map(|seed| run(Scenario::from_seed(seed)).unwrap().trace);
    assert_ne!(one, two);
}
