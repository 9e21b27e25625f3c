//! Keys in files, and what happens to the files around them: the ledger wiped, restored or copied, the clock set back,
//! the network begun anew, a second process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as tests do, by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use lathe_leansig::{SecretKey, Test};
use lathe_ledger::{Error as LedgerError, Opened, Refusal};
use lathe_signer::{
    Error, KeyAssignment, KeyStore, Locked, MARK_FILE, SignError, SignRequest, Signer, read_marks,
};
use lathe_types::{KeyRole, PublicKey, Root, SignatureScheme, Slot, ValidatorIndex};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use tempfile::TempDir;

const GENESIS_TIME: u64 = 1_700_000_000;
const VALIDATOR: ValidatorIndex = ValidatorIndex(3);
const ROLES: [KeyRole; 2] = [KeyRole::Attestation, KeyRole::Proposal];

/// A key directory and a data directory.
struct Home {
    dir: TempDir,
    keys: [PublicKey; 2],
}

impl Home {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("keys")).unwrap();
        let make = |seed| {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let key = SecretKey::<Test>::generate(&mut rng, 0..200, |_, _| ()).unwrap();
            fs::write(dir.path().join(format!("keys/{seed}")), &**key.encode()).unwrap();
            PublicKey::from(key.public_key().encode())
        };
        let keys = [make(0), make(1)];
        Self { dir, keys }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn assignments(&self) -> Vec<KeyAssignment> {
        let of = |(at, role): (usize, KeyRole)| {
            let path = self.path(&format!("keys/{at}"));
            KeyAssignment { validator: VALIDATOR, role, path, public_key: self.keys[at] }
        };
        ROLES.into_iter().enumerate().map(of).collect()
    }

    fn open_as(
        &self,
        ledger: &str,
        genesis_time: u64,
        slot: Option<u64>,
        allow_key_reuse: bool,
    ) -> Result<Signer<Test>, Error> {
        let keys = KeyStore::load(SignatureScheme::Leansig, &self.assignments())?;
        let signer = Locked::take(keys, &self.path(ledger), genesis_time)?;
        let signer = signer.open(slot.map(Slot), None, allow_key_reuse)?;
        signer.prepare_now(Slot(0)).unwrap();
        Ok(signer)
    }

    fn open(&self, ledger: &str, slot: Option<u64>) -> Result<Signer<Test>, Error> {
        self.open_as(ledger, GENESIS_TIME, slot, false)
    }

    /// A signer that has signed at the slots 0 to `last`, and stopped.
    fn having_signed(last: u64) -> Self {
        let home = Self::new();
        let signer = home.open("ledger", None).unwrap();
        assert_eq!(signer.opened(), Opened::New);
        (0..=last).for_each(|slot| assert_eq!(sign(&signer, slot, 1), Ok(())));
        home
    }
}

fn sign(signer: &Signer<Test>, slot: u64, message: u8) -> Result<(), SignError> {
    let message = Root::repeat_byte(message);
    let request = SignRequest { validator: VALIDATOR, role: KeyRole::Attestation, slot: Slot(slot), message };
    for job in signer.work_due(Slot(slot)) {
        signer.install(job.run().unwrap());
    }
    signer.sign_all(&[request]).pop().unwrap().map(|_| ())
}

fn below(slot: u64, watermark: u64) -> Result<(), SignError> {
    Err(Refusal::BelowWatermark { slot, watermark }.into())
}

#[test]
fn keys_that_signed_under_another_genesis_are_refused_however_the_data_was_wiped() {
    let home = Home::having_signed(8);
    fs::remove_dir_all(home.path("ledger")).unwrap();
    for slot in [None, Some(0), Some(100)] {
        let error = home.open_as("ledger", GENESIS_TIME + 60, slot, false).unwrap_err();
        assert!(matches!(error, Error::Ledger(LedgerError::UsedElsewhere { .. })), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("has signed for the network with genesis time 1700000000, up to slot 8"),
            "{text}"
        );
        assert!(text.contains("--allow-key-reuse") && text.contains("make new keys"), "{text}");
    }
    // Accepted in so many words; from then on the keys belong to the new network.
    let signer = home.open_as("ledger", GENESIS_TIME + 60, None, true).unwrap();
    assert_eq!(sign(&signer, 0, 2), Ok(()));
    drop(signer);
    home.open_as("ledger", GENESIS_TIME + 60, Some(0), false).unwrap();
    assert!(home.open_as("other", GENESIS_TIME, None, false).is_err());
}

