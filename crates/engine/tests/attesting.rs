//! The duty to vote, and the aggregator's: when, once, and what if not.

mod support;

use lathe_engine::{Input, JobFailure, JobId, SignFailure};
use lathe_types::{AttestationData, Slot};
use support::{Hand, Made, anchor, job_of, proof, signature};

fn hand(local: &[u64], is_aggregator: bool) -> (Hand, Made) {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    (Hand::new(4_000, local, is_aggregator, anchor), genesis)
}

fn missed(hand: &Hand) -> Vec<String> {
    hand.events().into_iter().filter(|event| event.starts_with("DutyMissed")).collect()
}

#[test]
fn at_the_boundary_if_the_block_is_there() {
    let (mut hand, genesis) = hand(&[0, 3], false);
    hand.import(1, &genesis.child(1, &[]));
    assert!(hand.tick(4_799).is_empty());
    assert_eq!(hand.tick(4_800), ["sign job 1: Attestation 0, Attestation 3"], "all validators at once");
    let signed = Input::Signed { job: JobId(1), signatures: vec![Ok(signature()), Ok(signature())] };
    assert_eq!(hand.input(signed), ["publish vote of 0 at 1 on 0", "publish vote of 3 at 1 on 0"]);
    assert!(hand.run_to(7_999).is_empty(), "once");
}

#[test]
fn when_the_block_comes_within_the_interval() {
    let (mut hand, genesis) = hand(&[0], false);
    assert!(hand.tick(4_800).is_empty());
    hand.now = 4_950;
    hand.gossip_block(1, &genesis.child(1, &[]).block);
    let effects = hand.verified(0, &[true]);
    assert_eq!(effects.last().unwrap(), "sign job 1: Attestation 0");
}

#[test]
fn without_the_block_after_400_ms() {
    let (mut hand, _) = hand(&[0], false);
    assert!(hand.run_to(5_199).is_empty());
    assert_eq!(hand.tick(5_200), ["sign job 0: Attestation 0"]);
}

#[test]
fn a_clock_that_steps_back_repeats_no_duty() {
    let (mut hand, genesis) = hand(&[0], true);
    hand.import(1, &genesis.child(1, &[]));
    hand.tick(4_800);
    assert!(hand.tick(4_000).is_empty());
    assert!(hand.run_to(4_900).is_empty());
}

#[test]
fn late_within_the_slot_is_late_and_after_the_slot_is_missed() {
    let (mut hand, _) = hand(&[0], false);
    assert_eq!(hand.tick(7_000), ["sign job 0: Attestation 0"]);
    hand.input(Input::Signed { job: JobId(0), signatures: vec![Ok(signature())] });
    let effects = hand.tick(13_300);
    assert_eq!(effects, ["sign job 1: Attestation 0"], "the duty of slot 3");
    assert_eq!(
        missed(&hand),
        [
            "DutyMissed { duty: Attestation, validator: Some(ValidatorIndex(0)), slot: Slot(2), reason: LateTick }"
        ]
    );
}

#[test]
fn a_long_sleep_is_counted_and_not_replayed() {
    let (mut hand, _) = hand(&[0], true);
    hand.tick(4_000 * 1_000);
    let count = |duty: &str| missed(&hand).iter().filter(|event| event.contains(duty)).count();
    assert_eq!(count("Attestation"), 33, "32 slots before, and the one that was worked through");
    assert_eq!(count("Proposal"), 8, "every fourth");
}

#[test]
fn a_refusing_signer_costs_the_duty_of_that_validator() {
    let (mut hand, _) = hand(&[0, 1], false);
    hand.run_to(5_200);
    let signed =
        Input::Signed { job: JobId(0), signatures: vec![Err(SignFailure::Refused), Ok(signature())] };
    assert_eq!(hand.input(signed), ["publish vote of 1 at 1 on 0"]);
    assert_eq!(
        missed(&hand),
        [
            "DutyMissed { duty: Attestation, validator: Some(ValidatorIndex(0)), slot: Slot(1), reason: Signer(Refused) }"
        ]
    );
}

#[test]
fn a_signer_that_never_answers_is_counted() {
    let (mut hand, _) = hand(&[0], false);
    hand.run_to(11_999);
    assert!(missed(&hand).is_empty());
    hand.tick(12_000);
    assert_eq!(
        missed(&hand),
        [
            "DutyMissed { duty: Attestation, validator: Some(ValidatorIndex(0)), slot: Slot(1), reason: OutOfTime }"
        ]
    );
    let late = Input::Signed { job: JobId(0), signatures: vec![Ok(signature())] };
    assert!(hand.input(late).is_empty());
}

#[test]
fn no_duty_while_behind() {
    let (mut hand, genesis) = hand(&[0], true);
    let far = lathe_types::Checkpoint { root: lathe_types::Root::repeat_byte(3), slot: Slot(20) };
    hand.tick(80_000);
    hand.status(7, 17, far);
    assert!(hand.events().contains(&"Syncing(true)".into()));
    let effects = hand.run_to(82_000);
    assert!(!effects.iter().any(|effect| effect.starts_with("sign") || effect.starts_with("aggregate")));
    assert_eq!(
        missed(&hand),
        [
            "DutyMissed { duty: Proposal, validator: Some(ValidatorIndex(0)), slot: Slot(20), reason: NotSynced }",
            "DutyMissed { duty: Attestation, validator: Some(ValidatorIndex(0)), slot: Slot(20), reason: NotSynced }",
            "DutyMissed { duty: Aggregation, validator: None, slot: Slot(20), reason: NotSynced }",
        ]
    );
    assert!(hand.engine.view().sync.is_syncing);
    assert_eq!(hand.engine.view().head, genesis.checkpoint());
}

