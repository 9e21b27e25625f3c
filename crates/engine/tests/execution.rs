//! The execution client's word: asked for, not waited for, and followed.

mod support;

use std::sync::Arc;

use lathe_engine::{
    Effect, Engine, EngineConfig, EngineError, ExecutionHealth, Input, JobId, PayloadVerdict,
};
use lathe_types::{ExecutionBody, ExecutionPayloadV3, Root, SignedBlock};
use support::{Hand, Made, anchor, anchor_of, job_of, signature};

const VALID: PayloadVerdict = PayloadVerdict::Valid;
const SYNCING: PayloadVerdict = PayloadVerdict::Syncing;
const INVALID: PayloadVerdict = PayloadVerdict::Invalid { latest_valid_hash: None };
const EL_GENESIS: Root = Root::repeat_byte(0xe1);

/// An engine of a paired chain at the start of slot 4, with the blocks of slots 1 and 2 on their way.
fn hand(local: &[u64]) -> (Hand, Made, Made, Made) {
    let anchor = anchor_of(4, Some(EL_GENESIS));
    let genesis = Made::genesis(&anchor);
    let one = genesis.paired_child(1, 1);
    let two = one.paired_child(2, 2);
    (Hand::new(16_000, local, false, anchor), genesis, one, two)
}

fn online(hand: &mut Hand) -> Vec<String> {
    hand.input(Input::ExecutionHealth(ExecutionHealth::Online))
}

fn verdict(hand: &mut Hand, made: &Made, verdict: PayloadVerdict) -> Vec<String> {
    hand.input(Input::PayloadStatus { block: made.root, verdict })
}

/// Brings a block up to its import; says what the import does.
fn import(hand: &mut Hand, id: u8, made: &Made) -> Vec<String> {
    let job = job_of(&hand.gossip_block(id, &made.block));
    hand.verified(job, &[true])
}

fn is_optimistic(hand: &mut Hand) -> bool {
    hand.engine.view().sync.is_optimistic
}

#[test]
fn a_payload_is_handed_out_after_its_proof_and_before_the_head() {
    let (mut hand, _, one, _) = hand(&[]);
    assert_eq!(online(&mut hand), ["forkchoice e1 safe 0 finalized 0"]);
    assert_eq!(hand.gossip_block(1, &one.block), ["verify job 0: block 1"]);
    assert_eq!(
        hand.verified(0, &[true]),
        [
            "accept 1",
            "new payload 1",
            "persist 1: blocks [1] canonical [\"1+\"] head Some(1) justified None finalized None drop 0",
            "forkchoice 1 safe 0 finalized 0",
        ]
    );
    let payload = hand.effects.iter().find_map(|effect| match effect {
        Effect::NewPayload(payload) => Some(payload.clone()),
        _ => None,
    });
    let payload = payload.unwrap();
    assert_eq!(payload.block, one.root);
    assert_eq!(payload.parent_beacon_block_root, one.block.block.parent_root);
    assert_eq!(Some(&payload.execution), one.block.block.body.execution.as_ref());
    assert!(is_optimistic(&mut hand));
    assert!(verdict(&mut hand, &one, VALID).is_empty());
    assert!(!is_optimistic(&mut hand));
}

#[test]
fn a_block_that_fails_is_never_shown_to_the_execution_client() {
    let (mut hand, _, one, _) = hand(&[]);
    online(&mut hand);
    let job = job_of(&hand.gossip_block(1, &one.block));
    assert_eq!(hand.verified(job, &[false]), ["reject 1"]);
}

#[test]
fn orphans_are_handed_out_after_their_parents() {
    let (mut hand, _, one, two) = hand(&[]);
    online(&mut hand);
    assert_eq!(hand.gossip_block(2, &two.block), ["ignore 2"]);
    let first = import(&mut hand, 1, &one);
    assert!(first.contains(&"new payload 1".to_owned()));
    let second = hand.verified(job_of(&first), &[true]);
    assert!(second.contains(&"new payload 2".to_owned()), "{second:?}");
}

#[test]
fn a_valid_head_vouches_for_its_ancestors() {
    let (mut hand, _, one, two) = hand(&[]);
    online(&mut hand);
    import(&mut hand, 1, &one);
    import(&mut hand, 2, &two);
    verdict(&mut hand, &two, VALID);
    assert!(!is_optimistic(&mut hand));
    // The parent's own answer comes late and changes nothing.
    assert!(verdict(&mut hand, &one, INVALID).is_empty());
    assert!(hand.events().is_empty());
}

