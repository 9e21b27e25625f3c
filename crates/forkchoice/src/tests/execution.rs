//! What verdicts on payloads do to the tree: who is validated, who leaves, where the head goes.

use lathe_types::{ExecutionBody, ExecutionPayloadV3, ExecutionRequests};

use super::*;
use crate::{BlockCheck, ExecutionHashes, Invalidated, PayloadStatus, attach_payload};

const EL_GENESIS: u8 = 0xe1;

fn hash(name: u8) -> Root {
    Root::repeat_byte(name)
}

fn paired(validators: u64) -> Store {
    genesis_of(validators, Some(hash(EL_GENESIS)))
}

/// The payload that fits a block on `parent`, under a name of one byte.
fn execution(parent: &State, slot: u64, name: u8) -> Arc<ExecutionBody> {
    let payload = ExecutionPayloadV3 {
        parent_hash: parent.latest_execution_payload_header.as_ref().unwrap().block_hash,
        block_hash: hash(name),
        timestamp: 4 * slot,
        ..ExecutionPayloadV3::default()
    };
    Arc::new(ExecutionBody::new(payload, ExecutionRequests::default()))
}

/// A valid block with a payload of that name, and its post-state.
fn made(
    store: &Store,
    parent: Checkpoint,
    slot: u64,
    name: u8,
    attestations: Vec<AggregatedAttestation>,
) -> (Block, State) {
    let state = store.state(&parent.root).unwrap();
    let block = Block {
        slot: Slot(slot),
        proposer_index: ValidatorIndex(slot % state.validators.len() as u64),
        parent_root: parent.root,
        state_root: Root::ZERO,
        body: BlockBody { attestations: attestations.try_into().unwrap(), execution: None },
    };
    attach_payload(state, block, execution(state, slot, name)).unwrap()
}

fn import(store: &mut Store, parent: Checkpoint, slot: u64, name: u8) -> Checkpoint {
    import_with(store, parent, slot, name, vec![])
}

fn import_with(
    store: &mut Store,
    parent: Checkpoint,
    slot: u64,
    name: u8,
    attestations: Vec<AggregatedAttestation>,
) -> Checkpoint {
    let (block, state) = made(store, parent, slot, name, attestations);
    let root = store.on_block(&block, Arc::new(state)).unwrap();
    Checkpoint { root, slot: Slot(slot) }
}

fn status(store: &Store, block: Checkpoint) -> PayloadStatus {
    store.payload(&block.root).unwrap().status
}

fn roots(invalidated: &Invalidated) -> Vec<Root> {
    invalidated.removed.iter().map(|block| block.root).collect()
}

#[test]
fn a_plain_chain_has_no_payloads_and_a_valid_head() {
    let mut store = genesis(4);
    let head = store.head();
    let first = super::import(&mut store, head, 1, vec![]);
    assert_eq!((store.payload(&first.root), store.execution_hashes()), (None, None));
    assert!(store.head_is_valid());
    assert!(!store.on_valid_payload(&first.root));
    assert_eq!(store.on_invalid_payload(&first.root, None), Invalidated::default());
    assert!(store.contains(&first.root));
}

#[test]
fn blocks_are_optimistic_until_a_verdict_and_a_valid_one_reaches_back() {
    let mut store = paired(4);
    let genesis = store.head();
    assert_eq!(status(&store, genesis), PayloadStatus::Valid);
    let one = import(&mut store, genesis, 1, 1);
    let two = import(&mut store, one, 2, 2);
    let three = import(&mut store, two, 3, 3);
    assert!(!store.head_is_valid());

    assert!(store.on_valid_payload(&two.root));
    assert!(!store.on_valid_payload(&two.root), "no news");
    assert_eq!([one, two, three].map(|block| status(&store, block)), {
        use PayloadStatus::{Optimistic, Valid};
        [Valid, Valid, Optimistic]
    });
    assert!(!store.head_is_valid());
    assert!(store.on_valid_payload(&three.root));
    assert!(store.head_is_valid());
    assert!(!store.on_valid_payload(&Root::ZERO), "nobody knows it");
}

