//! What a backend provides: columns of ordered keys, and batches that are atomic and durable.

use std::ops::{ControlFlow, Range};

use crate::error::StorageError;

/// A column of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Format, network and checkpoints, by name.
    Meta,
    /// Signed blocks by slot and root.
    Blocks,
    /// Slot and parent of every block, by root.
    Index,
    /// States by slot and block root, without their registry and history.
    States,
    /// Validator registries by hash tree root.
    Registries,
    /// Block root by slot, for the slots before the finalized block's.
    History,
    /// Canonical block root by slot.
    Canonical,
}

impl Column {
    /// All columns.
    pub const ALL: [Self; 7] = [
        Self::Meta,
        Self::Blocks,
        Self::Index,
        Self::States,
        Self::Registries,
        Self::History,
        Self::Canonical,
    ];

    /// The column's name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Blocks => "blocks",
            Self::Index => "index",
            Self::States => "states",
            Self::Registries => "registries",
            Self::History => "history",
            Self::Canonical => "canonical",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets a key.
    Put(Column, Vec<u8>, Vec<u8>),
    /// Removes a key.
    Delete(Column, Vec<u8>),
}

/// Called with each key and value of a scan, in key order.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered key-value store.
pub trait KeyValue: Send + Sync {
    /// The value of a key.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Visits the keys of a range.
    fn scan(
        &self,
        column: Column,
        range: Range<Vec<u8>>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), StorageError>;

    /// Applies the changes, all or none, and returns once they survive a power loss.
    fn write(&self, ops: Vec<Op>) -> Result<(), StorageError>;
}