#[test]
fn an_invalid_payload_leaves_the_chain_on_disk_too_and_does_not_come_back() {
    let (mut hand, _, one, two) = hand(&[]);
    online(&mut hand);
    import(&mut hand, 1, &one);
    import(&mut hand, 2, &two);
    let three = two.paired_child(3, 3);
    assert_eq!(
        verdict(&mut hand, &two, INVALID),
        [
            "persist 3: blocks [] canonical [\"2-\"] head Some(1) justified None finalized None drop 1",
            "forkchoice 1 safe 0 finalized 0",
        ]
    );
    let gone = format!("InvalidPayload {{ block: {:?}, removed: 1 }}", two.root);
    assert!(hand.events().contains(&gone), "{:?}", hand.events());
    assert!(hand.events().iter().any(|event| event.contains("reorg_depth: 1")));
    // Peers that do not know yet are not blamed.
    assert_eq!(hand.gossip_block(3, &two.block), ["ignore 3"]);
    assert_eq!(hand.gossip_block(4, &three.block), ["ignore 4"]);
    assert_eq!(hand.gossip_block(5, &three.paired_child(4, 4).block), ["ignore 5"]);
}

#[test]
fn a_peer_that_builds_on_a_refused_block_is_ahead_of_nobody() {
    let (mut hand, _, one, _) = hand(&[]);
    let is_syncing = |hand: &mut Hand| hand.engine.view().sync.is_syncing;
    online(&mut hand);
    import(&mut hand, 1, &one);
    hand.tick(44_000);
    let ten = one.paired_child(10, 10);
    let eleven = ten.paired_child(11, 11);
    hand.status(7, 0, ten.checkpoint());
    assert!(is_syncing(&mut hand), "somebody is ahead");
    import(&mut hand, 10, &ten);
    assert!(!is_syncing(&mut hand), "and now we are there");
    verdict(&mut hand, &ten, INVALID);
    assert!(!is_syncing(&mut hand), "a block that we refuse is nothing to catch up with");
    hand.status(7, 0, eleven.checkpoint());
    assert!(is_syncing(&mut hand), "it may be a good one");
    assert_eq!(hand.gossip_block(11, &eleven.block), ["ignore 11"]);
    assert!(!is_syncing(&mut hand), "it builds on the bad one");
    let asks = hand.run_to(60_000).into_iter().any(|effect| effect.starts_with("fetch"));
    assert!(!asks, "nobody is asked for refused blocks");
}

#[test]
fn the_latest_valid_hash_moves_the_head_behind_all_that_follows_it() {
    let (mut hand, genesis, one, two) = hand(&[]);
    online(&mut hand);
    import(&mut hand, 1, &one);
    import(&mut hand, 2, &two);
    let other = genesis.paired_child(3, 9);
    import(&mut hand, 3, &other);
    let told = verdict(&mut hand, &two, PayloadVerdict::Invalid { latest_valid_hash: Some(EL_GENESIS) });
    assert_eq!(told.last().unwrap(), "forkchoice 9 safe 0 finalized 0");
    assert_eq!(hand.engine.view().head, other.checkpoint());
    assert_eq!(hand.engine.view().nodes.len(), 2);
}

#[test]
fn what_waited_for_an_invalid_block_is_dropped_with_it() {
    let (mut hand, _, one, two) = hand(&[]);
    online(&mut hand);
    let three = two.paired_child(3, 3);
    assert_eq!(hand.gossip_block(3, &three.block), ["ignore 3"]);
    let pending = |hand: &mut Hand| hand.engine.view().pools.pending_blocks;
    import(&mut hand, 1, &one);
    assert_eq!(pending(&mut hand), 1);
    // The missing block's parent turns out to be invalid: neither it nor its child will ever be of use.
    verdict(&mut hand, &one, INVALID);
    assert_eq!(hand.gossip_block(2, &two.block), ["ignore 2"]);
    assert_eq!(hand.gossip_block(4, &three.block), ["ignore 4"]);
}

