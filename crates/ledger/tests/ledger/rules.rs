//! What may be signed and what may not.

use std::collections::BTreeSet;

use lathe_ledger::{Entry, Error, KeyId, Ledger, Mark, Opened, RETAINED_SLOTS, Refusal, SAFETY_SLOTS, Terms};

use crate::disk::{Disk, GENESIS_TIME, entry};

fn below(slot: u64, watermark: u64) -> Result<(), Refusal> {
    Err(Refusal::BelowWatermark { slot, watermark })
}

fn taken(slot: u64) -> Result<(), Refusal> {
    Err(Refusal::AlreadySigned { slot })
}

#[test]
fn the_same_message_again_is_allowed_and_another_is_refused() {
    let disk = Disk::default();
    let mut ledger = disk.open(None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 7)]), [Ok(())]);
    assert_eq!(
        ledger.record_all(&[entry(1, 5, 7), entry(1, 5, 8), entry(2, 5, 8)]),
        [Ok(()), taken(5), Ok(())]
    );
    drop(ledger);
    let mut ledger = disk.open(Some(5)).unwrap();
    assert_eq!(
        ledger.record_all(&[entry(1, 5, 7), entry(1, 5, 8), entry(2, 5, 7)]),
        [Ok(()), taken(5), taken(5)]
    );
}

#[test]
fn where_signing_is_randomized_the_same_message_again_is_refused_too() {
    let disk = Disk::default();
    let mut ledger = disk.open(None).unwrap();
    ledger.refuse_repeats();
    assert_eq!(ledger.record_all(&[entry(1, 5, 7), entry(1, 5, 7)]), [Ok(()), taken(5)]);
    assert_eq!(ledger.record_all(&[entry(1, 5, 7), entry(1, 6, 7)]), [taken(5), Ok(())]);
    drop(ledger);
    let mut ledger = disk.open(Some(6)).unwrap();
    ledger.refuse_repeats();
    assert_eq!(ledger.record_all(&[entry(1, 6, 7)]), [taken(6)], "a signature may have left before the end");
}

#[test]
fn two_messages_for_one_slot_in_one_call_are_not_both_allowed() {
    let mut ledger = Disk::default().open(None).unwrap();
    let outcomes = ledger.record_all(&[entry(1, 5, 7), entry(1, 5, 8), entry(1, 5, 7)]);
    assert_eq!(outcomes, [Ok(()), taken(5), Ok(())]);
}

#[test]
fn all_keys_of_a_slot_share_one_sync_and_what_is_on_record_needs_none() {
    let disk = Disk::default();
    let mut ledger = disk.open(None).unwrap();
    let slot: Vec<_> = (0..200).map(|key| entry(key, 5, 7)).collect();
    let before = disk.syncs();
    assert!(ledger.record_all(&slot).iter().all(Result::is_ok));
    assert_eq!(disk.syncs(), before + 1);
    assert!(ledger.record_all(&slot).iter().all(Result::is_ok));
    assert_eq!(disk.syncs(), before + 1);
}

#[test]
fn a_call_larger_than_one_append_is_recorded_whole() {
    let disk = Disk::default();
    let entries: Vec<_> = (0..1500).map(|n| entry((n / 10) as u8, n % 10, 7)).collect();
    let keys: BTreeSet<_> = entries.iter().map(|entry| (entry.key, entry.slot)).collect();
    assert_eq!(keys.len(), 1500);
    assert!(disk.open(None).unwrap().record_all(&entries).iter().all(Result::is_ok));
    let others: Vec<_> = entries.iter().map(|entry| Entry { root: Default::default(), ..*entry }).collect();
    let outcomes = disk.open(Some(9)).unwrap().record_all(&others);
    assert!(outcomes.iter().zip(&others).all(|(outcome, entry)| *outcome == taken(entry.slot)));
}

#[test]
fn before_genesis_a_new_ledger_allows_every_slot() {
    let mut ledger = Disk::default().open(None).unwrap();
    assert_eq!(ledger.watermark(), 0);
    assert_eq!(ledger.record_all(&[entry(1, 0, 7)]), [Ok(())]);
}

#[test]
fn after_genesis_a_new_ledger_refuses_what_an_old_one_may_have_allowed() {
    let disk = Disk::default();
    let mut ledger = disk.open(Some(100)).unwrap();
    assert_eq!(ledger.watermark(), 100 + SAFETY_SLOTS);
    let attempts = [entry(1, 0, 7), entry(1, 101, 7), entry(1, 102, 7)];
    assert_eq!(ledger.record_all(&attempts), [below(0, 102), below(101, 102), Ok(())]);
    drop(ledger);
    let mut ledger = disk.open(Some(103)).unwrap();
    assert_eq!(ledger.watermark(), 102, "a ledger that is there vouches for itself");
    assert_eq!(ledger.record_all(&attempts), [below(0, 102), below(101, 102), Ok(())]);
}

