//! The store against the specification: random sequences through the store, and through a small, slow and literal
//! transcription of leanSpec. After every step both must have come to the same outcome, down to the rejection's reason,
//! and must look the same: head, checkpoints, safe target, weights, pools, duties, and the state after every block.
//!
//! `make differential STEPS=100000` goes on for longer. A failure names its seed; `LATHE_DIFFERENTIAL_SEED` runs the
//! sequence of one seed alone.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod numbers;
mod sequence;
mod state;
mod store;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use numbers::Numbers;
use sequence::{Kind, Seen, Sequence};
use world::World;

/// Steps of one sequence, and of the one before whose blocks another starts from.
const STEPS: usize = 80;
/// Steps in all, unless the environment says otherwise.
const TOTAL_STEPS: usize = 2_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// The sequence of one seed.
fn run(seed: u64, seen: &mut Seen) {
    let mut numbers = Numbers::new(seed);
    let validators = match numbers.below(4) {
        0 => numbers.below(4) + 1,
        1 => numbers.pick(&[3, 4, 6, 9]),
        2 => numbers.pick(&[8, 16, 33]),
        _ => numbers.below(257) + 1,
    };
    let kind = if numbers.percent(15) { Kind::Flood } else { Kind::Anything };
    let mut world = World::genesis(validators);
    if numbers.percent(25) {
        let mut before = Sequence::new(world, Numbers::new(numbers.next()), Kind::Anything, seen);
        before.run(STEPS);
        let (state, block) = before.some_anchor();
        world = World::anchored(state.container(), &block);
    }
    Sequence::new(world, numbers, kind, seen).run(STEPS);
}

#[test]
fn the_store_does_what_the_specification_does() {
    let mut seen = Seen::default();
    if let Some(seed) = from_environment("LATHE_DIFFERENTIAL_SEED") {
        return run(seed, &mut seen);
    }
    let steps = from_environment("LATHE_DIFFERENTIAL_STEPS").map_or(TOTAL_STEPS, |steps| steps as usize);
    for seed in 0..steps.div_ceil(STEPS) as u64 {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, &mut seen))) {
            println!("LATHE_DIFFERENTIAL_SEED={seed} runs the sequence that failed");
            resume_unwind(panic);
        }
    }
    println!("{steps} steps: {seen:?}");

    if steps < TOTAL_STEPS {
        return;
    }
    // What was not tried was not compared.
    for (what, count) in [
        ("blocks", seen.blocks),
        ("reorgs", seen.reorgs),
        ("justified", seen.justified),
        ("finalized", seen.finalized),
        ("pruned", seen.pruned),
        ("safe targets", seen.safe_targets),
    ] {
        assert!(count > 0, "no {what} in {steps} steps");
    }
    let missing: Vec<&str> = REASONS.into_iter().filter(|reason| !seen.reasons.contains(reason)).collect();
    assert!(missing.is_empty(), "never refused for {missing:?}");
}

/// Every reason that a sequence may meet.
const REASONS: [&str; 26] = [
    "ATTESTATION_SLOT_BEFORE_HEAD",
    "ATTESTATION_TOO_FAR_IN_FUTURE",
    "BLOCK_SLOT_GAP_TOO_LARGE",
    "BLOCK_SLOT_NOT_IN_FUTURE",
    "BLOCK_TOO_FAR_IN_FUTURE",
    "DUPLICATE_ATTESTATION_DATA",
    "EMPTY_AGGREGATION_BITS",
    "HEAD_NOT_DESCENDANT_OF_FINALIZED",
    "HEAD_OLDER_THAN_TARGET",
    "HEAD_SLOT_MISMATCH",
    "JUSTIFIED_SLOT_OUT_OF_RANGE",
    "PROPOSER_INDEX_OUT_OF_RANGE",
    "SOURCE_AFTER_TARGET",
    "SOURCE_NOT_ANCESTOR_OF_TARGET",
    "SOURCE_SLOT_MISMATCH",
    "STATE_ROOT_MISMATCH",
    "TARGET_NOT_ANCESTOR_OF_HEAD",
    "TARGET_SLOT_MISMATCH",
    "TOO_MANY_ATTESTATION_DATA",
    "UNKNOWN_HEAD_BLOCK",
    "UNKNOWN_PARENT_BLOCK",
    "UNKNOWN_SOURCE_BLOCK",
    "UNKNOWN_TARGET_BLOCK",
    "VALIDATOR_INDEX_OUT_OF_RANGE",
    "VALIDATOR_NOT_IN_STATE",
    "WRONG_PROPOSER",
];
