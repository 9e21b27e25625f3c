//! Proofs for a block of ours: asked for as soon as there are too many votes, never waited for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod support;

use std::sync::Arc;

use lathe_engine::{EngineConfig, Input, JobFailure, JobId};
use lathe_types::{AttestationData, Slot};
use support::{Hand, Made, anchor, job_of, prepare, proof, signature};

/// Validator 2 of four is ours and has slot 2; a block of it carries one vote before proofs are made. It is interval 1
/// of slot 1, whose block is there.
fn hand(prove_beyond: Option<usize>) -> (Hand, Made, AttestationData) {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::with(4_000, anchor, EngineConfig { prove_beyond, ..Hand::config(&[2]) });
    let block = genesis.child(1, &[]);
    hand.import(255, &block);
    hand.run_to(4_800);
    hand.input(Input::Signed { job: JobId(1), signatures: vec![Ok(signature())] });
    let data = AttestationData {
        slot: Slot(1),
        head: block.checkpoint(),
        target: block.checkpoint(),
        source: genesis.checkpoint(),
    };
    (hand, block, data)
}

/// An aggregate that passes; the effects of its import.
fn aggregate(hand: &mut Hand, id: u8, voters: &[u64], data: AttestationData) -> Vec<String> {
    let job = job_of(&hand.gossip_aggregate(id, voters, data));
    let effects = hand.verified(job, &[true]);
    effects.into_iter().filter(|effect| effect.starts_with("pro") || effect.starts_with("pre")).collect()
}

fn proved(hand: &mut Hand, job: u64, voters: &[u64], data: AttestationData) -> Vec<String> {
    let mut made = proof(voters);
    made.proof = lathe_types::ProofBytes::new(vec![5; 8]).unwrap();
    hand.input(Input::Proved { job: JobId(job), proofs: vec![(data, made)] })
}

fn prepared(hand: &mut Hand) -> Vec<String> {
    let (job, request) = hand.last_prepare();
    hand.input(Input::Prepared { job, prepared: Arc::new(prepare(&request)) })
}

/// The first byte of each proof that the last preparation was given.
fn candidates(hand: &Hand) -> Vec<u8> {
    let (_, request) = hand.last_prepare();
    request.candidates.iter().flat_map(|(_, proofs)| proofs.iter().map(|proof| proof.proof[0])).collect()
}

#[test]
fn a_proof_is_asked_for_once_the_votes_are_too_many() {
    let (mut hand, _, data) = hand(Some(1));
    assert!(aggregate(&mut hand, 1, &[0], data).is_empty());
    let asked = aggregate(&mut hand, 2, &[1, 3], data);
    assert_eq!(asked, ["prove job 4: slot 1 [1, 2], 1 expected, until 7740"]);
    assert!(aggregate(&mut hand, 3, &[2], data).is_empty(), "one at a time");
    assert!(proved(&mut hand, 4, &[0, 1, 3], data).is_empty(), "what is left fits");
    assert_eq!(hand.run_to(7_200).last().unwrap(), "prepare job 6: slot 2, 1 data");
    assert_eq!(candidates(&hand), [7, 7, 7, 5]);
}

#[test]
fn a_proof_that_comes_late_has_the_block_prepared_anew_and_none_is_waited_for() {
    let (mut hand, _, data) = hand(Some(1));
    aggregate(&mut hand, 1, &[0, 1, 3], data);
    hand.run_to(7_200);
    assert!(prepared(&mut hand).is_empty());
    hand.run_to(7_600);
    assert_eq!(proved(&mut hand, 3, &[0, 1, 3], data), ["prepare job 5: slot 2, 1 data"]);
    assert_eq!(candidates(&hand), [7, 5]);
    assert!(prepared(&mut hand).is_empty());
    assert_eq!(hand.run_to(7_940), ["sign job 6: Proposal 2"]);

    let (mut hand, _, data) = self::hand(Some(1));
    aggregate(&mut hand, 1, &[0, 1, 3], data);
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(7_900);
    assert!(proved(&mut hand, 3, &[0, 1, 3], data).is_empty(), "shortly before it is signed");
    assert_eq!(hand.run_to(7_940), ["sign job 5: Proposal 2"]);
}

