//! The way of a block: exact effects for every rule.

mod support;

use lathe_engine::{FetchFailure, Group, Input, JobFailure, JobId, Peer, RefusedBlock, RequestId};
use lathe_types::{AttestationData, Checkpoint, Slot, TreeHash, ValidatorIndex};
use support::{Hand, Made, anchor, job_of};

fn hand() -> (Hand, Made) {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    (Hand::new(4_000, &[], false, anchor), genesis)
}

#[test]
fn verified_relayed_imported_persisted() {
    let (mut hand, genesis) = hand();
    let block = genesis.child(1, &[]);
    hand.now = 4_020;
    assert_eq!(hand.gossip_block(1, &block.block), ["verify job 0: block 1"]);
    assert_eq!(
        hand.verified(0, &[true]),
        [
            "accept 1",
            "persist 1: blocks [1] canonical [\"1+\"] head Some(1) justified None finalized None drop 0",
        ]
    );
    let head = block.checkpoint();
    assert_eq!(
        hand.events(),
        [
            format!(
                "BlockImported {{ block: {head:?}, proposer: ValidatorIndex(1), arrival_ms: Some(20), votes: 0, \
                 previous_slot_votes: 0 }}"
            ),
            format!("Head {{ head: {head:?}, reorg_depth: 0 }}"),
        ]
    );
    assert_eq!(hand.gossip_block(2, &block.block), ["ignore 2"], "known");
    assert!(hand.verified(0, &[true]).is_empty(), "a job is answered once");
}

#[test]
fn a_bad_proof_condemns_the_proof_and_not_the_block() {
    let (mut hand, genesis) = hand();
    let block = genesis.child(1, &[]);
    hand.gossip_block(1, &block.with_proof(0));
    assert_eq!(hand.verified(0, &[false]), ["reject 1"]);
    assert_eq!(hand.events(), ["Rejected { kind: Block, reason: \"INVALID_BLOCK_PROOF\" }"]);
    let refused =
        RefusedBlock { block: block.checkpoint(), proposer: ValidatorIndex(1), peer: Some(Peer(1)) };
    assert_eq!(hand.refused_blocks(), [refused]);
    assert_eq!(hand.gossip_block(2, &block.with_proof(0)), ["reject 2"], "not checked twice");
    assert_eq!(hand.gossip_block(3, &block.block), ["verify job 1: block 1"]);
    assert_eq!(hand.verified(1, &[true])[0], "accept 3");
}

/// Whoever has seen a block can pass it on with garbage for a proof, under as many names as they like.
#[test]
fn garbage_copies_do_not_crowd_out_the_honest_block() {
    let (mut hand, genesis) = hand();
    hand.input(Input::PeerConnected { peer: Peer(9), group: Group(9) });
    let block = genesis.child(1, &[]);
    for copy in 0..4 {
        let found = hand.gossip_block(copy + 1, &block.with_proof(copy + 1));
        assert_eq!(found, [format!("verify job {copy}: block 1")]);
    }
    assert_eq!(hand.gossip_block(5, &block.block), ["ignore 5"], "there is no room");
    for copy in 0..3 {
        assert_eq!(hand.verified(copy, &[false]), [format!("reject {}", copy + 1)]);
    }
    assert_eq!(hand.verified(3, &[false]), ["reject 4", "fetch 0 of peer 9: 1 roots"]);
    // More of the same keeps out nothing that was asked for.
    for copy in 0..4 {
        hand.gossip_block(copy + 11, &block.with_proof(copy + 11));
    }
    assert_eq!(hand.respond(0, 9, &block.block), ["verify job 8: block 1"]);
    hand.verified(8, &[true]);
    assert_eq!(hand.engine.view().head.root, block.root);
}

