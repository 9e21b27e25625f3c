//! LMD GHOST: weights, head, safe target.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use lathe_types::{Checkpoint, Root, Slot};

use crate::store::Store;
use crate::tree::{NodeId, Tree};
use crate::votes::LatestVotes;

/// Weights on their way from heads to ancestors.
///
/// Blocks are visited once each, children before their parents, so the cost is the part of the tree that votes reach
/// and not its product with the number of voters.
struct Tally<'a> {
    tree: &'a Tree,
    start_slot: Slot,
    /// By position in the tree.
    weights: Vec<u64>,
    to_visit: BinaryHeap<NodeId>,
}

impl Tally<'_> {
    /// Adds votes to a block; blocks that are unknown or out of scope get none.
    fn credit(&mut self, id: Option<NodeId>, votes: u64) {
        let Some(id) = id.filter(|id| self.tree.node(*id).slot > self.start_slot) else { return };
        if self.weights[id] == 0 {
            self.to_visit.push(id);
        }
        self.weights[id] += votes;
    }
}

impl Store {
    /// Votes for each block at the counted votes' heads and their ancestors after the finalized slot. A block without
    /// votes has no entry.
    pub fn compute_block_weights(&self) -> BTreeMap<Root, u64> {
        let finalized_slot = self.latest_finalized.slot;
        let latest_votes = self.latest_known_aggregated_payloads.latest_votes(finalized_slot);
        let weights = self.accumulate_ancestor_weights(&latest_votes, finalized_slot);
        let voted_for = weights.into_iter().enumerate().filter(|(_, weight)| *weight > 0);
        voted_for.map(|(id, weight)| (self.tree.node(id).root, weight)).collect()
    }

    /// Credits every vote to its head and to the head's ancestors after `start_slot`; weights by position in the tree.
    fn accumulate_ancestor_weights(&self, votes: &LatestVotes, start_slot: Slot) -> Vec<u64> {
        let mut heads: HashMap<Root, u64> = HashMap::new();
        for (_, vote) in votes.iter() {
            *heads.entry(vote.head.root).or_default() += 1;
        }
        let weights = vec![0; self.tree.nodes().len()];
        let mut tally = Tally { tree: &self.tree, start_slot, weights, to_visit: BinaryHeap::new() };
        for (root, votes) in heads {
            tally.credit(self.tree.id(&root), votes);
        }
        // A parent stands before all of its children, so a block's weight is complete when it is its turn.
        while let Some(id) = tally.to_visit.pop() {
            tally.credit(self.tree.node(id).parent, tally.weights[id]);
        }
        tally.weights
    }

    /// Walks from `start` to a leaf, at each fork to the child with the most votes and of those to the larger root.
    /// With a `min_score`, children with fewer votes are passed over.
    fn compute_lmd_ghost_head(
        &self,
        start: Checkpoint,
        votes: &LatestVotes,
        min_score: Option<u64>,
    ) -> Checkpoint {
        let Some(mut head) = self.tree.id(&start.root) else { return start };
        let weights = self.accumulate_ancestor_weights(votes, start.slot);
        let weight = |id: &NodeId| weights[*id];
        let qualifies = |id: &&NodeId| min_score.is_none_or(|min_score| weight(id) >= min_score);
        while let Some(best) = self
            .tree
            .node(head)
            .children
            .iter()
            .filter(qualifies)
            .max_by_key(|child| (weight(child), self.tree.node(**child).root))
        {
            head = *best;
        }
        self.tree.node(head).checkpoint()
    }

    /// Recomputes the head from the counted votes, and the finalized checkpoint from the head.
    pub fn update_head(&mut self) {
        let finalized_slot = self.latest_finalized.slot;
        self.latest_known_aggregated_payloads.refresh(finalized_slot);
        let latest_votes = self.latest_known_aggregated_payloads.latest_votes(finalized_slot);
        self.head = self.compute_lmd_ghost_head(self.latest_justified, &latest_votes, None);

        // The finalized checkpoint stays on the head's chain: the head's ancestor at the slot that its state calls
        // final. The anchor of a checkpoint sync has no block there, and stays finalized itself.
        let Some(head) = self.tree.id(&self.head.root) else { return };
        let Some(state) = &self.tree.node(head).state else { return };
        let finalized_slot = state.latest_finalized.slot;
        let finalized = self.tree.node(self.tree.ancestor_at_or_before(head, finalized_slot));
        if finalized.slot == finalized_slot {
            // What was pruned stays settled: a reorg lowers the checkpoint down to where the states begin at most.
            let settled = self.tree.nodes().iter().find(|node| node.state.is_some());
            let lowest = if finalized.state.is_some() { None } else { settled };
            self.latest_finalized = lowest.unwrap_or(finalized).checkpoint();
        }
        self.latest_known_aggregated_payloads.refresh(self.latest_finalized.slot);
    }

    /// Promotes pending votes into the counted pool and recomputes the head.
    pub fn accept_new_attestations(&mut self) {
        self.latest_known_aggregated_payloads.take_from(&mut self.latest_new_aggregated_payloads);
        self.update_head();
    }

    /// Finds the deepest block that two thirds of this slot's voters back, by the pending votes alone.
    pub fn update_safe_target(&mut self) {
        let num_validators = self.head_state().validators.len() as u64;
        // Rounded up: of 100 validators 67, not 66.
        let min_target_score = (2 * num_validators).div_ceil(3);
        let latest_votes = self.latest_new_aggregated_payloads.latest_votes(self.latest_finalized.slot);
        self.safe_target =
            self.compute_lmd_ghost_head(self.latest_justified, &latest_votes, Some(min_target_score));
    }
}
