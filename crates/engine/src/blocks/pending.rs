//! Blocks that wait for their parents.
//!
//! The pool is bounded in number and bytes, in total and per peer. When it is full, the block furthest ahead goes: the
//! nearest ones connect first. Nothing at or below the finalized slot is kept.

use std::collections::{BTreeMap, BTreeSet};

use lathe_types::{Root, Slot};

use super::arrived::ArrivedBlock;
use crate::io::Peer;

/// Blocks that may wait: eight full range requests.
pub(crate) const MAX_PENDING_BLOCKS: usize = 512;
/// Bytes that may wait. A block is at most about 0.5 MiB of proof, one with raw proofs of few validators a few KiB.
pub(crate) const MAX_PENDING_BYTES: usize = 48 << 20;
/// Blocks of one peer that may wait, so that one peer cannot crowd out the others: two range requests.
pub(crate) const MAX_PENDING_PER_PEER: usize = 128;

/// The pool.
#[derive(Default)]
pub(crate) struct PendingBlocks {
    blocks: BTreeMap<(Slot, Root), ArrivedBlock>,
    slots: BTreeMap<Root, Slot>,
    by_parent: BTreeMap<Root, BTreeSet<Root>>,
    per_peer: BTreeMap<Peer, usize>,
    bytes: usize,
}

impl PendingBlocks {
    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn contains(&self, root: &Root) -> bool {
        self.slots.contains_key(root)
    }

    pub(crate) fn get(&self, root: &Root) -> Option<&ArrivedBlock> {
        self.blocks.get(&(*self.slots.get(root)?, *root))
    }

    /// Keeps `block` until its parent is imported. A block that already waits only learns of the further way. Returns
    /// false if there was no room.
    pub(crate) fn insert(&mut self, block: ArrivedBlock) -> bool {
        if let Some(known) =
            self.slots.get(&block.root).and_then(|slot| self.blocks.get_mut(&(*slot, block.root)))
        {
            known.by_gossip |= block.by_gossip;
            return true;
        }
        if block
            .sender()
            .is_some_and(|peer| self.per_peer.get(&peer).copied().unwrap_or(0) >= MAX_PENDING_PER_PEER)
        {
            return false;
        }
        let bytes = block.bytes();
        while self.blocks.len() >= MAX_PENDING_BLOCKS || self.bytes + bytes > MAX_PENDING_BYTES {
            match self.blocks.last_key_value() {
                Some(((slot, root), _)) if *slot > block.slot() => {
                    let root = *root;
                    self.remove(&root);
                }
                _ => return false,
            }
        }
        self.bytes += bytes;
        if let Some(peer) = block.sender() {
            *self.per_peer.entry(peer).or_default() += 1;
        }
        self.by_parent.entry(block.parent_root()).or_default().insert(block.root);
        self.slots.insert(block.root, block.slot());
        self.blocks.insert((block.slot(), block.root), block);
        true
    }

    /// Takes out the blocks that waited for `parent`, by root.
    pub(crate) fn take_children(&mut self, parent: &Root) -> Vec<ArrivedBlock> {
        let children = self.by_parent.get(parent).cloned().unwrap_or_default();
        children.iter().filter_map(|root| self.remove(root)).collect()
    }

    /// Takes out everything that descends from `root`.
    pub(crate) fn take_descendants(&mut self, root: &Root) -> Vec<ArrivedBlock> {
        let mut taken = self.take_children(root);
        let mut next = 0;
        while let Some(block) = taken.get(next) {
            let root = block.root;
            taken.extend(self.take_children(&root));
            next += 1;
        }
        taken
    }

    /// Drops what finality has overtaken.
    pub(crate) fn prune(&mut self, finalized: Slot) {
        while let Some(((slot, root), _)) = self.blocks.first_key_value() {
            if *slot > finalized {
                break;
            }
            let root = *root;
            self.remove(&root);
        }
    }

    /// The earliest ancestor of `root` that waits here too: its parent is what is missing.
    pub(crate) fn oldest_waiting_ancestor(&self, root: &Root) -> Option<&ArrivedBlock> {
        let mut block = self.get(root)?;
        // Slots fall from child to parent or the walk ends, so a cycle is impossible.
        while let Some(parent) = self.get(&block.parent_root()).filter(|parent| parent.slot() < block.slot())
        {
            block = parent;
        }
        Some(block)
    }