#[test]
fn a_ledger_that_ends_before_the_last_slot_is_a_missing_one() {
    for (current, watermark) in [(10, 0), (11, 0), (12, 14), (500, 502)] {
        let disk = Disk::default();
        let mut ledger = disk.open(None).unwrap();
        assert_eq!(ledger.record_all(&[entry(1, 9, 7), entry(1, 10, 7)]), [Ok(()), Ok(())]);
        drop(ledger);
        let mut ledger = disk.open(Some(current)).unwrap();
        assert_eq!(ledger.watermark(), watermark, "opened in slot {current}");
        let expected = if watermark == 0 { Opened::Whole } else { Opened::Old { end: 11 } };
        assert_eq!(*ledger.opened(), expected);
        // What is on record can be signed again, and what is not, cannot.
        let next = if watermark == 0 { Ok(()) } else { below(11, watermark) };
        assert_eq!(
            ledger.record_all(&[entry(1, 10, 7), entry(1, 10, 8), entry(1, 11, 8)]),
            [Ok(()), taken(10), next]
        );
        drop(ledger);
        let again = disk.open(Some(current + 1)).unwrap();
        assert_eq!((again.watermark(), *again.opened()), (watermark, Opened::Whole), "and so it stays");
    }
    let unused = Disk::default();
    drop(unused.open(None).unwrap());
    assert_eq!(unused.open(Some(0)).unwrap().watermark(), 0);
    assert_eq!(unused.open(Some(1)).unwrap().watermark(), 3, "slot 0 may have been signed at");
}

/// A message that was recorded and never left, because the process ended before the mark was written. Then another
/// ledger has signed at that slot, and now the first one is back.
#[test]
fn a_ledger_with_another_message_than_the_mark_is_not_the_keys_own() {
    let disk = Disk::default();
    assert_eq!(disk.open(None).unwrap().record_all(&[entry(1, 9, 7)]), [Ok(())]);
    let left = disk.open(Some(9)).unwrap().mark(KeyId([1; 32]));
    assert_eq!((left.signed, left.newest, left.message), (1, Some(9), [7; 8]));
    let again = |mark: Mark, message: u8| {
        let mut ledger = disk.open_with(Some(9), &[mark]).unwrap();
        (*ledger.opened(), ledger.record_all(&[entry(1, 9, message)])[0].clone())
    };
    assert_eq!(again(left, 7), (Opened::Whole, Ok(())));
    let other = Mark { message: [8; 8], ..left };
    let behind = Opened::Behind { key: left.key, newest: 9 };
    assert_eq!(again(other, 7), (behind, below(9, 11)));
}

#[test]
fn a_ledger_of_another_genesis_is_refused() {
    let disk = Disk::default();
    disk.open(None).unwrap();
    let before = disk.contents();
    let error = Ledger::open(disk.clone(), &Terms { genesis_time: GENESIS_TIME + 60, ..Terms::default() })
        .unwrap_err();
    assert!(matches!(error, Error::OtherGenesis { found: GENESIS_TIME, .. }));
    assert!(error.to_string().contains("make new keys"));
    assert_eq!(disk.contents(), before);
}

#[test]
fn slots_below_those_remembered_are_refused_now_and_after_a_restart() {
    let disk = Disk::default();
    let mut ledger = disk.open(None).unwrap();
    let last = RETAINED_SLOTS as u64 + 10;
    for slot in 0..last {
        assert_eq!(ledger.record_all(&[entry(1, slot, 7)]), [Ok(())]);
    }
    let floor = last - RETAINED_SLOTS as u64;
    let attempts =
        [entry(1, 0, 7), entry(1, floor - 1, 7), entry(1, floor, 8), entry(1, floor, 7), entry(2, 0, 7)];
    let expected = [below(0, floor), below(floor - 1, floor), taken(floor), Ok(()), Ok(())];
    assert_eq!(ledger.record_all(&attempts), expected);
    drop(ledger);
    assert_eq!(disk.open(Some(last)).unwrap().record_all(&attempts), expected);
}

#[test]
fn months_of_duties_leave_the_file_small_and_every_rule_in_force() {
    let disk = Disk::default();
    let mut ledger = disk.open(None).unwrap();
    let slots = 150_000;
    for first in (0..slots).step_by(500) {
        let entries: Vec<_> = (first..first + 500).map(|slot| entry(1, slot, 7)).collect();
        assert!(ledger.record_all(&entries).iter().all(Result::is_ok));
    }
    let bytes = disk.contents().len();
    assert!(bytes < 6 << 20, "{bytes} bytes");
    drop(ledger);
    let mut ledger = disk.open(Some(slots)).unwrap();
    let floor = slots - RETAINED_SLOTS as u64;
    let attempts = [entry(1, 7, 8), entry(1, slots - 1, 8), entry(1, slots - 1, 7), entry(1, slots, 8)];
    assert_eq!(ledger.record_all(&attempts), [below(7, floor), taken(slots - 1), Ok(()), Ok(())]);
}
