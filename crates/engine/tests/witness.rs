//! Signatures of our own keys that others show us.

mod support;

use lathe_engine::{Input, JobId};
use lathe_types::{AttestationData, Slot};
use support::{Hand, Made, anchor, job_of, signature};

/// An engine with validator 1 that holds the block of slot 1, and a vote for that block.
fn hand() -> (Hand, AttestationData) {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[1], false, anchor);
    let block = genesis.child(1, &[]);
    hand.import(255, &block);
    let data = AttestationData {
        slot: Slot(1),
        head: block.checkpoint(),
        target: genesis.checkpoint(),
        source: genesis.checkpoint(),
    };
    hand.events();
    (hand, data)
}

/// What is told of our keys when these votes arrive and verify.
fn told(hand: &mut Hand, now: i64, votes: &[(u64, AttestationData)]) -> Vec<String> {
    for (id, (validator, data)) in votes.iter().enumerate() {
        hand.gossip_vote(id as u8, *validator, *data);
    }
    let effects = hand.tick(now);
    let verdicts = vec![true; votes.len()];
    if effects.iter().any(|effect| effect.starts_with("verify")) {
        hand.verified(job_of(&effects), &verdicts);
    }
    hand.events().into_iter().filter(|event| event.starts_with("OwnKeysSeen")).collect()
}

#[test]
fn a_vote_of_ours_that_was_not_made_here_is_told_once() {
    let (mut hand, data) = hand();
    let seen = told(&mut hand, 4_010, &[(0, data), (1, data), (2, data)]);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(
        seen[0]
            .starts_with("OwnKeysSeen { validators: [ValidatorIndex(1)], role: Attestation, slot: Slot(1)")
    );
    let other = AttestationData { head: data.target, ..data };
    assert_eq!(told(&mut hand, 4_020, &[(1, data)]).len(), 0, "told already");
    assert_eq!(told(&mut hand, 4_030, &[(1, other)]).len(), 1, "another message is another signature");
}

#[test]
fn a_vote_that_was_made_here_is_not_told() {
    let (mut hand, data) = hand();
    let effects = hand.tick(4_800);
    hand.input(Input::Signed { job: JobId(job_of(&effects)), signatures: vec![Ok(signature())] });
    hand.events();
    assert_eq!(told(&mut hand, 4_810, &[(1, data)]), [""; 0]);
}

#[test]
fn a_block_of_ours_that_was_not_made_here_is_told_with_the_votes_in_it() {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[1, 2], false, anchor);
    hand.import(255, &genesis.child(1, &[]));
    let seen: Vec<_> = hand.events().into_iter().filter(|event| event.starts_with("OwnKeysSeen")).collect();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains("[ValidatorIndex(1)], role: Proposal, slot: Slot(1)"), "{seen:?}");
}
