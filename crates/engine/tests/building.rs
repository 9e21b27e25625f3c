//! The payload of a proposal: built on the head that is, fetched once, and no block without it.

mod support;

use std::sync::Arc;

use lathe_engine::{Effect, ExecutionHealth, Input, JobId, PayloadFailure, PayloadVerdict};
use lathe_types::{
    ExecutionBody, ExecutionPayloadV3, ExecutionRequests, MultiMessageAggregate, Root, Transaction,
};
use support::{Hand, Made, anchor_of, job_of, payload, prepare, signature};

const EL_GENESIS: Root = Root::repeat_byte(0xe1);
const MISSED: &str =
    "DutyMissed { duty: Proposal, validator: Some(ValidatorIndex(2)), slot: Slot(2), reason: ";

/// Validator 2 of four is ours, the block of slot 1 is there and valid; slot 2 is next.
fn hand() -> (Hand, Made, Made) {
    let anchor = anchor_of(4, Some(EL_GENESIS));
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[2], false, anchor);
    hand.input(Input::ExecutionHealth(ExecutionHealth::Online));
    let block = genesis.paired_child(1, 1);
    hand.import(255, &block);
    verdict(&mut hand, &block, PayloadVerdict::Valid);
    hand.run_to(4_800);
    hand.input(Input::Signed { job: JobId(1), signatures: vec![Ok(signature())] });
    (hand, genesis, block)
}

fn verdict(hand: &mut Hand, made: &Made, verdict: PayloadVerdict) -> Vec<String> {
    hand.input(Input::PayloadStatus { block: made.root, verdict })
}

fn prepared(hand: &mut Hand) -> Vec<String> {
    let (job, request) = hand.last_prepare();
    hand.input(Input::Prepared { job, prepared: Arc::new(prepare(&request)) })
}

fn ready(hand: &mut Hand, job: u64, made: &Made, name: u8) -> Vec<String> {
    let execution = payload(&made.state, 2, name);
    hand.input(Input::PayloadReady { job: JobId(job), execution })
}

/// What became of the duty, if it was missed.
fn missed(hand: &Hand) -> Option<String> {
    let reason = |event: &String| Some(event.strip_prefix(MISSED)?.strip_suffix(" }")?.to_owned());
    hand.events().iter().find_map(reason)
}

#[test]
fn built_early_fetched_once_signed_last() {
    let (mut hand, _, block) = hand();
    let begun = hand.run_to(7_200);
    assert_eq!(begun, ["forkchoice 1 safe 0 finalized 0, build job 2", "prepare job 3: slot 2, 0 data"]);
    let attributes = hand.effects.iter().find_map(|effect| match effect {
        Effect::ForkchoiceUpdated { build, .. } => *build,
        _ => None,
    });
    let (_, attributes) = attributes.unwrap();
    assert_eq!((attributes.timestamp, attributes.parent_beacon_block_root), (8, block.root));

    assert!(prepared(&mut hand).is_empty());
    assert!(hand.run_to(7_699).is_empty());
    assert_eq!(hand.run_to(7_700), ["get payload job 2"]);
    assert!(ready(&mut hand, 2, &block, 2).is_empty());
    assert!(hand.run_to(7_939).is_empty());
    let signed = hand.run_to(7_940);
    assert_eq!(signed, ["sign job 4: Proposal 2"]);
    // What is signed is the block with its payload.
    let expected = block.paired_child(2, 2);
    let message = hand.effects.iter().find_map(|effect| match effect {
        Effect::Sign { requests, .. } => Some(requests[0].message),
        _ => None,
    });
    assert_eq!(message, Some(expected.root));

    assert_eq!(
        hand.input(Input::Signed { job: JobId(4), signatures: vec![Ok(signature())] }),
        ["seal job 5"]
    );
    let sealed = Input::Sealed { job: JobId(5), proof: MultiMessageAggregate::default() };
    assert!(hand.input(sealed).is_empty());
    let published = hand.run_to(8_000);
    assert_eq!(published[0], "publish block 2");
    assert_eq!(published[1], "new payload 2");
    assert_eq!(published.last().unwrap(), "forkchoice 2 safe 0 finalized 0");
    assert_eq!(hand.engine.view().head, expected.checkpoint());
}

/// Another block of slot 1 that wins over `block` without any votes: the larger root does.
fn rival(genesis: &Made, block: &Made) -> Made {
    let mut rival = genesis.paired_child(1, 10);
    let mut name = 10;
    while rival.root <= block.root {
        name += 1;
        rival = genesis.paired_child(1, name);
    }
    rival
}

#[test]
fn a_head_that_moves_is_built_on_anew_once_it_is_valid() {
    let (mut hand, genesis, block) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    let rival = rival(&genesis, &block);
    hand.import(7, &rival);
    assert_eq!(hand.engine.view().head, rival.checkpoint());
    let effects = verdict(&mut hand, &rival, PayloadVerdict::Valid);
    let job = job_of(&effects);
    assert_eq!(effects.len(), 1);
    assert!(effects[0].ends_with(&format!("safe 0 finalized 0, build job {job}")), "{effects:?}");
    // The earlier build is none of ours any more.
    assert_eq!(hand.run_to(7_700), [format!("get payload job {job}")]);
    ready(&mut hand, 2, &block, 2);
    prepared(&mut hand);
    assert!(hand.run_to(7_940).is_empty());
    assert!(ready(&mut hand, job, &rival, 3)[0].starts_with("sign job"));
}

