//! A network whose name does not say what it proves with: proofs of another system put nobody to blame.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and so do their helpers")]

mod support;

use lathe_engine::EngineConfig;
use lathe_types::{AttestationData, Checkpoint, Slot};
use support::{Hand, Made, anchor};

/// What the proofs of another system begin with here.
fn is_foreign(proof: &[u8]) -> bool {
    proof.starts_with(&[3])
}

fn hand(is_foreign_proof: Option<fn(&[u8]) -> bool>) -> Hand {
    Hand::with(4_000, anchor(4), EngineConfig { is_foreign_proof, ..Hand::config(&[]) })
}

#[test]
fn a_block_with_a_foreign_proof_is_ignored_and_the_operator_told_once() {
    let block = Made::genesis(&anchor(4)).child(1, &[]);
    let mut hand = hand(Some(is_foreign));
    assert_eq!(hand.gossip_block(1, &block.with_proof(3)), ["ignore 1"]);
    let refused = "Rejected { kind: Block, reason: \"FOREIGN_PROOF\" }";
    assert_eq!(hand.events(), [refused, "ForeignProofs { kind: Block }"]);
    // A peer that was asked for it is not to blame either.
    assert!(hand.respond(1, 7, &block.with_proof(3)).iter().all(|effect| !effect.contains("penalise")));
    assert_eq!(hand.events(), [refused]);
    hand.tick(4_000 * 33);
    hand.gossip_block(2, &block.with_proof(3));
    assert_eq!(hand.events(), [refused, "ForeignProofs { kind: Block }"]);
    // The same block with a proof of ours goes its way.
    hand.import(3, &block);
}

#[test]
fn an_aggregate_with_a_foreign_proof_is_ignored() {
    fn is_sevens(proof: &[u8]) -> bool {
        proof.starts_with(&[7])
    }
    let block = Made::genesis(&anchor(4)).child(1, &[]);
    let mut hand = hand(Some(is_sevens));
    hand.import(1, &block);
    let genesis = Checkpoint { slot: Slot(0), root: block.block.block.parent_root };
    let data = AttestationData {
        slot: Slot(1),
        head: block.checkpoint(),
        target: block.checkpoint(),
        source: genesis,
    };
    assert_eq!(hand.gossip_aggregate(2, &[1, 2], data), ["ignore 2"]);
    assert_eq!(hand.events()[1], "ForeignProofs { kind: Aggregate }");
}

#[test]
fn where_the_name_says_what_proofs_are_an_unreadable_one_is_checked_and_blamed() {
    let block = Made::genesis(&anchor(4)).child(1, &[]);
    let mut hand = hand(None);
    let effects = hand.gossip_block(1, &block.with_proof(3));
    assert_eq!(hand.verified(support::job_of(&effects), &[false]), ["reject 1"]);
}