#[test]
fn a_bad_transition_condemns_the_block_and_what_builds_on_it() {
    let (mut hand, genesis) = hand();
    let mut signed = (*genesis.child(1, &[]).block).clone();
    signed.block.state_root = lathe_types::Root::repeat_byte(1);
    let bad =
        Made { root: signed.block.tree_hash_root(), block: signed.into(), state: genesis.state.clone() };
    hand.gossip_block(1, &bad.block);
    // Relayed before the transition, so the sender is blamed on its own.
    assert_eq!(hand.verified(0, &[true]), ["accept 1", "penalise peer 1: Invalid"]);
    assert_eq!(hand.events(), ["Rejected { kind: Block, reason: \"STATE_ROOT_MISMATCH\" }"]);
    assert_eq!(hand.gossip_block(2, &bad.with_proof(3)), ["reject 2"], "whatever its proof");
    hand.now = 8_000;
    let mut child = (*genesis.child(2, &[]).block).clone();
    child.block.parent_root = bad.root;
    assert_eq!(hand.gossip_block(3, &child.into()).last().unwrap(), "reject 3");
    hand.tick(44_000);
    hand.status(7, 0, Checkpoint { root: bad.root, slot: Slot(10) });
    assert!(!hand.engine.view().sync.is_syncing, "whoever claims it is ahead of nobody");
}

#[test]
fn a_wrong_proposer_is_rejected_before_any_cryptography() {
    let (mut hand, genesis) = hand();
    let mut signed = (*genesis.child(1, &[]).block).clone();
    signed.block.proposer_index.0 = 2;
    assert_eq!(hand.gossip_block(1, &signed.into()), ["reject 1"]);
    assert_eq!(hand.events(), ["Rejected { kind: Block, reason: \"WRONG_PROPOSER\" }"]);
}

#[test]
fn more_than_a_slot_ahead_of_the_clock_is_too_far() {
    let (mut hand, genesis) = hand();
    assert_eq!(hand.gossip_block(1, &genesis.child(3, &[]).block), ["ignore 1"]);
    assert_eq!(hand.events(), ["Rejected { kind: Block, reason: \"BLOCK_TOO_FAR_IN_FUTURE\" }"]);
    assert_eq!(hand.gossip_block(2, &genesis.child(2, &[]).block), ["verify job 0: block 2"]);
}

#[test]
fn an_orphan_is_ignored_its_parent_fetched_and_both_imported() {
    let (mut hand, genesis) = hand();
    let first = genesis.child(1, &[]);
    let second = first.child(2, &[]);
    hand.input(Input::PeerConnected { peer: Peer(9), group: Group(9) });
    hand.tick(8_000);
    assert_eq!(hand.gossip_block(9, &second.block), ["ignore 9", "fetch 0 of peer 9: 1 roots"]);
    assert_eq!(hand.gossip_block(8, &second.block), ["ignore 8"], "asked for once");
    assert_eq!(hand.respond(0, 9, &first.block), ["verify job 0: block 1"]);
    let effects = hand.verified(0, &[true]);
    assert_eq!(effects.last().unwrap(), "verify job 1: block 2");
    let effects = hand.verified(1, &[true]);
    assert_eq!(
        effects,
        ["persist 2: blocks [2] canonical [\"2+\"] head Some(2) justified None finalized None drop 0"]
    );
}

#[test]
fn a_child_of_a_block_in_check_waits_with_its_verdict_open() {
    let (mut hand, genesis) = hand();
    let first = genesis.child(1, &[]);
    let second = first.child(2, &[]);
    hand.tick(8_000);
    hand.gossip_block(1, &first.block);
    assert!(hand.gossip_block(2, &second.block).is_empty());
    let effects = hand.verified(0, &[true]);
    assert_eq!(effects.last().unwrap(), "verify job 1: block 2");
    assert_eq!(hand.verified(1, &[true])[0], "accept 2");
}

#[test]
fn the_same_block_on_two_ways_is_checked_once() {
    let (mut hand, genesis) = hand();
    let block = genesis.child(1, &[]);
    hand.gossip_block(1, &block.block);
    assert!(hand.gossip_block(2, &block.block).is_empty());
    assert_eq!(hand.verified(0, &[true])[..2], ["accept 1", "accept 2"]);
}