#[test]
fn an_anchor_that_is_not_genesis_is_not_judged() {
    let mut store = paired(4);
    let genesis = store.head();
    let (block, state) = made(&store, genesis, 1, 1, vec![]);
    store.on_block(&block, Arc::new(state.clone())).unwrap();
    let resumed = Store::create_store(Arc::new(state), &block).unwrap();
    assert!(!resumed.head_is_valid());
    assert_eq!(resumed.execution_hashes().unwrap().finalized, hash(1), "the anchor is what is final here");
}

/// One chain of four blocks, and a fork at the first.
fn fork() -> (Store, [Checkpoint; 4], Checkpoint) {
    let mut store = paired(4);
    let genesis = store.head();
    let one = import(&mut store, genesis, 1, 1);
    let two = import(&mut store, one, 2, 2);
    let three = import(&mut store, two, 3, 3);
    let four = import(&mut store, three, 4, 4);
    let other = import(&mut store, one, 5, 5);
    // Votes hold the head on the longer branch.
    at_slot(&mut store, 5);
    let data = vote(4, genesis, one, four);
    store.insert_known_aggregate(data, proof([0, 1, 2], 1));
    store.update_head();
    assert_eq!(store.head(), four);
    (store, [one, two, three, four], other)
}

#[test]
fn an_invalid_payload_takes_its_descendants_along_and_the_head_moves() {
    let (mut store, [one, two, three, four], other) = fork();
    let gone = store.on_invalid_payload(&three.root, None);
    assert_eq!((roots(&gone), gone.finalized), (vec![three.root, four.root], None));
    assert!(store.contains(&two.root) && !store.contains(&three.root) && !store.contains(&four.root));
    assert_eq!(status(&store, two), PayloadStatus::Optimistic, "nothing was said of it");
    assert!(store.contains(&other.root));
    assert!([two, other].contains(&store.head()));
    // Votes for what is gone weigh nothing any more.
    assert_eq!(store.compute_block_weights().get(&one.root), None);
    assert_eq!(store.on_invalid_payload(&three.root, None), Invalidated::default(), "gone already");
}

#[test]
fn the_latest_valid_hash_condemns_everything_after_it() {
    let (mut store, [one, two, three, four], other) = fork();
    let gone = store.on_invalid_payload(&four.root, Some(hash(1)));
    assert_eq!(roots(&gone), [two.root, three.root, four.root]);
    assert_eq!(status(&store, one), PayloadStatus::Valid);
    assert_eq!(store.head(), other, "another branch of the valid block");
}

#[test]
fn a_latest_valid_hash_that_names_the_parent_or_genesis_is_taken_at_its_word() {
    let (mut store, [_, _, three, four], _) = fork();
    assert_eq!(roots(&store.on_invalid_payload(&four.root, Some(hash(3)))), [four.root]);
    assert_eq!(status(&store, three), PayloadStatus::Valid);

    let (mut store, [one, two, three, four], other) = fork();
    let gone = store.on_invalid_payload(&four.root, Some(hash(EL_GENESIS)));
    assert_eq!(roots(&gone), [one.root, two.root, three.root, four.root, other.root]);
    assert_eq!(store.head().slot, Slot(0));
    assert!(store.head_is_valid());
}

#[test]
fn an_unknown_latest_valid_hash_says_nothing_of_the_ancestors() {
    for name in [0, 5, 4, 99] {
        let (mut store, [_, _, three, four], _) = fork();
        assert_eq!(roots(&store.on_invalid_payload(&four.root, Some(hash(name)))), [four.root], "{name}");
        assert_eq!(status(&store, three), PayloadStatus::Optimistic);
    }
}

#[test]
fn what_was_valid_stays() {
    let (mut store, [_, two, three, four], _) = fork();
    store.on_valid_payload(&two.root);
    assert_eq!(store.on_invalid_payload(&two.root, None), Invalidated::default());
    let gone = store.on_invalid_payload(&four.root, Some(hash(EL_GENESIS)));
    assert_eq!(roots(&gone), [three.root, four.root]);
}

