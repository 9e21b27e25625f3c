//! A made-up chain: blocks and states with the links that the database relies on, and nothing else of consensus.

use std::sync::Arc;

use lathe_storage::{Batch, Database, ImportedBlock, NetworkId};
use lathe_types::{
    Block, BlockBody, BlockHeader, Checkpoint, GenesisConfig, JustificationValidators, JustifiedSlots,
    MultiMessageAggregate, PublicKey, Root, SignedBlock, Slot, State, TreeHash as _, Validator,
    ValidatorIndex, Validators,
};

pub(crate) fn network() -> NetworkId {
    NetworkId { genesis: Root::repeat_byte(0xaa), variant: "raw".into() }
}

fn genesis_state() -> State {
    let validator = |index: u8| Validator {
        attestation_public_key: PublicKey::from([index; 52]),
        proposal_public_key: PublicKey::from([index + 100; 52]),
        index: ValidatorIndex(index.into()),
    };
    State {
        config: GenesisConfig { genesis_time: 7 },
        slot: Slot(0),
        latest_block_header: BlockHeader::default(),
        latest_justified: Checkpoint::default(),
        latest_finalized: Checkpoint::default(),
        historical_block_hashes: Default::default(),
        justified_slots: JustifiedSlots::with_capacity(0).unwrap(),
        validators: Validators::new((0..4).map(validator).collect()).unwrap(),
        justifications_roots: Default::default(),
        justifications_validators: JustificationValidators::with_capacity(0).unwrap(),
        latest_execution_payload_header: None,
    }
}

fn imported(state: State, parent_root: Root, proposer: u64) -> ImportedBlock {
    let block = Block {
        slot: state.slot,
        proposer_index: ValidatorIndex(proposer),
        parent_root,
        state_root: state.tree_hash_root(),
        body: BlockBody::default(),
    };
    ImportedBlock {
        root: block.tree_hash_root(),
        block: Arc::new(SignedBlock { block, proof: MultiMessageAggregate::default() }),
        state: Arc::new(state),
    }
}

pub(crate) fn genesis() -> ImportedBlock {
    imported(genesis_state(), Root::ZERO, 0)
}

/// A child of `parent` at `slot`; `proposer` tells siblings apart.
pub(crate) fn child(parent: &ImportedBlock, slot: u64, proposer: u64) -> ImportedBlock {
    let mut state = (*parent.state).clone();
    state.historical_block_hashes.push(parent.root).unwrap();
    for _ in parent.state.slot.0 + 1..slot {
        state.historical_block_hashes.push(Root::ZERO).unwrap();
    }
    state.historical_block_hashes.apply_updates().unwrap();
    state.slot = Slot(slot);
    state.latest_block_header =
        BlockHeader { proposer_index: ValidatorIndex(proposer), ..Default::default() };
    imported(state, parent.root, proposer)
}

/// A child at each of `slots`, in line.
pub(crate) fn line(parent: &ImportedBlock, slots: impl IntoIterator<Item = u64>) -> Vec<ImportedBlock> {
    let mut blocks: Vec<ImportedBlock> = Vec::new();
    for slot in slots {
        blocks.push(child(blocks.last().unwrap_or(parent), slot, 0));
    }
    blocks
}

pub(crate) fn checkpoint(block: &ImportedBlock) -> Checkpoint {
    Checkpoint { root: block.root, slot: block.state.slot }
}

/// The batch that starts a database from `anchor`.
pub(crate) fn anchor_batch(anchor: &ImportedBlock) -> Batch {
    let at = Some(checkpoint(anchor));
    Batch { finalized: at, justified: at, ..import(anchor) }
}

/// The batch that imports a block as the new head.
pub(crate) fn import(block: &ImportedBlock) -> Batch {
    Batch {
        blocks: vec![block.clone()],
        canonical: vec![(block.state.slot, Some(block.root))],
        head: Some(checkpoint(block)),
        ..Batch::default()
    }
}

pub(crate) fn finalize(block: &ImportedBlock) -> Batch {
    Batch { finalized: Some(checkpoint(block)), ..Batch::default() }
}

pub(crate) fn write_all(db: &dyn Database, batches: impl IntoIterator<Item = Batch>) {
    for batch in batches {
        db.write(&batch).unwrap();
    }
}

pub(crate) fn unfinalized(db: &dyn Database) -> Vec<ImportedBlock> {
    db.unfinalized().unwrap().map(Result::unwrap).collect()
}

/// Sorted as the database yields them.
pub(crate) fn in_order(mut blocks: Vec<ImportedBlock>) -> Vec<ImportedBlock> {
    blocks.sort_by_key(|block| (block.state.slot, block.root));
    blocks
}
