//! What the execution layer thinks of the blocks: optimistic import, validation, removal of what is invalid.
//!
//! A block of an execution-paired chain enters the store before its payload was judged, and counts like any other; who
//! votes or proposes asks first whether the head is [`PayloadStatus::Valid`]. A verdict reaches further than its block:
//! a valid payload vouches for all before it, an invalid one takes along all after it.

use lathe_types::{Checkpoint, Root, Slot};

use crate::payload::{Payload, PayloadStatus};
use crate::store::{BlockInfo, Store};
use crate::tree::NodeId;

/// The hashes by which the execution layer knows the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionHashes {
    /// Payload of the head.
    pub head: Root,
    /// Payload of the justified block; zero as long as that is genesis.
    pub safe: Root,
    /// Payload of the finalized block; zero as long as that is genesis.
    pub finalized: Root,
}

/// What [`Store::on_invalid_payload`] let go of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invalidated {
    /// Blocks that are now unknown, parents before their children.
    pub removed: Vec<BlockInfo>,
    /// Set if the verdict condemns the oldest block of the store as well, which is finalized and therefore stays.
    pub finalized: Option<Checkpoint>,
}

impl Store {
    /// The payload of a known block; `None` on a plain chain.
    pub fn payload(&self, root: &Root) -> Option<Payload> {
        self.tree.get(root)?.payload
    }

    /// Whether the head may be voted for and built on: its payload is valid, or there are no payloads.
    pub fn head_is_valid(&self) -> bool {
        self.payload(&self.head.root).is_none_or(|payload| payload.status == PayloadStatus::Valid)
    }

    /// The hashes that the execution layer is told; `None` on a plain chain. The justified and the finalized block are
    /// ancestors of the head.
    pub fn execution_hashes(&self) -> Option<ExecutionHashes> {
        let head = self.payload(&self.head.root)?;
        let hash_of = |checkpoint: Checkpoint| {
            let payload = self.payload(&checkpoint.root).filter(|_| checkpoint.slot > Slot(0));
            payload.map_or(Root::ZERO, |payload| payload.block_hash)
        };
        Some(ExecutionHashes {
            head: head.block_hash,
            safe: hash_of(self.latest_justified),
            finalized: hash_of(self.latest_finalized),
        })
    }

    /// The payload of this block is valid, and so is every one before it. True if that was news.
    pub fn on_valid_payload(&mut self, root: &Root) -> bool {
        let mut next = self.tree.id(root);
        let mut news = false;
        while let Some(id) = next {
            // What was judged before stays as it was judged: ancestors of a valid payload are valid already.
            let Some(payload) = self.tree.payload_mut(id) else { break };
            if payload.status != PayloadStatus::Optimistic {
                break;
            }
            payload.status = PayloadStatus::Valid;
            news = true;
            next = self.tree.node(id).parent;
        }
        news
    }

    /// The payload of this block is invalid: it leaves the store with all that descends from it.
    ///
    /// If `latest_valid_hash` is the payload of an ancestor, that one is valid, and everything after it on this branch
    /// is invalid. Otherwise nothing is known of the ancestors. A payload that was found valid stays so: a client that
    /// contradicts itself is not believed. Head, justified checkpoint and safe target leave the blocks that are gone.
    pub fn on_invalid_payload(&mut self, root: &Root, latest_valid_hash: Option<Root>) -> Invalidated {
        let Some(first) = self.first_invalid(root, latest_valid_hash) else { return Invalidated::default() };
        // Parents stand before their children, so one pass finds all descendants.
        let mut invalid = vec![false; self.tree.nodes().len()];
        for (id, node) in self.tree.nodes().iter().enumerate() {
            invalid[id] = id == first || node.parent.is_some_and(|parent| invalid[parent]);
        }

        // What was pruned down to is settled, and cannot leave.
        let settled = self.tree.nodes().iter().position(|node| node.state.is_some());
        let mut finalized = None;
        if let Some(settled) = settled.filter(|settled| invalid[*settled]) {
            invalid[..=settled].fill(false);
            finalized = Some(self.tree.node(settled).checkpoint());
            if let Some(payload) = self.tree.payload_mut(settled) {
                payload.status = PayloadStatus::Invalid;
            }
        }
        let gone = |id: &NodeId| invalid[*id];
        let removed: Vec<BlockInfo> =
            (0..invalid.len()).filter(gone).map(|id| BlockInfo::from(self.tree.node(id))).collect();
        if !removed.is_empty() {
            self.tree.prune(|id| !invalid[id], |id| !invalid[id]);
            self.leave_what_is_gone();
        }
        Invalidated { removed, finalized }
    }

    /// The oldest block that a verdict condemns, if it condemns any.
    fn first_invalid(&mut self, root: &Root, latest_valid_hash: Option<Root>) -> Option<NodeId> {
        let condemned = self.tree.id(root)?;
        if self.tree.node(condemned).payload?.status == PayloadStatus::Valid {
            return None;
        }
        let Some(latest_valid_hash) = latest_valid_hash else { return Some(condemned) };
        let (mut first, mut below) = (condemned, condemned);
        let mut reached_valid = false;
        while let Some(parent) = self.tree.node(below).parent {
            let Some(payload) = self.tree.node(parent).payload else { break };
            // Nothing at or before a payload that was found valid is condemned.
            reached_valid |= payload.status == PayloadStatus::Valid;
            if payload.block_hash == latest_valid_hash {
                let root = self.tree.node(parent).root;
                self.on_valid_payload(&root);
                return Some(first);
            }
            below = parent;
            if !reached_valid {
                first = parent;
            }
        }
        // Not the hash of any ancestor that is known here, so it says nothing of them.
        Some(condemned)
    }

    /// Points head and checkpoints at blocks that are still there.
    fn leave_what_is_gone(&mut self) {
        let known = |checkpoint: &Checkpoint| self.tree.id(&checkpoint.root).is_some();
        let Some(settled) = self.tree.nodes().iter().find(|node| node.state.is_some()) else { return };
        let settled = settled.checkpoint();
        if !known(&self.latest_finalized) {
            self.latest_finalized = settled;
        }
        if !known(&self.latest_justified) {
            let states = self.tree.nodes().iter().filter_map(|node| node.state.as_ref());
            let justified = states
                .map(|state| state.latest_justified)
                .filter(|justified| justified.slot >= settled.slot && known(justified));
            self.latest_justified = justified.max_by_key(|justified| justified.slot).unwrap_or(settled);
        }
        if !known(&self.safe_target) {
            self.safe_target = self.latest_justified;
        }
        self.update_head();
        self.prune_stale_attestation_data();
    }
}
