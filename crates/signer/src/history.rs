//! What each key has signed, bounded in memory.

use std::collections::{BTreeMap, HashMap};

use lathe_types::Root;

use crate::error::SignError;
use crate::record::{KeyId, Record};

/// Slots that are remembered per key, newest first; below them the key signs nothing. Duties are for the current slot
/// or the next, so anything older is a mistake or an attack, and memory and file stay flat over months.
pub const RETAINED_SLOTS: usize = 64;

#[derive(Default)]
struct KeyHistory {
    /// Lowest slot that the key may sign.
    floor: u64,
    signed: BTreeMap<u64, Root>,
}

#[derive(Default)]
pub(crate) struct History {
    /// Lowest slot that any key may sign.
    watermark: u64,
    keys: HashMap<KeyId, KeyHistory>,
}

impl History {
    pub(crate) fn new(watermark: u64) -> Self {
        Self { watermark, keys: HashMap::new() }
    }

    pub(crate) fn watermark(&self) -> u64 {
        self.watermark
    }

    pub(crate) fn raise_watermark(&mut self, watermark: u64) {
        self.watermark = self.watermark.max(watermark);
    }

    /// Whether the key may sign `root` at `slot`: true if that is already on record, false if it has to be.
    pub(crate) fn check(&self, key: KeyId, slot: u64, root: Root) -> Result<bool, SignError> {
        let history = self.keys.get(&key);
        match history.and_then(|history| history.signed.get(&slot)) {
            Some(signed) if *signed == root => return Ok(true),
            Some(_) => return Err(SignError::AlreadySigned { slot }),
            None => {}
        }
        let watermark = history.map_or(0, |history| history.floor).max(self.watermark);
        if slot < watermark {
            return Err(SignError::BelowWatermark { slot, watermark });
        }
        Ok(false)
    }

    /// Takes a record in. False if it contradicts another one.
    pub(crate) fn insert(&mut self, record: &Record) -> bool {
        match *record {
            Record::Below { key, slot } => {
                let history = self.keys.entry(key).or_default();
                history.floor = history.floor.max(slot);
                let floor = history.floor;
                history.signed.retain(|slot, _| *slot >= floor);
                true
            }
            Record::Signed { key, slot, root } => {
                let history = self.keys.entry(key).or_default();
                if slot < history.floor {
                    return true;
                }
                let agrees = *history.signed.entry(slot).or_insert(root) == root;
                if history.signed.len() > RETAINED_SLOTS
                    && let Some((oldest, _)) = history.signed.pop_first()
                {
                    history.floor = oldest + 1;
                }
                agrees
            }
        }
    }

    /// How many records [`Self::records`] gives, at most.
    pub(crate) fn record_count(&self) -> usize {
        self.keys.values().map(|history| history.signed.len() + 1).sum()
    }

    /// The same in as few records as possible, in a fixed order.
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut keys: Vec<_> = self.keys.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        let of_key = |(key, history): (&KeyId, &KeyHistory)| {
            let (key, floor) = (*key, history.floor);
            let below = (floor > 0).then_some(Record::Below { key, slot: floor });
            let signed: Vec<_> =
                history.signed.iter().map(|(&slot, &root)| Record::Signed { key, slot, root }).collect();
            below.into_iter().chain(signed)
        };
        keys.into_iter().flat_map(of_key).collect()
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
        assert_eq!(history.check(KEY, 2, root), Err(SignError::BelowWatermark { slot: 2, watermark: 3 }));
        assert_eq!(history.check(KEY, 3, root), Err(SignError::AlreadySigned { slot: 3 }));
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
