//! The chain in columns: what every backend stores, and by which rules.
//!
//! A state is written without the two lists that grow or never change: its registry stands once under its root, and
//! the block roots that it remembers follow from the chain of parents, so that only those before the finalized block
//! are written out, each once. A state read back must have the root that its block commits to.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use lathe_types::{
    Checkpoint, Encode, HistoricalBlockHashes, Root, SignedBlock, Slot, State, TreeHash as _, Validators,
};
use parking_lot::Mutex;

use crate::error::{BatchFlaw, StorageError};
use crate::format::{
    FORMAT, IndexEntry, StateRecord, decode_block, decode_checkpoint, decode_format, decode_network,
    decode_registry, decode_root, decode_slot, decode_slot_root, encode_network, meta, slot_key, slot_root,
    slots,
};
use crate::key_value::{Column, KeyValue, Op, Visitor};
use crate::model::{BareAnchor, Batch, Checkpoints, ImportedBlock, NetworkId};
use crate::restore::Restore;

/// Finalized slots whose blocks stay for serving peers: four hours, the specification's minimum for block requests.
pub const HISTORY_SLOTS: u64 = 3600;

/// The blocks that [`Database::unfinalized`] yields.
pub(crate) type Unfinalized<'a> = Box<dyn Iterator<Item = Result<ImportedBlock, StorageError>> + Send + 'a>;

/// A visitor that may fail.
type Reader<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StorageError> + 'a;

/// What the node asks of its database.
pub trait Database: Send + Sync {
    /// Writes a batch, all or nothing, and returns once it survives a power loss. After a failed write the handle
    /// refuses every further one.
    fn write(&self, batch: &Batch) -> Result<(), StorageError>;

    /// Where the stored chain stands; `None` in an empty database.
    fn checkpoints(&self) -> Result<Option<Checkpoints>, StorageError>;

    /// A block.
    fn block(&self, root: Root) -> Result<Option<SignedBlock>, StorageError>;

    /// A block in SSZ, for serving it without decoding it.
    fn block_ssz(&self, root: Root) -> Result<Option<Vec<u8>>, StorageError>;

    /// The state after a block: the finalized one and those of its descendants are kept.
    fn state(&self, root: Root) -> Result<Option<State>, StorageError>;

    /// The canonical block of a slot.
    fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, StorageError>;

    /// The canonical blocks of `count` slots from `start` on, ascending; empty slots are left out.
    fn canonical_range(&self, start: Slot, count: u64) -> Result<Vec<(Slot, Root)>, StorageError>;

    /// The lowest slot from which on canonical blocks are kept.
    fn earliest_slot(&self) -> Result<Slot, StorageError>;

    /// The root that the finalized state remembers at a slot before its own: zero for an empty slot, `None` if it
    /// remembers nothing there.
    fn history_root(&self, slot: Slot) -> Result<Option<Root>, StorageError>;

    /// Adds canonical blocks below [`Self::earliest_slot`], which becomes `earliest`: all blocks from there on must be
    /// among them. Does nothing if that is not lower.
    fn add_history(&self, blocks: &[(Root, Arc<SignedBlock>)], earliest: Slot) -> Result<(), StorageError>;

    /// The finalized block and its descendants with their states, for starting up: parents before children, and no
    /// child without its parent.
    /// Their states share what they have in common. A finalized block that is known by its header alone is left out.
    fn unfinalized(&self) -> Result<Unfinalized<'_>, StorageError>;
}

/// The chain over a backend.
pub struct ChainDb<K> {
    kv: K,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Writer {
    failed: bool,
    /// The registry seen last: it hardly ever changes, and reading it only to learn that it is there costs.
    stored_registry: Option<Root>,
}

impl<K: KeyValue> ChainDb<K> {
    /// Opens the database of `network`, making it if the backend is empty. `path` is for messages.
    pub(crate) fn over(kv: K, network: &NetworkId, path: &Path) -> Result<Self, StorageError> {
        if kv.get(Column::Meta, meta::FORMAT)?.is_none() {
            Self::initialise(&kv, network)?;
        }
        Self::open(kv, network, path)
    }

