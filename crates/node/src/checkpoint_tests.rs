use super::*;

use lathe_checkpoint::Error;
use lathe_driver::resume;
use lathe_storage::MemoryDb;
use lathe_types::{
    Block, BlockBody, Checkpoint, Genesis, MultiMessageAggregate, ProofBytes, PublicKey, Root, SignedBlock,
    TreeHash as _, Validator, ValidatorIndex, Validators,
};

fn genesis() -> GenesisBlock {
    let validators = (0..3).map(|index| Validator {
        attestation_public_key: PublicKey::from([1; 52]),
        proposal_public_key: PublicKey::from([2; 52]),
        index: ValidatorIndex(index),
    });
    GenesisBlock::new(&Genesis {
        genesis_time: 7,
        validators: Validators::try_from_iter(validators).unwrap(),
        execution_genesis: None,
        signature_scheme: Default::default(),
    })
}

fn empty_database() -> MemoryDb {
    MemoryDb::new(&genesis().network("raw")).unwrap()
}

/// A chain of empty blocks at these slots, and what a server that calls the last of them final sends.
fn anchor_after(slots: &[u64]) -> CheckpointAnchor {
    let mut state = (*genesis().state).clone();
    let mut block = Block::default();
    for &slot in slots {
        let parent = state.clone();
        lathe_transition::process_slots(&mut state, Slot(slot)).unwrap();
        block = Block {
            slot: Slot(slot),
            proposer_index: ValidatorIndex(slot % 3),
            parent_root: state.latest_block_header.tree_hash_root(),
            state_root: Root::ZERO,
            body: BlockBody::default(),
        };
        lathe_transition::process_block(&mut state, &block).unwrap();
        block.state_root = lathe_transition::state_root(&state);
        state = lathe_transition::state_transition(&parent, &block).unwrap();
    }
    let proof = MultiMessageAggregate { proof: ProofBytes::new(vec![9; 8]).unwrap() };
    let signed = SignedBlock { block, proof };
    CheckpointAnchor { header: signed.block.header(), block: Some(Arc::new(signed)), state: Arc::new(state) }
}

fn finalized(database: &MemoryDb) -> Option<Checkpoint> {
    database.checkpoints().unwrap().map(|checkpoints| checkpoints.finalized)
}

fn checkpoint(anchor: &CheckpointAnchor) -> Checkpoint {
    Checkpoint { root: anchor.header.tree_hash_root(), slot: anchor.header.slot }
}

#[test]
fn an_empty_database_begins_at_the_checkpoint() {
    let database = empty_database();
    let anchor = anchor_after(&[1, 4]);
    settle(&database, Ok(anchor.clone())).unwrap();
    assert_eq!(finalized(&database), Some(checkpoint(&anchor)));
    assert_eq!(database.earliest_slot().unwrap(), Slot(4), "nothing before it is offered to peers");
    assert_eq!(database.canonical_root(Slot(4)).unwrap(), Some(checkpoint(&anchor).root));
    let resumed = resume(&database, &genesis()).unwrap();
    assert_eq!((resumed.header, resumed.later.len()), (anchor.header.clone(), 0));
    assert_eq!(resumed.state.tree_hash_root(), anchor.state.tree_hash_root());
    assert_eq!(database.block(checkpoint(&anchor).root).unwrap().map(Arc::new), anchor.block);
}

#[test]
fn a_checkpoint_without_its_block_is_resumed_from_its_state() {
    let database = empty_database();
    let anchor = CheckpointAnchor { block: None, ..anchor_after(&[1, 4]) };
    settle(&database, Ok(anchor.clone())).unwrap();
    assert_eq!(database.earliest_slot().unwrap(), Slot(5), "the block itself cannot be offered");
    let resumed = resume(&database, &genesis()).unwrap();
    assert_eq!((resumed.header, resumed.later.len()), (anchor.header.clone(), 0));
    assert_eq!(resumed.state.tree_hash_root(), anchor.state.tree_hash_root());

    // The chain goes on from it, and is found again after it.
    let next = anchor_after(&[1, 4, 5]);
    let block = next.block.clone().unwrap();
    let root = checkpoint(&next).root;
    let imported = lathe_storage::ImportedBlock { root, block: block.clone(), state: next.state.clone() };
    let head = Some(checkpoint(&next));
    let batch = lathe_storage::Batch { blocks: vec![imported], head, ..Default::default() };
    database.write(&batch).unwrap();
    let resumed = resume(&database, &genesis()).unwrap();
    assert_eq!((resumed.header, resumed.later.len(), resumed.head), (anchor.header, 1, Some(root)));
    assert_eq!(resumed.later[0].0, block);
    let batch = lathe_storage::Batch { finalized: head, ..Default::default() };
    database.write(&batch).unwrap();
    let resumed = resume(&database, &genesis()).unwrap();
    assert_eq!((resumed.header, resumed.later.len()), (next.header, 0));
}

#[test]
fn a_stored_chain_that_is_as_new_is_kept() {
    let database = empty_database();
    let stored = anchor_after(&[1, 4]);
    settle(&database, Ok(stored.clone())).unwrap();
    for older in [&[2][..], &[1, 3], &[4]] {
        settle(&database, Ok(anchor_after(older))).unwrap();
        assert_eq!(finalized(&database), Some(checkpoint(&stored)));
    }
    let newer = anchor_after(&[2, 5]);
    settle(&database, Ok(newer.clone())).unwrap();
    assert_eq!(
        finalized(&database),
        Some(checkpoint(&newer)),
        "also one that does not descend from the stored one"
    );
    assert_eq!(resume(&database, &genesis()).unwrap().header, newer.header);
    assert_eq!(database.block(checkpoint(&stored).root).unwrap(), None, "what it replaces is gone");
}

#[test]
fn a_stored_chain_that_peers_can_continue_is_kept() {
    let database = empty_database();
    let stored = anchor_after(&[1, 4]);
    settle(&database, Ok(stored.clone())).unwrap();
    let within = anchor_after(&[1, 4, 4 + CONTINUED_SLOTS]);
    settle(&database, Ok(within)).unwrap();
    assert_eq!(finalized(&database), Some(checkpoint(&stored)));
    let beyond = anchor_after(&[1, 4, 5 + CONTINUED_SLOTS]);
    settle(&database, Ok(beyond.clone())).unwrap();
    assert_eq!(finalized(&database), Some(checkpoint(&beyond)));

    // A database that holds genesis alone has nothing to lose.
    let database = empty_database();
    resume(&database, &genesis()).unwrap();
    settle(&database, Ok(stored.clone())).unwrap();
    assert_eq!(finalized(&database), Some(checkpoint(&stored)));
}

#[test]
fn without_a_server_only_a_stored_chain_goes_on() {
    let database = empty_database();
    let failed = || Err(Error::NoCheckpoint(Vec::new()));
    assert!(matches!(settle(&database, failed()), Err(NodeError::Checkpoint(_))));
    assert_eq!(finalized(&database), None);
    settle(&database, Ok(anchor_after(&[1]))).unwrap();
    settle(&database, failed()).unwrap();
}

#[test]
fn genesis_is_made_here() {
    let database = empty_database();
    let GenesisBlock { block, state, .. } = genesis();
    let genesis = CheckpointAnchor { header: block.block.header(), block: None, state };
    settle(&database, Ok(genesis)).unwrap();
    assert_eq!(finalized(&database), None, "left to the usual start");
}
