//! What the rest of the node may see of the engine: one immutable picture, replaced when the store changes.

use std::sync::Arc;

use lathe_types::{Checkpoint, Root, Slot, State, Status, ValidatorIndex};

use crate::blocks::Blocks;
use crate::core::Core;
use crate::execution::Execution;
use crate::votes::Votes;

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
    /// Whether the chain is behind: duties are withheld, or peers claim a newer head that nobody has delivered.
    pub is_syncing: bool,
    /// Slot of the head.
    pub head_slot: Slot,
    /// Slots between the clock and the head.
    pub sync_distance: u64,
    /// Finalized slot.
    pub finalized_slot: Slot,
    /// Whether the execution client has yet to validate the head. Never on a plain chain.
    pub is_optimistic: bool,
    /// Whether the execution client cannot be reached. Never on a plain chain.
    pub el_offline: bool,
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
    /// Batches that were handed out to be written and are not known to be durable.
    pub unwritten_batches: u64,
}

impl View {
    pub(crate) fn draw(core: &Core, blocks: &Blocks, votes: &Votes, execution: &Execution) -> Self {
        let (store, head_state) = (&core.store, core.store.head_state());
        let (head, finalized) = (store.head(), store.latest_finalized());
        let weights = store.compute_block_weights();
        let mut nodes: Vec<ViewNode> = store
            .blocks()
            .filter(|block| block.slot >= finalized.slot)
            .map(|block| ViewNode {
                root: block.root,
                slot: block.slot,
                parent_root: block.parent_root,
                proposer_index: block.proposer_index,
                weight: weights.get(&block.root).copied().unwrap_or_default(),
            })
            .collect();
        nodes.sort_unstable_by_key(|node| (node.slot, node.root));
        let pools = store.pool_sizes();
        Self {
            head,
            justified: store.latest_justified(),
            finalized,
            safe_target: store.safe_target(),
            head_justified: head_state.latest_justified,
            head_finalized: head_state.latest_finalized,
            finalized_state: store.state(&finalized.root).unwrap_or(head_state).clone(),
            head_state: head_state.clone(),
            nodes,
            validator_count: head_state.validators.len() as u64,
            sync: SyncView {
                is_syncing: core.rests().is_some() || core.is_behind,
                head_slot: head.slot,
                sync_distance: core.clock().0.saturating_sub(head.slot.0),
                finalized_slot: finalized.slot,
                is_optimistic: !store.head_is_valid(),
                el_offline: core.is_paired() && !execution.is_online(),
            },
            pools: PoolSizes {
                gossip_signatures: pools.attestation_signatures,
                new_aggregates: pools.new_aggregated_payloads,
                known_aggregates: pools.known_aggregated_payloads,
                pending_blocks: blocks.pending(),
                held_votes: votes.held(),
                unwritten_batches: core.unwritten_batches(),
            },
            status: Status { finalized, head },
            is_aggregator: core.is_aggregator,
        }
    }
}