    /// Makes an empty backend a database of `network`.
    pub fn initialise(kv: &K, network: &NetworkId) -> Result<(), StorageError> {
        kv.write(vec![
            Op::Put(Column::Meta, meta::FORMAT.into(), FORMAT.to_be_bytes().into()),
            Op::Put(Column::Meta, meta::NETWORK.into(), encode_network(network)),
        ])
    }

    /// Opens what [`Self::initialise`] made, for the same network. `path` is for messages.
    pub fn open(kv: K, network: &NetworkId, path: &Path) -> Result<Self, StorageError> {
        let path = || path.to_owned();
        let Some(found) = kv.get(Column::Meta, meta::FORMAT)? else {
            return Err(StorageError::NotADatabase { path: path() });
        };
        let found = decode_format(&found)?;
        if found != FORMAT {
            return Err(StorageError::Format { path: path(), found, expected: FORMAT });
        }
        let found =
            kv.get(Column::Meta, meta::NETWORK)?.ok_or_else(|| StorageError::corrupt("no network"))?;
        let found = decode_network(&found)?;
        if found != *network {
            let (found, expected) = (Box::new(found), Box::new(network.clone()));
            return Err(StorageError::ForeignNetwork { path: path(), found, expected });
        }
        Ok(Self { kv, writer: Mutex::default() })
    }

    fn checkpoint(&self, name: &[u8]) -> Result<Option<Checkpoint>, StorageError> {
        self.kv.get(Column::Meta, name)?.map(|bytes| decode_checkpoint(&bytes)).transpose()
    }

    pub(crate) fn index(&self, root: Root) -> Result<Option<IndexEntry>, StorageError> {
        self.kv.get(Column::Index, root.as_slice())?.map(|bytes| IndexEntry::decode(&bytes)).transpose()
    }

    /// Every block from `slot` on.
    pub(crate) fn index_from(&self, slot: Slot) -> Result<HashMap<Root, IndexEntry>, StorageError> {
        let mut entries = HashMap::new();
        // One byte more than any root, so that the range has no gap at its end.
        self.scan(Column::Index, vec![]..vec![0xff; 33], &mut |key, value| {
            let entry = IndexEntry::decode(value)?;
            if entry.slot >= slot {
                entries.insert(decode_root(key)?, entry);
            }
            Ok(())
        })?;
        Ok(entries)
    }

    pub(crate) fn state_record(&self, slot: Slot, root: Root) -> Result<Option<StateRecord>, StorageError> {
        self.kv
            .get(Column::States, &slot_root(slot, root))?
            .map(|bytes| StateRecord::decode(&bytes))
            .transpose()
    }

    pub(crate) fn registry(&self, root: Root) -> Result<Validators, StorageError> {
        let bytes = self.kv.get(Column::Registries, root.as_slice())?;
        decode_registry(&bytes.ok_or_else(|| StorageError::corrupt(format!("no registry {root}")))?)
    }

    /// The block roots that the finalized state remembers.
    pub(crate) fn finalized_history(&self, finalized: Slot) -> Result<HistoricalBlockHashes, StorageError> {
        let mut roots = Vec::new();
        self.scan(Column::History, slots(Slot(0)..finalized), &mut |_, root| {
            roots.push(decode_root(root)?);
            Ok(())
        })?;
        if roots.len() as u64 != finalized.0 {
            return Err(StorageError::corrupt(format!("{} roots before slot {finalized}", roots.len())));
        }
        HistoricalBlockHashes::new(roots)
            .map_err(|_| StorageError::corrupt("more block roots than a state holds"))
    }

    /// Visits the keys of a range until the visitor fails.
    pub(crate) fn scan(
        &self,
        column: Column,
        range: Range<Vec<u8>>,
        visit: &mut Reader<'_>,
    ) -> Result<(), StorageError> {
        let mut outcome = Ok(());
        let visitor: &mut Visitor<'_> = &mut |key, value| {
            outcome = visit(key, value);
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.kv.scan(column, range, visitor)?;
        outcome
    }

    /// Writes changes; after a failure no more are accepted.
    pub(crate) fn apply(&self, ops: Vec<Op>) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        if writer.failed {
            return Err(StorageError::HandleFailed);
        }
        let written = self.kv.write(ops);
        writer.failed = written.is_err();
        written
    }

