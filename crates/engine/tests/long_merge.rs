//! A backend whose final merge takes long: the proposer signs that much earlier, and once.

mod support;

use std::sync::Arc;

use lathe_engine::{EngineConfig, Input, JobId, PreparedBlock};
use lathe_types::{AttestationData, MultiMessageAggregate, Root, ValidatorIndex};
use support::{Hand, Made, anchor, anchor_of, job_of, payload, prepare, signature};

const EL_GENESIS: Root = Root::repeat_byte(0xe1);

/// Validators 2 and 3 of four are ours, the block of slot 1 is there, and the votes of slot 1 are signed.
fn hand() -> Hand {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(4_000, &[2, 3], false, anchor);
    hand.import(255, &genesis.child(1, &[]));
    hand.run_to(4_800);
    signed(&mut hand, 1, 2);
    hand
}

/// The worker's answer to the last preparation: its merge takes that long.
fn prepared(hand: &mut Hand, merge_ms: u64) -> Vec<String> {
    let (job, request) = hand.last_prepare();
    let prepared = PreparedBlock { merge_ms, ..prepare(&request) };
    hand.input(Input::Prepared { job, prepared: Arc::new(prepared) })
}

fn signed(hand: &mut Hand, job: u64, count: usize) -> Vec<String> {
    hand.input(Input::Signed { job: JobId(job), signatures: vec![Ok(signature()); count] })
}

fn sealed(hand: &mut Hand, job: u64) -> Vec<String> {
    hand.input(Input::Sealed { job: JobId(job), proof: MultiMessageAggregate::default() })
}

fn about_proposals(effects: &[String]) -> Vec<&String> {
    effects.iter().filter(|effect| effect.contains("prepare") || effect.contains("Proposal")).collect()
}

#[test]
fn the_signature_is_earlier_by_the_merge() {
    let mut hand = hand();
    assert_eq!(hand.run_to(7_200), ["prepare job 2: slot 2, 0 data"]);
    assert!(prepared(&mut hand, 300).is_empty());
    assert!(hand.run_to(7_639).is_empty());
    assert_eq!(hand.tick(7_640), ["sign job 3: Proposal 2"], "60 + 300 ms before the slot");
    assert_eq!(signed(&mut hand, 3, 1), ["seal job 4"]);
    assert!(sealed(&mut hand, 4).is_empty());
    let rest = hand.run_to(10_000);
    assert_eq!(rest[0], "publish block 2");
    assert_eq!(about_proposals(&rest), [""; 0], "signed once");
}

#[test]
fn a_merge_that_fills_more_than_the_interval_has_everything_begin_earlier() {
    let mut hand = hand();
    hand.run_to(7_200);
    // Nobody knew that it takes so long: it is signed at once, and late once.
    assert_eq!(prepared(&mut hand, 1_500), ["sign job 3: Proposal 2"]);
    signed(&mut hand, 3, 1);
    hand.run_to(8_700);
    assert_eq!(sealed(&mut hand, 4)[0], "publish block 2");

    // From then on it is known. The lead is 60 + 1,500 ms, and 100 ms to prepare.
    let before = hand.run_to(10_339);
    assert_eq!(about_proposals(&before), [""; 0]);
    let taken_up = hand.run_to(10_340);
    assert!(taken_up[0].starts_with("prepare job 6: slot 3"), "{taken_up:?}");
    assert!(prepared(&mut hand, 1_500).is_empty());
    assert!(hand.run_to(10_439).is_empty());
    assert_eq!(hand.run_to(10_440), ["sign job 7: Proposal 3"]);
    assert_eq!(signed(&mut hand, 7, 1), ["seal job 8"]);
    assert!(sealed(&mut hand, 8).is_empty());
    let rest = hand.run_to(12_000);
    assert_eq!(about_proposals(&rest), [""; 0], "signed once, and not prepared again in interval 4");
    assert!(rest.contains(&"publish block 3".to_owned()), "{rest:?}");
}

#[test]
fn nothing_begins_before_the_slot_before_has_voted() {
    let mut hand = hand();
    hand.run_to(7_200);
    prepared(&mut hand, 1_000_000);
    signed(&mut hand, 3, 1);
    sealed(&mut hand, 4);
    assert_eq!(about_proposals(&hand.run_to(9_239)), [""; 0]);
    let taken_up = hand.run_to(9_240);
    assert!(taken_up[0].starts_with("prepare job 6: slot 3"), "{taken_up:?}");
}

#[test]
fn a_block_that_is_finished_after_its_slot_still_leaves() {
    let mut hand = hand();
    hand.run_to(7_200);
    prepared(&mut hand, 1_500);
    signed(&mut hand, 3, 1);
    let meanwhile = hand.run_to(11_500);
    let next = about_proposals(&meanwhile);
    assert!(next.len() == 1 && next[0].starts_with("prepare job 6: slot 3"), "the next one: {next:?}");
    // Slot 2 is over, and slot 3 has begun.
    hand.run_to(12_100);
    let late = sealed(&mut hand, 4);
    assert_eq!(late[0], "publish block 2");
    assert!(hand.events().iter().any(|event| event.contains("Proposed") && event.contains("at_ms: 4100")));
    hand.run_to(17_000);
    let missed = |event: &&String| event.contains("Proposal") && event.contains("slot: Slot(2), reason");
    assert_eq!(hand.events().iter().find(missed), None);
}

