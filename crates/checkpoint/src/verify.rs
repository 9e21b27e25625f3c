//! What a state must be to start from it.

use lathe_types::{BlockHeader, ChainVariant, Root, Slot, State, TreeHash as _, Validators};

use crate::error::Refusal;

/// The network that is to be joined, as its genesis files tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// Root of the genesis block.
    pub genesis_root: Root,
    /// The registry, which is the same in every state.
    pub validators: Validators,
    /// The shape of its containers.
    pub variant: ChainVariant,
}

/// The header of the block that `state` belongs to, provided that the state is one of this network's past. `current` is
/// the slot by our clock.
pub(crate) fn verify(state: &State, network: &Network, current: Slot) -> Result<BlockHeader, Refusal> {
    network.variant.admits(state)?;
    if !state.verify_checkpoint_state() {
        return Err(Refusal::NoValidators);
    }
    let (found, expected) = (state.config.genesis_time, network.genesis_time);
    if found != expected {
        return Err(Refusal::GenesisTime { found, expected });
    }
    if state.validators.tree_hash_root() != network.validators.tree_hash_root() {
        return Err(Refusal::Validators);
    }
    let slot = state.slot;
    if slot > current {
        return Err(Refusal::Ahead { slot, current });
    }
    hangs_together(state).map_err(Refusal::State)?;
    let header = BlockHeader { state_root: state.tree_hash_root(), ..state.latest_block_header.clone() };
    let oldest = state.historical_block_hashes.get(0).copied();
    let (found, expected) = (oldest.unwrap_or_else(|| header.tree_hash_root()), network.genesis_root);
    if found != expected {
        return Err(Refusal::Genesis { found, expected });
    }
    Ok(header)
}

/// What holds of every state after a block, as far as later steps rely on it.
fn hangs_together(state: &State) -> Result<(), &'static str> {
    let header = &state.latest_block_header;
    if header.slot != state.slot || header.state_root != Root::ZERO {
        return Err("it is not the state right after its newest block");
    }
    if state.historical_block_hashes.len() as u64 != state.slot.0 {
        return Err("it does not remember one block root per slot");
    }
    if state.latest_justified.slot > state.slot || state.latest_finalized.slot > state.latest_justified.slot {
        return Err("its checkpoints are out of order");
    }
    let voters = state.justifications_roots.len().checked_mul(state.validators.len());
    if voters != Some(state.justifications_validators.len()) {
        return Err("its pending votes do not match its registry");
    }
    Ok(())
}
