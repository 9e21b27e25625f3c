//! From one block's post-state to the next: slots, header, body, state root.

use lathe_types::{
    Block, BlockHeader, Checkpoint, HISTORICAL_ROOTS_LIMIT, Rejection, RejectionReason, Root, Slot, State,
    TreeHash, ValidatorIndex,
};

use crate::attestations::process_attestations;
use crate::execution::process_execution_payload;
use crate::justification::extend_to_slot;

/// Advances through empty slots up to `target_slot`, whose own block is not applied.
///
/// Only the first slot after a block has a state root to fill in; the others change nothing but the slot number, so
/// any distance costs one step.
pub fn process_slots(state: &mut State, target_slot: Slot) -> Result<(), Rejection> {
    if state.slot >= target_slot {
        return reject(
            RejectionReason::BlockSlotNotInFuture,
            format!("the state is at slot {}, the block at {target_slot}", state.slot),
        );
    }
    apply_updates(state);
    if state.latest_block_header.state_root == Root::ZERO {
        state.latest_block_header.state_root = state.tree_hash_root();
    }
    state.slot = target_slot;
    Ok(())
}

/// Checks the header against a state advanced to its slot, and records it.
pub fn process_block_header(state: &mut State, block: &Block) -> Result<(), Rejection> {
    let parent_header = &state.latest_block_header;
    let (parent_slot, parent_root) = (parent_header.slot, parent_header.tree_hash_root());

    // The block must sit at the slot that the state was advanced to.
    if block.slot != state.slot {
        return reject(
            RejectionReason::BlockSlotMismatch,
            format!("the state is at slot {}, the block at {}", state.slot, block.slot),
        );
    }

    // It must be newer than the newest header.
    if block.slot <= parent_slot {
        return reject(
            RejectionReason::BlockOlderThanLatestHeader,
            format!("the block is at slot {}, the newest header at {parent_slot}", block.slot),
        );
    }

    // It must come from the validator whose turn it is.
    match ValidatorIndex::proposer_for_slot(state.slot, state.validators.len() as u64) {
        None => return reject(RejectionReason::EmptyValidatorRegistry, "nobody can propose"),
        Some(proposer) if proposer != block.proposer_index => {
            return reject(
                RejectionReason::WrongProposer,
                format!("validator {proposer} proposes in slot {}, not {}", block.slot, block.proposer_index),
            );
        }
        Some(_) => {}
    }

    // It must name the newest header as its parent.
    if block.parent_root != parent_root {
        return reject(
            RejectionReason::ParentRootMismatch,
            format!("the newest block is {parent_root}, the parent {}", block.parent_root),
        );
    }

    // Genesis is justified and finalized by definition, so the first block makes its parent both. Later ones leave the
    // checkpoints to the votes.
    if parent_slot == Slot(0) {
        let genesis = Checkpoint { root: parent_root, slot: Slot(0) };
        state.latest_justified = genesis;
        state.latest_finalized = genesis;
    }

    // The parent's root, then a zero hash for every slot skipped since.
    let num_empty_slots = block.slot.0 - parent_slot.0 - 1;
    push_history(state, parent_root, num_empty_slots)?;

    // The block's own slot is not tracked before its header is complete, so the flags end one slot earlier.
    let last_materialized_slot = Slot(block.slot.0 - 1);
    if let Some(longer) =
        extend_to_slot(&state.justified_slots, state.latest_finalized.slot, last_materialized_slot)?
    {
        state.justified_slots = longer;
    }

    // The new tip; its state root stays empty until the next slot begins.
    state.latest_block_header = BlockHeader { state_root: Root::ZERO, ..block.header() };
    Ok(())
}

/// Appends to the history, refusing what it cannot hold before it allocates anything.
fn push_history(state: &mut State, parent_root: Root, num_empty_slots: u64) -> Result<(), Rejection> {
    let history = &mut state.historical_block_hashes;
    let too_far = |detail: String| Rejection::new(RejectionReason::BlockSlotGapTooLarge, detail);
    let room = HISTORICAL_ROOTS_LIMIT.saturating_sub(history.len() as u64);
    if num_empty_slots >= room {
        return Err(too_far(format!(
            "a state holds {HISTORICAL_ROOTS_LIMIT} block roots, and only {room} are left"
        )));
    }
    history.push(parent_root).map_err(|error| too_far(format!("{error:?}")))?;
    for _ in 0..num_empty_slots {
        history.push(Root::ZERO).map_err(|error| too_far(format!("{error:?}")))?;
    }
    history.apply_updates().map_err(|error| too_far(format!("{error:?}")))
}

/// Header and body; the payload of an execution-paired chain comes before the votes.
pub fn process_block(state: &mut State, block: &Block) -> Result<(), Rejection> {
    process_block_header(state, block)?;
    process_execution_payload(state, &block.body)?;
    process_attestations(state, &block.body.attestations)
}

/// A part of the transition that somebody may want to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Advancing to the block's slot.
    Slots,
    /// The whole block, its attestations included.
    Block,
    /// The attestations alone.
    Attestations,
}

/// The beginning or the end of a part; every beginning is followed by its end, also when the block is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It begins.
    Begin,
    /// It ends.
    End,
}

/// Told of the parts of a transition as they come; they nest.
pub type Watch<'a> = dyn FnMut(Part, Edge) + 'a;

/// The state after `block`, which must commit to exactly that state. Signatures are the caller's concern.
pub fn state_transition(pre: &State, block: &Block) -> Result<State, Rejection> {
    state_transition_watched(pre, block, &mut |_, _| {})
}

/// [`state_transition`] for somebody with a clock, which this crate does not have.
pub fn state_transition_watched(
    pre: &State,
    block: &Block,
    watch: &mut Watch<'_>,
) -> Result<State, Rejection> {
    let mut state = pre.clone();
    watch(Part::Slots, Edge::Begin);
    let advanced = process_slots(&mut state, block.slot);
    watch(Part::Slots, Edge::End);
    advanced?;

    watch(Part::Block, Edge::Begin);
    let processed = process_block_header(&mut state, block);
    let processed = processed.and_then(|()| process_execution_payload(&mut state, &block.body));
    let processed = processed.and_then(|()| {
        watch(Part::Attestations, Edge::Begin);
        let counted = process_attestations(&mut state, &block.body.attestations);
        watch(Part::Attestations, Edge::End);
        counted
    });
    watch(Part::Block, Edge::End);
    processed?;

    let computed_state_root = state_root(&state);
    if block.state_root != computed_state_root {
        return reject(
            RejectionReason::StateRootMismatch,
            format!("the transition yields {computed_state_root}, the block says {}", block.state_root),
        );
    }
    Ok(state)
}

/// The state's hash tree root, also for a state whose lists still hold pending updates.
pub fn state_root(state: &State) -> Root {
    let pending = state.historical_block_hashes.has_pending_updates()
        || state.validators.has_pending_updates()
        || state.justifications_roots.has_pending_updates();
    if !pending {
        return state.tree_hash_root();
    }
    let mut state = state.clone();
    apply_updates(&mut state);
    state.tree_hash_root()
}

/// Writes pending updates into the trees of the state's lists.
pub(crate) fn apply_updates(state: &mut State) {
    // A list checks its limit when an element is pushed, so writing what was accepted cannot fail.
    let _ = state.historical_block_hashes.apply_updates();
    let _ = state.validators.apply_updates();
    let _ = state.justifications_roots.apply_updates();
}

fn reject<T>(reason: RejectionReason, detail: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::new(reason, detail))
}
