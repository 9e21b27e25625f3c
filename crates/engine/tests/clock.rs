//! A clock that is wrong: duties rest while others' blocks say so, and go on once it is corrected.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and so do their helpers")]

mod support;

use lathe_engine::{Effect, Group, Input, JobId, Peer, Publication, RequestId};
use lathe_types::{AttestationData, Slot};
use support::{Hand, Made, anchor, job_of, signature};

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

#[test]
fn after_a_correction_votes_count_as_their_slots_go_by() {
    let (mut hand, blocks) = ahead();
    hand.run_to(630_000);
    hand.tick(12_100);
    hand.import(3, &blocks[2]);
    let (source, head) = (Made::genesis(&anchor(4)).checkpoint(), blocks[2].checkpoint());
    let data = AttestationData { slot: Slot(3), head, target: head, source };
    let job = job_of(&hand.gossip_aggregate(30, &[1, 2, 3], data));
    hand.verified(job, &[true]);
    let counts = |hand: &mut Hand| {
        let pools = hand.engine.view().pools;
        (pools.new_aggregates, pools.known_aggregates)
    };
    hand.run_to(15_199);
    assert_eq!(counts(&mut hand), (1, 0));
    hand.run_to(15_200);
    assert_eq!(counts(&mut hand), (0, 1));
}

/// A chain of blocks for slots 1 to 12, of four validators.
fn chain() -> Vec<Made> {
    let first = Made::genesis(&anchor(4)).child(1, &[]);
    (2..13).fold(vec![first], |mut chain, slot| {
        chain.push(chain.last().unwrap().child(slot, &[]));
        chain
    })
}

/// Whether anything is signed, or made to be, while blocks come one a slot, the first of them at `now`.
fn signs_while_blocks_come(hand: &mut Hand, now: i64, blocks: &[Made]) -> bool {
    let mut signs = false;
    for (n, block) in blocks.iter().enumerate() {
        let effects = hand.run_to(now + 4_000 * n as i64);
        signs |= effects.iter().any(|effect| effect.contains("sign") || effect.contains("prepare"));
        hand.import(block.block.block.slot.0 as u8, block);
    }
    signs
}

#[test]
fn a_clock_that_is_ahead_at_boot_signs_nothing_from_the_first_word_of_a_peer_on() {
    let chain = chain();
    for first_block_ms in [100, 3_900, 9_000] {
        let mut hand = Hand::new(601_000, &[0, 1], false, anchor(4));
        hand.status(7, 0, chain[0].checkpoint());
        assert!(!signs_while_blocks_come(&mut hand, 601_000 + first_block_ms, &chain), "{first_block_ms}");
        assert!(hand.engine.view().sync.is_syncing);
    }
}

#[test]
fn a_clock_that_steps_ahead_signs_nothing() {
    let chain = chain();
    for stepped_to in [601_000, 602_400, 603_300] {
        let mut hand = Hand::new(4_000, &[0, 1], false, anchor(4));
        hand.status(7, 0, chain[0].checkpoint());
        hand.import(1, &chain[0]);
        hand.run_to(5_000);
        hand.tick(stepped_to);
        assert_eq!(hand.events().iter().filter(|event| *event == "Syncing(true)").count(), 1);
        assert!(!signs_while_blocks_come(&mut hand, stepped_to + 500, &chain[1..]), "{stepped_to}");
        assert!(hand.engine.view().sync.is_syncing);
    }
}

/// A network that stands still, and a node that starts in it: what its peers say, and what they send again, holds it
/// back for two slots and the rest of the one that it starts in.
#[test]
fn what_nobody_signs_anew_prolongs_no_doubt() {
    let chain = chain();
    let mut hand = Hand::new(601_000, &[0], false, anchor(4));
    let mut signed = Vec::new();
    for slot in 150..160 {
        hand.status(1_000 + slot, 0, chain[0].checkpoint());
        hand.gossip_block(slot as u8, &chain[0].block);
        if slot == 150 {
            hand.verified(0, &[true]);
        }
        let effects = hand.run_to(4_000 * (slot as i64 + 1) - 1);
        signed.extend(effects.iter().filter(|effect| effect.contains("Attestation 0")).map(|_| slot));
    }
    assert_eq!(signed, (153..160).collect::<Vec<_>>());
}

/// Proposers are away, and validators vote for genesis all the same: a node whose clock is ten minutes ahead starts.
/// The slots, by its clock, in which it votes; and whether it says that its clock is ahead.
fn votes_while_votes_come(voters: &[u64]) -> (Vec<u64>, bool) {
    let genesis = Made::genesis(&anchor(4)).checkpoint();
    let mut hand = Hand::new(601_000, &[0], false, anchor(4));
    hand.status(7, 0, genesis);
    let (mut signed, mut is_told) = (Vec::new(), false);
    for slot in 1..10 {
        let data = AttestationData { slot: Slot(slot), head: genesis, target: genesis, source: genesis };
        let job = job_of(&hand.gossip_aggregate(slot as u8, voters, data));
        hand.verified(job, &[true]);
        is_told |= !told(&hand).is_empty();
        let effects = hand.run_to(601_000 + 4_000 * slot as i64);
        signed.extend(effects.iter().filter(|effect| effect.contains("Attestation 0")).map(|_| slot + 149));
        is_told |= !told(&hand).is_empty();
    }
    (signed, is_told)
}

