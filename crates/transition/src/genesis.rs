//! The first state of a chain.

use std::sync::Arc;

use lathe_types::{
    Block, BlockBody, BlockHeader, Checkpoint, ExecutionBody, ExecutionPayloadHeader, Genesis, GenesisConfig,
    HistoricalBlockHashes, JustificationRoots, JustificationValidators, JustifiedSlots, Root, Slot, State,
    TreeHash, ValidatorIndex,
};

use crate::block::{apply_updates, state_root};

/// The genesis state: empty history, and the genesis block's header without its state root. On an execution-paired
/// chain the newest payload is the execution layer's genesis, of which nothing but the hash is known.
#[expect(clippy::expect_used, reason = "a bitlist without bits is within every limit")]
pub fn generate_genesis(genesis: &Genesis) -> State {
    let mut state = State {
        config: GenesisConfig { genesis_time: genesis.genesis_time },
        slot: Slot(0),
        latest_block_header: BlockHeader {
            slot: Slot(0),
            proposer_index: ValidatorIndex(0),
            parent_root: Root::ZERO,
            state_root: Root::ZERO,
            body_root: genesis_body(genesis.execution_genesis).tree_hash_root(),
        },
        latest_justified: Checkpoint::default(),
        latest_finalized: Checkpoint::default(),
        historical_block_hashes: HistoricalBlockHashes::empty(),
        justified_slots: JustifiedSlots::with_capacity(0).expect("no bits"),
        validators: genesis.validators.clone(),
        justifications_roots: JustificationRoots::empty(),
        justifications_validators: JustificationValidators::with_capacity(0).expect("no bits"),
        latest_execution_payload_header: genesis
            .execution_genesis
            .map(|block_hash| Arc::new(ExecutionPayloadHeader::genesis(block_hash))),
    };
    apply_updates(&mut state);
    state
}

/// The block that [`generate_genesis`]'s header stands for: no votes, and the root of the genesis state.
pub fn genesis_block(state: &State) -> Block {
    Block {
        slot: state.latest_block_header.slot,
        proposer_index: state.latest_block_header.proposer_index,
        parent_root: state.latest_block_header.parent_root,
        state_root: state_root(state),
        body: genesis_body(state.latest_execution_payload_header.as_ref().map(|header| header.block_hash)),
    }
}

/// The body of the genesis block: no votes, and on an execution-paired chain a payload that is only a hash.
fn genesis_body(execution_genesis: Option<Root>) -> BlockBody {
    BlockBody {
        execution: execution_genesis.map(|block_hash| Arc::new(ExecutionBody::genesis(block_hash))),
        ..BlockBody::default()
    }
}
