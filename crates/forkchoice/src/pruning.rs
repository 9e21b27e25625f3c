//! Forgetting what finality has settled.

use std::collections::HashSet;

use lathe_types::{Root, Slot};

use crate::store::Store;
use crate::tree::NodeId;

/// How far behind the finalized block its ancestors stay known, in slots. Votes in flight name targets and sources a
/// few slots behind; with finality a few slots behind the head, two minutes are plenty. Only the place in the tree is
/// kept, not the state.
pub const KEPT_ANCESTOR_SLOTS: u64 = 32;

/// What [`Store::prune_finalized`] let go of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ancestors of the finalized block that lost their states, oldest first.
    pub canonical: Vec<Root>,
    /// Blocks on chains without the finalized block, now unknown, parents before their children.
    pub orphaned: Vec<Root>,
}

impl Store {
    /// Drops every block that does not descend from the finalized one, and the states of its ancestors.
    ///
    /// This is what makes finality lasting in this store: until it is called, a reorg can still lower the finalized
    /// checkpoint, as the specification has it; afterwards no head can be chosen outside the finalized block's chain.
    pub fn prune_finalized(&mut self) -> Pruned {
        let finalized = self.latest_finalized;
        let Some(finalized_id) = self.tree.id(&finalized.root) else { return Pruned::default() };
        let ancestors: HashSet<NodeId> =
            std::iter::successors(Some(finalized_id), |id| self.tree.node(*id).parent).skip(1).collect();
        let canonical: HashSet<Root> = ancestors.iter().map(|id| self.tree.node(*id).root).collect();

        // Parents stand before their children, so one pass finds all descendants.
        let mut descends = vec![false; self.tree.nodes().len()];
        for (id, node) in self.tree.nodes().iter().enumerate() {
            descends[id] = id == finalized_id || node.parent.is_some_and(|parent| descends[parent]);
        }
        if descends.iter().all(|descends| *descends) {
            return Pruned::default();
        }
        let oldest = Slot(finalized.slot.0.saturating_sub(KEPT_ANCESTOR_SLOTS));
        let slots: Vec<Slot> = self.tree.nodes().iter().map(|node| node.slot).collect();
        let dropped = self
            .tree
            .prune(|id| descends[id] || (ancestors.contains(&id) && slots[id] >= oldest), |id| descends[id]);
        let (canonical, orphaned) = dropped.into_iter().partition(|root| canonical.contains(root));
        self.prune_stale_attestation_data();
        Pruned { canonical, orphaned }
    }
}
