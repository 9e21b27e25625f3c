//! Some hundred short runs with faults, and proof that a run is a function of its seed.

#![allow(clippy::panic, reason = "tests fail by panicking, and so do their helpers")]

use lathe_sim::{Scenario, replay_command, run};

/// Seeds in each of the eight parts; the parts run side by side.
const SEEDS_PER_PART: u64 = 20;
/// Slots of each run: one round.
const SLOTS: u64 = 60;

fn run_part(part: u64) {
    for seed in part * SEEDS_PER_PART..(part + 1) * SEEDS_PER_PART {
        if let Err(violation) = run(Scenario::from_seed(seed, SLOTS)) {
            panic!("seed {seed}: {violation}\nreplay with: {}", replay_command(seed, SLOTS));
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

/// A vote of a misbehaving node that reached one of three others, and then silence: each side held its head for the one
/// with most votes, for ever.
#[test]
fn a_vote_that_only_one_node_has_heard() {
    let outcome = run(Scenario::from_seed(40_186, SLOTS));
    assert!(outcome.is_ok(), "{outcome:?}");
}

/// Blocks that were withheld in every second slot that could have been justified: no fault of the others, but a longer
/// wait for finality than without.
#[test]
fn withheld_blocks_in_justifiable_slots() {
    for seed in [200_250, 200_299] {
        let outcome = run(Scenario::from_seed(seed, 500));
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| run(Scenario::from_seed(seed, 2 * SLOTS)).unwrap().trace;
    for seed in [1, 7, 11] {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
    assert_ne!(trace(1), trace(2));
}
