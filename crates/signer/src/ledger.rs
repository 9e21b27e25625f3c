//! The signing ledger: which message every key has signed at every slot.
//!
//! It outlives the chain database and knows nothing of it. The same message at the same slot may be signed again,
//! since signing is deterministic; any other is refused, and so is every slot that the ledger cannot vouch for. A
//! failed write leaves unknown what is on disk, so the ledger then refuses everything until it is opened anew.

use std::fmt;
use std::path::Path;

use lathe_types::Root;
use parking_lot::Mutex;
use tracing::warn;

use crate::error::{Error, SignError};
use crate::history::History;
use crate::ledger_file::{DiskFile, LedgerFile};
use crate::record::{
    Contents, GROUP_RECORDS, HEADER_LEN, Header, KeyId, RECORD_LEN, Record, decode_file, encode_file,
};

/// Slots that stay unsigned when a ledger is started, or its end was lost, while the chain is running: the current
/// one, and the next, for which a block may have been signed already.
pub const SAFETY_SLOTS: u64 = 2;

/// Records that the file grows by at a time: some hours of a few validators, 81 KiB.
const GROWTH_RECORDS: usize = 1024;
/// The file is compacted when it holds this many records (5 MiB) and at least eight times as many as are needed, so
/// that compaction costs little per record whatever the number of keys.
const COMPACT_RECORDS: usize = 1 << 16;
const COMPACT_FACTOR: usize = 8;

/// What is to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// By which key.
    pub key: KeyId,
    /// At which slot.
    pub slot: u64,
    /// The message.
    pub root: Root,
}

/// The ledger. All methods may be called from any thread; they take turns.
pub struct Ledger<F: LedgerFile = DiskFile> {
    genesis_time: u64,
    inner: Mutex<Inner<F>>,
}

struct Inner<F> {
    file: F,
    history: History,
    /// Records in the file, and records that fit into it.
    used: usize,
    capacity: usize,
    failed: Option<String>,
}

impl Ledger<DiskFile> {
    /// Opens the ledger in `directory`, or starts one. `current_slot` is `None` before genesis. A ledger that is
    /// started after genesis, or whose last write was lost, vouches only for slots [`SAFETY_SLOTS`] ahead, and says so.
    pub fn open(directory: &Path, genesis_time: u64, current_slot: Option<u64>) -> Result<Self, Error> {
        Self::open_file(DiskFile::lock(directory)?, genesis_time, current_slot)
    }
}

impl<F: LedgerFile> Ledger<F> {
    /// [`Ledger::open`] on any file.
    pub fn open_file(mut file: F, genesis_time: u64, current_slot: Option<u64>) -> Result<Self, Error> {
        let location = file.location();
        let failed = |source| Error::Io { location: location.clone(), source };
        let corrupt = |what| Error::Corrupt { location: location.clone(), what };
        let safe_slot = current_slot.map(|slot| slot.saturating_add(SAFETY_SLOTS));
        let Some(bytes) = file.read().map_err(failed)? else {
            let watermark = safe_slot.unwrap_or(0);
            if watermark > 0 {
                warn!(
                    watermark,
                    "no signing ledger at {location}, although the chain is running: starting one that \
                     signs from slot {watermark} on"
                );
            }
            return Self::start(file, genesis_time, History::new(watermark));
        };
        let Contents { header, records, torn } = decode_file(&bytes).map_err(corrupt)?;
        if header.genesis_time != genesis_time {
            return Err(Error::OtherGenesis { location, found: header.genesis_time, expected: genesis_time });
        }
        let mut history = History::new(header.watermark);
        let mut newest = 0;
        for record in &records {
            let (Record::Signed { slot, .. } | Record::Below { slot, .. }) = record;
            newest = newest.max(*slot);
            if !history.insert(record) {
                return Err(corrupt(format!("it holds two messages for slot {slot} of one key")));
            }
        }
        if torn {
            // The clock alone is not trusted: it may have been set back.
            let watermark = safe_slot.unwrap_or(0).max(newest.saturating_add(SAFETY_SLOTS));
            warn!(
                watermark,
                "the end of the signing ledger {location} was lost: signing from slot {watermark} on"
            );
            history.raise_watermark(watermark);
            return Self::start(file, genesis_time, history);
        }
        let capacity = (bytes.len() - HEADER_LEN) / RECORD_LEN;
        let inner = Inner { file, history, used: records.len(), capacity, failed: None };
        Ok(Self { genesis_time, inner: Mutex::new(inner) })
    }

    /// Writes `history` as a new file.
    fn start(file: F, genesis_time: u64, history: History) -> Result<Self, Error> {
        let mut inner = Inner { file, history, used: 0, capacity: 0, failed: None };
        inner
            .compact(genesis_time)
            .map_err(|source| Error::Io { location: inner.file.location(), source })?;
        Ok(Self { genesis_time, inner: Mutex::new(inner) })
    }

