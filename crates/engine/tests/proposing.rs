//! The duty to propose: prepared early, signed late and once, published at the boundary.

mod support;

use std::sync::Arc;

use lathe_engine::{Input, JobFailure, JobId, SignFailure};
use lathe_types::{AttestationData, MultiMessageAggregate, Slot};
use support::{Hand, Made, anchor, job_of, prepare, signature};

/// Validator 2 of four is ours, and the block of slot 1 is there; slot 2 is next.
fn hand() -> (Hand, Made, Made) {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[2], false, anchor);
    let block = genesis.child(1, &[]);
    hand.import(255, &block);
    hand.run_to(4_800);
    hand.input(Input::Signed { job: JobId(1), signatures: vec![Ok(signature())] });
    (hand, genesis, block)
}

fn prepared(hand: &mut Hand) -> Vec<String> {
    let (job, request) = hand.last_prepare();
    hand.input(Input::Prepared { job, prepared: Arc::new(prepare(&request)) })
}

fn sealed(job: u64) -> Input {
    Input::Sealed { job: JobId(job), proof: MultiMessageAggregate::default() }
}

fn missed(hand: &Hand) -> Vec<String> {
    hand.events().into_iter().filter(|event| event.starts_with("DutyMissed")).collect()
}

#[test]
fn prepare_sign_seal_publish_import() {
    let (mut hand, ..) = hand();
    assert!(hand.run_to(7_199).is_empty());
    assert_eq!(hand.tick(7_200), ["prepare job 2: slot 2, 0 data"]);
    assert!(prepared(&mut hand).is_empty());
    assert!(hand.run_to(7_939).is_empty());
    assert_eq!(hand.tick(7_940), ["sign job 3: Proposal 2"], "60 ms before the slot");
    hand.now = 7_970;
    let signed = Input::Signed { job: JobId(3), signatures: vec![Ok(signature())] };
    assert_eq!(hand.input(signed), ["seal job 4"]);
    assert!(hand.input(sealed(4)).is_empty());
    assert!(hand.run_to(7_999).is_empty());
    assert_eq!(
        hand.tick(8_000),
        [
            "publish block 2",
            "persist 2: blocks [2] canonical [\"2+\"] head Some(2) justified None finalized None drop 0",
        ],
        "published before it is imported, and imported without any check"
    );
    assert!(hand.events()[0].contains("Proposed") && hand.events()[0].contains("at_ms: 0"));
    assert!(!hand.run_to(11_999).iter().any(|effect| effect.contains("Proposal")), "never again");
}

#[test]
fn what_is_sealed_late_goes_out_at_once() {
    let (mut hand, ..) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(8_150);
    assert_eq!(
        hand.input(Input::Signed { job: JobId(3), signatures: vec![Ok(signature())] }),
        ["seal job 4"]
    );
    assert_eq!(hand.input(sealed(4))[0], "publish block 2");
    assert!(hand.events()[0].contains("at_ms: 150"));
}

/// Two empty blocks of slot 1 differ in nothing, so the rival carries a vote for genesis. It comes late, and its larger
/// root makes it the head.
#[test]
fn a_new_head_is_prepared_for_as_long_as_nothing_is_signed() {
    let (mut hand, genesis, block) = hand();
    let at_genesis = genesis.checkpoint();
    let data = AttestationData { slot: Slot(0), head: at_genesis, target: at_genesis, source: at_genesis };
    let rivals = (1..16_u64).map(|voters| {
        let voters: Vec<u64> = (0..4).filter(|voter| voters >> voter & 1 == 1).collect();
        genesis.child(1, &[(data, &voters)])
    });
    let rival = rivals.into_iter().find(|rival| rival.root > block.root).unwrap();
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(7_900);
    let job = job_of(&hand.gossip_block(1, &rival.block));
    let effects = hand.verified(job, &[true]);
    assert_eq!(hand.engine.view().head, rival.checkpoint());
    assert_eq!(effects.last().unwrap(), "prepare job 4: slot 2, 0 data");
    assert!(hand.run_to(7_999).is_empty(), "the old block is not signed");
    let (_, request) = hand.last_prepare();
    assert_eq!(request.parent_root, rival.root);
    assert_eq!(prepared(&mut hand), ["sign job 5: Proposal 2"], "late, but on the head");
}

#[test]
fn a_slot_that_has_a_block_already_is_not_proposed_for() {
    let (mut hand, _, block) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    // Our own block of this slot, say, from before a restart.
    let ours = block.child(2, &[]);
    let job = job_of(&hand.gossip_block(1, &ours.block));
    hand.verified(job, &[true]);
    assert!(
        !hand.run_to(8_800).iter().any(|effect| effect.contains("Proposal") || effect.starts_with("prepare"))
    );
    assert_eq!(
        missed(&hand)[0],
        "DutyMissed { duty: Proposal, validator: Some(ValidatorIndex(2)), slot: Slot(2), reason: HeadMoved }"
    );
}

