//! The first state of a chain.

use lathe_types::{
    Block, BlockBody, BlockHeader, Checkpoint, Genesis, GenesisConfig, HistoricalBlockHashes,
    JustificationRoots, JustificationValidators, JustifiedSlots, Root, Slot, State, TreeHash, ValidatorIndex,
};

use crate::block::{apply_updates, state_root};

/// The genesis state: empty history, and the genesis block's header without its state root.
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
            body_root: BlockBody::default().tree_hash_root(),
        },
        latest_justified: Checkpoint::default(),
        latest_finalized: Checkpoint::default(),
        historical_block_hashes: HistoricalBlockHashes::empty(),
        justified_slots: JustifiedSlots::with_capacity(0).expect("no bits"),
        validators: genesis.validators.clone(),
        justifications_roots: JustificationRoots::empty(),
        justifications_validators: JustificationValidators::with_capacity(0).expect("no bits"),
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
        body: BlockBody::default(),
    }
}
