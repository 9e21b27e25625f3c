use lathe_types::HISTORICAL_ROOTS_LIMIT;

use super::*;
use crate::BlockCheck;

/// Genesis with a chain 1-2-3, a fork 1-4, and time for slot 5.
fn forked() -> (Store, Checkpoint, Vec<Checkpoint>, Checkpoint) {
    let mut store = genesis(4);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=3);
    let fork = import(&mut store, chain[0], 4, vec![]);
    at_slot(&mut store, 5);
    (store, anchor, chain, fork)
}

#[test]
fn votes_are_refused_for_the_specifications_reasons() {
    use RejectionReason as R;
    let (store, g, chain, fork) = forked();
    let [b1, b2, b3] = chain[..] else { panic!("three blocks") };
    let unknown = Checkpoint { root: Root::repeat_byte(9), slot: Slot(2) };
    let moved = |checkpoint: Checkpoint, slot| Checkpoint { slot: Slot(slot), ..checkpoint };
    let cases = [
        (vote(5, unknown, b2, b3), R::UnknownSourceBlock),
        (vote(5, b1, unknown, b3), R::UnknownTargetBlock),
        (vote(5, b1, b2, unknown), R::UnknownHeadBlock),
        (vote(5, b3, b2, b3), R::SourceAfterTarget),
        (vote(5, b1, b3, b2), R::HeadOlderThanTarget),
        (vote(5, moved(b1, 0), b2, b3), R::SourceSlotMismatch),
        (vote(5, b1, moved(b2, 1), b3), R::TargetSlotMismatch),
        (vote(5, b1, b2, moved(b3, 4)), R::HeadSlotMismatch),
        (vote(5, b2, fork, fork), R::SourceNotAncestorOfTarget),
        (vote(5, b1, b2, fork), R::TargetNotAncestorOfHead),
        (vote(2, g, b2, b3), R::AttestationSlotBeforeHead),
        (vote(6, g, b2, b3), R::AttestationTooFarInFuture),
        (vote(u64::MAX, g, b2, b3), R::AttestationTooFarInFuture),
    ];
    for (data, expected) in cases {
        assert_eq!(reason(store.validate_attestation(&data)), expected);
    }
    store.validate_attestation(&vote(3, g, b2, b3)).unwrap();
    store.validate_attestation(&vote(5, b1, fork, fork)).unwrap();
}

#[test]
fn a_vote_may_be_one_interval_early() {
    let (mut store, g, chain, _) = forked();
    let data = vote(6, g, g, chain[0]);
    store.time = Interval(6 * 5 - 2);
    assert_eq!(reason(store.validate_attestation(&data)), RejectionReason::AttestationTooFarInFuture);
    store.time = Interval(6 * 5 - 1);
    store.validate_attestation(&data).unwrap();
}

#[test]
fn the_head_of_a_vote_descends_from_the_finalized_block() {
    let (mut store, g, chain, fork) = forked();
    let [b1, b2, b3] = chain[..] else { panic!("three blocks") };
    store.latest_finalized = b2;
    store.validate_attestation(&vote(5, g, b1, b3)).unwrap();
    store.validate_attestation(&vote(5, g, b1, b2)).unwrap();
    // An ancestor of the finalized block, and a block beside it.
    let refused = RejectionReason::HeadNotDescendantOfFinalized;
    assert_eq!(reason(store.validate_attestation(&vote(5, g, b1, b1))), refused);
    assert_eq!(reason(store.validate_attestation(&vote(5, g, b1, fork))), refused);
    // Only after the target was found on the head's chain, and before the time.
    let off_chain = vote(5, g, b2, fork);
    assert_eq!(reason(store.validate_attestation(&off_chain)), RejectionReason::TargetNotAncestorOfHead);
    assert_eq!(reason(store.validate_attestation(&vote(99, g, b1, fork))), refused);
}

#[test]
fn voters_are_looked_up_in_the_targets_state() {
    let (mut store, g, chain, _) = forked();
    let data = vote(5, g, chain[1], chain[2]);
    store.on_gossip_attestation(ValidatorIndex(3), &data, signature(1), false).unwrap();
    assert_eq!(store.pool_sizes().attestation_signatures, 0);
    store.on_gossip_attestation(ValidatorIndex(3), &data, signature(1), true).unwrap();
    assert_eq!(store.pool_sizes().attestation_signatures, 1);
    for stranger in [4, u64::MAX] {
        let refused = store.on_gossip_attestation(ValidatorIndex(stranger), &data, signature(1), true);
        assert_eq!(reason(refused), RejectionReason::ValidatorNotInState);
    }
    assert_eq!(reason(gossip(&mut store, data, [1, 4])), RejectionReason::ValidatorNotInState);
    let nobody = SingleMessageAggregate {
        participants: AggregationBits::with_capacity(4).unwrap(),
        proof: Default::default(),
    };
    let aggregate = SignedAggregatedAttestation { data, proof: nobody };
    assert_eq!(reason(store.check_aggregated_attestation(&aggregate)), RejectionReason::EmptyAggregationBits);
    let state = store.check_aggregated_attestation(&SignedAggregatedAttestation {
        data,
        proof: proof([0, 3], 0).as_ref().clone(),
    });
    assert!(Arc::ptr_eq(&state.unwrap(), store.state(&chain[1].root).unwrap()));
}

