//! A disk that fails on demand and forgets what was not synced when the power goes. Test support: it models what the
//! file system promises, so that crash tests can try every write.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::chain::ChainDb;
use crate::error::StorageError;
use crate::key_value::{Column, KeyValue, Op, Visitor};
use crate::memory::{Contents, apply, scan};
use crate::model::NetworkId;

/// A database on a [`FaultyDisk`].
pub type FaultyDb = ChainDb<FaultyKv>;

/// How a write fails. Either way the caller sees an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// EIO before anything reached the disk.
    InputOutput,
    /// ENOSPC before anything reached the disk.
    NoSpace,
    /// EIO from the sync although the write is on the disk: it is there after a restart.
    ReportedButWritten,
}

#[derive(Default)]
struct Disk {
    /// What a running process reads: the page cache.
    visible: Contents,
    /// What a restart after a power loss finds, if that is something else.
    durable: Option<Contents>,
    writes: u64,
    fail_at: Option<(u64, Failure)>,
    sync_off: bool,
}

/// A disk shared by the databases that are opened on it, one after the other. Clones are the same disk.
#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<RwLock<Disk>>);

impl FaultyDisk {
    /// A disk that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the database on this disk, as a process does when it starts.
    pub fn open(&self, network: &NetworkId) -> Result<FaultyDb, StorageError> {
        ChainDb::over(FaultyKv(self.clone()), network, "faulty disk".as_ref())
    }

    /// Lets the write after `successes` more fail. A later call replaces the plan.
    pub fn fail_after(&self, successes: u64, failure: Failure) {
        let mut disk = self.0.write();
        disk.fail_at = Some((disk.writes + successes, failure));
    }

    /// Calls the planned failure off, as when space returns.
    pub fn repair(&self) {
        self.0.write().fail_at = None;
    }

    /// Whether a failure is planned, or has happened and was not called off.
    pub fn is_failing(&self) -> bool {
        self.0.read().fail_at.is_some()
    }

    /// Syncs nothing from now on. For seeing a durability test fail.
    pub fn turn_sync_off(&self) {
        self.0.write().sync_off = true;
    }

    /// Cuts the power: what was not synced is gone. Drop the open database and open it again.
    pub fn lose_power(&self) {
        let mut disk = self.0.write();
        if let Some(durable) = disk.durable.take() {
            disk.visible = durable;
        }
    }

    /// Batches written so far, failed ones included.
    pub fn writes(&self) -> u64 {
        self.0.read().writes
    }

    /// Every stored key and value, for comparing disks.
    pub fn contents(&self) -> Vec<(Column, Vec<u8>, Vec<u8>)> {
        let disk = self.0.read();
        disk.visible.iter().map(|((column, key), value)| (*column, key.clone(), value.clone())).collect()
    }
}

/// The backend of [`FaultyDb`].
pub struct FaultyKv(FaultyDisk);

impl KeyValue for FaultyKv {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.0.read_recursive().visible.get(&(column, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        column: Column,
        range: Range<Vec<u8>>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        // Recursive, because the visitor may read from the disk too.
        scan(&self.0.0.read_recursive().visible, column, range, visit);
        Ok(())
    }

    fn write(&self, ops: Vec<Op>) -> Result<(), StorageError> {
        let mut disk = self.0.0.write();
        let failure = disk.fail_at.filter(|(at, _)| *at == disk.writes).map(|(_, failure)| failure);
        disk.writes += 1;
        let written = matches!(failure, None | Some(Failure::ReportedButWritten));
        if written {
            if disk.sync_off && disk.durable.is_none() {
                disk.durable = Some(disk.visible.clone());
            }
            apply(&mut disk.visible, ops);
        }
        match failure {
            None => Ok(()),
            Some(Failure::NoSpace) => Err(StorageError::Backend("no space left on device".into())),
            Some(Failure::InputOutput | Failure::ReportedButWritten) => {
                Err(StorageError::Backend("input/output error".into()))
            }
        }
    }
}
