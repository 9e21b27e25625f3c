//! Blocks that wait for their parents.
//!
//! There are three rooms, so that what comes unasked cannot take the place of what was asked for: answers to our
//! requests, blocks whose parent is held here, and all others. Each is bounded in number and bytes. A full room of
//! unasked blocks takes the place from whoever has most in it ([`crate::share`]); a full room of answers lets go what
//! is furthest ahead, as the nearest blocks connect first. Nothing waits for ever, and nothing at or below the
//! finalized slot is kept.

use std::collections::{BTreeMap, BTreeSet};

use lathe_types::{MILLISECONDS_PER_SLOT, Root, Slot};

use super::arrived::ArrivedBlock;
use crate::io::{Millis, Peer};
use crate::share::{Sender, largest_part};
use crate::time::Timer;

/// Answers that may wait: four full range requests. Only what we asked for comes here.
const MAX_ANSWERS: usize = 256;
/// Bytes of them. A block is at most about 0.5 MiB of proof, one with raw proofs of few validators a few KiB.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// Blocks that may wait for a parent that is held: some slots with a few forks each.
const MAX_CHILDREN: usize = 64;
/// Other blocks that may wait. Each brings its parent's request, which makes all but the newest of them unnecessary.
const MAX_ORPHANS: usize = 128;
/// Bytes of either.
const MAX_UNASKED_BYTES: usize = 16 << 20;
/// How long an unasked block waits. By then its parent has come, or a newer block has led to it.
const UNASKED_FOR_MS: u64 = 8 * MILLISECONDS_PER_SLOT;
/// How long an answer waits: a walk back of a range takes no longer, even from slow peers.
const ANSWER_FOR_MS: u64 = 32 * MILLISECONDS_PER_SLOT;

/// Why a block is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Room {
    /// It answers a request of ours.
    Answer,
    /// Its parent is being checked, or waits here.
    Child,
    /// Nobody knows its parent.
    Orphan,
}

impl Room {
    fn bounds(self) -> (usize, usize) {
        match self {
            Self::Answer => (MAX_ANSWERS, MAX_ANSWER_BYTES),
            Self::Child => (MAX_CHILDREN, MAX_UNASKED_BYTES),
            Self::Orphan => (MAX_ORPHANS, MAX_UNASKED_BYTES),
        }
    }

    fn patience_ms(self) -> u64 {
        if self == Self::Answer { ANSWER_FOR_MS } else { UNASKED_FOR_MS }
    }
}

struct Entry {
    block: ArrivedBlock,
    room: Room,
    sender: Sender,
    until: Timer,
    /// Position in the order of arrival.
    number: u64,
}

/// The blocks that wait.
#[derive(Default)]
pub(super) struct PendingBlocks {
    entries: BTreeMap<(Slot, Root), Entry>,
    slots: BTreeMap<Root, Slot>,
    by_parent: BTreeMap<Root, BTreeSet<Root>>,
    /// Blocks and bytes in each room.
    held: BTreeMap<Room, (usize, usize)>,
    next: u64,
}

impl PendingBlocks {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Answers that wait.
    pub(super) fn answers(&self) -> usize {
        self.held.get(&Room::Answer).map_or(0, |(count, _)| *count)
    }

    pub(super) fn contains(&self, root: &Root) -> bool {
        self.slots.contains_key(root)
    }

    fn get(&self, root: &Root) -> Option<&ArrivedBlock> {
        self.entries.get(&(*self.slots.get(root)?, *root)).map(|entry| &entry.block)
    }

    /// Keeps `block` until its parent is imported. A block that already waits only learns of the further way; an answer
    /// moves to the room of answers. Returns false if there was no room.
    pub(super) fn insert(&mut self, now: Millis, block: ArrivedBlock, sender: Sender, room: Room) -> bool {
        let (mut block, room) = (block, room);
        if let Some(known) =
            self.slots.get(&block.root).and_then(|slot| self.entries.get_mut(&(*slot, block.root)))
        {
            known.block.by_gossip |= block.by_gossip;
            if known.room <= room {
                return true;
            }
            block.by_gossip = known.block.by_gossip;
            self.remove(&block.root.clone());
        }
        if !self.make_room(&block, sender, room) {
            return false;
        }
        let held = self.held.entry(room).or_default();
        *held = (held.0 + 1, held.1 + block.bytes());
        self.by_parent.entry(block.parent_root()).or_default().insert(block.root);
        self.slots.insert(block.root, block.slot());
        let until = Timer::after(now, room.patience_ms());
        self.entries
            .insert((block.slot(), block.root), Entry { block, room, sender, until, number: self.next });
        self.next += 1;
        true
    }

    fn make_room(&mut self, block: &ArrivedBlock, sender: Sender, room: Room) -> bool {
        let ((max_count, max_bytes), bytes) = (room.bounds(), block.bytes());
        loop {
            let (count, held_bytes) = self.held.get(&room).copied().unwrap_or_default();
            if count < max_count && held_bytes + bytes <= max_bytes {
                return true;
            }
            let victim = match room {
                Room::Answer => self.furthest_answer_after(block.slot()),
                Room::Child | Room::Orphan => self.oldest_of_the_largest_part(room, sender),
            };
            let Some(victim) = victim else { return false };
            self.remove(&victim);
        }
    }

