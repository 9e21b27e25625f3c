//! A backend whose proofs take long: what an aggregator and a proposer do about it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and so do their helpers")]

mod support;

use lathe_engine::{EngineConfig, Input, JobFailure, JobId};
use lathe_types::{AttestationData, Slot};
use support::{Hand, Made, anchor, job_of};

/// Block of slot 1, and a vote of that slot for it or for its parent.
fn hand(config: EngineConfig) -> (Hand, AttestationData, AttestationData) {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::with(4_000, anchor, config);
    let block = genesis.child(1, &[]);
    hand.import(255, &block);
    hand.tick(4_800);
    let (source, target) = (genesis.checkpoint(), genesis.checkpoint());
    let vote = |head: &Made| AttestationData { slot: Slot(1), head: head.checkpoint(), target, source };
    (hand, vote(&block), vote(&genesis))
}

fn vote(hand: &mut Hand, id: u8, validator: u64, data: AttestationData) {
    hand.gossip_vote(id, validator, data);
    let batch = hand.run_to(hand.now + 5);
    hand.verified(job_of(&batch), &[true]);
}

fn missed(hand: &Hand) -> usize {
    hand.events().iter().filter(|event| event.contains("DutyMissed { duty: Aggregation")).count()
}

#[test]
fn an_aggregator_that_is_short_of_time_says_so_once_a_slot_and_asks_once_a_slot() {
    let (mut hand, data, other) = hand(EngineConfig { is_aggregator: true, ..Hand::config(&[]) });
    vote(&mut hand, 0, 0, data);
    vote(&mut hand, 1, 1, other);
    let asked: Vec<_> = hand.run_to(5_600).into_iter().filter(|it| it.starts_with("aggregate")).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let mut told = 0;
    for effect in &asked {
        let job = JobId(job_of(std::slice::from_ref(effect)));
        hand.input(Input::JobFailed { job, failure: JobFailure::Refused });
        told += missed(&hand);
    }
    assert_eq!(told, 1);
    let rest = hand.run_to(7_999);
    assert!(!rest.iter().any(|effect| effect.starts_with("aggregate")), "{rest:?}");
    // In the next slot there is time again.
    let next = hand.run_to(9_600);
    assert_eq!(next.iter().filter(|effect| effect.starts_with("aggregate")).count(), 2, "{next:?}");
}

#[test]
fn a_proposer_is_prepared_for_with_the_single_votes_that_it_heard() {
    for keeps_single_votes in [true, false] {
        let (mut hand, data, _) = hand(EngineConfig { keeps_single_votes, ..Hand::config(&[2]) });
        vote(&mut hand, 0, 0, data);
        vote(&mut hand, 1, 3, data);
        hand.run_to(7_200);
        let (_, request) = hand.last_prepare();
        let heard: Vec<_> = request
            .singles
            .iter()
            .map(|(data, votes)| (*data, votes.iter().map(|(index, _)| index.0).collect::<Vec<_>>()))
            .collect();
        let expected = if keeps_single_votes { vec![(data, vec![0, 3])] } else { Vec::new() };
        assert_eq!(heard, expected);
        // From 60 ms on, until a second into the slot.
        assert_eq!(request.merge_within_ms, 1_740);
    }
}
