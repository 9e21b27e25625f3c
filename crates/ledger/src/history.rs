//! What each key has signed, bounded in memory.

use std::collections::{BTreeMap, HashMap};

use lathe_types::Root;

use crate::error::Refusal;
use crate::mark::{Mark, beginning};
use crate::record::{KeyId, Record};

/// Slots that are remembered per key, newest first; below them the key signs nothing. Duties are for the current slot
/// or the next, so anything older is a mistake or an attack, and memory and file stay flat over months.
pub const RETAINED_SLOTS: usize = 64;

#[derive(Default)]
struct KeyHistory {
    /// Lowest slot that the key may sign.
    floor: u64,
    /// Signatures that are not in `signed` any more, or were made where this ledger did not see them.
    unlisted: u64,
    signed: BTreeMap<u64, Root>,
    /// Where somebody else signed with the key, and what.
    stopped: Option<(u64, Root)>,
}

#[derive(Default)]
pub(crate) struct History {
    /// Lowest slot that any key may sign, by what is known.
    watermark: u64,
    /// The same by what a clock said; zero for nothing.
    by_clock: u64,
    keys: HashMap<KeyId, KeyHistory>,
}

impl History {
    pub(crate) fn new(watermark: u64) -> Self {
        Self { watermark, ..Self::default() }
    }

    /// What the records of a file say; an error if they contradict each other.
    pub(crate) fn of(watermark: u64, records: &[Record]) -> Result<Self, String> {
        let mut history = Self::new(watermark);
        match records.iter().find(|record| !history.insert(record)) {
            None => Ok(history),
            Some(record) => Err(format!("it holds two messages for slot {} of one key", record.slot())),
        }
    }

    /// Lowest slot that any key may sign.
    pub(crate) fn watermark(&self) -> u64 {
        self.watermark.max(self.by_clock)
    }

    /// The part of it that does not hang on a clock.
    pub(crate) fn known_watermark(&self) -> u64 {
        self.watermark
    }

    /// The part of it that a clock alone has raised; zero if none has.
    pub(crate) fn by_clock(&self) -> u64 {
        self.by_clock
    }

    /// What the clock says now takes the place of what a clock said before.
    pub(crate) fn set_by_clock(&mut self, slot: u64) {
        self.by_clock = if slot > self.watermark { slot } else { 0 };
    }

    pub(crate) fn raise_watermark(&mut self, watermark: u64) {
        self.watermark = self.watermark.max(watermark);
    }

    /// Whether the key may sign `root` at `slot`: true if that is already on record, false if it has to be.
    pub(crate) fn check(&self, key: KeyId, slot: u64, root: Root) -> Result<bool, Refusal> {
        let history = self.keys.get(&key);
        if let Some((slot, _)) = history.and_then(|history| history.stopped) {
            return Err(Refusal::Stopped { slot });
        }
        match history.and_then(|history| history.signed.get(&slot)) {
            Some(signed) if *signed == root => return Ok(true),
            Some(_) => return Err(Refusal::AlreadySigned { slot }),
            None => {}
        }
        let watermark = self.lowest(key);
        if slot < watermark {
            return Err(Refusal::BelowWatermark { slot, watermark });
        }
        Ok(false)
    }

    /// The lowest slot that the key may sign, if nothing is on record there.
    pub(crate) fn lowest(&self, key: KeyId) -> u64 {
        self.keys.get(&key).map_or(0, |history| history.floor).max(self.watermark())
    }

    /// Whether a signature that somebody shows was made by somebody else. What lies below the slots that are remembered
    /// cannot be told.
    pub(crate) fn is_foreign(&self, key: KeyId, slot: u64, root: Root) -> bool {
        let signed = self.keys.get(&key).and_then(|history| history.signed.get(&slot));
        match signed {
            Some(signed) => *signed != root,
            None => slot >= self.lowest(key),
        }
    }

    /// Where somebody else signed with the key, if that stopped it.
    pub(crate) fn stopped(&self, key: KeyId) -> Option<u64> {
        self.keys.get(&key)?.stopped.map(|(slot, _)| slot)
    }

    /// What the key's mark has to say.
    pub(crate) fn mark(&self, genesis_time: u64, key: KeyId) -> Mark {
        let Some(history) = self.keys.get(&key) else {
            return Mark::unused(key, genesis_time);
        };
        let last = history.signed.last_key_value();
        let message = last.map(|(_, root)| beginning(root)).unwrap_or_default();
        Mark { key, genesis_time, signed: history.count(), newest: history.newest(), message }
    }

    /// Whether everything that a mark speaks of is on record.
    pub(crate) fn knows(&self, mark: &Mark) -> bool {
        let Some(newest) = mark.newest else { return true };
        let Some(history) = self.keys.get(&mark.key) else { return false };
        let is_listed = || history.signed.get(&newest).is_some_and(|root| mark.is_of(root));
        history.count() >= mark.signed && (newest < history.floor || is_listed())
    }