#[test]
fn new_votes_are_prepared_for_until_shortly_before_signing() {
    let (mut hand, genesis, block) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    let data = AttestationData {
        slot: Slot(1),
        head: block.checkpoint(),
        target: block.checkpoint(),
        source: genesis.checkpoint(),
    };
    let job = job_of(&hand.gossip_aggregate(1, &[0], data));
    let effects = hand.verified(job, &[true]);
    assert_eq!(effects, ["accept 1", "prepare job 4: slot 2, 1 data"]);
    prepared(&mut hand);
    hand.run_to(7_845);
    let job = job_of(&hand.gossip_aggregate(2, &[1], data));
    assert_eq!(hand.verified(job, &[true]), ["accept 2"], "too close to the signature");
    assert_eq!(hand.run_to(7_940), ["sign job 6: Proposal 2"]);
}

#[test]
fn after_the_signature_the_block_goes_out_whatever_the_head() {
    let (mut hand, genesis, _) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(7_940);
    hand.input(Input::Signed { job: JobId(3), signatures: vec![Ok(signature())] });
    hand.input(sealed(4));
    // Another block of the same slot wins over its parent.
    let rival = genesis.child(2, &[]);
    let job = job_of(&hand.gossip_block(1, &rival.block));
    hand.verified(job, &[true]);
    let effects = hand.run_to(8_000);
    assert_eq!(effects[0], "publish block 2");
    assert!(!effects.iter().any(|effect| effect.starts_with("sign") || effect.starts_with("prepare")));
}

#[test]
fn a_worker_that_fails_is_asked_three_times() {
    let (mut hand, ..) = hand();
    assert_eq!(hand.run_to(7_200), ["prepare job 2: slot 2, 0 data"]);
    for job in 2..4 {
        let failed = Input::JobFailed { job: JobId(job), failure: JobFailure::Panicked };
        assert_eq!(hand.input(failed), [format!("prepare job {}: slot 2, 0 data", job + 1)]);
    }
    let failed = Input::JobFailed { job: JobId(4), failure: JobFailure::Panicked };
    assert!(hand.input(failed).is_empty());
    hand.run_to(8_799);
    assert!(missed(&hand).is_empty());
    hand.tick(8_800);
    assert_eq!(
        missed(&hand)[0],
        "DutyMissed { duty: Proposal, validator: Some(ValidatorIndex(2)), slot: Slot(2), reason: Worker(Panicked) }"
    );
}

#[test]
fn a_block_that_is_not_prepared_in_time_is_missed() {
    let (mut hand, ..) = hand();
    hand.run_to(8_800);
    assert_eq!(
        missed(&hand),
        [
            "DutyMissed { duty: Proposal, validator: Some(ValidatorIndex(2)), slot: Slot(2), reason: NotPrepared }"
        ]
    );
}

#[test]
fn a_refused_signature_ends_the_slot() {
    let (mut hand, ..) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(7_940);
    let refused = Input::Signed { job: JobId(3), signatures: vec![Err(SignFailure::Refused)] };
    assert!(hand.input(refused).is_empty());
    assert_eq!(
        missed(&hand),
        [
            "DutyMissed { duty: Proposal, validator: Some(ValidatorIndex(2)), slot: Slot(2), reason: Signer(Refused) }"
        ]
    );
    let rest = hand.run_to(8_700);
    assert!(
        !rest.iter().any(|effect| effect.contains("Proposal") || effect.starts_with("prepare")),
        "{rest:?}"
    );
}

#[test]
fn a_clock_that_steps_back_signs_nothing_again() {
    let (mut hand, ..) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(7_940);
    hand.input(Input::Signed { job: JobId(3), signatures: vec![Ok(signature())] });
    hand.input(sealed(4));
    hand.run_to(8_000);
    hand.tick(7_100);
    let again = hand.run_to(8_100);
    assert!(
        !again.iter().any(|effect| effect.starts_with("sign") || effect.starts_with("prepare")),
        "{again:?}"
    );
}

#[test]
fn the_slot_after_a_late_wake_up_is_still_proposed_for() {
    let (mut hand, ..) = hand();
    assert_eq!(hand.tick(8_010), ["prepare job 2: slot 2, 0 data"]);
    assert_eq!(prepared(&mut hand), ["sign job 3: Proposal 2"]);
}