    pub(crate) fn slot_roots(
        &self,
        column: Column,
        range: Range<Slot>,
    ) -> Result<Vec<(Slot, Root)>, StorageError> {
        let mut keys = Vec::new();
        self.scan(column, slots(range), &mut |key, _| {
            keys.push(decode_slot_root(key)?);
            Ok(())
        })?;
        Ok(keys)
    }
}

impl<K: KeyValue> Database for ChainDb<K> {
    fn write(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        if writer.failed {
            return Err(StorageError::HandleFailed);
        }
        let mut draft = Draft { db: self, batch, index: HashMap::new(), ops: Vec::new() };
        let registry = draft.blocks(writer.stored_registry)?;
        draft.canonical();
        draft.checkpoints()?;
        let ops = draft.ops;
        let written = self.kv.write(ops);
        writer.failed = written.is_err();
        writer.stored_registry = registry;
        written
    }

    fn checkpoints(&self) -> Result<Option<Checkpoints>, StorageError> {
        let Some(finalized) = self.checkpoint(meta::FINALIZED)? else { return Ok(None) };
        Ok(Some(Checkpoints {
            head: self.checkpoint(meta::HEAD)?.unwrap_or(finalized),
            justified: self.checkpoint(meta::JUSTIFIED)?.unwrap_or(finalized),
            finalized,
        }))
    }

    fn block(&self, root: Root) -> Result<Option<SignedBlock>, StorageError> {
        self.block_ssz(root)?.map(|bytes| decode_block(&bytes)).transpose()
    }

    fn block_ssz(&self, root: Root) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(entry) = self.index(root)? else { return Ok(None) };
        self.kv.get(Column::Blocks, &slot_root(entry.slot, root))
    }

    fn state(&self, root: Root) -> Result<Option<State>, StorageError> {
        let (Some(entry), Some(finalized)) = (self.index(root)?, self.checkpoint(meta::FINALIZED)?) else {
            return Ok(None);
        };
        let Some(record) = self.state_record(entry.slot, root)? else { return Ok(None) };
        let Some(newer) = roots_between(|root| self.index(root), finalized, root)? else { return Ok(None) };
        let mut history = self.finalized_history(finalized.slot)?;
        extend(&mut history, newer)?;
        let registry = self.registry(record.registry)?;
        record.complete(root, entry.state_root, registry, history).map(Some)
    }

    fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, StorageError> {
        self.kv.get(Column::Canonical, &slot_key(slot))?.map(|bytes| decode_root(&bytes)).transpose()
    }

    fn canonical_range(&self, start: Slot, count: u64) -> Result<Vec<(Slot, Root)>, StorageError> {
        let mut found = Vec::new();
        self.scan(
            Column::Canonical,
            slots(start..Slot(start.0.saturating_add(count))),
            &mut |slot, root| {
                found.push((decode_slot(slot)?, decode_root(root)?));
                Ok(())
            },
        )?;
        Ok(found)
    }

    fn earliest_slot(&self) -> Result<Slot, StorageError> {
        self.kv.get(Column::Meta, meta::EARLIEST)?.map_or(Ok(Slot(0)), |bytes| decode_slot(&bytes))
    }

    fn history_root(&self, slot: Slot) -> Result<Option<Root>, StorageError> {
        self.kv.get(Column::History, &slot_key(slot))?.map(|bytes| decode_root(&bytes)).transpose()
    }

    fn add_history(&self, blocks: &[(Root, Arc<SignedBlock>)], earliest: Slot) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        if writer.failed {
            return Err(StorageError::HandleFailed);
        }
        if earliest >= self.earliest_slot()? {
            return Ok(());
        }
        let mut ops = vec![Op::Put(Column::Meta, meta::EARLIEST.into(), slot_key(earliest))];
        for (root, block) in blocks {
            let entry = IndexEntry::of(&block.block);
            ops.push(Op::Put(Column::Index, root.to_vec(), entry.encode()));
            ops.push(Op::Put(Column::Blocks, slot_root(entry.slot, *root), block.as_ssz_bytes()));
            ops.push(Op::Put(Column::Canonical, slot_key(entry.slot), root.to_vec()));
        }
        let written = self.kv.write(ops);
        writer.failed = written.is_err();
        written
    }

    fn unfinalized(&self) -> Result<Unfinalized<'_>, StorageError> {
        Ok(match self.checkpoint(meta::FINALIZED)? {
            Some(finalized) => Box::new(Restore::new(self, finalized)?),
            None => Box::new(std::iter::empty()),
        })
    }
}

