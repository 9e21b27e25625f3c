//! Truncation and bit flips at every place of a small ledger: it opens with all it held, or signs nothing that it may
//! have signed before, or refuses with a named error.

use lathe_ledger::{Entry, Error, Ledger, Refusal};
use lathe_types::Root;

use crate::disk::{Disk, entry};

const NEWEST: u64 = 9;
const HEADER_LEN: usize = 36;
const RECORD_LEN: usize = 81;

fn signed() -> Vec<Entry> {
    vec![entry(1, 7, 1), entry(2, 7, 2), entry(1, 8, 3), entry(2, 8, 4), entry(1, NEWEST, 5)]
}

fn file() -> Vec<u8> {
    let disk = Disk::default();
    assert!(disk.open(None).unwrap().record_all(&signed()).iter().all(Result::is_ok));
    disk.contents()
}

#[derive(Debug, PartialEq, Eq)]
enum Opened {
    WithEverything,
    AboveEverything,
    Refused,
}

/// Opens the bytes and tries to sign another message at every used slot.
fn open(bytes: Vec<u8>, current_slot: Option<u64>) -> Opened {
    let mut ledger = match Disk::holding(Some(bytes)).open(current_slot) {
        Ok(ledger) => ledger,
        Err(Error::Corrupt { .. } | Error::OtherGenesis { .. }) => return Opened::Refused,
        Err(error) => panic!("unexpected: {error}"),
    };
    let others: Vec<_> = signed().iter().map(|entry| Entry { root: Root::ZERO, ..*entry }).collect();
    for (outcome, entry) in ledger.record_all(&others).iter().zip(&others) {
        assert!(outcome.is_err(), "signed another message at slot {}", entry.slot);
    }
    classify(&mut ledger)
}

fn classify(ledger: &mut Ledger<Disk>) -> Opened {
    if ledger.watermark() == 0 {
        assert!(ledger.record_all(&signed()).iter().all(Result::is_ok), "a record is missing");
        return Opened::WithEverything;
    }
    assert!(ledger.watermark() > NEWEST);
    for outcome in ledger.record_all(&signed()) {
        assert!(matches!(outcome, Ok(()) | Err(Refusal::BelowWatermark { .. })));
    }
    Opened::AboveEverything
}

#[test]
fn cut_at_every_byte() {
    let file = file();
    let records_end = HEADER_LEN + signed().len() * RECORD_LEN;
    for length in 0..file.len() {
        let expected = match length {
            _ if length < HEADER_LEN => Opened::Refused,
            // The blank space that follows the last record proves that it is the last.
            _ if length < records_end + RECORD_LEN => Opened::AboveEverything,
            _ => Opened::WithEverything,
        };
        assert_eq!(open(file[..length].to_vec(), Some(NEWEST)), expected, "cut to {length} bytes");
    }
}

#[test]
fn every_bit_flipped() {
    let file = file();
    // Beyond two blank records every place is alike.
    for bit in 0..(HEADER_LEN + (signed().len() + 2) * RECORD_LEN) * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit / 8 < HEADER_LEN { Opened::Refused } else { Opened::AboveEverything };
        assert_eq!(open(damaged, Some(NEWEST)), expected, "bit {bit}");
    }
}

#[test]
fn every_record_blanked() {
    let file = file();
    for place in 0..signed().len() {
        let at = HEADER_LEN + place * RECORD_LEN;
        let mut damaged = file.clone();
        damaged[at..at + RECORD_LEN].fill(0);
        let last = place + 1 == signed().len();
        let opened = match Disk::holding(Some(damaged.clone())).open(Some(NEWEST)) {
            Ok(ledger) if ledger.watermark() > NEWEST => Opened::AboveEverything,
            Ok(_) => Opened::WithEverything,
            Err(_) => Opened::Refused,
        };
        // A last record that turned blank leaves a sound file: only a deliberate hand does that.
        assert_eq!(opened, if last { Opened::WithEverything } else { Opened::AboveEverything });
    }
}

#[test]
fn a_clock_that_was_set_back_does_not_lower_the_watermark() {
    let mut torn = file();
    torn[HEADER_LEN + 4 * RECORD_LEN + 50] ^= 1;
    for clock in [None, Some(0), Some(3)] {
        let ledger = Disk::holding(Some(torn.clone())).open(clock).unwrap();
        // Slot 9 was in the lost record; the newest that is left is 8.
        assert_eq!(ledger.watermark(), 10);
    }
}

#[test]
fn what_was_recovered_is_sound_from_then_on() {
    let mut torn = file();
    torn[HEADER_LEN + 4 * RECORD_LEN + 50] ^= 1;
    let disk = Disk::holding(Some(torn));
    assert_eq!(disk.open(Some(20)).unwrap().watermark(), 22);
    let mut ledger = disk.open(Some(22)).unwrap();
    assert_eq!(ledger.watermark(), 22, "opened without another loss");
    assert_eq!(ledger.record_all(&[entry(1, 22, 1)]), [Ok(())]);
}

#[test]
fn two_messages_on_record_for_one_slot_are_an_error() {
    let disks = [1, 2].map(|message| {
        let disk = Disk::default();
        assert_eq!(disk.open(None).unwrap().record_all(&[entry(1, 5, message)]), [Ok(())]);
        disk.contents()
    });
    let mut both = disks[0].clone();
    both[HEADER_LEN + RECORD_LEN..][..RECORD_LEN].copy_from_slice(&disks[1][HEADER_LEN..][..RECORD_LEN]);
    let error = Disk::holding(Some(both)).open(None).unwrap_err();
    assert!(error.to_string().contains("two messages for slot 5 of one key"), "{error}");
}

#[test]
fn what_is_not_a_ledger_is_refused_and_left_alone() {
    for bytes in
        [vec![], b"LATHELGR".to_vec(), vec![0; 5000], b"something else entirely, and quite long too".to_vec()]
    {
        let disk = Disk::holding(Some(bytes.clone()));
        let error = disk.open(Some(1)).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }));
        assert!(error.to_string().contains("refusing to sign"));
        assert_eq!(disk.contents(), bytes);
    }
}
