//! Crashes at every call to the disk, with every remainder that a power loss can leave: no key ever signs two messages
//! at one slot, and a failed write is the last one.

use std::collections::{HashMap, HashSet};

use lathe_ledger::{Entry, KeyId, Ledger, Refusal};
use lathe_types::Root;

use crate::disk::{Disk, Fault, entry};

/// Every signature that left the signer.
type Released = HashMap<(KeyId, u64), HashSet<Root>>;

/// What three keys do in some slots, the retries of a restarted node among them.
fn script() -> Vec<Vec<Entry>> {
    vec![
        vec![entry(1, 1, 1), entry(2, 1, 1), entry(3, 1, 1)],
        vec![entry(1, 2, 1)],
        vec![entry(1, 2, 2), entry(2, 2, 2), entry(3, 2, 3)],
        vec![entry(1, 3, 3), entry(2, 3, 3), entry(3, 3, 3)],
    ]
}

const NEWEST: u64 = 3;

fn run(ledger: &mut Ledger<Disk>, script: &[Vec<Entry>], released: &mut Released) {
    for group in script {
        for (outcome, entry) in ledger.record_all(group).into_iter().zip(group) {
            if outcome.is_ok() {
                released.entry((entry.key, entry.slot)).or_default().insert(entry.root);
            }
        }
    }
}

fn assert_no_slot_has_two(released: &Released, context: &str) {
    for ((key, slot), roots) in released {
        assert!(roots.len() <= 1, "{key:?} signed {} messages at slot {slot}, {context}", roots.len());
    }
}

/// The same duties with other messages: what an equivocating restart would sign.
fn others() -> Vec<Vec<Entry>> {
    script()
        .into_iter()
        .map(|group| group.into_iter().map(|entry| Entry { root: Root::ZERO, ..entry }).collect())
        .collect()
}

#[test]
fn no_crash_lets_a_key_sign_twice() {
    let mut crash_points = 0;
    for fault in [Fault::Nothing, Fault::Half, Fault::Everything] {
        for call in 0.. {
            let disk = Disk::default();
            let mut released = Released::new();
            disk.fail_after(call, fault);
            if let Ok(mut ledger) = disk.open(None) {
                run(&mut ledger, &script(), &mut released);
            }
            if disk.calls() <= call {
                // The whole script has run without reaching the failing call.
                break;
            }
            crash_points += 1;
            for (remainder, bytes) in disk.after_power_loss().into_iter().enumerate() {
                let context = format!("{fault:?} at call {call}, remainder {remainder}");
                let mut released = released.clone();
                let mut restarted = Disk::holding(bytes).open(Some(NEWEST)).expect(&context);
                run(&mut restarted, &others(), &mut released);
                assert_no_slot_has_two(&released, &context);
            }
        }
    }
    assert!(crash_points >= 3 * 9, "only {crash_points} crash points");
}

#[test]
fn a_killed_process_loses_nothing_that_it_wrote() {
    for groups in 0..=script().len() {
        let disk = Disk::default();
        let mut released = Released::new();
        run(&mut disk.open(None).unwrap(), &script()[..groups], &mut released);
        // A slot later than the last one that was signed at.
        let slot = released.keys().map(|(_, slot)| slot + 1).max();
        let mut ledger = disk.open(slot).unwrap();
        assert_eq!(ledger.watermark(), 0, "duties go on at once");
        for ((key, slot), roots) in &released {
            let root = *roots.iter().next().unwrap();
            assert_eq!(ledger.record_all(&[Entry { key: *key, slot: *slot, root }]), [Ok(())]);
        }
        run(&mut ledger, &others(), &mut released);
        assert_no_slot_has_two(&released, "after a kill");
    }
}

#[test]
fn after_a_failed_write_nothing_is_signed_until_the_ledger_is_opened_anew() {
    for fault in [Fault::Nothing, Fault::Half, Fault::Everything] {
        // The write, then the sync.
        for call in 0..2 {
            let disk = Disk::default();
            let mut ledger = disk.open(None).unwrap();
            assert_eq!(ledger.record_all(&[entry(1, 1, 1)]), [Ok(())]);
            disk.fail_after(call, fault);
            let outcomes = ledger.record_all(&[entry(1, 2, 1), entry(2, 2, 1), entry(1, 1, 2)]);
            assert!(matches!(outcomes[0], Err(Refusal::Failed(_))));
            assert_eq!(outcomes[0], outcomes[1]);
            assert_eq!(outcomes[2], Err(Refusal::AlreadySigned { slot: 1 }));
            assert!(matches!(ledger.record_all(&[entry(1, 1, 1)])[0], Err(Refusal::Failed(_))));
            drop(ledger);
            let mut ledger = disk.open(Some(2)).unwrap();
            assert_eq!(ledger.record_all(&[entry(1, 9, 1)]), [Ok(())], "space has returned");
        }
    }
}

#[test]
fn a_ledger_that_cannot_be_started_is_an_error_and_leaves_no_half() {
    for fault in [Fault::Nothing, Fault::Half] {
        let disk = Disk::default();
        disk.fail_after(0, fault);
        assert!(disk.open(None).is_err());
        assert_eq!(disk.open(None).unwrap().record_all(&[entry(1, 1, 1)]), [Ok(())]);
    }
}
