//! RocksDB underneath.
//!
//! A new database is made beside its final place and moved there whole, so a directory that exists is either complete
//! or not ours. A lock file of our own is taken before anything is read.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    Direction, IteratorMode, LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::chain::ChainDb;
use crate::error::StorageError;
use crate::key_value::{Column, KeyValue, Op, Visitor};
use crate::model::NetworkId;

/// Memory of one column's write buffer. A slot writes some tens of KiB.
const WRITE_BUFFER_BYTES: usize = 4 << 20;
/// Memory of all write buffers together.
const ALL_WRITE_BUFFERS_BYTES: usize = 16 << 20;
/// Memory of the one cache that all columns share. The chain reads from its own memory, so this serves peers only.
const CACHE_BYTES: usize = 8 << 20;
/// Open table files; each costs memory for its index.
const MAX_OPEN_FILES: i32 = 256;
/// Log that a start may have to replay.
const MAX_LOG_BYTES: u64 = 32 << 20;
/// RocksDB's own diary, and how many old ones stay.
const DIARY_BYTES: usize = 1 << 20;
const DIARY_FILES: usize = 2;
/// One thread for flushes and one for compactions: the load is small.
const BACKGROUND_JOBS: i32 = 2;
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// The database of a node.
pub type RocksDb = ChainDb<RocksKv>;

impl RocksDb {
    /// Opens the database in the directory `path`, or makes a new one. Refuses, and changes nothing, if another
    /// process has it open, if it belongs to another network, or if the directory holds anything else.
    pub fn open(path: &Path, network: &NetworkId) -> Result<Self, StorageError> {
        let failed = |source| StorageError::Open { path: path.to_owned(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let lock = lock(path)?;
        if is_vacant(path).map_err(failed)? {
            let nursery = beside(path, ".new");
            remove_leftover(&nursery).map_err(failed)?;
            Self::initialise(&RocksKv::open_raw(&nursery, true, None)?, network)?;
            fs::rename(&nursery, path).and_then(|()| sync_parent(path)).map_err(failed)?;
        } else {
            check_columns(path)?;
        }
        Self::verify(RocksKv::open_raw(path, false, Some(lock))?, network, path)
    }
}

/// The backend of [`RocksDb`].
pub struct RocksKv {
    db: DB,
    /// Held, not used: the lock lives as long as the file is open. Declared last, so that it outlives the database.
    _lock: Option<File>,
}

impl RocksKv {
    fn open_raw(path: &Path, create: bool, lock: Option<File>) -> Result<Self, StorageError> {
        let mut options = Options::default();
        options.create_if_missing(create);
        options.create_missing_column_families(create);
        options.set_db_write_buffer_size(ALL_WRITE_BUFFERS_BYTES);
        options.set_max_open_files(MAX_OPEN_FILES);
        options.set_max_total_wal_size(MAX_LOG_BYTES);
        options.set_max_background_jobs(BACKGROUND_JOBS);
        options.set_max_log_file_size(DIARY_BYTES);
        options.set_keep_log_file_num(DIARY_FILES);
        options.set_log_level(LogLevel::Warn);
        // A torn last record is a write that was never acknowledged. Damage anywhere else must not pass unnoticed.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let columns = Column::ALL
            .map(|column| ColumnFamilyDescriptor::new(column.name(), column_options(column, &cache)));
        let default = ColumnFamilyDescriptor::new("default", column_options(Column::Meta, &cache));
        let db =
            DB::open_cf_descriptors(&options, path, columns.into_iter().chain([default])).map_err(backend)?;
        Ok(Self { db, _lock: lock })
    }

    fn column(&self, column: Column) -> Result<&ColumnFamily, StorageError> {
        self.db
            .cf_handle(column.name())
            .ok_or_else(|| StorageError::corrupt(format!("no column {}", column.name())))
    }
}

fn column_options(column: Column, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    if column == Column::Index {
        table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    }
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_block_based_table_factory(&table);
    // Signatures and hashes do not shrink; a state's bitfields do.
    options.set_compression_type(match column {
        Column::States => DBCompressionType::Lz4,
        _ => DBCompressionType::None,
    });
    options
}

impl KeyValue for RocksKv {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.db.get_cf(self.column(column)?, key).map_err(backend)
    }

    fn scan(
        &self,
        column: Column,
        range: Range<Vec<u8>>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), StorageError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(range.end);
        let from = IteratorMode::From(&range.start, Direction::Forward);
        for entry in self.db.iterator_cf_opt(self.column(column)?, options, from) {
            let (key, value) = entry.map_err(backend)?;
            if let ControlFlow::Break(()) = visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, ops: Vec<Op>) -> Result<(), StorageError> {
        let mut batch = WriteBatch::default();
        for op in ops {
            match op {
                Op::Put(column, key, value) => batch.put_cf(self.column(column)?, key, value),
                Op::Delete(column, key) => batch.delete_cf(self.column(column)?, key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(backend)
    }
}

fn backend(error: rocksdb::Error) -> StorageError {
    StorageError::Backend(error.into_string())
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

fn check_columns(path: &Path) -> Result<(), StorageError> {
    if !path.join("CURRENT").exists() {
        return Err(StorageError::NotADatabase { path: path.to_owned() });
    }
    let found = DB::list_cf(&Options::default(), path).map_err(backend)?;
    let is_ours = found.len() == Column::ALL.len() + 1
        && Column::ALL.iter().all(|column| found.iter().any(|name| name == column.name()));
    if is_ours { Ok(()) } else { Err(StorageError::NotADatabase { path: path.to_owned() }) }
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
