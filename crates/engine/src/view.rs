//! What the rest of the node may see of the engine: one immutable picture, replaced when the store changes.

use std::sync::Arc;

use lathe_types::{Checkpoint, Root, Slot, State, Status, ValidatorIndex};

/// The engine's state as of its last change.
#[derive(Clone, Debug)]
pub struct View {
    /// The head of the chain.
    pub head: Checkpoint,
    /// Highest justified checkpoint seen.
    pub justified: Checkpoint,
    /// Finalized checkpoint of the head's chain.
    pub finalized: Checkpoint,
    /// Block that is safe to attest to.
    pub safe_target: Checkpoint,
    /// Justified checkpoint in the head's own post-state.
    pub head_justified: Checkpoint,
    /// Finalized checkpoint in the head's own post-state.
    pub head_finalized: Checkpoint,
    /// State after the finalized block.
    pub finalized_state: Arc<State>,
    /// State after the head.
    pub head_state: Arc<State>,
    /// Every block at or above the finalized slot, ascending by slot, then root.
    pub nodes: Vec<ViewNode>,
    /// Validators in the head state's registry.
    pub validator_count: u64,
    /// Progress of synchronisation.
    pub sync: SyncView,
    /// Sizes of pools.
    pub pools: PoolSizes,
    /// What we tell peers of our chain.
    pub status: Status,
    /// Whether this node aggregates.
    pub is_aggregator: bool,
}

/// A block of the fork-choice tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewNode {
    /// Its root.
    pub root: Root,
    /// Its slot.
    pub slot: Slot,
    /// Its parent.
    pub parent_root: Root,
    /// Who proposed it.
    pub proposer_index: ValidatorIndex,
    /// Validators whose latest vote supports it.
    pub weight: u64,
}

/// Progress of synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncView {
    /// Whether duties are withheld because the chain is behind.
    pub is_syncing: bool,
    /// Slot of the head.
    pub head_slot: Slot,
    /// Slots between the clock and the head.
    pub sync_distance: u64,
    /// Finalized slot.
    pub finalized_slot: Slot,
}

/// How much is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSizes {
    /// Single votes kept for aggregation.
    pub gossip_signatures: usize,
    /// Aggregates that do not count yet.
    pub new_aggregates: usize,
    /// Aggregates that count.
    pub known_aggregates: usize,
    /// Blocks that wait for their parents.
    pub pending_blocks: usize,
    /// Votes and aggregates that wait for a block.
    pub held_votes: usize,
}
