//! A clock that was wrong when the ledger was opened, and is corrected: what it alone ruled out is ruled out no more,
//! what is known of signatures stays.

use lathe_ledger::{Interchange, KeyId, Ledger, Mark, Opened, Refusal, Terms};

use crate::disk::{Disk, GENESIS_TIME, entry};

/// Ten minutes.
const AHEAD: u64 = 150;

fn below(slot: u64, watermark: u64) -> Result<(), Refusal> {
    Err(Refusal::BelowWatermark { slot, watermark })
}

/// A ledger with one signature at slot 9, opened in slot 12 by a clock that is ahead.
fn opened_ahead(disk: &Disk) -> Ledger<Disk> {
    assert_eq!(disk.open(None).unwrap().record_all(&[entry(1, 9, 1)]), [Ok(())]);
    let ledger = disk.open(Some(12 + AHEAD)).unwrap();
    assert_eq!((ledger.watermark(), *ledger.opened()), (14 + AHEAD, Opened::Old { end: 10 }));
    ledger
}

#[test]
fn a_correction_gives_back_what_the_clock_alone_ruled_out() {
    let disk = Disk::default();
    let mut ledger = opened_ahead(&disk);
    assert_eq!(ledger.clock_corrected(Some(20), None), Ok(Some(22)));
    let attempts = [entry(1, 9, 2), entry(1, 21, 2), entry(1, 22, 2)];
    let expected = [Err(Refusal::AlreadySigned { slot: 9 }), below(21, 22), Ok(())];
    assert_eq!(ledger.record_all(&attempts), expected);
    assert_eq!(ledger.clock_corrected(Some(20), None), Ok(None), "once");
    drop(ledger);
    let mut ledger = disk.open(Some(23)).unwrap();
    assert_eq!((ledger.watermark(), *ledger.opened()), (22, Opened::Whole), "durably");
    assert_eq!(ledger.record_all(&attempts), expected);
}

#[test]
fn a_start_after_the_correction_gives_it_back_as_well() {
    let disk = Disk::default();
    drop(opened_ahead(&disk));
    // By the same clock a restart costs nothing.
    for clock in [12 + AHEAD, 14 + AHEAD] {
        let ledger = disk.open(Some(clock)).unwrap();
        assert_eq!((ledger.watermark(), *ledger.opened()), (14 + AHEAD, Opened::Whole));
    }
    let ledger = disk.open(Some(20)).unwrap();
    assert_eq!((ledger.watermark(), *ledger.opened()), (22, Opened::ClockSetBack { by_clock: 14 + AHEAD }));
    drop(ledger);
    assert_eq!(*disk.open(Some(21)).unwrap().opened(), Opened::Whole);
}

#[test]
fn what_was_signed_while_the_clock_was_ahead_stays_signed() {
    let mut ledger = opened_ahead(&Disk::default());
    let later = 14 + AHEAD;
    assert_eq!(ledger.record_all(&[entry(1, later, 1)]), [Ok(())]);
    assert_eq!(ledger.clock_corrected(Some(20), None), Ok(Some(22)));
    let outcomes = ledger.record_all(&[entry(1, later, 2), entry(1, later, 1), entry(1, 22, 2)]);
    assert_eq!(outcomes, [Err(Refusal::AlreadySigned { slot: later }), Ok(()), Ok(())]);
}

#[test]
fn no_correction_gives_back_what_marks_records_or_blocks_rule_out() {
    let (key, genesis_time) = (KeyId([1; 32]), GENESIS_TIME);
    let mark = Mark { key, genesis_time, signed: 3, newest: Some(40), message: [1; 8] };
    let terms = Terms { genesis_time: GENESIS_TIME, current_slot: Some(12 + AHEAD), ..Terms::default() };
    // The mark of a key that has signed what nobody knows, and a stored block.
    for terms in [Terms { marks: &[mark], ..terms }, Terms { proven_slot: Some(40), ..terms }] {
        let mut ledger = Ledger::open(Disk::default(), &terms).unwrap();
        assert_eq!(ledger.watermark(), 14 + AHEAD);
        assert_eq!(ledger.clock_corrected(Some(20), None), Ok(Some(42)));
        assert_eq!(ledger.record_all(&[entry(1, 41, 1), entry(1, 42, 1)]), [below(41, 42), Ok(())]);
    }
    // A block that was imported since.
    let mut ledger = opened_ahead(&Disk::default());
    assert_eq!(ledger.clock_corrected(Some(20), Some(24)), Ok(Some(26)));
    // A ledger that has lost a record may have signed up to its end.
    let disk = Disk::default();
    assert_eq!(disk.open(None).unwrap().record_all(&[entry(1, 30, 1), entry(1, 31, 1)]), [Ok(()), Ok(())]);
    let mut torn = disk.contents();
    torn[36 + 81 + 50] ^= 1;
    let mut ledger = Disk::holding(Some(torn)).open(Some(12 + AHEAD)).unwrap();
    assert_eq!(ledger.clock_corrected(Some(20), None), Ok(Some(32)));
}

#[test]
fn a_clock_that_goes_on_or_was_not_needed_gives_nothing_back() {
    let mut ledger = opened_ahead(&Disk::default());
    for clock in [12 + AHEAD, 13 + AHEAD, 500] {
        assert_eq!(ledger.clock_corrected(Some(clock), None), Ok(None));
    }
    assert_eq!(ledger.watermark(), 14 + AHEAD);
    let mut unused = Disk::default().open(None).unwrap();
    assert_eq!(unused.clock_corrected(Some(0), Some(9)), Ok(None));
    assert_eq!(unused.watermark(), 0);
}

#[test]
fn an_export_takes_along_what_a_clock_said_for_good() {
    let disk = Disk::default();
    drop(opened_ahead(&disk));
    let mut text = Vec::new();
    Ledger::inspect(disk).unwrap().unwrap().export(&mut text).unwrap();
    let mut ledger = Disk::default().open(None).unwrap();
    ledger.import(&Interchange::read(&*text).unwrap()).unwrap();
    assert_eq!(ledger.clock_corrected(Some(20), None), Ok(None));
    assert_eq!(ledger.watermark(), 14 + AHEAD);
}
