//! Votes and aggregates: batches, waiting, verdicts.

mod support;

use lathe_engine::{Input, JobFailure, JobId};
use lathe_types::{AttestationData, Checkpoint, Root, Slot};
use support::{Hand, Made, anchor, job_of};

/// An engine in slot 1 that holds the block of slot 1, and a vote for that block.
fn hand(validators: u64, is_aggregator: bool) -> (Hand, Made, AttestationData) {
    let anchor = anchor(validators);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[], is_aggregator, anchor);
    let block = genesis.child(1, &[]);
    hand.import(255, &block);
    hand.tick(4_800);
    let data = AttestationData {
        slot: Slot(1),
        head: block.checkpoint(),
        target: genesis.checkpoint(),
        source: genesis.checkpoint(),
    };
    (hand, block, data)
}

#[test]
fn a_batch_closes_after_five_milliseconds() {
    let (mut hand, _, data) = hand(4, false);
    assert!(hand.gossip_vote(0, 0, data).is_empty());
    assert!(hand.gossip_vote(1, 1, data).is_empty());
    assert!(hand.tick(4_804).is_empty());
    assert_eq!(hand.tick(4_805), ["verify job 1: 2 votes"]);
    assert_eq!(hand.verified(1, &[true, false]), ["accept 0", "reject 1"]);
    assert_eq!(hand.events(), ["Rejected { kind: Attestation, reason: \"INVALID_SIGNATURE\" }"]);
}

#[test]
fn a_batch_closes_at_sixty_four() {
    let (mut hand, _, data) = hand(70, false);
    for validator in 0..63 {
        assert!(hand.gossip_vote(validator, u64::from(validator), data).is_empty());
    }
    assert_eq!(hand.gossip_vote(63, 63, data), ["verify job 1: 64 votes"]);
}

#[test]
fn only_an_aggregator_keeps_votes() {
    for (is_aggregator, kept) in [(true, 1), (false, 0)] {
        let (mut hand, _, data) = hand(4, is_aggregator);
        hand.gossip_vote(0, 0, data);
        hand.tick(4_805);
        assert_eq!(hand.verified(1, &[true]), ["accept 0"], "relayed by everybody");
        assert_eq!(hand.engine.view().pools.gossip_signatures, kept);
    }
}

#[test]
fn a_vote_for_an_unknown_block_waits_for_it() {
    let (mut hand, block, data) = hand(4, false);
    let next = block.child(2, &[]);
    hand.tick(8_000);
    let vote = AttestationData { slot: Slot(2), head: next.checkpoint(), ..data };
    assert!(hand.gossip_vote(0, 0, vote).is_empty());
    assert_eq!(hand.engine.view().pools.held_votes, 1);
    hand.import(1, &next);
    assert_eq!(hand.run_to(8_005), ["verify job 2: 1 votes"]);
    assert_eq!(hand.verified(2, &[true]), ["accept 0"]);
}

#[test]
fn a_vote_for_a_block_that_never_comes_is_ignored_and_forgotten() {
    let (mut hand, _, data) = hand(4, false);
    let nowhere = Checkpoint { root: Root::repeat_byte(5), slot: Slot(1) };
    assert!(hand.gossip_vote(0, 0, AttestationData { head: nowhere, ..data }).is_empty());
    assert!(hand.run_to(7_699).is_empty());
    assert_eq!(hand.tick(7_700), ["ignore 0"]);
    hand.tick(8_800);
    assert_eq!(hand.engine.view().pools.held_votes, 0);
}

#[test]
fn an_early_vote_waits_for_its_slot_and_a_far_one_does_not() {
    let (mut hand, _, data) = hand(4, false);
    assert!(hand.gossip_vote(0, 0, AttestationData { slot: Slot(2), ..data }).is_empty());
    assert_eq!(hand.gossip_vote(1, 0, AttestationData { slot: Slot(3), ..data }), ["ignore 1"]);
    assert_eq!(hand.gossip_vote(2, 0, AttestationData { slot: Slot(u64::MAX), ..data }), ["ignore 2"]);
    // Admitted one interval before its slot begins.
    assert!(hand.run_to(7_199).is_empty());
    assert_eq!(hand.run_to(7_205), ["verify job 1: 1 votes"]);
}

