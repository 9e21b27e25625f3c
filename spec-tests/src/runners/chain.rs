//! The chain that several kinds of fixtures start from: a block without votes in every slot.

use lathe_transition::{generate_genesis, genesis_block, process_block, process_slots, state_root};
use lathe_types::{Block, Genesis, Slot, State, TreeHash, ValidatorIndex, Validators};

use crate::outcome::Failure;

/// The last block and its state.
pub(super) fn without_votes(
    validators: Validators,
    genesis_time: u64,
    last: Slot,
) -> Result<(State, Block), Failure> {
    let count = validators.len() as u64;
    let mut state = generate_genesis(&Genesis {
        genesis_time,
        validators,
        execution_genesis: None,
        signature_scheme: Default::default(),
    });
    let mut block = genesis_block(&state);
    for slot in (1..=last.0).map(Slot) {
        let refused = |rejection| Failure::new("an empty block", rejection).at(format!("slot {slot}"));
        let proposer_index = ValidatorIndex::proposer_for_slot(slot, count).unwrap_or_default();
        block = Block { slot, proposer_index, parent_root: block.tree_hash_root(), ..Block::default() };
        process_slots(&mut state, slot).map_err(refused)?;
        process_block(&mut state, &block).map_err(refused)?;
        block.state_root = state_root(&state);
    }
    Ok((state, block))
}