    /// Puts entries on record, durably: what got `Ok` may be signed. All of them share one write and one sync.
    pub fn record_all(&self, entries: &[Entry]) -> Vec<Result<(), SignError>> {
        let mut inner = self.inner.lock();
        entries.chunks(GROUP_RECORDS).flat_map(|group| inner.record_group(self.genesis_time, group)).collect()
    }

    /// Below this slot no key signs.
    pub fn watermark(&self) -> u64 {
        self.inner.lock().history.watermark()
    }

    /// Unix time of the genesis that its slots count from.
    pub fn genesis_time(&self) -> u64 {
        self.genesis_time
    }

    /// The lowest slots and the signed messages of every key.
    pub(crate) fn snapshot(&self) -> (Header, Vec<Record>) {
        let inner = self.inner.lock();
        let header = Header { genesis_time: self.genesis_time, watermark: inner.history.watermark() };
        (header, inner.history.records())
    }

    /// Adds what another ledger knows. What this one holds stays.
    pub(crate) fn merge(&self, watermark: u64, records: &[Record]) -> Result<(), SignError> {
        let mut inner = self.inner.lock();
        inner.usable()?;
        inner.history.raise_watermark(watermark);
        for record in records {
            // Of two messages at one slot ours may be signed again and the other may not, as before.
            inner.history.insert(record);
        }
        let compacted = inner.compact(self.genesis_time);
        inner.fatal(compacted)
    }
}

impl<F: LedgerFile> Inner<F> {
    fn record_group(&mut self, genesis_time: u64, group: &[Entry]) -> Vec<Result<(), SignError>> {
        if let Err(error) = self.usable() {
            return vec![Err(error); group.len()];
        }
        let mut fresh: Vec<Record> = Vec::new();
        // Entries of one group must not contradict each other either.
        let mut group_history = History::default();
        let mut outcomes: Vec<_> = group
            .iter()
            .map(|&Entry { key, slot, root }| {
                if self.history.check(key, slot, root)? || group_history.check(key, slot, root)? {
                    return Ok(());
                }
                let record = Record::Signed { key, slot, root };
                group_history.insert(&record);
                fresh.push(record);
                Ok(())
            })
            .collect();
        if fresh.is_empty() {
            return outcomes;
        }
        let appended = self.append(genesis_time, &fresh);
        match self.fatal(appended) {
            Ok(()) => fresh.iter().for_each(|record| {
                self.history.insert(record);
            }),
            Err(error) => {
                outcomes
                    .iter_mut()
                    .filter(|outcome| outcome.is_ok())
                    .for_each(|outcome| *outcome = Err(error.clone()));
            }
        }
        outcomes
    }

    fn append(&mut self, genesis_time: u64, records: &[Record]) -> std::io::Result<()> {
        if self.used >= COMPACT_RECORDS && self.used >= COMPACT_FACTOR * self.history.record_count() {
            self.compact(genesis_time)?;
        }
        // One blank record has to remain, or the file looks cut short.
        if self.used + records.len() >= self.capacity {
            self.file.write_at(offset(self.capacity), &vec![0; GROWTH_RECORDS * RECORD_LEN])?;
            self.file.sync()?;
            self.capacity += GROWTH_RECORDS;
        }
        let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        self.file.write_at(offset(self.used), &bytes)?;
        self.file.sync()?;
        self.used += records.len();
        Ok(())
    }

    fn compact(&mut self, genesis_time: u64) -> std::io::Result<()> {
        let header = Header { genesis_time, watermark: self.history.watermark() };
        let records = self.history.records();
        let capacity = records.len() + GROWTH_RECORDS;
        self.file.replace(&encode_file(&header, &records, capacity))?;
        (self.used, self.capacity) = (records.len(), capacity);
        Ok(())
    }

    fn usable(&self) -> Result<(), SignError> {
        self.failed.clone().map_or(Ok(()), |why| Err(SignError::Ledger(why)))
    }

    fn fatal(&mut self, outcome: std::io::Result<()>) -> Result<(), SignError> {
        outcome.map_err(|error| {
            let why = self.failed.insert(format!("{}: {error}", self.file.location()));
            SignError::Ledger(why.clone())
        })
    }
}

fn offset(records: usize) -> u64 {
    (HEADER_LEN + records * RECORD_LEN) as u64
}

impl<F: LedgerFile> fmt::Debug for Ledger<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.lock();
        f.debug_struct("Ledger")
            .field("location", &inner.file.location())
            .field("genesis_time", &self.genesis_time)
            .field("watermark", &inner.history.watermark())
            .field("records", &inner.used)
            .finish()
    }
}