#[test]
fn nothing_is_proved_for_others_or_too_late_or_without_a_prover() {
    let (mut hand, block, data) = hand(Some(1));
    let next = block.child(2, &[]);
    hand.run_to(7_740);
    assert!(aggregate(&mut hand, 1, &[0, 1, 3], data).is_empty(), "200 ms before it is signed");
    hand.run_to(8_000);
    hand.import(2, &next);
    let data = AttestationData { slot: Slot(2), head: next.checkpoint(), ..data };
    hand.run_to(8_800);
    assert!(aggregate(&mut hand, 3, &[0, 1, 3], data).is_empty(), "slot 3 is another's");

    let (mut hand, _, data) = self::hand(None);
    assert!(aggregate(&mut hand, 1, &[0, 1, 3], data).is_empty());
    let (mut hand, _, data) = self::hand(Some(3));
    assert!(aggregate(&mut hand, 1, &[0, 1, 3], data).is_empty(), "as many as fit");
}

/// At the beginning of a slot the votes of the one before are still there, and its block is about to carry them.
#[test]
fn votes_that_the_block_under_way_may_carry_are_left_alone() {
    let hand_at = |now| {
        let (mut hand, block, data) = hand(Some(1));
        // Validator 2 has slot 6 as well; slot 5 has no block.
        hand.run_to(now);
        let asked = aggregate(&mut hand, 1, &[0, 1, 3], AttestationData { slot: Slot(5), ..data });
        assert_eq!(hand.engine.view().head, block.checkpoint());
        asked.len()
    };
    assert_eq!((hand_at(21_599), hand_at(21_600)), (0, 1));
}

#[test]
fn what_was_refused_is_asked_for_again_with_more_votes_but_not_for_ever() {
    let refused = |job| Input::JobFailed { job: JobId(job), failure: JobFailure::Refused };
    let (mut hand, _, data) = hand(Some(1));
    assert_eq!(job_of(&aggregate(&mut hand, 1, &[0, 1], data)), 3);
    assert!(hand.input(refused(3)).is_empty(), "with the same votes it would be refused again");
    for (id, voters, job) in [(2, [0, 3], 5), (3, [1, 3], 7), (4, [2, 3], 9)] {
        assert_eq!(job_of(&aggregate(&mut hand, id, &voters, data)), job);
        assert!(hand.input(refused(job)).is_empty());
    }
    assert!(aggregate(&mut hand, 5, &[1, 2], data).is_empty(), "four times is enough");

    let (mut hand, _, data) = self::hand(Some(1));
    aggregate(&mut hand, 1, &[0, 1], data);
    hand.input(Input::JobFailed { job: JobId(3), failure: JobFailure::Panicked });
    assert!(aggregate(&mut hand, 2, &[0, 3], data).is_empty(), "it would fail again");
}

#[test]
fn a_proof_for_a_block_that_is_over_is_dropped() {
    let anchor = anchor(1);
    let genesis = Made::genesis(&anchor);
    let config = EngineConfig { prove_beyond: Some(0), ..Hand::config(&[0]) };
    let mut hand = Hand::with(4_000, anchor, config);
    let block = genesis.child(1, &[]);
    hand.import(255, &block);
    hand.run_to(4_800);
    let vote = |slot, head: &Made| AttestationData {
        slot: Slot(slot),
        head: head.checkpoint(),
        target: head.checkpoint(),
        source: genesis.checkpoint(),
    };
    let first = job_of(&aggregate(&mut hand, 1, &[0], vote(1, &block)));
    hand.run_to(8_000);
    let next = block.child(2, &[(vote(1, &block), &[0])]);
    hand.import(2, &next);
    hand.run_to(8_800);
    let asked = aggregate(&mut hand, 3, &[0], vote(2, &next));
    assert_eq!(asked.len(), 1, "for the next block");
    proved(&mut hand, first, &[0], vote(1, &block));
    hand.run_to(11_200);
    assert_eq!(candidates(&hand).iter().filter(|byte| **byte == 5).count(), 0);
}