#[test]
fn keys_that_never_signed_may_go_to_another_network() {
    let home = Home::new();
    drop(home.open("ledger", None).unwrap());
    fs::remove_dir_all(home.path("ledger")).unwrap();
    let signer = home.open_as("ledger", GENESIS_TIME + 60, None, false).unwrap();
    assert_eq!((signer.opened(), sign(&signer, 0, 2)), (Opened::New, Ok(())));
}

#[test]
fn a_wiped_ledger_signs_nothing_that_may_have_been_signed_whatever_the_clock_says() {
    // The clock is right, ten slots back, or ahead.
    for (clock, watermark) in [(21, 23), (10, 22), (0, 22), (500, 502)] {
        let home = Home::having_signed(20);
        fs::remove_dir_all(home.path("ledger")).unwrap();
        let signer = home.open("ledger", Some(clock)).unwrap();
        assert_eq!(
            (signer.opened(), signer.watermark()),
            (Opened::Missing, Slot(watermark)),
            "clock {clock}"
        );
        assert_eq!(sign(&signer, 20, 2), below(20, watermark));
        assert_eq!(sign(&signer, 21, 2), below(21, watermark));
    }
    let home = Home::having_signed(20);
    fs::remove_dir_all(home.path("ledger")).unwrap();
    let error = home.open("ledger", None).unwrap_err().to_string();
    assert!(error.contains("the clock says that the network has not begun"), "{error}");
    assert!(!home.path("ledger/signing.ledger").exists(), "nothing is begun in its place");
}

#[test]
fn a_ledger_from_a_backup_is_a_missing_one_even_a_slot_later() {
    let home = Home::new();
    let signer = home.open("ledger", None).unwrap();
    (0..=10).for_each(|slot| assert_eq!(sign(&signer, slot, 1), Ok(())));
    let backup = fs::read(home.path("ledger/signing.ledger")).unwrap();
    assert_eq!(sign(&signer, 11, 1), Ok(()));
    drop(signer);
    // With the right ledger the same start costs nothing.
    let signer = home.open("ledger", Some(11)).unwrap();
    assert_eq!((signer.opened(), signer.watermark()), (Opened::Whole, Slot(0)));
    drop(signer);
    fs::write(home.path("ledger/signing.ledger"), backup).unwrap();
    let signer = home.open("ledger", Some(11)).unwrap();
    assert!(matches!(signer.opened(), Opened::Behind { newest: 11, .. }), "{:?}", signer.opened());
    assert_eq!(signer.watermark(), Slot(13));
    assert_eq!(sign(&signer, 11, 2), below(11, 13));
    assert_eq!(sign(&signer, 13, 2), Ok(()));
}

#[test]
fn of_two_copies_of_a_ledger_only_the_one_that_signed_last_goes_on() {
    let home = Home::having_signed(5);
    fs::create_dir(home.path("copy")).unwrap();
    fs::copy(home.path("ledger/signing.ledger"), home.path("copy/signing.ledger")).unwrap();
    let signer = home.open("copy", Some(6)).unwrap();
    assert_eq!((signer.opened(), sign(&signer, 6, 1)), (Opened::Whole, Ok(())));
    drop(signer);
    let signer = home.open("ledger", Some(6)).unwrap();
    assert_eq!(signer.watermark(), Slot(8));
    assert_eq!(sign(&signer, 6, 2), below(6, 8));
}