#[test]
fn votes_that_are_far_behind_say_that_the_clock_is_ahead() {
    assert_eq!(votes_while_votes_come(&[1, 2]), (vec![], true));
    // Whoever has a quarter of the votes turns no stall into a halt.
    assert_eq!(votes_while_votes_come(&[1]), ((153..159).collect(), false));
}

/// A chain of that many blocks after genesis, one in each slot.
fn chain_of(genesis: &Made, length: u64) -> Vec<Made> {
    let mut blocks = vec![genesis.child(1, &[])];
    for slot in 2..=length {
        blocks.push(blocks.last().unwrap().child(slot, &[]));
    }
    blocks
}

#[test]
fn a_block_that_came_too_early_by_our_clock_is_asked_for_again() {
    let anchor = anchor(4);
    let blocks = chain_of(&Made::genesis(&anchor), 3);
    let mut hand = Hand::new(4_000, &[], false, anchor);
    hand.input(Input::PeerConnected { peer: Peer(7), group: Group(7) });
    hand.import(1, &blocks[0]);
    hand.import(2, &blocks[1]);
    assert_eq!(hand.status(7, 0, blocks[2].checkpoint()), ["fetch 0 of peer 7: 1 roots"]);
    assert!(hand.respond(0, 7, &blocks[2].block).is_empty(), "two slots ahead of our clock");
    assert!(hand.input(Input::FetchEnded { request: RequestId(0), outcome: Ok(()) }).is_empty());

    assert_eq!(hand.run_to(4_250), ["fetch 1 of peer 7: 1 roots"]);
    hand.tick(8_000);
    let job = job_of(&hand.respond(1, 7, &blocks[2].block));
    hand.verified(job, &[true]);
    assert_eq!(hand.engine.view().head, blocks[2].checkpoint());
}

/// What the first job signs and publishes.
fn vote(hand: &mut Hand, job: u64) -> AttestationData {
    hand.input(Input::Signed { job: JobId(job), signatures: vec![Ok(signature())] });
    let vote = |effect: &Effect| match effect {
        Effect::Publish { message: Publication::Attestation { attestation, .. } } => Some(attestation.data),
        _ => None,
    };
    hand.effects.iter().find_map(vote).unwrap()
}

#[test]
fn the_vote_of_a_slot_is_for_a_block_that_is_no_later() {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let blocks = chain_of(&genesis, 2);
    let mut hand = Hand::new(4_000, &[0], false, anchor);
    hand.import(1, &blocks[0]);
    hand.import(2, &blocks[1]);
    assert_eq!(hand.engine.view().head, blocks[1].checkpoint(), "the clocks of others are ahead of ours");
    let signs = job_of(&hand.run_to(4_800));
    let data = vote(&mut hand, signs);
    let genesis = genesis.checkpoint();
    assert_eq!(
        data,
        AttestationData { slot: Slot(1), head: blocks[0].checkpoint(), target: genesis, source: genesis }
    );
    let signs = job_of(&hand.run_to(8_800));
    let data = vote(&mut hand, signs);
    assert_eq!((data.slot, data.head), (Slot(2), blocks[1].checkpoint()));
}

#[test]
fn no_vote_is_cast_where_a_later_block_is_final() {
    let anchor = anchor(4);
    let blocks = chain_of(&Made::genesis(&anchor), 2);
    let (source, first) = (Made::genesis(&anchor).checkpoint(), blocks[0].checkpoint());
    let data = AttestationData { slot: Slot(1), head: first, target: first, source };
    let second = blocks[0].child(2, &[(data, &[0, 1, 2])]);
    let head = second.checkpoint();
    let data = AttestationData { slot: Slot(2), head, target: head, source: first };
    let third = second.child(3, &[(data, &[0, 1, 2])]);
    let mut hand = Hand::new(12_000, &[0], false, anchor);
    for (id, block) in [&blocks[0], &second, &third].into_iter().enumerate() {
        hand.import(id as u8 + 1, block);
    }
    assert_eq!(hand.engine.view().finalized, first);
    hand.tick(100);
    let effects = hand.run_to(1_300);
    assert!(!effects.iter().any(|effect| effect.starts_with("sign")), "{effects:?}");
    let missed = "DutyMissed { duty: Attestation, validator: Some(ValidatorIndex(0)), slot: Slot(0), reason: HeadMoved }";
    assert!(hand.events().contains(&missed.into()), "{:?}", hand.events());
}
