//! The ledger: which message every key has signed at every slot.
//!
//! It outlives the chain database and knows nothing of it. The same message at the same slot may be signed again
//! where signing is deterministic; any other is refused, and so is every slot that the ledger cannot vouch for. A
//! failed write leaves unknown what is on disk, so the ledger then refuses everything until it is opened anew.

use std::fmt;
use std::io;

use lathe_types::Root;

use crate::error::{Error, Refusal};
use crate::history::History;
use crate::mark::Mark;
use crate::medium::Medium;
use crate::opening::{Opened, SAFETY_SLOTS};
use crate::record::{GROUP_RECORDS, HEADER_LEN, Header, KeyId, RECORD_LEN, Record, encode_file};

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

/// What the ledger holds about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// The key.
    pub key: KeyId,
    /// Signatures that it has made.
    pub signed: u64,
    /// First and last slot of those that are listed one by one.
    pub listed: Option<(u64, u64)>,
    /// The lowest slot that it may sign, if nothing is on record there.
    pub lowest: u64,
    /// Where a signature was seen that is not ours; the key rests since.
    pub stopped: Option<u64>,
}

/// The ledger, on any medium.
pub struct Ledger<M: Medium> {
    pub(crate) medium: M,
    pub(crate) genesis_time: u64,
    pub(crate) history: History,
    /// Records on the medium, and records that fit into it.
    pub(crate) used: usize,
    pub(crate) capacity: usize,
    pub(crate) opened: Opened,
    /// Not even the same message may be signed again.
    refuses_repeats: bool,
    failed: Option<String>,
}

impl<M: Medium> Ledger<M> {
    pub(crate) fn on(medium: M, genesis_time: u64, history: History, opened: Opened) -> Self {
        Self {
            medium,
            genesis_time,
            history,
            used: 0,
            capacity: 0,
            opened,
            refuses_repeats: false,
            failed: None,
        }
    }

    /// From now on the same message is not signed again either. For keys that draw fresh randomness to sign: a second
    /// signature of one message reveals more of the one-time key.
    pub fn refuse_repeats(&mut self) {
        self.refuses_repeats = true;
    }

    /// Puts entries on record, durably: what got `Ok` may be signed. All of them share one write and one sync.
    pub fn record_all(&mut self, entries: &[Entry]) -> Vec<Result<(), Refusal>> {
        entries.chunks(GROUP_RECORDS).flat_map(|group| self.record_group(group)).collect()
    }