#[test]
fn a_second_signer_with_the_same_key_files_is_refused_wherever_its_ledger_is() {
    let home = Home::new();
    let first = home.open("ledger", None).unwrap();
    let error = home.open("other", None).unwrap_err();
    let Error::KeyInUse { path, .. } = &error else { panic!("{error}") };
    assert!(path.starts_with(home.path("keys")));
    assert!(error.to_string().contains("is in use by process"), "{error}");
    assert!(!home.path("other").exists(), "it is found before anything is made");
    // A hard link is the same key.
    for at in 0..2 {
        fs::create_dir_all(home.path("linked")).unwrap();
        fs::hard_link(home.path(&format!("keys/{at}")), home.path(&format!("linked/{at}"))).unwrap();
    }
    let mut linked = home.assignments();
    linked.iter_mut().for_each(|key| key.path = home.path("linked").join(key.path.file_name().unwrap()));
    assert!(matches!(
        KeyStore::<Test>::load(SignatureScheme::Leansig, &linked).unwrap_err(),
        Error::KeyInUse { .. }
    ));
    drop(first);
    home.open("ledger", None).unwrap();
}

#[test]
fn a_key_that_serves_twice_is_refused() {
    let home = Home::new();
    let mut assignments = home.assignments();
    assignments[1].public_key = assignments[0].public_key;
    let error = KeyStore::<Test>::load(SignatureScheme::Leansig, &assignments).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "one key serves as the attestation key of validator 3 and as the proposal key of validator 3"
        ),
        "{error}"
    );
}

#[test]
fn the_mark_is_durable_with_the_signature_and_counts_it() {
    let home = Home::new();
    let signer = home.open("ledger", None).unwrap();
    let marks = || read_marks(&home.path("keys")).unwrap();
    let of = |slot| {
        let mut of: Vec<_> = marks().into_iter().map(|mark| (mark.signed, mark.newest)).collect();
        of.sort_unstable();
        assert_eq!(of.len(), 2, "at slot {slot}");
        of
    };
    assert_eq!(of(0), [(0, None), (0, None)]);
    for slot in 0..5 {
        assert_eq!(sign(&signer, slot, 1), Ok(()));
        assert_eq!(sign(&signer, slot, 1), Ok(()), "again");
        assert_eq!(of(slot), [(0, None), (slot + 1, Some(slot))]);
    }
    // Where the mark cannot be written no signature leaves, and nothing is signed any more.
    fs::remove_file(home.path("keys").join(MARK_FILE)).unwrap();
    let Err(SignError::Refused(Refusal::Failed(why))) = sign(&signer, 5, 1) else {
        panic!("a signature left")
    };
    assert!(why.ends_with("signing.marks: it was moved away or deleted while it was in use"), "{why}");
}

/// Puts a copy in the place of each key file, as who updates files by `mv` does.
fn replace_key_files(home: &Home) {
    for at in 0..2 {
        let path = home.path(&format!("keys/{at}"));
        fs::copy(&path, home.path("copy")).unwrap();
        fs::rename(home.path("copy"), &path).unwrap();
    }
}

