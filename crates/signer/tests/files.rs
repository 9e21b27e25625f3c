//! The ledger's file: who may have it, and what it notices.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as tests do, by panicking")]

use std::fs;
use std::path::Path;

use lathe_ledger::{Entry, KeyId, Ledger, Refusal, Terms};
use lathe_signer::{DiskFile, Error};
use lathe_types::Root;
use tempfile::TempDir;

const GENESIS_TIME: u64 = 1_700_000_000;

fn entry(key: u8, slot: u64, message: u8) -> Entry {
    Entry { key: KeyId([key; 32]), slot, root: Root::repeat_byte(message) }
}

fn open(directory: &Path, current_slot: Option<u64>) -> Result<Ledger<DiskFile>, Error> {
    let terms = Terms { genesis_time: GENESIS_TIME, current_slot, ..Terms::default() };
    Ok(Ledger::open(DiskFile::lock(directory)?, &terms)?)
}

#[test]
fn it_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("deep").join("ledger");
    let mut ledger = open(&path, None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 1)]), [Ok(())]);
    drop(ledger);
    let mut ledger = open(&path, Some(5)).unwrap();
    assert_eq!(ledger.watermark(), 0);
    assert_eq!(ledger.record_all(&[entry(1, 5, 2)]), [Err(Refusal::AlreadySigned { slot: 5 })]);
    assert_eq!(ledger.record_all(&[entry(1, 6, 2)]), [Ok(())]);
}

#[test]
fn a_second_opener_is_refused_at_once_and_told_who_has_it() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path(), None).unwrap();
    let error = open(dir.path(), None).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }));
    assert!(error.to_string().contains("signing.ledger is in use by "), "{error}");
    if cfg!(target_os = "linux") {
        assert!(error.to_string().contains(&format!("process {} (", std::process::id())), "{error}");
    }
    drop(first);
    open(dir.path(), None).unwrap();
}

#[test]
fn no_lock_file_is_needed_to_keep_a_second_process_out() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path(), None).unwrap();
    fs::remove_file(dir.path().join("signing.lock")).unwrap();
    assert!(matches!(open(dir.path(), None).unwrap_err(), Error::Locked { .. }));
    // Neither does it help to call the directory something else.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    assert!(matches!(open(&link, None).unwrap_err(), Error::Locked { .. }));
    drop(first);
}

#[test]
fn the_lock_is_held_through_a_replacement() {
    let dir = TempDir::new().unwrap();
    let mut first = open(dir.path(), None).unwrap();
    // What an opener holds that came before the file was replaced is not the ledger any more.
    let before = fs::File::open(dir.path().join("signing.ledger")).unwrap();
    let mut text = Vec::new();
    first.export(&mut text).unwrap();
    first.import(&lathe_ledger::Interchange::read(&text[..]).unwrap()).unwrap();
    fs::remove_file(dir.path().join("signing.lock")).unwrap();
    assert!(matches!(open(dir.path(), None).unwrap_err(), Error::Locked { .. }));
    assert!(before.try_lock().is_ok());
}

/// A ledger with one record, then something happens to its file.
fn after(what: impl Fn(&Path, &Path)) -> String {
    let dir = TempDir::new().unwrap();
    let elsewhere = TempDir::new().unwrap();
    let mut ledger = open(dir.path(), None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 1)]), [Ok(())]);
    what(dir.path(), elsewhere.path());
    let outcomes = ledger.record_all(&[entry(1, 6, 1), entry(1, 5, 1)]);
    let Err(Refusal::Failed(why)) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(outcomes[0], outcomes[1]);
    assert!(why.starts_with(&format!("{}/signing.ledger: ", dir.path().display())), "{why}");
    why.rsplit(": ").next().unwrap().to_owned()
}

#[test]
fn a_ledger_that_was_taken_away_while_in_use_signs_nothing_more() {
    let gone = "it was moved away or deleted while it was in use";
    assert_eq!(after(|dir, _| fs::remove_file(dir.join("signing.ledger")).unwrap()), gone);
    assert_eq!(after(|dir, to| fs::rename(dir.join("signing.ledger"), to.join("x")).unwrap()), gone);
    assert_eq!(after(|dir, to| fs::rename(dir, to.join("y")).unwrap()), gone);
    let replaced = after(|dir, to| {
        fs::copy(dir.join("signing.ledger"), to.join("copy")).unwrap();
        fs::rename(to.join("copy"), dir.join("signing.ledger")).unwrap();
    });
    assert_eq!(replaced, "another file has taken its place");
    let linked =
        after(|dir, to| fs::hard_link(dir.join("signing.ledger"), to.join("signing.ledger")).unwrap());
    assert_eq!(linked, "it has 2 names (hard links), it must have one");
}

#[test]
fn a_hard_link_of_a_ledger_is_no_second_ledger() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = open(dir.path(), None).unwrap();
    let link = other.path().join("signing.ledger");
    fs::hard_link(dir.path().join("signing.ledger"), &link).unwrap();
    assert!(matches!(open(other.path(), None).unwrap_err(), Error::Locked { .. }));
    drop(first);
    let error = open(other.path(), None).unwrap_err().to_string();
    assert_eq!(error, format!("{}: it has 2 names (hard links), it must have one", link.display()));
    fs::remove_file(link).unwrap();
    open(dir.path(), None).unwrap();
}

#[test]
fn deleting_the_chain_database_beside_it_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (chain, path) = (dir.path().join("chain"), dir.path().join("ledger"));
    fs::create_dir(&chain).unwrap();
    let mut ledger = open(&path, None).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 1)]), [Ok(())]);
    drop(ledger);
    fs::remove_dir_all(&chain).unwrap();
    let mut ledger = open(&path, Some(900)).unwrap();
    assert_eq!(ledger.record_all(&[entry(1, 5, 2)]), [Err(Refusal::AlreadySigned { slot: 5 })]);
}

#[test]
fn the_file_grows_before_it_is_full() {
    let dir = TempDir::new().unwrap();
    let length = || fs::metadata(dir.path().join("signing.ledger")).unwrap().len();
    let mut ledger = open(dir.path(), None).unwrap();
    for slot in 0..4 {
        assert_eq!(length(), 36 + 81 * 1024);
        let entries: Vec<_> = (0..=255).map(|key| entry(key, slot, 1)).collect();
        assert!(ledger.record_all(&entries).iter().all(Result::is_ok));
    }
    assert_eq!(length(), 36 + 81 * 2048);
    drop(ledger);
    // 1,024 records fill a file of that size, which would then look cut short.
    assert_eq!(open(dir.path(), Some(4)).unwrap().watermark(), 0);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "in the way").unwrap();
    let error = open(&dir.path().join("file").join("ledger"), None).unwrap_err();
    assert!(matches!(error, Error::Ledger(lathe_ledger::Error::Io { .. })));
}