/// A batch on its way to operations.
struct Draft<'a, K> {
    db: &'a ChainDb<K>,
    batch: &'a Batch,
    /// The batch's own blocks.
    index: HashMap<Root, IndexEntry>,
    ops: Vec<Op>,
}

impl<K: KeyValue> Draft<'_, K> {
    /// Adds blocks and states; returns the registry that is stored for certain once the batch is.
    fn blocks(&mut self, mut stored_registry: Option<Root>) -> Result<Option<Root>, StorageError> {
        if let Some(BareAnchor { root, header, state }) = &self.batch.anchor {
            self.state(*root, IndexEntry::of_header(header), state, &mut stored_registry)?;
        }
        for ImportedBlock { root, block, state } in &self.batch.blocks {
            let entry = IndexEntry::of(&block.block);
            self.state(*root, entry, state, &mut stored_registry)?;
            self.put(Column::Blocks, slot_root(entry.slot, *root), block.as_ssz_bytes());
        }
        Ok(stored_registry)
    }

    /// Adds the state after a block and the block's place in the chain.
    fn state(
        &mut self,
        root: Root,
        entry: IndexEntry,
        state: &State,
        stored_registry: &mut Option<Root>,
    ) -> Result<(), StorageError> {
        let remembered = state.historical_block_hashes.len();
        if remembered as u64 != entry.slot.0 {
            let flaw = BatchFlaw::History { root, slot: entry.slot, roots: remembered };
            return Err(StorageError::Inconsistent(flaw));
        }
        let registry = state.validators.tree_hash_root();
        if *stored_registry != Some(registry) {
            self.put(Column::Registries, registry.to_vec(), state.validators.as_ssz_bytes());
            *stored_registry = Some(registry);
        }
        self.put(Column::Index, root.to_vec(), entry.encode());
        self.put(Column::States, slot_root(entry.slot, root), StateRecord::encode(registry, state));
        self.index.insert(root, entry);
        Ok(())
    }

    fn canonical(&mut self) {
        for (slot, root) in &self.batch.canonical {
            let key = slot_key(*slot);
            self.ops.push(match root {
                Some(root) => Op::Put(Column::Canonical, key, root.to_vec()),
                None => Op::Delete(Column::Canonical, key),
            });
        }
    }

    fn checkpoints(&mut self) -> Result<(), StorageError> {
        for (name, checkpoint) in [(meta::HEAD, self.batch.head), (meta::JUSTIFIED, self.batch.justified)] {
            if let Some(Checkpoint { root, slot }) = checkpoint {
                self.put(Column::Meta, name.into(), slot_root(slot, root));
            }
        }
        let stored = self.db.checkpoint(meta::FINALIZED)?;
        let advance = self.batch.finalized.filter(|new| stored.is_none_or(|stored| new.slot > stored.slot));
        let Some(finalized) = advance.or(stored) else {
            return Err(StorageError::Inconsistent(BatchFlaw::NoAnchor));
        };
        if advance.is_some() {
            self.finalize(stored, finalized)?;
        }
        for root in self.batch.drop_states.iter().filter(|root| **root != finalized.root) {
            if let Some(entry) = self.index(*root)? {
                self.ops.push(Op::Delete(Column::States, slot_root(entry.slot, *root)));
            }
        }
        Ok(())
    }

    fn finalize(&mut self, stored: Option<Checkpoint>, finalized: Checkpoint) -> Result<(), StorageError> {
        let Checkpoint { root, slot } = finalized;
        let blocks = self.batch.blocks.iter().map(|block| (block.root, &block.state));
        let bare = self.batch.anchor.iter().map(|anchor| (anchor.root, &anchor.state));
        let imported = blocks.chain(bare).find_map(|(found, state)| (found == root).then_some(state));
        let has_state = imported.is_some() || self.db.state_record(slot, root)?.is_some();
        let descent = match stored {
            Some(stored) if has_state => roots_between(|root| self.index(root), stored, root)?,
            _ => None,
        };
        let earliest = self.db.earliest_slot()?;
        let (first_row, rows, keep_from) = match (descent, imported, stored) {
            (Some(rows), _, Some(stored)) => {
                (stored.slot, rows, Slot(slot.0.saturating_sub(HISTORY_SLOTS)).max(earliest))
            }
            // An anchor: the start of the database, or of a chain that was synchronised from elsewhere.
            (_, Some(state), _) => {
                let is_bare = self.batch.anchor.as_ref().is_some_and(|anchor| anchor.root == root);
                let held_from = Slot(slot.0 + u64::from(is_bare));
                (Slot(0), state.historical_block_hashes.to_vec(), held_from)
            }
            (_, None, None) => return Err(StorageError::Inconsistent(BatchFlaw::NoAnchor)),
            (_, None, Some(_)) => {
                return Err(StorageError::Inconsistent(BatchFlaw::Finalized { root, slot }));
            }
        };
        for (row, root) in (first_row.0..).zip(rows) {
            self.put(Column::History, slot_key(Slot(row)), root.to_vec());
        }
        self.put(Column::Meta, meta::FINALIZED.into(), slot_root(slot, root));
        self.drop_finalized_states(stored.map_or(Slot(0), |stored| stored.slot), finalized)?;
        self.prune_blocks(earliest, keep_from)
    }

    /// Drops every state up to the finalized slot but the finalized one. Starts where the last call ended, so that it
    /// never walks over what it deleted before.
    fn drop_finalized_states(&mut self, from: Slot, finalized: Checkpoint) -> Result<(), StorageError> {
        let end = Slot(finalized.slot.0.saturating_add(1));
        let stored = self.db.slot_roots(Column::States, from..end)?;
        let imported = self.index.iter().map(|(root, entry)| (entry.slot, *root));
        for (slot, root) in stored.into_iter().chain(imported.filter(|(slot, _)| *slot < end)) {
            if root != finalized.root {
                self.ops.push(Op::Delete(Column::States, slot_root(slot, root)));
            }
        }
        Ok(())
    }

    fn prune_blocks(&mut self, earliest: Slot, keep_from: Slot) -> Result<(), StorageError> {
        for (slot, root) in self.db.slot_roots(Column::Blocks, earliest..keep_from)? {
            self.ops.push(Op::Delete(Column::Blocks, slot_root(slot, root)));
            self.ops.push(Op::Delete(Column::Index, root.to_vec()));
            self.ops.push(Op::Delete(Column::Canonical, slot_key(slot)));
        }
        if keep_from > earliest {
            self.put(Column::Meta, meta::EARLIEST.into(), slot_key(keep_from));
        }
        Ok(())
    }

    fn index(&self, root: Root) -> Result<Option<IndexEntry>, StorageError> {
        match self.index.get(&root) {
            Some(entry) => Ok(Some(*entry)),
            None => self.db.index(root),
        }
    }

    fn put(&mut self, column: Column, key: Vec<u8>, value: Vec<u8>) {
        self.ops.push(Op::Put(column, key, value));
    }
}

