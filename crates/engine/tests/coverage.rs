//! Whose votes are announced as heard of, and the steps that an observer sees.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and so do their helpers")]

mod support;

use std::sync::{Arc, Mutex};

use lathe_engine::{Effect, Event, Input, JobId, Observer, Step};
use lathe_forkchoice::ValidatorSet;
use lathe_types::{AttestationData, MultiMessageAggregate, Slot, ValidatorIndex};
use support::{Hand, Made, anchor, job_of, prepare, proof, signature};

/// An aggregator with validator 2 in slot 1, whose block is there, and a vote for that block.
fn hand() -> (Hand, Made, AttestationData) {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[2], true, anchor);
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

fn aggregate(hand: &mut Hand, id: u8, voters: &[u64], data: AttestationData) {
    let job = job_of(&hand.gossip_aggregate(id, voters, data));
    hand.verified(job, &[true]);
}

fn set(voters: &[u64]) -> ValidatorSet {
    voters.iter().copied().map(ValidatorIndex).collect()
}

/// The reports of the last turns.
fn reports(hand: &Hand) -> Vec<Event> {
    let report = |effect: &Effect| match effect {
        Effect::Announce(
            event @ (Event::AggregationBegun { .. } | Event::VotesHeard { .. } | Event::VotesProposed { .. }),
        ) => Some(event.clone()),
        _ => None,
    };
    hand.effects.iter().filter_map(report).collect()
}

#[test]
fn votes_are_timely_late_or_in_a_block() {
    let (mut hand, block, data) = hand();
    // Validator 2 proposes in slot 2, so its node promotes as that slot begins; what is late comes before and after.
    aggregate(&mut hand, 0, &[0, 1], data);
    hand.run_to(5_600);
    assert_eq!(reports(&hand), [Event::AggregationBegun { slot: Slot(1), pending: set(&[0, 1]) }]);
    hand.run_to(7_200);
    assert_eq!(reports(&hand), [], "slot 0 was over before the engine started");
    // After the promotion: a late proof, and a block of the next slot.
    aggregate(&mut hand, 1, &[0, 3], data);
    hand.tick(8_000);
    hand.import(2, &block.child(2, &[(data, &[1, 2])]));
    aggregate(&mut hand, 3, &[0, 2], data);
    hand.run_to(11_199);
    assert!(!reports(&hand).iter().any(|event| matches!(event, Event::VotesHeard { .. })));
    hand.tick(11_200);
    let (timely, late, block) = (set(&[0, 1]), set(&[0, 2, 3]), set(&[1, 2]));
    assert_eq!(reports(&hand), [Event::VotesHeard { slot: Slot(1), timely, late, block }]);
    // The next slot starts afresh.
    hand.run_to(15_200);
    let nobody = ValidatorSet::default;
    let empty = Event::VotesHeard { slot: Slot(2), timely: nobody(), late: nobody(), block: nobody() };
    assert!(reports(&hand).contains(&empty), "{:?}", reports(&hand));
}

#[test]
fn a_block_of_ours_tells_folded_votes_from_others() {
    let (mut hand, _, data) = hand();
    hand.input(Input::Signed { job: JobId(1), signatures: vec![Ok(signature())] });
    hand.gossip_vote(1, 1, data);
    let job = job_of(&hand.tick(hand.now + 5));
    hand.verified(job, &[true]);
    let job = job_of(&hand.run_to(5_600));
    hand.input(Input::Aggregated { job: JobId(job), proof: proof(&[1]) });
    aggregate(&mut hand, 0, &[0, 1, 3], data);
    hand.run_to(7_200);
    let (job, request) = hand.last_prepare();
    hand.input(Input::Prepared { job, prepared: Arc::new(prepare(&request)) });
    let sign = job_of(&hand.run_to(7_940));
    let seal = job_of(&hand.input(Input::Signed { job: JobId(sign), signatures: vec![Ok(signature())] }));
    hand.input(Input::Sealed { job: JobId(seal), proof: MultiMessageAggregate::default() });
    hand.run_to(8_000);
    let proposed = Event::VotesProposed { slot: Slot(2), folded: set(&[1]), others: set(&[0, 3]) };
    assert_eq!(reports(&hand), [proposed]);
}

/// Writes down what it is told.
struct Diary(Arc<Mutex<Vec<(Step, bool)>>>);

impl Observer for Diary {
    fn enter(&mut self, step: Step) {
        self.0.lock().unwrap().push((step, true));
    }
    fn exit(&mut self, step: Step) {
        self.0.lock().unwrap().push((step, false));
    }
}

#[test]
fn the_parts_of_a_transition_nest_also_when_it_fails() {
    let import = [
        (Step::BlockProcessing, true),
        (Step::StateTransition, true),
        (Step::SlotsProcessing, true),
        (Step::SlotsProcessing, false),
        (Step::BlockApplication, true),
        (Step::AttestationsProcessing, true),
        (Step::AttestationsProcessing, false),
        (Step::BlockApplication, false),
        (Step::StateTransition, false),
        (Step::BlockProcessing, false),
    ];
    for spoil in [false, true] {
        let anchor = anchor(4);
        let genesis = Made::genesis(&anchor);
        let mut hand = Hand::new(4_000, &[], false, anchor);
        let diary = Arc::new(Mutex::new(Vec::new()));
        hand.engine.set_observer(Box::new(Diary(diary.clone())));
        let mut block = (*genesis.child(1, &[]).block).clone();
        if spoil {
            block.block.state_root = lathe_types::Root::repeat_byte(1);
        }
        let job = job_of(&hand.gossip_block(0, &Arc::new(block)));
        hand.verified(job, &[true]);
        assert_eq!(*diary.lock().unwrap(), import, "spoiled: {spoil}");
    }
}