    /// Whether anything waits for `parent`.
    pub(crate) fn has_children(&self, parent: &Root) -> bool {
        self.by_parent.contains_key(parent)
    }

    fn remove(&mut self, root: &Root) -> Option<ArrivedBlock> {
        let slot = self.slots.remove(root)?;
        let block = self.blocks.remove(&(slot, *root))?;
        self.bytes -= block.bytes();
        if let Some(siblings) = self.by_parent.get_mut(&block.parent_root()) {
            siblings.remove(root);
            if siblings.is_empty() {
                self.by_parent.remove(&block.parent_root());
            }
        }
        if let Some(peer) = block.sender()
            && let Some(count) = self.per_peer.get_mut(&peer)
        {
            *count -= 1;
            if *count == 0 {
                self.per_peer.remove(&peer);
            }
        }
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lathe_types::{SignedBlock, TreeHash};

    use super::*;
    use crate::io::{Millis, Origin};

    fn block(slot: u64, parent: Root, peer: u64) -> ArrivedBlock {
        let mut signed = SignedBlock::default();
        signed.block.slot = Slot(slot);
        signed.block.parent_root = parent;
        ArrivedBlock {
            root: signed.block.tree_hash_root(),
            block: Arc::new(signed),
            origins: vec![Origin::Response { request: crate::io::RequestId(0), peer: Peer(peer) }],
            arrived: Millis(0),
            by_gossip: false,
        }
    }

    #[test]
    fn children_and_descendants() {
        let mut pool = PendingBlocks::default();
        let first = block(1, Root::ZERO, 0);
        let second = block(2, first.root, 0);
        let third = block(3, second.root, 0);
        for block in [&third, &second, &first] {
            assert!(pool.insert(block.clone()));
        }
        assert_eq!(pool.oldest_waiting_ancestor(&third.root).map(|block| block.root), Some(first.root));
        let taken: Vec<Root> = pool.take_children(&Root::ZERO).iter().map(|block| block.root).collect();
        assert_eq!(taken, [first.root]);
        let taken: Vec<Root> = pool.take_descendants(&first.root).iter().map(|block| block.root).collect();
        assert_eq!(taken, [second.root, third.root]);
        assert_eq!((pool.len(), pool.bytes, pool.per_peer.len(), pool.by_parent.len()), (0, 0, 0, 0));
    }

    #[test]
    fn a_full_pool_keeps_the_nearest_blocks() {
        let mut pool = PendingBlocks::default();
        for n in 0..MAX_PENDING_BLOCKS as u64 {
            assert!(pool.insert(block(10 + n, Root::ZERO, n / 100)));
        }
        assert!(!pool.insert(block(100_000, Root::ZERO, 99)), "further ahead than all others");
        assert!(pool.insert(block(5, Root::ZERO, 99)));
        assert_eq!(pool.len(), MAX_PENDING_BLOCKS);
        assert_eq!(
            pool.blocks.last_key_value().map(|((slot, _), _)| slot.0),
            Some(10 + MAX_PENDING_BLOCKS as u64 - 2)
        );
    }

    #[test]
    fn a_peer_has_its_share() {
        let mut pool = PendingBlocks::default();
        for n in 0..MAX_PENDING_PER_PEER as u64 {
            assert!(pool.insert(block(n, Root::ZERO, 1)));
        }
        assert!(!pool.insert(block(1_000, Root::ZERO, 1)));
        assert!(pool.insert(block(1_000, Root::ZERO, 2)));
    }

    #[test]
    fn finality_clears_what_it_overtook() {
        let mut pool = PendingBlocks::default();
        for slot in 1..=4 {
            pool.insert(block(slot, Root::ZERO, 1));
        }
        pool.prune(Slot(2));
        assert_eq!(pool.len(), 2);
        assert_eq!(pool.blocks.first_key_value().map(|((slot, _), _)| *slot), Some(Slot(3)));
    }
}