    /// The highest slot that any key has signed at.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.keys.values().filter_map(KeyHistory::newest).max()
    }

    /// Takes a record in. False if it contradicts another one.
    pub(crate) fn insert(&mut self, record: &Record) -> bool {
        match *record {
            Record::Below { key, slot, unlisted } => {
                let history = self.of_key(key);
                history.raise_floor(slot);
                history.unlisted = history.unlisted.max(unlisted);
            }
            Record::Signed { key, slot, root } => return self.of_key(key).sign(slot, root),
            Record::Stopped { key, slot, root } => self.of_key(key).stopped = Some((slot, root)),
            Record::Resumed { key, slot } => {
                let history = self.of_key(key);
                history.stopped = None;
                history.raise_floor(slot);
            }
            Record::ByClock { slot } => self.by_clock = self.by_clock.max(slot),
        }
        true
    }

    fn of_key(&mut self, key: KeyId) -> &mut KeyHistory {
        self.keys.entry(key).or_default()
    }

    /// How many records [`Self::records`] gives, at most.
    pub(crate) fn record_count(&self) -> usize {
        1 + self.keys.values().map(|history| history.signed.len() + 2).sum::<usize>()
    }

    /// The same in as few records as possible, in a fixed order.
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut keys: Vec<_> = self.keys.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        let by_clock = (self.by_clock > 0).then_some(Record::ByClock { slot: self.by_clock });
        by_clock
            .into_iter()
            .chain(keys.into_iter().flat_map(|(key, history)| history.records(*key)))
            .collect()
    }

    /// Every key that is spoken of, in order.
    pub(crate) fn keys(&self) -> Vec<KeyId> {
        let mut keys: Vec<_> = self.keys.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// First and last slot of those that are listed one by one for a key.
    pub(crate) fn listed(&self, key: KeyId) -> Option<(u64, u64)> {
        let signed = &self.keys.get(&key)?.signed;
        Some((*signed.first_key_value()?.0, *signed.last_key_value()?.0))
    }
}

impl KeyHistory {
    fn sign(&mut self, slot: u64, root: Root) -> bool {
        if slot < self.floor {
            return true;
        }
        let agrees = *self.signed.entry(slot).or_insert(root) == root;
        if self.signed.len() > RETAINED_SLOTS
            && let Some((oldest, _)) = self.signed.pop_first()
        {
            self.unlisted += 1;
            self.floor = oldest + 1;
        }
        agrees
    }

    fn raise_floor(&mut self, slot: u64) {
        self.floor = self.floor.max(slot);
        let kept = self.signed.split_off(&self.floor);
        self.unlisted += self.signed.len() as u64;
        self.signed = kept;
    }

    fn count(&self) -> u64 {
        self.unlisted.saturating_add(self.signed.len() as u64)
    }

    fn newest(&self) -> Option<u64> {
        let listed = self.signed.last_key_value().map(|(slot, _)| *slot);
        // What is not listed lies below the floor, as far as is known.
        listed.or_else(|| if self.unlisted > 0 { self.floor.checked_sub(1) } else { None })
    }

    fn records(&self, key: KeyId) -> Vec<Record> {
        let is_bounded = self.floor > 0 || self.unlisted > 0;
        let below = is_bounded.then_some(Record::Below { key, slot: self.floor, unlisted: self.unlisted });
        let signed = self.signed.iter().map(|(&slot, &root)| Record::Signed { key, slot, root });
        let stopped = self.stopped.map(|(slot, root)| Record::Stopped { key, slot, root });
        below.into_iter().chain(signed).chain(stopped).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyId = KeyId([1; 32]);

    fn signed(slot: u64) -> Record {
        Record::Signed { key: KEY, slot, root: Root::repeat_byte(slot as u8) }
    }

    #[test]
    fn the_oldest_slots_turn_into_a_floor() {
        let mut history = History::new(0);
        for slot in 0..RETAINED_SLOTS as u64 + 3 {
            assert!(history.insert(&signed(slot)));
        }
        let root = Root::repeat_byte(9);
        assert_eq!(history.check(KEY, 2, root), Err(Refusal::BelowWatermark { slot: 2, watermark: 3 }));
        assert_eq!(history.check(KEY, 3, root), Err(Refusal::AlreadySigned { slot: 3 }));
        assert_eq!(history.check(KEY, 3, Root::repeat_byte(3)), Ok(true));
        assert_eq!(history.check(KEY, RETAINED_SLOTS as u64 + 3, root), Ok(false));
        assert_eq!(history.check(KeyId([2; 32]), 0, root), Ok(false), "another key is not concerned");
        assert_eq!(history.records().len(), RETAINED_SLOTS + 1);
    }

    #[test]
    fn records_give_the_same_history_back() {
        let mut history = History::new(0);
        (0..200).for_each(|slot| assert!(history.insert(&signed(slot * 2))));
        let mut copy = History::new(0);
        assert!(history.records().iter().all(|record| copy.insert(record)));
        assert_eq!(copy.records(), history.records());
    }

    #[test]
    fn two_roots_for_one_slot_contradict_each_other() {
        let mut history = History::new(0);
        assert!(history.insert(&signed(5)));
        assert!(history.insert(&signed(5)));
        assert!(!history.insert(&Record::Signed { key: KEY, slot: 5, root: Root::ZERO }));
        assert_eq!(history.check(KEY, 5, Root::repeat_byte(5)), Ok(true), "the first one stays");
    }
}