/// A network of one: its own vote comes back to itself, and a lone signature is aggregated.
#[test]
fn one_validator_alone_justifies() {
    let anchor = anchor(1);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(-100, &[0], true, anchor);
    assert_eq!(hand.run_to(800), ["sign job 0: Attestation 0"], "slot 0 has the anchor");
    let effects = hand.input(Input::Signed { job: JobId(0), signatures: vec![Ok(signature())] });
    assert_eq!(
        effects,
        ["publish vote of 0 at 0 on 0", "aggregate job 1: slot 0, 0 children, [0]"],
        "nobody else to wait for"
    );
    let effects = hand.input(Input::Aggregated { job: JobId(1), proof: proof(&[0]) });
    assert_eq!(effects, ["publish aggregate at 0 of 1"]);
    assert_eq!(hand.run_to(3_200), ["prepare job 2: slot 1, 1 data"]);
    assert_eq!(hand.engine.view().head, genesis.checkpoint());
}

fn aggregator_with_votes(voters: &[u64]) -> (Hand, AttestationData) {
    let (mut hand, genesis) = hand(&[], true);
    let block = genesis.child(1, &[]);
    hand.import(255, &block);
    hand.tick(4_800);
    let data = AttestationData {
        slot: Slot(1),
        head: block.checkpoint(),
        target: genesis.checkpoint(),
        source: genesis.checkpoint(),
    };
    for &voter in voters {
        vote(&mut hand, voter, data);
    }
    (hand, data)
}

fn vote(hand: &mut Hand, voter: u64, data: AttestationData) -> Vec<String> {
    hand.gossip_vote(voter as u8, voter, data);
    let job = job_of(&hand.tick(hand.now + 5));
    hand.verified(job, &[true])
}

#[test]
fn at_interval_2_or_as_soon_as_all_votes_are_in() {
    let (mut hand, data) = aggregator_with_votes(&[0, 1, 2]);
    let before = vote(&mut hand, 3, data);
    assert_eq!(before, ["accept 3", "aggregate job 5: slot 1, 0 children, [0, 1, 2, 3]"], "the last of four");
    assert!(hand.tick(5_600).is_empty(), "once");

    let (mut hand, _) = aggregator_with_votes(&[0, 1, 2]);
    assert!(hand.tick(5_599).is_empty());
    assert_eq!(hand.tick(5_600), ["aggregate job 4: slot 1, 0 children, [0, 1, 2]"]);
}

#[test]
fn late_votes_are_aggregated_too() {
    let (mut hand, data) = aggregator_with_votes(&[0, 1]);
    hand.tick(5_600);
    vote(&mut hand, 2, data);
    assert_eq!(
        hand.input(Input::Aggregated { job: JobId(3), proof: proof(&[0, 1]) }),
        ["publish aggregate at 1 of 2"]
    );
    assert!(hand.run_to(6_199).is_empty());
    assert_eq!(hand.tick(6_200), ["aggregate job 5: slot 1, 1 children, [2]"]);
    hand.input(Input::Aggregated { job: JobId(5), proof: proof(&[0, 1, 2]) });
    vote(&mut hand, 3, data);
    assert_eq!(hand.run_to(7_000), ["aggregate job 7: slot 1, 1 children, [3]"]);
}

#[test]
fn what_is_being_proven_is_not_proven_twice() {
    let (mut hand, _) = aggregator_with_votes(&[0, 1]);
    assert_eq!(hand.tick(5_600).len(), 1);
    assert!(hand.run_to(7_199).is_empty(), "the worker is still busy with it");
}

#[test]
fn a_failed_proof_is_counted_and_tried_again() {
    let (mut hand, _) = aggregator_with_votes(&[0, 1]);
    hand.tick(5_600);
    hand.input(Input::JobFailed { job: JobId(3), failure: JobFailure::Backend });
    assert_eq!(
        missed(&hand),
        ["DutyMissed { duty: Aggregation, validator: None, slot: Slot(1), reason: Worker(Backend) }"]
    );
    assert_eq!(hand.run_to(6_200), ["aggregate job 4: slot 1, 0 children, [0, 1]"]);
}

#[test]
fn a_proof_that_was_too_much_for_its_slot_is_not_tried_again_in_it() {
    let (mut hand, _) = aggregator_with_votes(&[0, 1]);
    hand.tick(5_600);
    hand.input(Input::JobFailed { job: JobId(3), failure: JobFailure::Deadline });
    assert_eq!(
        missed(&hand),
        ["DutyMissed { duty: Aggregation, validator: None, slot: Slot(1), reason: Worker(Deadline) }"]
    );
    assert!(hand.run_to(7_999).is_empty());
}

#[test]
fn the_role_can_be_given_and_taken() {
    let (mut hand, _) = aggregator_with_votes(&[0, 1]);
    hand.input(Input::SetAggregator { enabled: false });
    assert!(!hand.engine.view().is_aggregator);
    assert!(hand.run_to(7_000).is_empty());
    hand.input(Input::SetAggregator { enabled: true });
    assert_eq!(hand.run_to(9_600), ["aggregate job 3: slot 1, 0 children, [0, 1]"]);
}

#[test]
fn a_network_without_aggregator_is_told_of() {
    let (mut hand, _) = hand(&[0], false);
    let mut told = Vec::new();
    for slot in 1..=9 {
        hand.run_to(slot * 4_000 + 1_300);
        hand.input(Input::Signed { job: JobId(slot as u64 - 1), signatures: vec![Ok(signature())] });
        hand.run_to(slot * 4_000 + 3_999);
        told.extend(hand.events().into_iter().filter(|event| event.starts_with("NoAggregator")));
    }
    assert_eq!(told, ["NoAggregator { slots: 4, refused: 0 }", "NoAggregator { slots: 8, refused: 0 }"]);
}
