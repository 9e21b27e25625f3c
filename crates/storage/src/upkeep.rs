//! Looking after a database that no node has open: what is in it, whether it is sound, and making it smaller.

use std::path::Path;

use lathe_types::{Checkpoint, Root, Slot, TreeHash as _};

use crate::chain::{ChainDb, Database as _};
use crate::error::StorageError;
use crate::format::{
    IndexEntry, decode_block, decode_network, decode_root, decode_slot, decode_slot_root, meta, slot_key,
    slot_root,
};
use crate::key_value::{Column, KeyValue, Op};
use crate::model::NetworkId;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The column.
    pub column: Column,
    /// Its rows.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// What [`ChainDb::check`] looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Blocks that decode and have the root they stand under.
    pub blocks: u64,
    /// Slots of the canonical chain, each block the parent of the next.
    pub canonical: u64,
    /// Blocks from the finalized one on whose states have the roots that the blocks commit to.
    pub states: u64,
}

/// A key that is past every key there is.
const END: [u8; 41] = [0xff; 41];

impl<K: KeyValue> ChainDb<K> {
    /// Opens a database whatever its network, which is told. `path` is for messages.
    pub fn take_up(kv: K, path: &Path) -> Result<(Self, NetworkId), StorageError> {
        let Some(network) = kv.get(Column::Meta, meta::NETWORK)? else {
            return Err(StorageError::NotADatabase { path: path.to_owned() });
        };
        let network = decode_network(&network)?;
        Ok((Self::open(kv, &network, path)?, network))
    }

    /// Counts the rows of every column. Reads all of them, so damage shows.
    pub fn survey(&self) -> Result<Vec<Tally>, StorageError> {
        let count = |column| {
            let mut tally = Tally { column, rows: 0, bytes: 0 };
            self.scan(column, vec![]..END.to_vec(), &mut |key, value| {
                tally.rows += 1;
                tally.bytes += (key.len() + value.len()) as u64;
                Ok(())
            })?;
            Ok(tally)
        };
        Column::ALL.into_iter().map(count).collect()
    }

    /// Reads everything and checks that it holds together: every block has the root it stands under, the canonical
    /// chain has no gap, and the states that a node starts from are those that their blocks commit to.
    pub fn check(&self) -> Result<Checked, StorageError> {
        let mut checked = Checked::default();
        self.scan(Column::Blocks, vec![]..END.to_vec(), &mut |key, value| {
            let (slot, root) = decode_slot_root(key)?;
            let block = decode_block(value)?.block;
            if block.slot != slot || block.tree_hash_root() != root {
                return Err(StorageError::corrupt(format!("the block at slot {slot} is not {root}")));
            }
            if self.index(root)? != Some(IndexEntry::of(&block)) {
                return Err(StorageError::corrupt(format!(
                    "the index disagrees with block {root} at slot {slot}"
                )));
            }
            checked.blocks += 1;
            Ok(())
        })?;
        checked.canonical = self.check_canonical()?;
        for block in self.unfinalized()? {
            block?;
            checked.states += 1;
        }
        Ok(checked)
    }

    fn check_canonical(&self) -> Result<u64, StorageError> {
        let mut last: Option<Root> = None;
        let mut slots = 0;
        self.scan(Column::Canonical, vec![]..END.to_vec(), &mut |slot, root| {
            let (slot, root) = (decode_slot(slot)?, decode_root(root)?);
            let entry = self.index(root)?;
            let entry =
                entry.ok_or_else(|| StorageError::corrupt(format!("no block {root} for slot {slot}")))?;
            if entry.slot != slot || last.is_some_and(|last| last != entry.parent) {
                return Err(StorageError::corrupt(format!("the chain is broken before slot {slot}")));
            }
            (last, slots) = (Some(root), slots + 1);
            Ok(())
        })?;
        Ok(slots)
    }

    /// Drops the blocks below `slot`, as far as they are final and not the finalized block itself. Answers with how
    /// many there were.
    pub fn forget_before(&self, slot: Slot) -> Result<usize, StorageError> {
        let Some(checkpoints) = self.checkpoints()? else { return Ok(0) };
        let (earliest, end) = (self.earliest_slot()?, slot.min(checkpoints.finalized.slot));
        if end <= earliest {
            return Ok(0);
        }
        let dropped = self.slot_roots(Column::Blocks, earliest..end)?;
        let mut ops = vec![Op::Put(Column::Meta, meta::EARLIEST.into(), slot_key(end))];
        for (slot, root) in &dropped {
            ops.push(Op::Delete(Column::Blocks, slot_root(*slot, *root)));
            ops.push(Op::Delete(Column::Index, root.to_vec()));
            ops.push(Op::Delete(Column::Canonical, slot_key(*slot)));
        }
        self.apply(ops)?;
        Ok(dropped.len())
    }

    /// Goes back to the finalized block: everything that builds on it is dropped, and what competed with it. Answers
    /// with how many blocks that were.
    pub fn rewind(&self) -> Result<usize, StorageError> {
        let Some(checkpoints) = self.checkpoints()? else { return Ok(0) };
        let Checkpoint { root: kept, slot } = checkpoints.finalized;
        let later = self.index_from(slot)?;
        let dropped: Vec<_> = later.into_iter().filter(|(root, _)| *root != kept).collect();
        let mut ops = Vec::new();
        for name in [meta::HEAD, meta::JUSTIFIED] {
            ops.push(Op::Put(Column::Meta, name.into(), slot_root(slot, kept)));
        }
        for (root, entry) in &dropped {
            ops.push(Op::Delete(Column::Blocks, slot_root(entry.slot, *root)));
            ops.push(Op::Delete(Column::States, slot_root(entry.slot, *root)));
            ops.push(Op::Delete(Column::Index, root.to_vec()));
            if entry.slot > slot {
                ops.push(Op::Delete(Column::Canonical, slot_key(entry.slot)));
            }
        }
        self.apply(ops)?;
        Ok(dropped.len())
    }
}
