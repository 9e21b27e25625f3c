//! Reads back the finalized block and its descendants, each state sharing its lists with its parent's.

use std::collections::HashMap;
use std::iter::repeat_n;
use std::sync::Arc;
use std::vec;

use lathe_types::{Checkpoint, HistoricalBlockHashes, Root, Slot, Validators};

use crate::chain::{ChainDb, Database as _, extend};
use crate::error::StorageError;
use crate::format::IndexEntry;
use crate::key_value::KeyValue;
use crate::model::ImportedBlock;

pub(crate) struct Restore<'a, K> {
    db: &'a ChainDb<K>,
    entries: vec::IntoIter<(Root, IndexEntry)>,
    /// Slot and memory of the finalized block and of all that were yielded. A block whose parent is not here does not
    /// descend from the finalized one, or a state between them is gone.
    yielded: HashMap<Root, (Slot, HistoricalBlockHashes)>,
    registries: HashMap<Root, Validators>,
    finalized: Root,
}

impl<'a, K: KeyValue> Restore<'a, K> {
    pub(crate) fn new(db: &'a ChainDb<K>, finalized: Checkpoint) -> Result<Self, StorageError> {
        let mut entries: Vec<_> = db.index_from(finalized.slot)?.into_iter().collect();
        entries.sort_unstable_by_key(|(root, entry)| (entry.slot, *root));
        let history = db.finalized_history(finalized.slot)?;
        Ok(Self {
            db,
            entries: entries.into_iter(),
            yielded: HashMap::from([(finalized.root, (finalized.slot, history))]),
            registries: HashMap::new(),
            finalized: finalized.root,
        })
    }

    fn restore(&mut self, root: Root, entry: &IndexEntry) -> Result<Option<ImportedBlock>, StorageError> {
        let Some(history) = self.history(root, entry)? else { return Ok(None) };
        let Some(record) = self.db.state_record(entry.slot, root)? else { return Ok(None) };
        let registry = match self.registries.get(&record.registry) {
            Some(registry) => registry.clone(),
            None => {
                let registry = self.db.registry(record.registry)?;
                self.registries.insert(record.registry, registry.clone());
                registry
            }
        };
        self.yielded.insert(root, (entry.slot, history.clone()));
        let state = record.complete(root, entry.state_root, registry, history)?;
        let block = match self.db.block(root)? {
            Some(block) => block,
            None if root == self.finalized => return Ok(None),
            None => return Err(StorageError::corrupt(format!("no block {root}"))),
        };
        Ok(Some(ImportedBlock { root, block: Arc::new(block), state: Arc::new(state) }))
    }

    /// What the state after this block remembers; `None` if its parent was not yielded.
    fn history(&self, root: Root, entry: &IndexEntry) -> Result<Option<HistoricalBlockHashes>, StorageError> {
        if let Some((_, history)) = self.yielded.get(&root) {
            return Ok(Some(history.clone()));
        }
        let Some((parent_slot, history)) = self.yielded.get(&entry.parent) else { return Ok(None) };
        let Some(empty) = entry.slot.0.checked_sub(parent_slot.0 + 1) else { return Ok(None) };
        let mut history = history.clone();
        let empty = usize::try_from(empty).map_err(|_| StorageError::corrupt("a slot beyond all reach"))?;
        extend(&mut history, [entry.parent].into_iter().chain(repeat_n(Root::ZERO, empty)))?;
        Ok(Some(history))
    }
}

impl<K: KeyValue> Iterator for Restore<'_, K> {
    type Item = Result<ImportedBlock, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (root, entry) = self.entries.next()?;
            if let Some(outcome) = self.restore(root, &entry).transpose() {
                return Some(outcome);
            }
        }
    }
}