#[test]
fn an_offline_client_is_asked_nothing_and_told_everything_when_it_is_back() {
    let (mut hand, _, one, two) = hand(&[]);
    assert!(hand.engine.view().sync.el_offline);
    let imported = import(&mut hand, 1, &one);
    assert!(imported.iter().all(|effect| !effect.contains("payload") && !effect.contains("forkchoice")));
    assert_eq!(online(&mut hand), ["forkchoice 1 safe 0 finalized 0"]);
    assert!(!hand.engine.view().sync.el_offline);
    // It lacks what came meanwhile.
    assert_eq!(verdict(&mut hand, &one, SYNCING), ["replay job 1: up to 1"]);
    // One replay at a time, and blocks go on being imported.
    let imported = import(&mut hand, 2, &two);
    assert_eq!(imported[1], "new payload 2");
    assert!(verdict(&mut hand, &two, SYNCING).is_empty());
    assert!(verdict(&mut hand, &one, VALID).is_empty());
    // When the replay is over it is told the head again, and its answer decides.
    assert_eq!(hand.input(Input::ReplayEnded { job: JobId(1) }), ["forkchoice 2 safe 0 finalized 0"]);
    verdict(&mut hand, &two, VALID);
    assert!(!is_optimistic(&mut hand));
}

#[test]
fn replays_that_do_not_help_become_rarer() {
    let (mut hand, _, one, _) = hand(&[]);
    online(&mut hand);
    import(&mut hand, 1, &one);
    let mut gaps = Vec::new();
    let mut replay = verdict(&mut hand, &one, SYNCING);
    for _ in 0..6 {
        assert_eq!(replay.len(), 1, "{replay:?}");
        let ended = hand.now;
        assert_eq!(
            hand.input(Input::ReplayEnded { job: JobId(job_of(&replay)) }),
            ["forkchoice 1 safe 0 finalized 0"]
        );
        assert!(verdict(&mut hand, &one, SYNCING).is_empty());
        let timeouts = std::iter::from_fn(|| {
            let next = hand.engine.next_timeout()?;
            replay = hand.tick(next.0);
            replay.retain(|effect| effect.starts_with("replay"));
            Some(!replay.is_empty())
        });
        assert!(timeouts.take(1_000).any(|found| found));
        gaps.push(hand.now - ended);
    }
    assert_eq!(gaps, [4_000, 8_000, 8_000, 8_000, 8_000, 8_000]);
}

#[test]
fn an_answer_that_says_nothing_counts_as_lagging() {
    let (mut hand, _, one, _) = hand(&[]);
    online(&mut hand);
    import(&mut hand, 1, &one);
    assert_eq!(verdict(&mut hand, &one, PayloadVerdict::Unavailable), ["replay job 1: up to 1"]);
}

#[test]
fn a_client_that_went_away_owes_no_answers() {
    let (mut hand, _, one, _) = hand(&[]);
    online(&mut hand);
    import(&mut hand, 1, &one);
    assert_eq!(verdict(&mut hand, &one, SYNCING), ["replay job 1: up to 1"]);
    assert!(hand.input(Input::ExecutionHealth(ExecutionHealth::Offline)).is_empty());
    assert_eq!(hand.events(), ["ExecutionHealth(Offline)"]);
    assert_eq!(online(&mut hand), ["forkchoice 1 safe 0 finalized 0"]);
    assert!(hand.input(Input::ReplayEnded { job: JobId(1) }).is_empty(), "of the time before");
    assert_eq!(verdict(&mut hand, &one, SYNCING), ["replay job 2: up to 1"]);
}

/// More payloads than may be open are not handed out; what is missing comes by replay once the others are judged.
#[test]
fn open_payloads_are_bounded() {
    let anchor = anchor_of(4, Some(EL_GENESIS));
    let mut hand = Hand::new(400_000, &[], false, anchor.clone());
    online(&mut hand);
    let mut chain = vec![Made::genesis(&anchor)];
    let mut handed_out = 0;
    for slot in 1..=65 {
        let made = chain.last().unwrap().paired_child(slot, slot as u8);
        let effects = import(&mut hand, slot as u8, &made);
        handed_out += effects.iter().filter(|effect| effect.starts_with("new payload")).count();
        chain.push(made);
    }
    assert_eq!(handed_out, 64);
    for made in &chain[1..64] {
        assert!(verdict(&mut hand, made, VALID).is_empty());
    }
    let told = verdict(&mut hand, &chain[64], VALID);
    assert!(told[0].starts_with("replay"), "{told:?}");
}

