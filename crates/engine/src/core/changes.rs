//! What a change of the store means to the world: events, what is written, what is let go.

use std::collections::BTreeMap;

use lathe_types::{Checkpoint, Root, Slot};

use super::state::Core;
use crate::io::{Batch, Effect, Event, ImportedBlock};

/// The store's checkpoints at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) head: Checkpoint,
    justified: Checkpoint,
    finalized: Checkpoint,
    safe_target: Checkpoint,
}

impl Core {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            head: self.store.head(),
            justified: self.store.latest_justified(),
            finalized: self.store.latest_finalized(),
            safe_target: self.store.safe_target(),
        }
    }

    /// Announces and persists what changed since `before`.
    pub(crate) fn store_changed(&mut self, before: &Snapshot, blocks: Vec<ImportedBlock>) {
        self.store_changed_from(before, before.head.root, Batch { blocks, ..Batch::default() });
    }

    /// The same for a chain that was cut: `stem` is the newest block of the old chain that the store still knows, and
    /// `batch` holds what the cut itself changes.
    pub(crate) fn store_changed_from(&mut self, before: &Snapshot, stem: Root, mut batch: Batch) {
        let after = self.snapshot();
        if after == *before && batch.blocks.is_empty() && batch.drop_states.is_empty() {
            return;
        }
        self.view_is_stale();
        if after.head != before.head {
            let cut = batch.canonical.len() as u64;
            let (canonical, reorg_depth) = self.canonical_changes(stem, after.head.root);
            let reorg_depth = reorg_depth + cut;
            batch.canonical.extend(canonical);
            batch.head = Some(after.head);
            self.announce(Event::Head { head: after.head, reorg_depth });
        }
        if after.justified != before.justified {
            batch.justified = Some(after.justified);
            self.announce(Event::Justified(after.justified));
        }
        if after.finalized != before.finalized {
            batch.finalized = Some(after.finalized);
            self.announce(Event::Finalized(after.finalized));
            if after.finalized.slot > before.finalized.slot {
                let pruned = self.store.prune_finalized();
                batch.drop_states.extend([pruned.canonical, pruned.orphaned].concat());
            }
        }
        if after.safe_target != before.safe_target {
            self.announce(Event::SafeTarget(after.safe_target));
        }
        if !batch.blocks.is_empty()
            || batch.head.is_some()
            || batch.justified.is_some()
            || batch.finalized.is_some()
            || !batch.drop_states.is_empty()
        {
            let sequence = self.persistence.next();
            self.push(Effect::Persist { sequence, batch });
        }
    }

    /// Persists where the chain that fork choice selects at a restart differs from the one that was recorded.
    pub(crate) fn resume_head(&mut self, recorded: Option<Root>) {
        if let Some(recorded) = recorded.and_then(|root| self.store.block(&root)) {
            let head = Checkpoint { root: recorded.root, slot: recorded.slot };
            self.store_changed(&Snapshot { head, ..self.snapshot() }, Vec::new());
        }
    }

    /// Slots whose canonical block changes when the head moves, and how many blocks leave the chain.
    fn canonical_changes(&self, mut old: Root, mut new: Root) -> (Vec<(Slot, Option<Root>)>, u64) {
        let mut changes = BTreeMap::new();
        let mut depth = 0;
        while old != new {
            let (Some(old_block), Some(new_block)) = (self.store.block(&old), self.store.block(&new)) else {
                break;
            };
            // The later of the two cannot be the common ancestor.
            if old_block.slot >= new_block.slot {
                changes.entry(old_block.slot).or_insert(None);
                depth += 1;
                old = old_block.parent_root;
            } else {
                changes.insert(new_block.slot, Some(new));
                new = new_block.parent_root;
            }
        }
        (changes.into_iter().collect(), depth)
    }
}