/// The roots that the state after `block` remembers from the slot of `ancestor` on: each block's root at its slot, zero
/// for empty slots. `None` if `block` does not descend from `ancestor`.
fn roots_between(
    index: impl Fn(Root) -> Result<Option<IndexEntry>, StorageError>,
    ancestor: Checkpoint,
    block: Root,
) -> Result<Option<Vec<Root>>, StorageError> {
    let mut newest_first = Vec::new();
    let Some(mut entry) = index(block)? else { return Ok(None) };
    let mut root = block;
    while root != ancestor.root {
        let Some(parent) = index(entry.parent)? else { return Ok(None) };
        if parent.slot >= entry.slot || parent.slot < ancestor.slot {
            return Ok(None);
        }
        newest_first.extend((parent.slot.0 + 1..entry.slot.0).map(|_| Root::ZERO));
        newest_first.push(entry.parent);
        (root, entry) = (entry.parent, parent);
    }
    newest_first.reverse();
    Ok(Some(newest_first))
}

/// Appends roots to a state's memory.
pub(crate) fn extend(
    history: &mut HistoricalBlockHashes,
    roots: impl IntoIterator<Item = Root>,
) -> Result<(), StorageError> {
    let too_many = |_| StorageError::corrupt("more block roots than a state holds");
    roots.into_iter().try_for_each(|root| history.push(root)).map_err(too_many)?;
    history.apply_updates().map_err(too_many)
}