/// Blocks 1 and 2, where the second justifies the first and the third finalizes it.
fn finalizing() -> (Store, [Checkpoint; 3]) {
    let mut store = paired(3);
    let genesis = store.head();
    let one = import(&mut store, genesis, 1, 1);
    let two = import_with(&mut store, one, 2, 2, vec![attestation(vote(1, genesis, one, one), 0..3)]);
    let three = import_with(&mut store, two, 3, 3, vec![attestation(vote(2, one, two, two), 0..3)]);
    (store, [one, two, three])
}

#[test]
fn safe_and_finalized_are_ancestors_of_the_head_and_zero_before_they_exist() {
    let mut store = paired(3);
    let genesis = store.head();
    let zero = |head| ExecutionHashes { head, safe: Root::ZERO, finalized: Root::ZERO };
    assert_eq!(store.execution_hashes(), Some(zero(hash(EL_GENESIS))));
    let one = import(&mut store, genesis, 1, 1);
    assert_eq!(store.execution_hashes(), Some(zero(hash(1))));
    import_with(&mut store, one, 2, 2, vec![attestation(vote(1, genesis, one, one), 0..3)]);
    let justified = ExecutionHashes { safe: hash(1), ..zero(hash(2)) };
    assert_eq!(store.execution_hashes(), Some(justified));

    let (store, _) = finalizing();
    let finalized = ExecutionHashes { head: hash(3), safe: hash(2), finalized: hash(1) };
    assert_eq!(store.execution_hashes(), Some(finalized));
}

#[test]
fn justification_falls_back_with_the_blocks_that_brought_it() {
    let (mut store, [one, two, three]) = finalizing();
    store.on_valid_payload(&one.root);
    let gone = store.on_invalid_payload(&two.root, None);
    assert_eq!(roots(&gone), [two.root, three.root]);
    assert_eq!((store.head(), store.latest_justified().slot), (one, Slot(0)));
    assert_eq!(store.latest_finalized().slot, Slot(0));
    assert!(store.contains(&store.safe_target().root));
}

#[test]
fn the_finalized_block_stays_even_if_it_is_condemned() {
    let (mut store, [one, two, three]) = finalizing();
    store.prune_finalized();
    let gone = store.on_invalid_payload(&three.root, Some(hash(EL_GENESIS)));
    assert_eq!(gone.finalized, Some(one));
    assert_eq!(roots(&gone), [two.root, three.root]);
    assert_eq!((store.head(), status(&store, one)), (one, PayloadStatus::Invalid));
    assert!(!store.head_is_valid());
    assert!(!store.on_valid_payload(&one.root), "only an operator can say who is right");
}

#[test]
fn a_block_is_checked_for_its_variant_and_its_payload_before_anything_is_paid_for_it() {
    let mut store = paired(4);
    let genesis = store.head();
    at_slot(&mut store, 1);
    let (good, _) = made(&store, genesis, 1, 1, vec![]);
    assert!(matches!(store.check_block(&signed(good.clone())), Ok(BlockCheck::New { .. })));

    let plain = Block { body: BlockBody::default(), ..good.clone() };
    assert_eq!(reason(store.check_block(&signed(plain))), RejectionReason::WrongChainVariant);
    let state = store.state(&genesis.root).unwrap();
    let stale = execution(state, 0, 1);
    let late = Block { body: BlockBody { execution: Some(stale), ..BlockBody::default() }, ..good };
    assert_eq!(reason(store.check_block(&signed(late))), RejectionReason::ExecutionTimestampMismatch);
}

#[test]
fn a_payload_that_does_not_fit_is_not_attached() {
    let store = paired(4);
    let (block, _) = made(&store, store.head(), 1, 1, vec![]);
    let state = store.head_state();
    let wrong = attach_payload(state, block, execution(state, 2, 1));
    assert_eq!(reason(wrong), RejectionReason::ExecutionTimestampMismatch);
}
