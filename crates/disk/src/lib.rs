//! The chain database in a file, written by redb.
//!
//! A new database is made beside its final place and moved there whole, so a directory that exists is either complete
//! or not ours. A lock file of our own is taken before anything is read. Opening checks the whole file, and every row
//! carries a checksum of its own, so that damage is noticed before a peer is served with it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use redb::{DatabaseError, ReadableDatabase, TableDefinition, TableError};

use lathe_storage::{ChainDb, Column, KeyValue, NetworkId, Op, StorageError, Visitor};

/// The one file in the directory.
const FILE: &str = "chain.redb";
/// Memory of the cache of pages, which fills up whatever is read. The chain reads from its own memory, so this serves
/// the pages that every batch changes; what peers ask for is in the system's cache.
const CACHE_BYTES: usize = 2 << 20;
/// Length of a row's checksum: it is against decay, not against an adversary.
const CHECKSUM_BYTES: usize = 8;

/// The database of a node.
pub type DiskDb = ChainDb<DiskKv>;

/// Whether the directory `path` holds a database of this kind, whatever its state.
pub fn is_at(path: &Path) -> bool {
    path.join(FILE).exists()
}

/// Opens the database in the directory `path`, or makes a new one. Refuses, and changes nothing, if another
/// process has it open, if it belongs to another network, or if the directory holds anything else.
pub fn open(path: &Path, network: &NetworkId) -> Result<DiskDb, StorageError> {
    let failed = |source| StorageError::Open { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let lock = lock(path)?;
    if is_vacant(path).map_err(failed)? {
        let nursery = beside(path, ".new");
        remove_leftover(&nursery).and_then(|()| fs::create_dir(&nursery)).map_err(failed)?;
        ChainDb::initialise(&DiskKv::create(&nursery)?, network)?;
        // Its file has a name before the directory gets its own.
        File::open(&nursery).and_then(|nursery| nursery.sync_all()).map_err(failed)?;
        fs::rename(&nursery, path).and_then(|()| sync_parent(path)).map_err(failed)?;
    }
    ChainDb::open(DiskKv::open(path, lock)?, network, path)
}

/// Opens the database that is in the directory `path`, of whichever network, and makes none.
pub fn open_existing(path: &Path) -> Result<(DiskDb, NetworkId), StorageError> {
    if !is_at(path) {
        return Err(StorageError::NotADatabase { path: path.to_owned() });
    }
    ChainDb::take_up(DiskKv::open(path, lock(path)?)?, path)
}

/// Gives back to the file system what the file in the directory `path` no longer needs. True if there was something.
pub fn compact(path: &Path) -> Result<bool, StorageError> {
    let mut kv = DiskKv::open(path, lock(path)?)?;
    kv.db.compact().map_err(backend)
}

/// The one file of the database in the directory `path`.
pub fn file(path: &Path) -> PathBuf {
    path.join(FILE)
}

/// Bytes that the database in the directory `path` takes on the disk.
pub fn size(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(file(path))?.len())
}

/// The backend of [`DiskDb`].
pub struct DiskKv {
    db: redb::Database,
    /// Held, not used: the lock lives as long as the file is open. Declared last, so that it outlives the database.
    _lock: Option<File>,
}

impl DiskKv {
    fn create(directory: &Path) -> Result<Self, StorageError> {
        let db = builder().create(directory.join(FILE)).map_err(backend)?;
        Ok(Self { db, _lock: None })
    }

    fn open(directory: &Path, lock: File) -> Result<Self, StorageError> {
        let file = directory.join(FILE);
        if !file.is_file() {
            return Err(StorageError::NotADatabase { path: directory.to_owned() });
        }
        let db = builder().open(&file).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StorageError::Locked { path: directory.to_owned() },
            DatabaseError::Storage(redb::StorageError::Io(source))
                if source.kind() == io::ErrorKind::InvalidData =>
            {
                StorageError::NotADatabase { path: directory.to_owned() }
            }
            DatabaseError::Storage(redb::StorageError::Io(source))
                if source.kind() == io::ErrorKind::UnexpectedEof =>
            {
                StorageError::Corrupt { what: "the file is cut short".into() }
            }
            DatabaseError::Storage(redb::StorageError::Io(source)) => {
                StorageError::Open { path: directory.to_owned(), source }
            }
            other => backend(other),
        })?;
        Ok(Self { db, _lock: Some(lock) })
    }
}

fn builder() -> redb::Builder {
    let mut builder = redb::Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

const fn table(column: Column) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(column.name())
}

impl KeyValue for DiskKv {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let table = match self.db.begin_read().map_err(backend)?.open_table(table(column)) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(backend(error)),
        };
        let row = table.get(key).map_err(backend)?;
        row.map(|row| Ok(unseal(column, key, row.value())?.to_vec())).transpose()
    }

    fn scan(
        &self,
        column: Column,
        range: Range<Vec<u8>>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        if range.is_empty() {
            return Ok(());
        }
        let table = match self.db.begin_read().map_err(backend)?.open_table(table(column)) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(backend(error)),
        };
        for row in table.range(range.start.as_slice()..range.end.as_slice()).map_err(backend)? {
            let (key, row) = row.map_err(backend)?;
            if let ControlFlow::Break(()) = visit(key.value(), unseal(column, key.value(), row.value())?) {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, ops: Vec<Op>) -> Result<(), StorageError> {
        // A transaction's default is to be on the disk before `commit` returns.
        let transaction = self.db.begin_write().map_err(backend)?;
        for op in ops {
            match op {
                Op::Put(column, key, value) => {
                    let row = seal(column, &key, &value);
                    transaction
                        .open_table(table(column))
                        .map_err(backend)?
                        .insert(key.as_slice(), row.as_slice())
                        .map_err(backend)?;
                }
                Op::Delete(column, key) => {
                    transaction
                        .open_table(table(column))
                        .map_err(backend)?
                        .remove(key.as_slice())
                        .map_err(backend)?;
                }
            }
        }
        transaction.commit().map_err(backend)
    }
}

fn checksum(column: Column, key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(column.name().as_bytes()).update(&[0]).update(key).update(value);
    let mut checksum = [0; CHECKSUM_BYTES];
    hasher.finalize_xof().fill(&mut checksum);
    checksum
}

/// A row as it is on the disk: the checksum, then the value.
fn seal(column: Column, key: &[u8], value: &[u8]) -> Vec<u8> {
    [checksum(column, key, value).as_slice(), value].concat()
}

fn unseal<'a>(column: Column, key: &[u8], row: &'a [u8]) -> Result<&'a [u8], StorageError> {
    match row.split_first_chunk() {
        Some((found, value)) if *found == checksum(column, key, value) => Ok(value),
        _ => Err(corrupt(format!("a row of {} has a wrong checksum", column.name()))),
    }
}

fn corrupt(what: String) -> StorageError {
    StorageError::Corrupt { what }
}

fn backend(error: impl Into<redb::Error>) -> StorageError {
    match error.into() {
        redb::Error::Corrupted(what) => corrupt(what),
        error => StorageError::Backend(error.to_string()),
    }
}

fn lock(path: &Path) -> Result<File, StorageError> {
    let failed = |source| StorageError::Open { path: path.to_owned(), source };
    let file = File::options().create(true).append(true).open(beside(path, ".lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Whether there is nothing at `path`, or an empty directory.
fn is_vacant(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whatever a creation left behind that did not finish.
fn remove_leftover(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