#[test]
fn a_block_of_the_other_variant_is_refused_by_name_and_its_sender_blamed() {
    let (mut paired, ..) = hand(&[]);
    let plain_anchor = anchor(4);
    let plain_block = Made::genesis(&plain_anchor).child(1, &[]);
    assert_eq!(paired.gossip_block(1, &plain_block.block), ["reject 1"]);
    assert_eq!(paired.events(), ["Rejected { kind: Block, reason: \"WRONG_CHAIN_VARIANT\" }"]);

    let mut plain = Hand::new(16_000, &[], false, plain_anchor.clone());
    let (_, _, paired_block, _) = hand(&[]);
    assert_eq!(plain.gossip_block(1, &paired_block.block), ["reject 1"]);
    assert_eq!(plain.events(), ["Rejected { kind: Block, reason: \"WRONG_CHAIN_VARIANT\" }"]);
}

#[test]
fn a_chain_of_mixed_variants_does_not_start() {
    let (plain, paired) = (anchor(4), anchor_of(4, Some(EL_GENESIS)));
    let child = Made::genesis(&plain).child(1, &[]);
    let later = vec![(child.block.clone(), child.state.clone())];
    let refused = Engine::new(EngineConfig::default(), lathe_engine::Anchor { later, ..paired }).err();
    assert!(matches!(refused, Some(EngineError::Variant { .. })));
}

#[test]
fn a_plain_chain_knows_no_execution_client() {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let mut hand = Hand::new(16_000, &[], false, anchor);
    assert!(online(&mut hand).is_empty());
    assert!(hand.events().is_empty());
    let one = genesis.child(1, &[]);
    let effects = import(&mut hand, 1, &one);
    assert_eq!(effects.len(), 2, "{effects:?}");
    for verdict in [INVALID, SYNCING, VALID] {
        assert!(hand.input(Input::PayloadStatus { block: one.root, verdict }).is_empty());
    }
    let sync = hand.engine.view().sync;
    assert!(!sync.el_offline && !sync.is_optimistic);
    assert_eq!(hand.engine.view().head, one.checkpoint());
}

#[test]
fn a_block_with_a_wrong_payload_costs_no_proof() {
    let (mut hand, _, one, _) = hand(&[]);
    let mut block = one.block.block.clone();
    let payload = ExecutionPayloadV3 {
        prev_randao: Root::repeat_byte(1),
        ..block.body.execution.as_ref().unwrap().payload().clone()
    };
    block.body.execution = Some(Arc::new(ExecutionBody::new(payload, Default::default())));
    let block = Arc::new(SignedBlock { block, proof: one.block.proof.clone() });
    assert_eq!(hand.gossip_block(1, &block), ["reject 1"]);
    assert_eq!(hand.events(), ["Rejected { kind: Block, reason: \"EXECUTION_PREV_RANDAO_NOT_ZERO\" }"]);
}

mod voting {
    use super::*;

    /// Validator 0 is ours, slot 4 has begun, and its block is imported.
    fn with_block() -> (Hand, Made) {
        let (mut hand, genesis, ..) = hand(&[0]);
        online(&mut hand);
        hand.tick(16_100);
        let block = genesis.paired_child(4, 4);
        import(&mut hand, 1, &block);
        (hand, block)
    }

    #[test]
    fn a_vote_waits_for_the_verdict_and_goes_out_with_it() {
        let (mut hand, block) = with_block();
        assert!(hand.run_to(17_500).is_empty());
        let signed = verdict(&mut hand, &block, VALID);
        assert_eq!(signed, ["sign job 1: Attestation 0"]);
        let published = hand.input(Input::Signed { job: JobId(1), signatures: vec![Ok(signature())] });
        assert_eq!(published[0], "publish vote of 0 at 4 on 0");
    }

    #[test]
    fn an_optimistic_head_is_not_voted_for() {
        let (mut hand, block) = with_block();
        assert!(hand.run_to(17_599).is_empty());
        assert!(hand.run_to(17_600).is_empty());
        let missed = "DutyMissed { duty: Attestation, validator: Some(ValidatorIndex(0)), slot: Slot(4), \
                      reason: OptimisticHead }";
        assert!(hand.events().iter().any(|event| event == missed), "{:?}", hand.events());
        // The verdict comes too late for this slot.
        assert!(verdict(&mut hand, &block, VALID).is_empty());
    }

    #[test]
    fn a_block_that_is_invalid_leaves_the_vote_to_the_head_before_it() {
        let (mut hand, block) = with_block();
        hand.run_to(17_300);
        let effects = verdict(&mut hand, &block, INVALID);
        assert_eq!(effects.last().unwrap(), "forkchoice e1 safe 0 finalized 0");
        assert!(effects.contains(&"sign job 1: Attestation 0".to_owned()), "{effects:?}");
    }
}
