//! The block tree: an arena in which every parent stands before its children.
//!
//! Blocks are found by root, ancestors by skip links in logarithmic time, so that judging a vote stays cheap however
//! long finality has been away. Pruning rebuilds the arena; ids are therefore never kept outside one call.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use lathe_types::{Checkpoint, Root, Slot, State, ValidatorIndex};

use crate::payload::Payload;

/// Position of a block in the arena.
pub(crate) type NodeId = usize;

/// What fork choice knows of a block.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub root: Root,
    pub slot: Slot,
    pub parent_root: Root,
    pub proposer_index: ValidatorIndex,
    /// The post-state; absent for the finalized block's ancestors, which only votes in flight still name.
    pub state: Option<Arc<State>>,
    /// On an execution-paired chain.
    pub payload: Option<Payload>,
    pub parent: Option<NodeId>,
    pub children: Vec<NodeId>,
    /// Blocks between this one and the oldest of the tree.
    height: usize,
    /// Some ancestor further away than the parent.
    skip: Option<NodeId>,
}

impl Node {
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { root: self.root, slot: self.slot }
    }
}

/// Every block that fork choice considers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    by_root: HashMap<Root, NodeId>,
}

impl Tree {
    /// Adds a block after its parent; the first block needs none.
    pub(crate) fn insert(
        &mut self,
        block: Checkpoint,
        parent_root: Root,
        proposer_index: ValidatorIndex,
        state: Option<Arc<State>>,
        payload: Option<Payload>,
    ) {
        let parent = self.id(&parent_root);
        let height = parent.map_or(0, |parent| self.nodes[parent].height + 1);
        let skip = parent.map(|parent| self.ancestor_at_height(parent, skip_height(height)));
        let id = self.nodes.len();
        if let Some(parent) = parent {
            self.nodes[parent].children.push(id);
        }
        self.by_root.insert(block.root, id);
        self.nodes.push(Node {
            root: block.root,
            slot: block.slot,
            parent_root,
            proposer_index,
            state,
            payload,
            parent,
            children: Vec::new(),
            height,
            skip,
        });
    }

    pub(crate) fn id(&self, root: &Root) -> Option<NodeId> {
        self.by_root.get(root).copied()
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The payload of a block, to note what became of it.
    pub(crate) fn payload_mut(&mut self, id: NodeId) -> Option<&mut Payload> {
        self.nodes[id].payload.as_mut()
    }

    pub(crate) fn get(&self, root: &Root) -> Option<&Node> {
        self.id(root).map(|id| self.node(id))
    }

    /// Every block, parents before their children.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The block itself if it is at or before `slot`, else its nearest ancestor that is. Where the tree ends before
    /// that, the oldest block, whose slot is then later.
    pub(crate) fn ancestor_at_or_before(&self, id: NodeId, slot: Slot) -> NodeId {
        self.climb(id, |node| node.slot.cmp(&slot))
    }

    /// Whether the block at `descendant` is, or descends from, the block at `ancestor`.
    pub(crate) fn checkpoint_is_ancestor(&self, ancestor: Checkpoint, descendant: Checkpoint) -> bool {
        // An ancestor is never later than its descendant.
        if ancestor.slot > descendant.slot {
            return false;
        }
        self.id(&descendant.root).is_some_and(|id| {
            // Landing on the slot decides; a different root there is a fork, an earlier slot a gap.
            self.node(self.ancestor_at_or_before(id, ancestor.slot)).checkpoint() == ancestor
        })
    }

    /// Keeps the blocks that `keep` accepts, and of those without `keep_state` only the place in the tree. Returns the
    /// roots of blocks that lost their state, in tree order.
    pub(crate) fn prune(
        &mut self,
        keep: impl Fn(NodeId) -> bool,
        keep_state: impl Fn(NodeId) -> bool,
    ) -> Vec<Root> {
        let kept: Vec<(bool, bool)> = (0..self.nodes.len()).map(|id| (keep(id), keep_state(id))).collect();
        let old = std::mem::take(self);
        let mut dropped = Vec::new();
        for (node, (keep, keep_state)) in old.nodes.into_iter().zip(kept) {
            let block = node.checkpoint();
            let state = node.state.filter(|_| {
                if !keep_state {
                    dropped.push(block.root);
                }
                keep_state
            });
            if keep {
                self.insert(block, node.parent_root, node.proposer_index, state, node.payload);
            }
        }
        dropped
    }

    fn ancestor_at_height(&self, id: NodeId, height: usize) -> NodeId {
        self.climb(id, |node| node.height.cmp(&height))
    }

    /// From a block towards the root to the first that is not beyond the place that `compare` compares it with, by skip
    /// links wherever those do not lead past it.
    fn climb(&self, mut id: NodeId, compare: impl Fn(&Node) -> Ordering) -> NodeId {
        while compare(&self.nodes[id]).is_gt() {
            let node = &self.nodes[id];
            let skip = node.skip.filter(|skip| compare(&self.nodes[*skip]).is_ge());
            match skip.or(node.parent) {
                Some(next) => id = next,
                None => break,
            }
        }
        id
    }
}

/// Height that the skip link of a block at `height` leads to: clearing the lowest set bit makes links of every length
/// common enough that any ancestor is a logarithmic number of links away. Odd heights borrow from the one below, so
/// that consecutive blocks do not all link to the same place.
fn skip_height(height: usize) -> usize {
    let clear_lowest = |n: usize| n & n.wrapping_sub(1);
    match height {
        0 | 1 => 0,
        _ if height.is_multiple_of(2) => clear_lowest(height),
        _ => clear_lowest(clear_lowest(height - 1)) + 1,
    }
}