#[test]
fn what_is_wrong_by_itself_is_rejected() {
    let (mut hand, block, data) = hand(4, false);
    let backwards = AttestationData { source: block.checkpoint(), ..data };
    assert_eq!(hand.gossip_vote(0, 0, backwards), ["reject 0"]);
    assert_eq!(hand.events(), ["Rejected { kind: Attestation, reason: \"SOURCE_AFTER_TARGET\" }"]);
    assert_eq!(hand.gossip_vote(1, 4, data), ["reject 1"]);
    assert_eq!(hand.events(), ["Rejected { kind: Attestation, reason: \"VALIDATOR_NOT_IN_STATE\" }"]);
    assert_eq!(hand.gossip_aggregate(2, &[3, 4], data), ["reject 2"]);
    assert_eq!(hand.events(), ["Rejected { kind: Aggregate, reason: \"VALIDATOR_NOT_IN_STATE\" }"]);
}

#[test]
fn two_votes_prove_an_equivocation_and_a_third_adds_nothing() {
    let (mut hand, block, data) = hand(4, false);
    let others = [data, AttestationData { target: block.checkpoint(), ..data }];
    for (id, data) in others.into_iter().enumerate() {
        hand.gossip_vote(id as u8, 0, data);
        let job = job_of(&hand.tick(hand.now + 5));
        hand.verified(job, &[true]);
    }
    let third = AttestationData { head: data.source, ..data };
    assert_eq!(hand.gossip_vote(9, 0, third), ["ignore 9"]);
    assert_eq!(hand.gossip_vote(10, 0, data), ["ignore 10"], "known");
}

#[test]
fn a_forged_vote_does_not_shut_out_the_true_one() {
    let (mut hand, _, data) = hand(4, false);
    for id in 0..3 {
        hand.gossip_vote(id, 0, data);
        let job = job_of(&hand.tick(hand.now + 5));
        assert_eq!(hand.verified(job, &[false]), [format!("reject {id}")]);
    }
    hand.gossip_vote(3, 0, data);
    let job = job_of(&hand.tick(hand.now + 5));
    assert_eq!(hand.verified(job, &[true]), ["accept 3"]);
}

#[test]
fn a_verified_aggregate_is_pending_and_a_part_of_it_is_ignored() {
    let (mut hand, _, data) = hand(4, false);
    assert_eq!(hand.gossip_aggregate(0, &[0, 1, 2], data), ["verify job 1: aggregate"]);
    assert_eq!(hand.verified(1, &[true]), ["accept 0"]);
    assert_eq!(hand.engine.view().pools.new_aggregates, 1);
    assert_eq!(hand.gossip_aggregate(1, &[0, 2], data), ["ignore 1"]);
    assert_eq!(hand.gossip_aggregate(2, &[2, 3], data), ["verify job 2: aggregate"]);
    assert_eq!(hand.verified(2, &[false]), ["reject 2"]);
}

#[test]
fn what_no_worker_could_check_is_ignored() {
    let (mut hand, _, data) = hand(4, false);
    hand.gossip_vote(0, 0, data);
    hand.tick(4_805);
    let failed = Input::JobFailed { job: JobId(1), failure: JobFailure::Refused };
    assert_eq!(hand.input(failed), ["ignore 0"]);
    hand.gossip_aggregate(1, &[0], data);
    let failed = Input::JobFailed { job: JobId(2), failure: JobFailure::Panicked };
    assert_eq!(hand.input(failed), ["ignore 1"]);
}

#[test]
fn verdicts_that_are_missing_count_as_none() {
    let (mut hand, _, data) = hand(4, false);
    hand.gossip_vote(0, 0, data);
    hand.gossip_vote(1, 1, data);
    hand.tick(4_805);
    assert_eq!(hand.verified(1, &[true]), ["accept 0", "ignore 1"]);
}

#[test]
fn workers_are_not_flooded() {
    let (mut hand, _, data) = hand(4, false);
    let mut asked = 0;
    for id in 0..200 {
        let slot = AttestationData { slot: Slot(1), ..data };
        let effects = hand.gossip_aggregate(id, &[u64::from(id % 4)], slot);
        asked += usize::from(effects[0].starts_with("verify"));
    }
    assert_eq!(asked, 64);
}