fn assert_stopped(signer: &Signer<Test>, slot: u64) {
    match sign(signer, slot, 2) {
        Err(SignError::Refused(Refusal::Failed(why))) => {
            assert!(why.contains("signing.marks: another process signs with a copy of key 0x"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_file_that_was_replaced_while_in_use_signs_in_one_process_only() {
    let home = Home::having_signed(3);
    let first = home.open("ledger", Some(4)).unwrap();
    replace_key_files(&home);
    // Nothing keeps a second one out: the lock is on the file that is gone.
    let second = home.open("other", Some(4)).unwrap();
    assert_eq!(second.watermark(), Slot(6));
    assert_eq!(sign(&first, 6, 1), Ok(()));
    assert_stopped(&second, 6);
    assert_stopped(&second, 7);
    assert_eq!(sign(&first, 7, 1), Ok(()));
    // Whoever signs first goes on.
    drop(second);
    replace_key_files(&home);
    let third = home.open("third", Some(8)).unwrap();
    assert_eq!(sign(&third, 10, 3), Ok(()));
    assert_stopped(&first, 10);
    assert_stopped(&first, 11);
}

#[test]
fn the_mark_of_a_key_is_found_through_a_link_to_its_file() {
    let home = Home::having_signed(3);
    fs::create_dir(home.path("links")).unwrap();
    let assignments = home.assignments().into_iter().enumerate().map(|(at, key)| {
        let path = home.path(&format!("links/{at}"));
        std::os::unix::fs::symlink(&key.path, &path).unwrap();
        KeyAssignment { path, ..key }
    });
    let assignments: Vec<_> = assignments.collect();
    let keys = KeyStore::<Test>::load(SignatureScheme::Leansig, &assignments).unwrap();
    let signer = Locked::take(keys, &home.path("other"), GENESIS_TIME).unwrap();
    let signer = signer.open(None, None, false).unwrap_err();
    assert!(signer.to_string().contains("has signed for this network, up to slot 3"), "{signer}");
    assert!(!home.path("links/signing.marks").exists());
}

#[test]
fn nodes_that_share_a_key_directory_share_the_marks() {
    let home = Home::new();
    let open = |at: usize, ledger: &str| {
        let keys = KeyStore::<Test>::load(SignatureScheme::Leansig, &home.assignments()[at..=at]).unwrap();
        let signer =
            Locked::take(keys, &home.path(ledger), GENESIS_TIME).unwrap().open(None, None, false).unwrap();
        signer.prepare_now(Slot(0)).unwrap();
        signer
    };
    let (first, second) = (open(0, "a"), open(1, "b"));
    let request =
        |role| SignRequest { validator: VALIDATOR, role, slot: Slot(1), message: Root::repeat_byte(1) };
    assert!(first.sign_all(&[request(KeyRole::Attestation)])[0].is_ok());
    assert!(second.sign_all(&[request(KeyRole::Proposal)])[0].is_ok());
    let marks = read_marks(&home.path("keys")).unwrap();
    assert!(marks.iter().all(|mark| (mark.signed, mark.newest) == (1, Some(1))), "{marks:?}");
}

#[test]
fn damaged_marks_are_an_error_and_left_alone() {
    let home = Home::having_signed(3);
    let path = home.path("keys").join(MARK_FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(&path, &bytes).unwrap();
    let error = home.open("ledger", Some(4)).unwrap_err().to_string();
    assert!(
        error.contains("signing.marks, which says what the keys beside it have signed, is damaged"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_ne!(fs::metadata(path).unwrap().permissions().mode() & 0o400, 0);
}

#[test]
fn a_signature_that_is_not_ours_stops_its_key_alone() {
    let home = Home::new();
    let signer = home.open("ledger", Some(10)).unwrap();
    let seen = |role, slot, message| SignRequest {
        validator: VALIDATOR,
        role,
        slot: Slot(slot),
        message: Root::repeat_byte(message),
    };
    assert_eq!(sign(&signer, 12, 1), Ok(()));
    for (slot, message, why) in [(12, 1, "ours"), (11, 2, "before this ledger was begun")] {
        assert_eq!(signer.seen(&seen(KeyRole::Attestation, slot, message)), Ok(false), "{why}");
    }
    assert_eq!(signer.seen(&seen(KeyRole::Attestation, 13, 9)), Ok(true));
    assert_eq!(signer.seen(&seen(KeyRole::Attestation, 14, 9)), Ok(false), "it rests already");
    let stopped = Err(Refusal::Stopped { slot: 13 }.into());
    assert_eq!(sign(&signer, 14, 1), stopped);
    assert_eq!(signer.stopped(), [(VALIDATOR, KeyRole::Attestation, Slot(13))]);
    let proposal = signer.sign_all(&[seen(KeyRole::Proposal, 14, 1)]);
    assert!(proposal[0].is_ok(), "{proposal:?}");
    drop(signer);
    let signer = home.open("ledger", Some(15)).unwrap();
    assert_eq!(sign(&signer, 15, 1), stopped, "after a restart as well");
}