#[test]
fn blocks_are_refused_before_any_cryptography() {
    use RejectionReason as R;
    let (store, g, chain, _) = forked();
    let data = vote(3, g, chain[0], chain[0]);
    let (good, _) = block_on(store.state(&chain[2].root).unwrap(), 5, vec![attestation(data, [0, 1])]);
    let check = |block: Block| store.check_block(&signed(block));
    let with = |attestations: Vec<AggregatedAttestation>| Block {
        body: BlockBody { attestations: attestations.try_into().unwrap(), execution: None },
        ..good.clone()
    };
    let nobody = AggregatedAttestation { aggregation_bits: AggregationBits::with_capacity(2).unwrap(), data };
    let crowd = (0..9).map(|slot| attestation(AttestationData { slot: Slot(slot), ..data }, [0]));
    let cases = [
        (Block { parent_root: Root::repeat_byte(1), ..good.clone() }, R::UnknownParentBlock),
        (with(vec![attestation(data, [0]), attestation(data, [1])]), R::DuplicateAttestationData),
        (with(vec![nobody]), R::EmptyAggregationBits),
        (with(vec![attestation(data, [4])]), R::ValidatorIndexOutOfRange),
        (Block { proposer_index: ValidatorIndex(4), ..good.clone() }, R::ProposerIndexOutOfRange),
        (Block { proposer_index: ValidatorIndex(0), ..good.clone() }, R::WrongProposer),
        (Block { slot: Slot(3), proposer_index: ValidatorIndex(3), ..good.clone() }, R::BlockSlotNotInFuture),
        (with(crowd.collect()), R::TooManyAttestationData),
    ];
    for (block, expected) in cases {
        assert_eq!(reason(check(block)), expected);
    }
    let parent_state = store.state(&chain[2].root).unwrap();
    match check(good.clone()).unwrap() {
        BlockCheck::New { root, parent_state: found } => {
            assert_eq!(root, good.tree_hash_root());
            assert!(Arc::ptr_eq(&found, parent_state));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_may_be_one_slot_early() {
    let (mut store, _, chain, _) = forked();
    let parent = store.state(&chain[2].root).unwrap().clone();
    let check = |store: &Store, slot| store.check_block(&signed(block_on(&parent, slot, vec![]).0));
    assert_eq!(reason(check(&store, 7)), RejectionReason::BlockTooFarInFuture);
    assert!(matches!(check(&store, 6), Ok(BlockCheck::New { .. })));
    store.time = Interval(6 * 5 - 1);
    assert_eq!(reason(check(&store, 7)), RejectionReason::BlockTooFarInFuture);
    store.time = Interval(6 * 5);
    assert!(matches!(check(&store, 7), Ok(BlockCheck::New { .. })));
}

#[test]
fn a_block_is_no_further_from_its_parent_than_a_state_remembers() {
    let (store, _, chain, _) = forked();
    let parent_root = chain[2].root;
    let at = |slot| Block { slot: Slot(slot), parent_root, ..Block::default() };
    let check = |block| reason(store.check_block(&signed(block)));
    assert_eq!(chain[2].slot, Slot(3));
    // Looked at before the clock, and after the parent.
    assert_eq!(check(at(3 + HISTORICAL_ROOTS_LIMIT)), RejectionReason::BlockTooFarInFuture);
    assert_eq!(check(at(4 + HISTORICAL_ROOTS_LIMIT)), RejectionReason::BlockSlotGapTooLarge);
    assert_eq!(check(at(u64::MAX)), RejectionReason::BlockSlotGapTooLarge);
    let orphan = Block { parent_root: Root::repeat_byte(1), ..at(u64::MAX) };
    assert_eq!(check(orphan), RejectionReason::UnknownParentBlock);
}

#[test]
fn a_known_block_changes_nothing() {
    let (mut store, _, chain, _) = forked();
    let parent = store.state(&chain[1].root).unwrap().clone();
    let (block, state) = block_on(&parent, 3, vec![]);
    assert!(matches!(store.check_block(&signed(block.clone())), Ok(BlockCheck::Known)));
    let (head, blocks) = (store.head(), store.blocks().count());
    assert_eq!(store.on_block(&block, Arc::new(state)).unwrap(), chain[2].root);
    assert_eq!((store.head(), store.blocks().count()), (head, blocks));
}

#[test]
fn an_anchor_must_be_the_block_of_its_state() {
    let store = genesis(4);
    let state = store.head_state().clone();
    let block = genesis_block(&state);
    let wrong = Block { state_root: Root::repeat_byte(1), ..block };
    assert_eq!(reason(Store::create_store(state, &wrong)), RejectionReason::AnchorStateRootMismatch);
}