    fn furthest_answer_after(&self, slot: Slot) -> Option<Root> {
        let answers = self.entries.iter().rev().filter(|(_, entry)| entry.room == Room::Answer);
        answers.take_while(|((ahead, _), _)| *ahead > slot).map(|((_, root), _)| *root).next()
    }

    /// The oldest block of whoever has most in the room; for one who has most itself, its own.
    fn oldest_of_the_largest_part(&self, room: Room, newcomer: Sender) -> Option<Root> {
        let held = || self.entries.values().filter(|entry| entry.room == room);
        let largest = largest_part(held().map(|entry| entry.sender), newcomer);
        let oldest = held().filter(|entry| entry.sender == largest).min_by_key(|entry| entry.number)?;
        Some(oldest.block.root)
    }

    /// Takes out the blocks that waited for `parent`, by root.
    pub(super) fn take_children(&mut self, parent: &Root) -> Vec<ArrivedBlock> {
        let children = self.by_parent.get(parent).cloned().unwrap_or_default();
        children.iter().filter_map(|root| self.remove(root)).collect()
    }

    /// Takes out everything that descends from `root`.
    pub(super) fn take_descendants(&mut self, root: &Root) -> Vec<ArrivedBlock> {
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
    pub(super) fn prune(&mut self, finalized: Slot) {
        while let Some(((slot, root), _)) = self.entries.first_key_value() {
            if *slot > finalized {
                break;
            }
            let root = *root;
            self.remove(&root);
        }
    }

    /// Drops what has waited for too long.
    pub(super) fn expire(&mut self, now: Millis) {
        let late = self.entries.iter().filter(|(_, entry)| entry.until.is_due(now));
        for root in late.map(|((_, root), _)| *root).collect::<Vec<_>>() {
            self.remove(&root);
        }
    }

    /// Drops what a peer that is gone sent unasked: nobody can be asked for the parents.
    pub(super) fn forget(&mut self, peer: Peer) {
        let theirs = |entry: &Entry| entry.sender.peer == peer && entry.room == Room::Orphan;
        let orphans = self.entries.iter().filter(|(_, entry)| theirs(entry));
        for root in orphans.map(|((_, root), _)| *root).collect::<Vec<_>>() {
            self.remove(&root);
        }
    }

    /// The earliest ancestor of `root` that waits here too: its parent is what is missing.
    pub(super) fn oldest_waiting_ancestor(&self, root: &Root) -> Option<&ArrivedBlock> {
        let mut block = self.get(root)?;
        // Slots fall from child to parent or the walk ends, so a cycle is impossible.
        while let Some(parent) = self.get(&block.parent_root()).filter(|parent| parent.slot() < block.slot())
        {
            block = parent;
        }
        Some(block)
    }

    /// Whether anything waits for `parent`.
    pub(super) fn has_children(&self, parent: &Root) -> bool {
        self.by_parent.contains_key(parent)
    }

    fn remove(&mut self, root: &Root) -> Option<ArrivedBlock> {
        let slot = self.slots.remove(root)?;
        let Entry { block, room, .. } = self.entries.remove(&(slot, *root))?;
        if let Some(held) = self.held.get_mut(&room) {
            *held = (held.0 - 1, held.1 - block.bytes());
        }
        if let Some(siblings) = self.by_parent.get_mut(&block.parent_root()) {
            siblings.remove(root);
            if siblings.is_empty() {
                self.by_parent.remove(&block.parent_root());
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
    use crate::io::{Group, Origin, RequestId};

    const NOW: Millis = Millis(0);

    fn block(slot: u64, parent: Root) -> ArrivedBlock {
        let mut signed = SignedBlock::default();
        signed.block.slot = Slot(slot);
        signed.block.parent_root = parent;
        ArrivedBlock {
            root: signed.block.tree_hash_root(),
            block: Arc::new(signed),
            origins: vec![Origin::Response { request: RequestId(0), peer: Peer(0) }],
            arrived: NOW,
            by_gossip: false,
        }
    }

    fn sender(group: u64, peer: u64) -> Sender {
        Sender { group: Group(group), peer: Peer(peer) }
    }

    fn root(n: u64) -> Root {
        let mut root = Root::ZERO;
        root[..8].copy_from_slice(&n.to_le_bytes());
        root
    }

    /// Fills the room of orphans as six peers of two addresses would.
    fn flooded() -> PendingBlocks {
        let mut pool = PendingBlocks::default();
        for n in 0..10 * MAX_ORPHANS as u64 {
            pool.insert(NOW, block(1 + n / 10_000, root(n)), sender(n % 2, n % 6), Room::Orphan);
        }
        assert_eq!(pool.len(), MAX_ORPHANS);
        pool
    }

    #[test]
    fn children_and_descendants() {
        let mut pool = PendingBlocks::default();
        let first = block(1, Root::ZERO);
        let second = block(2, first.root);
        let third = block(3, second.root);
        for block in [&third, &second, &first] {
            assert!(pool.insert(NOW, block.clone(), sender(1, 1), Room::Answer));
        }
        assert_eq!(pool.oldest_waiting_ancestor(&third.root).map(|block| block.root), Some(first.root));
        let taken: Vec<Root> = pool.take_children(&Root::ZERO).iter().map(|block| block.root).collect();
        assert_eq!(taken, [first.root]);
        let taken: Vec<Root> = pool.take_descendants(&first.root).iter().map(|block| block.root).collect();
        assert_eq!(taken, [second.root, third.root]);
        assert_eq!((pool.len(), pool.answers(), pool.by_parent.len()), (0, 0, 0));
        assert_eq!(pool.held.values().copied().collect::<Vec<_>>(), [(0, 0)]);
    }

    #[test]
    fn a_flood_takes_no_room_from_answers_and_children() {
        let mut pool = flooded();
        for n in 0..MAX_ANSWERS as u64 {
            assert!(pool.insert(NOW, block(10 + n, Root::ZERO), sender(0, 0), Room::Answer));
        }
        assert!(pool.insert(NOW, block(3, Root::ZERO), sender(0, 0), Room::Child));
        assert_eq!(pool.len(), MAX_ORPHANS + MAX_ANSWERS + 1);
    }

    #[test]
    fn a_flood_takes_no_room_from_other_addresses_and_from_quieter_peers() {
        for honest in [sender(9, 99), sender(0, 99)] {
            let mut pool = flooded();
            let ours = block(7, Root::repeat_byte(7));
            assert!(pool.insert(NOW, ours.clone(), honest, Room::Orphan));
            for n in 0..1_000_u64 {
                let junk = block(1_000 + n, Root::repeat_byte(8));
                pool.insert(NOW, junk, sender(n % 2, n % 6), Room::Orphan);
            }
            assert!(pool.contains(&ours.root), "{honest:?}");
            assert_eq!(pool.len(), MAX_ORPHANS);
        }
    }

    #[test]
    fn full_of_answers_it_keeps_the_nearest() {
        let mut pool = PendingBlocks::default();
        for n in 0..MAX_ANSWERS as u64 {
            assert!(pool.insert(NOW, block(10 + n, Root::ZERO), sender(n, n), Room::Answer));
        }
        assert!(!pool.insert(NOW, block(100_000, Root::ZERO), sender(9, 9), Room::Answer));
        let near = block(5, Root::ZERO);
        assert!(pool.insert(NOW, near.clone(), sender(9, 9), Room::Answer));
        assert!(pool.contains(&near.root));
        let furthest = pool.entries.last_key_value().map(|((slot, _), _)| slot.0);
        assert_eq!(furthest, Some(10 + MAX_ANSWERS as u64 - 2));
    }

    #[test]
    fn an_orphan_that_is_asked_for_moves_to_the_answers() {
        let mut pool = PendingBlocks::default();
        let orphan = block(5, Root::ZERO);
        pool.insert(NOW, orphan.clone(), sender(1, 1), Room::Orphan);
        assert_eq!(pool.answers(), 0);
        pool.insert(NOW, orphan.clone(), sender(2, 2), Room::Answer);
        pool.insert(NOW, orphan, sender(1, 1), Room::Orphan);
        assert_eq!((pool.answers(), pool.len()), (1, 1));
    }

    #[test]
    fn nothing_waits_for_ever_and_orphans_leave_with_their_sender() {
        let mut pool = PendingBlocks::default();
        pool.insert(NOW, block(5, Root::ZERO), sender(1, 1), Room::Orphan);
        pool.insert(NOW, block(6, Root::ZERO), sender(1, 1), Room::Answer);
        pool.expire(NOW.plus(UNASKED_FOR_MS - 1));
        assert_eq!(pool.len(), 2);
        pool.expire(NOW.plus(UNASKED_FOR_MS));
        assert_eq!((pool.len(), pool.answers()), (1, 1));
        pool.expire(NOW.plus(ANSWER_FOR_MS));
        assert_eq!(pool.len(), 0);
        for (slot, room) in [(5, Room::Orphan), (6, Room::Child), (7, Room::Answer)] {
            pool.insert(NOW, block(slot, Root::ZERO), sender(1, 1), room);
        }
        pool.forget(Peer(1));
        assert_eq!(pool.len(), 2);
    }

    #[test]
    fn finality_clears_what_it_overtook() {
        let mut pool = PendingBlocks::default();
        for slot in 1..=4 {
            pool.insert(NOW, block(slot, Root::ZERO), sender(1, 1), Room::Orphan);
        }
        pool.prune(Slot(2));
        assert_eq!(pool.len(), 2);
        assert_eq!(pool.entries.first_key_value().map(|((slot, _), _)| *slot), Some(Slot(3)));
    }
}
