//! A database that forgets.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use parking_lot::RwLock;

use crate::chain::ChainDb;
use crate::error::StorageError;
use crate::key_value::{Column, KeyValue, Op, Visitor};
use crate::model::NetworkId;

/// Everything in memory; for tests and simulations.
pub type MemoryDb = ChainDb<MemoryKv>;

impl MemoryDb {
    /// An empty database.
    pub fn new(network: &NetworkId) -> Result<Self, StorageError> {
        Self::over(MemoryKv::default(), network, "memory".as_ref())
    }
}

pub(crate) type Contents = BTreeMap<(Column, Vec<u8>), Vec<u8>>;

pub(crate) fn apply(contents: &mut Contents, ops: Vec<Op>) {
    for op in ops {
        match op {
            Op::Put(column, key, value) => {
                contents.insert((column, key), value);
            }
            Op::Delete(column, key) => {
                contents.remove(&(column, key));
            }
        }
    }
}

pub(crate) fn scan(contents: &Contents, column: Column, range: Range<Vec<u8>>, visit: &mut Visitor<'_>) {
    if range.is_empty() {
        return;
    }
    for ((_, key), value) in contents.range((column, range.start)..(column, range.end)) {
        if let ControlFlow::Break(()) = visit(key, value) {
            return;
        }
    }
}

/// The backend of [`MemoryDb`].
#[derive(Debug, Default)]
pub struct MemoryKv(RwLock<Contents>);

impl KeyValue for MemoryKv {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.read().get(&(column, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        column: Column,
        range: Range<Vec<u8>>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        scan(&self.0.read(), column, range, visit);
        Ok(())
    }

    fn write(&self, ops: Vec<Op>) -> Result<(), StorageError> {
        apply(&mut self.0.write(), ops);
        Ok(())
    }
}
