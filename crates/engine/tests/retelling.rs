//! What voters said last is told again while nothing is justified, so that everybody counts the same.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and so do their helpers")]

mod support;

use lathe_engine::{Effect, Publication};
use lathe_forkchoice::ValidatorSet;
use lathe_types::{AttestationData, Slot};
use support::{Hand, Made, anchor, job_of};

/// An aggregator in slot 1 whose block is there, and a vote for that block.
fn hand(is_aggregator: bool) -> (Hand, AttestationData) {
    let anchor = anchor(16);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[], is_aggregator, anchor);
    let block = genesis.child(1, &[]);
    hand.import(255, &block);
    hand.tick(4_800);
    let (source, target) = (genesis.checkpoint(), genesis.checkpoint());
    (hand, AttestationData { slot: Slot(1), head: block.checkpoint(), target, source })
}

/// Aggregates that arrive one after the other and hold.
fn hear(hand: &mut Hand, aggregates: impl IntoIterator<Item = (u64, AttestationData)>) {
    for (voter, data) in aggregates {
        let job = job_of(&hand.gossip_aggregate(voter as u8, &[voter], data));
        hand.verified(job, &[true]);
    }
}

/// Voters and slots of the aggregates published in the slots up to the end of `slot`.
fn told_by(hand: &mut Hand, slot: i64) -> Vec<(Vec<u64>, u64)> {
    hand.run_to(slot * 4_000 + 3_999);
    let told = |effect: &Effect| match effect {
        Effect::Publish { message: Publication::Aggregate(told) } => {
            let voters = ValidatorSet::of(&told.proof.participants).iter().map(|voter| voter.0).collect();
            Some((voters, told.data.slot.0))
        }
        _ => None,
    };
    hand.effects.iter().filter_map(told).collect()
}

#[test]
fn votes_of_the_silent_are_told_again_while_nothing_is_justified() {
    let (mut hand, data) = hand(true);
    hear(&mut hand, [(3, data)]);
    assert_eq!(told_by(&mut hand, 7), []);
    assert_eq!(told_by(&mut hand, 8), [(vec![3], 1)]);
    assert_eq!(told_by(&mut hand, 14), []);
    hand.run_to(15 * 4_000);
    let newer = AttestationData { slot: Slot(15), ..data };
    hear(&mut hand, [(3, newer)]);
    assert_eq!(told_by(&mut hand, 16), [], "its word of the slot before is under way");
    assert_eq!(told_by(&mut hand, 24), [(vec![3], 15)]);
}

#[test]
fn many_of_them_take_turns_with_the_newest_first() {
    let (mut hand, data) = hand(true);
    hand.run_to(6 * 4_000);
    hear(&mut hand, (1..=6).map(|slot| (slot, AttestationData { slot: Slot(slot), ..data })));
    let turns = [[6, 5, 4, 3].as_slice(), &[2, 1]].map(|slots| slots.iter().map(|slot| (vec![*slot], *slot)));
    assert_eq!(told_by(&mut hand, 8), turns[1].clone().collect::<Vec<_>>());
    assert_eq!(told_by(&mut hand, 16), turns[0].clone().collect::<Vec<_>>());
    assert_eq!(told_by(&mut hand, 24), turns[1].clone().collect::<Vec<_>>());
}

#[test]
fn only_aggregators_tell() {
    let (mut hand, data) = hand(false);
    hear(&mut hand, [(3, data)]);
    assert_eq!(told_by(&mut hand, 24), []);
}
