use lathe_aggregation::{RawBackend, SchemeVerifier};
use lathe_driver::{GenesisBlock, begin_at};
use lathe_storage::{Batch, MemoryDb};
use lathe_types::{
    Block, BlockBody, Checkpoint, Genesis, MultiMessageAggregate, PublicKey, SignatureScheme, Validator,
    ValidatorIndex,
};

use super::*;

fn origin() -> GenesisBlock {
    let validators = (0..3).map(|index| Validator {
        attestation_public_key: PublicKey::from([1; PublicKey::LEN]),
        proposal_public_key: PublicKey::from([2; PublicKey::LEN]),
        index: ValidatorIndex(index),
    });
    let validators = Validators::try_from_iter(validators).unwrap();
    GenesisBlock::new(&Genesis {
        genesis_time: 7,
        validators,
        execution_genesis: None,
        signature_scheme: Default::default(),
    })
}

/// A chain of empty blocks at these slots: root and block of each, and the state after the last.
fn chain(slots: &[u64]) -> (Vec<(Root, Arc<SignedBlock>)>, lathe_types::State) {
    let mut state = (*origin().state).clone();
    let mut blocks = Vec::new();
    for &slot in slots {
        let parent = state.clone();
        lathe_transition::process_slots(&mut state, Slot(slot)).unwrap();
        let mut block = Block {
            slot: Slot(slot),
            proposer_index: ValidatorIndex(slot % 3),
            parent_root: state.latest_block_header.tree_hash_root(),
            state_root: Root::ZERO,
            body: BlockBody::default(),
        };
        lathe_transition::process_block(&mut state, &block).unwrap();
        block.state_root = lathe_transition::state_root(&state);
        state = lathe_transition::state_transition(&parent, &block).unwrap();
        let root = block.tree_hash_root();
        blocks.push((root, Arc::new(SignedBlock { block, proof: MultiMessageAggregate::default() })));
    }
    (blocks, state)
}

/// A database that begins at the last of these blocks, which it has or not.
fn begun_at(slots: &[u64], has_block: bool) -> (MemoryDb, Vec<(Root, Arc<SignedBlock>)>) {
    let database = MemoryDb::new(&origin().network("raw")).unwrap();
    let (blocks, state) = chain(slots);
    let (root, block) = blocks.last().unwrap().clone();
    let header = block.block.header();
    begin_at(&database, header, has_block.then_some(block), Arc::new(state)).unwrap();
    assert_eq!(database.checkpoints().unwrap().unwrap().finalized.root, root);
    (database, blocks)
}

#[test]
fn blocks_are_filled_in_downwards_and_can_be_served_then() {
    let slots: Vec<u64> = (1..=40).filter(|slot| slot % 7 != 0).collect();
    for has_block in [true, false] {
        let (database, blocks) = begun_at(&slots, has_block);
        let mut first = Slot(40 + u64::from(!has_block));
        assert_eq!(database.earliest_slot().unwrap(), first);
        while let Step::Fetch(roots, reached) = next(&database).unwrap() {
            assert_eq!(reached, Slot(first.0.saturating_sub(BATCH_SLOTS)));
            let expected: Vec<Root> = blocks
                .iter()
                .rev()
                .filter(|(_, block)| (reached..first).contains(&block.block.slot))
                .map(|(root, _)| *root)
                .chain((reached == Slot(0)).then_some(origin().root))
                .collect();
            assert_eq!(roots, expected);
            let found = blocks.iter().filter(|(root, _)| roots.contains(root)).cloned();
            let genesis = (origin().root, origin().block);
            let found: Vec<_> = found.chain(roots.contains(&genesis.0).then_some(genesis)).collect();
            database.add_history(&found, reached).unwrap();
            first = reached;
        }
        assert_eq!(first, Slot(0));
        let served: Vec<Root> =
            database.canonical_range(Slot(1), 100).unwrap().into_iter().map(|(_, root)| root).collect();
        assert_eq!(served, blocks.iter().map(|(root, _)| *root).collect::<Vec<_>>());
        assert_eq!(database.block(blocks[3].0).unwrap().as_ref(), Some(&*blocks[3].1));
        // A batch that comes too late changes nothing.
        database.add_history(&[], Slot(9)).unwrap();
        assert_eq!(database.earliest_slot().unwrap(), Slot(0));
    }
}

#[test]
fn nothing_below_the_window_is_asked_for() {
    let (database, _) = begun_at(&[1, HISTORY_SLOTS + 10], true);
    database.add_history(&[], Slot(20)).unwrap();
    assert_eq!(next(&database).unwrap(), Step::Fetch(Vec::new(), Slot(10)));
    database.add_history(&[], Slot(10)).unwrap();
    assert_eq!(next(&database).unwrap(), Step::Complete);
    let empty = MemoryDb::new(&origin().network("raw")).unwrap();
    assert_eq!(next(&empty).unwrap(), Step::Complete);
}

#[test]
fn a_chain_goes_on_over_what_was_filled_in() {
    let (database, blocks) = begun_at(&[1, 2, 3], false);
    let Step::Fetch(roots, reached) = next(&database).unwrap() else { panic!("nothing to fetch") };
    assert_eq!((roots.len(), reached), (4, Slot(0)));
    let genesis = (origin().root, origin().block);
    database
        .add_history(&[blocks[2].clone(), blocks[1].clone(), blocks[0].clone(), genesis], reached)
        .unwrap();
    let (longer, state) = chain(&[1, 2, 3, 4]);
    let (root, block) = longer[3].clone();
    let head = Some(Checkpoint { root, slot: Slot(4) });
    let imported = lathe_storage::ImportedBlock { root, block, state: Arc::new(state) };
    let batch = Batch {
        blocks: vec![imported],
        canonical: vec![(Slot(4), Some(root))],
        head,
        justified: head,
        finalized: head,
        ..Batch::default()
    };
    database.write(&batch).unwrap();
    let all: Vec<Slot> =
        database.canonical_range(Slot(0), 9).unwrap().into_iter().map(|(slot, _)| slot).collect();
    assert_eq!(all, [0, 1, 2, 3, 4].map(Slot));
}

#[test]
fn a_block_is_judged_by_its_root_and_its_proof() {
    let backend = RawBackend::new(SchemeVerifier::of(SignatureScheme::Leansig).unwrap());
    let (blocks, state) = chain(&[1]);
    let genesis = origin();
    assert!(is_the_block(&backend, &state.validators, genesis.root, &genesis.block));
    assert!(!is_the_block(&backend, &state.validators, blocks[0].0, &genesis.block), "another block");
    // Its proof is empty, so nobody signed it.
    assert!(!is_the_block(&backend, &state.validators, blocks[0].0, &blocks[0].1));
}