#[test]
fn a_refused_check_is_repeated_three_times_at_most() {
    let (mut hand, genesis) = hand();
    hand.gossip_block(1, &genesis.child(1, &[]).block);
    for job in 0..2 {
        let failed = Input::JobFailed { job: JobId(job), failure: JobFailure::Refused };
        assert!(hand.input(failed).is_empty());
        assert_eq!(hand.tick(hand.now + 200), [format!("verify job {}: block 1", job + 1)]);
    }
    let failed = Input::JobFailed { job: JobId(2), failure: JobFailure::Refused };
    assert_eq!(hand.input(failed), ["ignore 1"]);
}

#[test]
fn a_verdict_is_given_within_three_seconds_and_once() {
    let (mut hand, genesis) = hand();
    let block = genesis.child(1, &[]);
    hand.gossip_block(1, &block.block);
    assert!(hand.tick(6_899).is_empty());
    assert_eq!(hand.tick(6_900), ["ignore 1"]);
    // The block itself is as good as before.
    assert_eq!(
        hand.verified(0, &[true]),
        ["persist 1: blocks [1] canonical [\"1+\"] head Some(1) justified None finalized None drop 0"]
    );
}

#[test]
fn before_genesis_gossip_is_ignored() {
    let anchor = anchor(4);
    let block = Made::genesis(&anchor).child(1, &[]);
    let mut hand = Hand::new(-500, &[], false, anchor);
    assert_eq!(hand.gossip_block(1, &block.block), ["ignore 1"]);
}

#[test]
fn a_reorganisation_empties_the_slots_that_it_leaves() {
    let (mut hand, genesis) = hand();
    let ours = genesis.child(1, &[]);
    let theirs = genesis.child(2, &[]);
    hand.import(1, &ours);
    hand.tick(8_000);
    hand.import(2, &theirs);
    let head = hand.engine.view().head;
    let other = if head == ours.checkpoint() { &theirs } else { &ours };
    let data = AttestationData {
        slot: Slot(2),
        head: other.checkpoint(),
        target: genesis.checkpoint(),
        source: genesis.checkpoint(),
    };
    let job = job_of(&hand.gossip_aggregate(3, &[0, 1, 2], data));
    hand.verified(job, &[true]);
    let effects = hand.run_to(11_200);
    let (gone, come) = (head.slot, other.checkpoint().slot);
    let mut canonical = [(gone, "-"), (come, "+")];
    canonical.sort();
    let canonical = canonical.map(|(slot, sign)| format!("{slot}{sign}"));
    assert_eq!(
        effects.last().unwrap(),
        &format!(
            "persist 3: blocks [] canonical {canonical:?} head Some({come}) justified None finalized None drop 0"
        )
    );
    let depth = hand.events().into_iter().find(|event| event.starts_with("Head")).unwrap();
    assert!(depth.ends_with("reorg_depth: 1 }"), "{depth}");
}

#[test]
fn an_unrequested_answer_is_an_offence() {
    let (mut hand, genesis) = hand();
    let block = genesis.child(1, &[]);
    assert_eq!(hand.respond(5, 9, &block.block), ["penalise peer 9: Unrequested"]);
}

#[test]
fn a_missing_parent_is_asked_of_others_after_a_failure() {
    let (mut hand, genesis) = hand();
    let first = genesis.child(1, &[]);
    let second = first.child(2, &[]);
    for peer in [7, 9] {
        hand.input(Input::PeerConnected { peer: Peer(peer), group: Group(peer) });
    }
    hand.tick(8_000);
    assert_eq!(hand.gossip_block(9, &second.block), ["ignore 9", "fetch 0 of peer 9: 1 roots"]);
    let ended = Input::FetchEnded { request: RequestId(0), outcome: Err(FetchFailure::Transport) };
    assert!(hand.input(ended).is_empty(), "not at once");
    assert_eq!(hand.run_to(8_250), ["fetch 1 of peer 7: 1 roots"]);
    let unknown = Checkpoint { root: second.root, slot: Slot(2) };
    assert_ne!(hand.engine.view().head, unknown);
}