#[test]
fn a_block_that_finality_has_overtaken_is_missed() {
    // Nobody else's blocks are needed for that: one with every vote is final two slots later.
    let anchor = anchor(3);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(0, &[1], false, anchor);
    hand.run_to(3_200);
    prepared(&mut hand, 0);
    signed(&mut hand, 1, 1);
    let vote = |head: &Made, target: &Made, source: &Made| AttestationData {
        slot: head.block.block.slot,
        head: head.checkpoint(),
        target: target.checkpoint(),
        source: source.checkpoint(),
    };
    let everybody: &[u64] = &[0, 1, 2];
    let second = genesis.child(2, &[]);
    let third = second.child(3, &[(vote(&second, &second, &genesis), everybody)]);
    let fourth = third.child(4, &[(vote(&third, &third, &second), everybody)]);
    hand.run_to(16_100);
    for (id, block) in [(1, &second), (2, &third)] {
        hand.import(id, block);
    }
    let job = job_of(&hand.gossip_block(3, &fourth.block));
    hand.verified(job, &[true]);
    let missed = hand.events().into_iter().filter(|event| event.contains("DutyMissed")).collect::<Vec<_>>();
    let expected =
        "DutyMissed { duty: Proposal, validator: Some(ValidatorIndex(1)), slot: Slot(1), reason: OutOfTime }";
    assert_eq!(missed, [expected]);
    assert!(!sealed(&mut hand, 2).iter().any(|effect| effect.starts_with("publish")));
}

#[test]
fn no_more_is_signed_than_can_be_merged() {
    let local_validators = vec![ValidatorIndex(2), ValidatorIndex(3)];
    let config = EngineConfig { local_validators, merges_at_a_time: 1, ..EngineConfig::default() };
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::with(4_000, anchor, config);
    hand.import(255, &genesis.child(1, &[]));
    hand.run_to(4_800);
    signed(&mut hand, 1, 2);
    hand.run_to(7_200);
    prepared(&mut hand, 0);
    hand.run_to(7_940);
    signed(&mut hand, 3, 1);
    hand.run_to(11_200);
    prepared(&mut hand, 0);
    let waits = hand.run_to(12_300);
    assert!(!waits.iter().any(|effect| effect.contains("Proposal 3")), "{waits:?}");
    // The first one leaves, and is the head of the second.
    let late = sealed(&mut hand, 4);
    assert_eq!(late[0], "publish block 2");
    assert!(late.iter().any(|effect| effect.starts_with("prepare") && effect.contains("slot 3")), "{late:?}");
    let then = prepared(&mut hand, 0);
    assert!(then.iter().any(|effect| effect.ends_with("Proposal 3")), "{then:?}");
}

#[test]
fn a_prover_that_never_gets_done_is_why_the_next_block_is_missed() {
    let local_validators = vec![ValidatorIndex(2), ValidatorIndex(3)];
    let config = EngineConfig { local_validators, merges_at_a_time: 1, ..EngineConfig::default() };
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::with(4_000, anchor, config);
    hand.import(255, &genesis.child(1, &[]));
    hand.run_to(7_200);
    prepared(&mut hand, 0);
    hand.run_to(7_940);
    signed(&mut hand, 3, 1);
    hand.run_to(11_200);
    prepared(&mut hand, 0);
    hand.run_to(12_800);
    assert!(
        hand.events().iter().any(|event| event.contains("slot: Slot(3), reason: ProverBusy")),
        "{:?}",
        hand.events()
    );
}

#[test]
fn before_the_first_block_the_settings_say_how_long_it_takes() {
    let local_validators = vec![ValidatorIndex(2)];
    let config = EngineConfig { local_validators, merge_ms: 1_000, ..EngineConfig::default() };
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::with(4_000, anchor, config);
    hand.import(255, &genesis.child(1, &[]));
    assert_eq!(about_proposals(&hand.run_to(6_839)), [""; 0]);
    assert_eq!(hand.run_to(6_840), ["prepare job 2: slot 2, 0 data"]);
    // A merge that turns out to be short is signed for as late as it can be.
    assert!(prepared(&mut hand, 0).is_empty());
    assert!(hand.run_to(7_939).iter().all(|effect| !effect.starts_with("sign")));
    assert!(hand.run_to(7_940).last().unwrap().ends_with("Proposal 2"));
}

#[test]
fn a_payload_is_fetched_earlier_too() {
    let local_validators = vec![ValidatorIndex(2)];
    let config = EngineConfig { local_validators, merge_ms: 400, ..EngineConfig::default() };
    let anchor = anchor_of(4, Some(EL_GENESIS));
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::with(4_000, anchor, config);
    hand.input(Input::ExecutionHealth(lathe_engine::ExecutionHealth::Online));
    let block = genesis.paired_child(1, 1);
    hand.import(255, &block);
    let verdict = lathe_engine::PayloadVerdict::Valid;
    hand.input(Input::PayloadStatus { block: block.root, verdict });
    hand.run_to(7_200);
    prepared(&mut hand, 400);
    assert!(hand.run_to(7_299).is_empty());
    assert_eq!(hand.run_to(7_300), ["get payload job 2"]);
    let execution = payload(&block.state, 2, 2);
    assert!(hand.input(Input::PayloadReady { job: JobId(2), execution }).is_empty());
    assert!(hand.run_to(7_539).is_empty());
    assert_eq!(hand.run_to(7_540), ["sign job 4: Proposal 2"]);
}
