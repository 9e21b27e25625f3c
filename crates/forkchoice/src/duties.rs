//! What a validator votes for.

use lathe_types::{AttestationData, Checkpoint, JUSTIFICATION_LOOKBACK_SLOTS, Root, Slot, State};

use crate::store::Store;
use crate::tree::NodeId;

impl Store {
    /// The target to vote for: from the head back towards the safe target by at most the look-back, then on to a slot
    /// that can be justified, never beyond the finalized one.
    pub fn get_attestation_target(&self) -> Checkpoint {
        let head = self.tree.id(&self.head.root);
        head.map_or(self.head, |head| self.target_of_a_vote_for(head, self.head_state()))
    }

    fn target_of_a_vote_for(&self, head: NodeId, state: &State) -> Checkpoint {
        let mut target = head;
        let slot = |id: NodeId| self.tree.node(id).slot;

        // A safe target that is stale behind finalization does not count. Finality is that of the head's own chain, as
        // the transition will judge the vote by it: a store that has pruned, or started, at a later block than the
        // head's chain calls final would otherwise choose another target than everybody else, for ever.
        let finalized_slot = state.latest_finalized.slot;
        let lower_bound_slot = self.safe_target.slot.max(finalized_slot);

        // Not too far ahead of the safe target: liveness against safety.
        for _ in 0..JUSTIFICATION_LOOKBACK_SLOTS {
            if slot(target) > lower_bound_slot
                && let Some(parent) = self.tree.node(target).parent
            {
                target = parent;
            }
        }

        // Back to a slot that 3SF-mini can justify.
        while slot(target) > finalized_slot && !slot(target).is_justifiable_after(finalized_slot) {
            let Some(parent) = self.tree.node(target).parent else { break };
            target = parent;
        }
        self.tree.node(target).checkpoint()
    }

    /// The vote for `slot`: the head, the target, and as source the checkpoint that the head's own chain justified.
    ///
    /// The head is the store's, or if that is of a later slot, its last ancestor that is not: a block may come before
    /// its slot begins, but no vote is older than its head. `None` if that ancestor lies before the finalized block,
    /// as when the clock has been set far back: nobody would count such a vote.
    ///
    /// Where the walk back from the head ends before that source, the source is voted for again: such a vote justifies
    /// nothing but still supports the head, whereas a target before its source would be refused by everybody.
    pub fn produce_attestation_data(&self, slot: Slot) -> Option<AttestationData> {
        let id = self.tree.ancestor_at_or_before(self.tree.id(&self.head.root)?, slot);
        let node = self.tree.node(id);
        let head = node.checkpoint();
        let may_be_voted_for = head.slot >= self.latest_finalized.slot && head.slot <= slot;
        let state = node.state.as_ref().filter(|_| may_be_voted_for)?;

        let mut source = state.latest_justified;
        // The genesis state cannot name its own block.
        if source.root == Root::ZERO {
            source.root = head.root;
        }
        let mut target = self.target_of_a_vote_for(id, state);
        if target.slot < source.slot {
            target = source;
        }
        Some(AttestationData { slot, head, target, source })
    }
}