    fn record_group(&mut self, group: &[Entry]) -> Vec<Result<(), Refusal>> {
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
                    return if self.refuses_repeats { Err(Refusal::AlreadySigned { slot }) } else { Ok(()) };
                }
                let record = Record::Signed { key, slot, root };
                group_history.insert(&record);
                fresh.push(record);
                Ok(())
            })
            .collect();
        if let Err(error) = self.commit(&fresh) {
            let allowed = outcomes.iter_mut().filter(|outcome| outcome.is_ok());
            allowed.for_each(|outcome| *outcome = Err(error.clone()));
        }
        outcomes
    }

    /// A valid signature of a key was seen. If it is not on record although it would be had it been made here, somebody
    /// else signs with the key, and it rests from now on, until [`Ledger::resume`]. True if this stopped it.
    pub fn seen(&mut self, entry: Entry) -> Result<bool, Refusal> {
        let Entry { key, slot, root } = entry;
        if self.history.stopped(key).is_some() || !self.history.is_foreign(key, slot, root) {
            return Ok(false);
        }
        self.usable()?;
        self.commit(&[Record::Stopped { key, slot, root }])?;
        Ok(true)
    }

    /// Lets a key that was stopped sign again, from `slot` on. False if it was not stopped.
    pub fn resume(&mut self, key: KeyId, slot: u64) -> Result<bool, Refusal> {
        let Some(seen) = self.history.stopped(key) else { return Ok(false) };
        self.usable()?;
        self.commit(&[Record::Resumed { key, slot: slot.max(seen.saturating_add(1)) }])?;
        Ok(true)
    }

    /// Below this slot no key signs.
    pub fn watermark(&self) -> u64 {
        self.history.watermark()
    }

    /// The clock was set back: what it said when the ledger was opened does not count any more, and what it says now
    /// counts instead, as if the ledger were opened now. `current_slot` and `proven_slot` are as in
    /// [`Terms`](crate::Terms). Nothing that is known of signatures is forgotten. The lowest slot that may be signed
    /// from now on, if it has changed.
    pub fn clock_corrected(
        &mut self,
        current_slot: Option<u64>,
        proven_slot: Option<u64>,
    ) -> Result<Option<u64>, Refusal> {
        self.usable()?;
        if after(current_slot) >= self.history.by_clock() {
            return Ok(None);
        }
        let set = self.set_clock(current_slot, proven_slot);
        self.fatal(set)?;
        Ok(Some(self.watermark()))
    }

    /// Lets what the clock says now take the place of what it said before, durably.
    pub(crate) fn set_clock(
        &mut self,
        current_slot: Option<u64>,
        proven_slot: Option<u64>,
    ) -> io::Result<()> {
        self.history.raise_watermark(after(proven_slot));
        self.history.set_by_clock(after(current_slot));
        self.compact()
    }

    /// Unix time of the genesis that its slots count from.
    pub fn genesis_time(&self) -> u64 {
        self.genesis_time
    }

    /// What was found when it was opened.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Where it is kept.
    pub fn location(&self) -> String {
        self.medium.location()
    }

    /// The highest slot that any key has signed at.
    pub fn newest(&self) -> Option<u64> {
        self.history.newest()
    }

    /// What the mark beside a key has to say.
    pub fn mark(&self, key: KeyId) -> Mark {
        self.history.mark(self.genesis_time, key)
    }

    /// Where a signature of the key was seen that is not ours, if that stopped it.
    pub fn stopped(&self, key: KeyId) -> Option<u64> {
        self.history.stopped(key)
    }

    /// Records in the file.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether nothing is on record.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether everything that a mark speaks of is on record.
    pub fn knows(&self, mark: &Mark) -> bool {
        mark.genesis_time == self.genesis_time && self.history.knows(mark)
    }

    /// What is held about every key, in order.
    pub fn summary(&self) -> Vec<KeySummary> {
        let of = |key| KeySummary {
            key,
            signed: self.history.mark(self.genesis_time, key).signed,
            listed: self.history.listed(key),
            lowest: self.history.lowest(key),
            stopped: self.history.stopped(key),
        };
        self.history.keys().into_iter().map(of).collect()
    }

    /// The lowest slots and the signed messages of every key.
    pub(crate) fn snapshot(&self) -> (Header, Vec<Record>) {
        let header = Header { genesis_time: self.genesis_time, watermark: self.history.known_watermark() };
        (header, self.history.records())
    }

    /// Adds what another ledger knows. What this one holds stays.
    pub(crate) fn merge(&mut self, watermark: u64, records: &[Record]) -> Result<(), Refusal> {
        self.usable()?;
        self.history.raise_watermark(watermark);
        for record in records {
            // Of two messages at one slot ours may be signed again and the other may not, as before.
            self.history.insert(record);
        }
        let compacted = self.compact();
        self.fatal(compacted)
    }

    /// Appends records and takes them in.
    fn commit(&mut self, records: &[Record]) -> Result<(), Refusal> {
        if records.is_empty() {
            return Ok(());
        }
        let appended = self.append(records);
        self.fatal(appended)?;
        records.iter().for_each(|record| {
            self.history.insert(record);
        });
        Ok(())
    }

    fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if self.used >= COMPACT_RECORDS && self.used >= COMPACT_FACTOR * self.history.record_count() {
            self.compact()?;
        }
        // One blank record has to remain, or the file looks cut short.
        if self.used + records.len() >= self.capacity {
            self.medium.write_at(offset(self.capacity), &vec![0; GROWTH_RECORDS * RECORD_LEN])?;
            self.medium.sync()?;
            self.capacity += GROWTH_RECORDS;
        }
        let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        self.medium.write_at(offset(self.used), &bytes)?;
        self.medium.sync()?;
        self.used += records.len();
        Ok(())
    }

    /// Writes everything anew, in as few records as possible.
    pub(crate) fn compact(&mut self) -> io::Result<()> {
        let (header, records) = self.snapshot();
        let capacity = records.len() + GROWTH_RECORDS;
        self.medium.replace(&encode_file(&header, &records, capacity))?;
        (self.used, self.capacity) = (records.len(), capacity);
        Ok(())
    }

    fn usable(&self) -> Result<(), Refusal> {
        self.failed.clone().map_or(Ok(()), |why| Err(Refusal::Failed(why)))
    }

    fn fatal(&mut self, outcome: io::Result<()>) -> Result<(), Refusal> {
        outcome.map_err(|error| {
            let why = self.failed.insert(format!("{}: {error}", self.medium.location()));
            Refusal::Failed(why.clone())
        })
    }

    pub(crate) fn failure(&self, source: io::Error) -> Error {
        Error::Io { location: self.medium.location(), source }
    }
}

/// The first slot that may be signed when nobody knows what was signed up to `slot`; zero if no slot has begun.
pub(crate) fn after(slot: Option<u64>) -> u64 {
    slot.map_or(0, |slot| slot.saturating_add(SAFETY_SLOTS))
}

fn offset(records: usize) -> u64 {
    (HEADER_LEN + records * RECORD_LEN) as u64
}

impl<M: Medium> fmt::Debug for Ledger<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("location", &self.medium.location())
            .field("genesis_time", &self.genesis_time)
            .field("watermark", &self.history.watermark())
            .field("records", &self.used)
            .finish()
    }
}
