//! What a simulated machine keeps: a database and a signing ledger, both of which lose unsynced writes with the power.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use lathe_engine::{Anchor, Batch, KeyRole, Sequence};
use lathe_types::{
    Checkpoint, MultiMessageAggregate, Root, SignedBlock, Slot, State, TreeHash, ValidatorIndex,
};

/// The contents of a database.
#[derive(Clone)]
struct Contents {
    blocks: BTreeMap<Root, Arc<SignedBlock>>,
    states: BTreeMap<Root, Arc<State>>,
    canonical: BTreeMap<Slot, Root>,
    head: Option<Checkpoint>,
    finalized: Checkpoint,
}

impl Contents {
    fn apply(&mut self, batch: &Batch) {
        for (root, block, state) in &batch.blocks {
            self.blocks.insert(*root, block.clone());
            self.states.insert(*root, state.clone());
        }
        for (slot, root) in &batch.canonical {
            match root {
                Some(root) => self.canonical.insert(*slot, *root),
                None => self.canonical.remove(slot),
            };
        }
        self.head = batch.head.or(self.head);
        self.finalized = batch.finalized.unwrap_or(self.finalized);
        for root in &batch.drop_states {
            self.states.remove(root);
        }
    }
}

/// A database.
pub(crate) struct Disk {
    /// What a reader sees.
    written: Contents,
    /// What survives a power loss.
    synced: Contents,
    unsynced: VecDeque<(Sequence, Batch)>,
}

impl Disk {
    pub(crate) fn new(anchor: &Anchor) -> Self {
        // Every simulated chain begins at genesis.
        let block = lathe_transition::genesis_block(&anchor.state);
        let root = block.tree_hash_root();
        let finalized = Checkpoint { root, slot: block.slot };
        let block = Arc::new(SignedBlock { block, proof: MultiMessageAggregate::default() });
        let contents = Contents {
            blocks: [(root, block)].into(),
            states: [(root, anchor.state.clone())].into(),
            canonical: [(finalized.slot, root)].into(),
            head: Some(finalized),
            finalized,
        };
        Self { written: contents.clone(), synced: contents, unsynced: VecDeque::new() }
    }

    pub(crate) fn write(&mut self, sequence: Sequence, batch: Batch) {
        self.written.apply(&batch);
        self.unsynced.push_back((sequence, batch));
    }

    /// Everything up to `sequence` survives from now on. Returns the finalized checkpoint that does.
    pub(crate) fn sync(&mut self, sequence: Sequence) -> Checkpoint {
        while self.unsynced.front().is_some_and(|(first, _)| *first <= sequence) {
            if let Some((_, batch)) = self.unsynced.pop_front() {
                self.synced.apply(&batch);
            }
        }
        self.synced.finalized
    }

    pub(crate) fn lose_power(&mut self) {
        self.unsynced.clear();
        self.written = self.synced.clone();
    }

    /// Where the engine starts again: the finalized block and what descends from it.
    pub(crate) fn anchor(&self) -> Option<Anchor> {
        let contents = &self.synced;
        let finalized = contents.finalized.root;
        let mut reached = std::collections::BTreeSet::from([finalized]);
        let mut blocks: Vec<_> = contents.blocks.iter().collect();
        blocks.sort_by_key(|(root, block)| (block.block.slot, **root));
        let later = blocks
            .into_iter()
            .filter_map(|(root, block)| {
                let state = contents.states.get(root)?;
                (reached.contains(&block.block.parent_root) && reached.insert(*root))
                    .then(|| (block.clone(), state.clone()))
            })
            .collect();
        Some(Anchor {
            header: contents.blocks.get(&finalized)?.block.header(),
            state: contents.states.get(&finalized)?.clone(),
            later,
            head: contents.head.map(|head| head.root),
        })
    }

    pub(crate) fn block(&self, root: &Root) -> Option<&Arc<SignedBlock>> {
        self.written.blocks.get(root)
    }

    /// Canonical blocks of a range of slots.
    pub(crate) fn range(&self, start: Slot, count: u64) -> Vec<Arc<SignedBlock>> {
        let range = start..Slot(start.0.saturating_add(count));
        self.written.canonical.range(range).filter_map(|(_, root)| self.block(root)).cloned().collect()
    }
}

/// What was signed, per key and slot.
#[derive(Default)]
pub(crate) struct Ledger {
    synced: BTreeMap<(ValidatorIndex, KeyRole, Slot), Root>,
}

impl Ledger {
    /// Records durably that `root` is about to be signed; false if the slot is used for another root.
    pub(crate) fn record(
        &mut self,
        validator: ValidatorIndex,
        role: KeyRole,
        slot: Slot,
        root: Root,
    ) -> bool {
        *self.synced.entry((validator, role, slot)).or_insert(root) == root
    }
}
