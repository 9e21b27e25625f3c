//! A clock that is wrong: duties rest while others' blocks say so, and go on once it is corrected.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and so do their helpers")]

mod support;

use lathe_types::Slot;
use support::{Hand, Made, anchor};

/// A node whose clock shows slot 150 while the network is at slot 2, with validator 0 of four.
fn ahead() -> (Hand, Vec<Made>) {
    let anchor = anchor(4);
    let mut blocks = vec![Made::genesis(&anchor).child(1, &[])];
    for slot in 2..12 {
        blocks.push(blocks.last().unwrap().child(slot, &[]));
    }
    let mut hand = Hand::new(600_000, &[0], false, anchor);
    for (n, block) in blocks[..2].iter().enumerate() {
        hand.run_to(600_000 + 4_000 * n as i64);
        hand.import(n as u8 + 1, block);
    }
    (hand, blocks)
}

fn told(hand: &Hand) -> Vec<String> {
    hand.events().into_iter().filter(|event| event.starts_with("ClockImplausible")).collect()
}

#[test]
fn duties_rest_while_all_blocks_are_far_behind_the_clock() {
    let (mut hand, blocks) = ahead();
    assert_eq!(told(&hand), ["ClockImplausible { slots_ahead: 149 }"]);
    assert!(hand.engine.view().sync.is_syncing);
    for (n, block) in blocks[2..8].iter().enumerate() {
        let effects = hand.run_to(608_000 + 4_000 * n as i64);
        assert!(
            !effects.iter().any(|effect| effect.contains("sign") || effect.contains("prepare")),
            "{effects:?}"
        );
        assert!(told(&hand).is_empty(), "once");
        let missed = "DutyMissed { duty: Attestation, validator: Some(ValidatorIndex(0)), slot: Slot(";
        let missed: Vec<String> =
            hand.events().into_iter().filter(|event| event.starts_with(missed)).collect();
        assert!(missed.iter().all(|event| event.ends_with("reason: ClockImplausible }")), "{missed:?}");
        assert_eq!(missed.len(), 1);
        hand.import(n as u8 + 3, block);
    }
}

#[test]
fn after_a_correction_it_votes_within_two_slots() {
    let (mut hand, blocks) = ahead();
    // What the wrong clock had it do: it has proposed, or was about to, for slots that are not there yet.
    hand.run_to(630_000);
    hand.tick(12_100);
    assert_eq!(told(&hand), ["ClockImplausible { slots_ahead: 0 }"]);
    hand.import(3, &blocks[2]);
    let mut signed = Vec::new();
    for block in &blocks[3..6] {
        let slot = block.block.block.slot;
        let effects = hand.run_to(4_000 * slot.0 as i64 + 100);
        signed.extend(effects.iter().filter(|effect| effect.contains("Attestation 0")).map(|_| slot.0 - 1));
        hand.import(slot.0 as u8, block);
        assert_eq!(hand.engine.view().head.slot, slot, "the chain goes on");
    }
    assert_eq!(signed, [3, 4, 5], "in step from the slot of the correction on");
}

#[test]
fn after_a_correction_it_proposes_in_slots_that_it_has_only_dreamt_of() {
    let (mut hand, blocks) = ahead();
    hand.run_to(630_000);
    hand.tick(12_100);
    hand.import(3, &blocks[2]);
    let effects = hand.run_to(15_900);
    assert!(
        effects.iter().any(|effect| effect.contains("prepare") && effect.contains("slot 4")),
        "{effects:?}"
    );
}

#[test]
fn a_small_step_back_repeats_nothing() {
    let anchor = anchor(4);
    let block = Made::genesis(&anchor).child(1, &[]);
    let mut hand = Hand::new(4_000, &[0], false, anchor);
    hand.import(1, &block);
    let effects = hand.run_to(6_000);
    assert!(effects.iter().any(|effect| effect.contains("Attestation 0")));
    hand.tick(2_500);
    let effects = hand.run_to(6_500);
    assert!(!effects.iter().any(|effect| effect.contains("Attestation 0")), "{effects:?}");
    assert_eq!(hand.engine.view().head.slot, Slot(1));
}
