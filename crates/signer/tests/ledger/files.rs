//! The ledger in a directory.

use std::fs;
use std::sync::Barrier;
use std::thread;

use lathe_signer::{Error, Ledger, SignError};
use tempfile::TempDir;

use crate::disk::{GENESIS_TIME, entry};

#[test]
fn it_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("deep").join("ledger");
    let ledger = Ledger::open(&path, GENESIS_TIME, None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 1)]), [Ok(())]);
    drop(ledger);
    let ledger = Ledger::open(&path, GENESIS_TIME, Some(5)).unwrap();
    assert_eq!(ledger.watermark(), 0);
    assert_eq!(ledger.record_all(&[entry(1, 5, 2)]), [Err(SignError::AlreadySigned { slot: 5 })]);
    assert_eq!(ledger.record_all(&[entry(1, 6, 2)]), [Ok(())]);
}

#[test]
fn a_second_opener_is_refused_at_once() {
    let dir = TempDir::new().unwrap();
    let first = Ledger::open(dir.path(), GENESIS_TIME, None).unwrap();
    let error = Ledger::open(dir.path(), GENESIS_TIME, None).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }));
    assert!(error.to_string().contains("in use by another process"));
    drop(first);
    Ledger::open(dir.path(), GENESIS_TIME, None).unwrap();
}

#[test]
fn of_ten_threads_that_race_for_one_slot_exactly_one_wins() {
    let dir = TempDir::new().unwrap();
    let ledger = Ledger::open(dir.path(), GENESIS_TIME, None).unwrap();
    for slot in 0..20 {
        let start = Barrier::new(10);
        let attempt = |message| {
            start.wait();
            ledger.record_all(&[entry(1, slot, message)]).pop().unwrap()
        };
        let outcomes: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..10).map(|message| scope.spawn(move || attempt(message))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let refused = Err(SignError::AlreadySigned { slot });
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == refused).count(), 9);
    }
}

#[test]
fn deleting_the_chain_database_beside_it_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (chain, path) = (dir.path().join("chain"), dir.path().join("ledger"));
    fs::create_dir(&chain).unwrap();
    let ledger = Ledger::open(&path, GENESIS_TIME, None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 1)]), [Ok(())]);
    drop(ledger);
    fs::remove_dir_all(&chain).unwrap();
    let ledger = Ledger::open(&path, GENESIS_TIME, Some(900)).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 2)]), [Err(SignError::AlreadySigned { slot: 5 })]);
}

#[test]
fn the_file_grows_before_it_is_full() {
    let dir = TempDir::new().unwrap();
    let length = || fs::metadata(dir.path().join("signing.ledger")).unwrap().len();
    let ledger = Ledger::open(dir.path(), GENESIS_TIME, None).unwrap();
    for slot in 0..4 {
        assert_eq!(length(), 36 + 81 * 1024);
        let entries: Vec<_> = (0..=255).map(|key| entry(key, slot, 1)).collect();
        assert!(ledger.record_all(&entries).iter().all(Result::is_ok));
    }
    assert_eq!(length(), 36 + 81 * 2048);
    drop(ledger);
    let ledger = Ledger::open(dir.path(), GENESIS_TIME, Some(5)).unwrap();
    assert_eq!(
        ledger.watermark(),
        0,
        "1,024 records fill a file of that size, which would then look cut short"
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "in the way").unwrap();
    let error = Ledger::open(&dir.path().join("file").join("ledger"), GENESIS_TIME, None).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
}