#[test]
fn a_late_head_is_built_on_for_a_little_while_at_least() {
    let anchor = anchor_of(4, Some(EL_GENESIS));
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[2], false, anchor);
    hand.input(Input::ExecutionHealth(ExecutionHealth::Online));
    hand.run_to(5_300);
    let begun = hand.run_to(7_200);
    assert!(begun.iter().any(|effect| effect.starts_with("forkchoice e1") && effect.contains("build")));
    assert!(hand.run_to(7_700).iter().any(|effect| effect.starts_with("get payload")));

    // The block of slot 1 comes late. It is not built on before it is judged, then for 50 ms.
    hand.run_to(7_800);
    let block = genesis.paired_child(1, 1);
    hand.import(255, &block);
    let effects = verdict(&mut hand, &block, PayloadVerdict::Valid);
    assert_eq!(effects.len(), 1, "{effects:?}");
    let job = job_of(&effects);
    assert_eq!(effects, [format!("forkchoice 1 safe 0 finalized 0, build job {job}")]);
    prepared(&mut hand);
    assert!(hand.run_to(7_849).is_empty());
    assert_eq!(hand.run_to(7_850), [format!("get payload job {job}")]);
    ready(&mut hand, job, &block, 2);
    assert!(hand.run_to(7_940)[0].starts_with("sign job"));
}

#[test]
fn without_a_payload_the_proposal_is_skipped_and_the_chain_goes_on() {
    for (failure, reason) in [
        (PayloadFailure::NotBuilding, "Payload(NotBuilding)"),
        (PayloadFailure::Timeout, "Payload(Timeout)"),
        (PayloadFailure::Refused, "Payload(Refused)"),
    ] {
        let (mut hand, _, block) = hand();
        hand.run_to(7_200);
        prepared(&mut hand);
        hand.run_to(7_700);
        assert!(hand.input(Input::PayloadFailed { job: JobId(2), failure }).is_empty());
        let rest = hand.run_to(8_800);
        assert!(rest.iter().all(|effect| !effect.contains("Proposal") && !effect.contains("block")));
        assert_eq!(missed(&hand).as_deref(), Some(reason));
        assert_eq!(hand.engine.view().head, block.checkpoint());
        assert!(ready(&mut hand, 2, &block, 2).is_empty(), "answered already");
    }
}

#[test]
fn a_payload_that_does_not_fit_is_no_payload() {
    let (mut hand, genesis, _) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(7_700);
    // It builds on genesis, not on the head.
    ready(&mut hand, 2, &genesis, 2);
    hand.run_to(8_800);
    assert_eq!(missed(&hand).as_deref(), Some("Payload(Mismatch)"));
}

#[test]
fn a_payload_that_no_message_has_room_for_is_not_proposed() {
    let transaction = |bytes: usize| Transaction::new(vec![1; bytes]).unwrap();
    for (bytes, reason) in [(8 << 20, None), (9 << 20, Some("Payload(TooLarge)"))] {
        let (mut hand, _, block) = hand();
        hand.run_to(7_200);
        prepared(&mut hand);
        hand.run_to(7_700);
        let plain = payload(&block.state, 2, 2);
        let long = ExecutionPayloadV3 {
            transactions: vec![transaction(bytes)].try_into().unwrap(),
            ..plain.payload().clone()
        };
        let execution = Arc::new(ExecutionBody::new(long, ExecutionRequests::default()));
        hand.input(Input::PayloadReady { job: JobId(2), execution });
        let signs = hand.run_to(8_800).iter().any(|effect| effect.starts_with("sign"));
        assert_eq!(signs, reason.is_none());
        assert!(reason.is_none() || missed(&hand).as_deref() == reason);
    }
}

#[test]
fn silence_is_a_reason_too() {
    let (mut hand, ..) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(8_800);
    assert_eq!(missed(&hand).as_deref(), Some("Payload(Timeout)"));
}

#[test]
fn a_client_that_is_away_costs_the_proposal_and_nothing_else() {
    let (mut hand, ..) = hand();
    hand.input(Input::ExecutionHealth(ExecutionHealth::Offline));
    let begun = hand.run_to(7_200);
    assert_eq!(begun, ["prepare job 2: slot 2, 0 data"]);
    prepared(&mut hand);
    hand.run_to(8_800);
    assert_eq!(missed(&hand).as_deref(), Some("Payload(Offline)"));
}

/// A client that comes back in time builds after all.
#[test]
fn a_client_that_comes_back_builds() {
    let (mut hand, ..) = hand();
    hand.input(Input::ExecutionHealth(ExecutionHealth::Offline));
    hand.run_to(7_200);
    let back = hand.input(Input::ExecutionHealth(ExecutionHealth::Online));
    assert_eq!(back, ["forkchoice 1 safe 0 finalized 0, build job 3"]);
}

#[test]
fn an_optimistic_head_is_not_built_on() {
    let anchor = anchor_of(4, Some(EL_GENESIS));
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[2], false, anchor);
    hand.input(Input::ExecutionHealth(ExecutionHealth::Online));
    hand.import(255, &genesis.paired_child(1, 1));
    let effects = hand.run_to(7_200);
    assert!(effects.iter().all(|effect| !effect.contains("build")), "{effects:?}");
    prepared(&mut hand);
    hand.run_to(8_800);
    assert_eq!(missed(&hand).as_deref(), Some("OptimisticHead"));
}

/// The head is valid when the payload is fetched, and another when the block is to be signed.
#[test]
fn an_optimistic_head_is_not_signed_on() {
    let (mut hand, genesis, block) = hand();
    hand.run_to(7_200);
    prepared(&mut hand);
    hand.run_to(7_700);
    ready(&mut hand, 2, &block, 2);
    hand.import(8, &rival(&genesis, &block));
    prepared(&mut hand);
    let rest = hand.run_to(8_800);
    assert!(rest.iter().all(|effect| !effect.contains("Proposal")), "{rest:?}");
    assert_eq!(missed(&hand).as_deref(), Some("OptimisticHead"));
}
