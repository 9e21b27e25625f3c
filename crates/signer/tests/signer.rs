//! Keys from files, and signatures that leave only after their record.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers fail as tests do, by panicking")]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lathe_leansig::{
    PublicKey as XmssPublicKey, Scheme, SecretKey, Signature as XmssSignature, Test, verify,
};
use lathe_ledger::Refusal;
use lathe_signer::{Error, Exhaustion, KeyAssignment, KeyStore, Locked, SignError, SignRequest, Signer};
use lathe_types::{KeyRole, PublicKey, Root, SignatureScheme, Slot, ValidatorIndex};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use tempfile::TempDir;

const GENESIS_TIME: u64 = 1_700_000_000;
const VALIDATOR: ValidatorIndex = ValidatorIndex(3);

fn key(seed: u64, slots: Range<u64>) -> SecretKey<Test> {
    SecretKey::generate(&mut ChaCha20Rng::seed_from_u64(seed), slots, |_, _| ()).unwrap()
}

fn opened(keys: KeyStore<Test>, ledger: &Path) -> Signer<Test> {
    Locked::take(keys, ledger, GENESIS_TIME).unwrap().open(None, None, false).unwrap()
}

fn already_signed(slot: u64) -> SignError {
    Refusal::AlreadySigned { slot }.into()
}

fn public_key(key: &SecretKey<Test>) -> PublicKey {
    PublicKey::from(key.public_key().encode())
}

fn request(role: KeyRole, slot: u64, message: u8) -> SignRequest {
    SignRequest { validator: VALIDATOR, role, slot: Slot(slot), message: Root::repeat_byte(message) }
}

fn vote(slot: u64, message: u8) -> SignRequest {
    request(KeyRole::Attestation, slot, message)
}

/// A signer with one validator whose two keys cover slots 0 to 99.
fn signer(directory: &Path) -> (Signer<Test>, [XmssPublicKey; 2]) {
    let (attestation, proposal) = (key(1, 0..100), key(2, 0..100));
    let public_keys = [attestation.public_key(), proposal.public_key()];
    let mut keys = KeyStore::default();
    keys.insert(VALIDATOR, KeyRole::Attestation, attestation).unwrap();
    keys.insert(VALIDATOR, KeyRole::Proposal, proposal).unwrap();
    (opened(keys, directory), public_keys)
}

#[test]
fn signatures_verify_under_the_key_of_their_role() {
    let dir = TempDir::new().unwrap();
    let (signer, public_keys) = signer(dir.path());
    signer.prepare_now(Slot(5)).unwrap();
    let requests = [vote(5, 1), request(KeyRole::Proposal, 5, 2)];
    let signatures = signer.sign_all(&requests);
    for ((request, signature), public_key) in requests.iter().zip(signatures).zip(&public_keys) {
        let signature = XmssSignature::<Test>::decode(signature.unwrap().as_bytes()).unwrap();
        assert!(verify(public_key, request.slot.0, &request.message.0, &signature));
    }
}

#[test]
fn a_slot_is_signed_once_and_the_same_message_gives_the_same_bytes() {
    let dir = TempDir::new().unwrap();
    let signer = signer(dir.path()).0;
    signer.prepare_now(Slot(5)).unwrap();
    let first = signer.sign_all(&[vote(5, 1)]);
    assert!(first[0].is_ok());
    assert_eq!(signer.sign_all(&[vote(5, 1)]), first);
    assert_eq!(signer.sign_all(&[vote(5, 2)]), [Err(already_signed(5))]);
    drop(signer);
    let signer = self::signer(dir.path()).0;
    signer.prepare_now(Slot(5)).unwrap();
    assert_eq!(signer.sign_all(&[vote(5, 2), vote(5, 1)]), [Err(already_signed(5)), first[0].clone()]);
}

#[test]
fn a_key_that_cannot_sign_keeps_its_slot() {
    let dir = TempDir::new().unwrap();
    let signer = signer(dir.path()).0;
    let stranger = SignRequest { validator: ValidatorIndex(9), ..vote(5, 1) };
    let expected = [
        Err(SignError::NotPrepared { slot: 5 }),
        Err(SignError::KeyExhausted { slot: 100 }),
        Err(SignError::UnknownKey),
    ];
    assert_eq!(signer.sign_all(&[vote(5, 1), vote(100, 1), stranger]), expected);
    signer.prepare_now(Slot(5)).unwrap();
    assert!(signer.sign_all(&[vote(5, 2)])[0].is_ok(), "another message: the first one was not recorded");
}

#[test]
fn refusals_and_signatures_come_in_the_order_of_the_requests() {
    let dir = TempDir::new().unwrap();
    let signer = signer(dir.path()).0;
    signer.prepare_now(Slot(5)).unwrap();
    assert!(signer.sign_all(&[vote(5, 1)])[0].is_ok());
    let stranger = SignRequest { validator: ValidatorIndex(9), ..vote(6, 1) };
    let outcomes = signer.sign_all(&[stranger, vote(5, 2), vote(6, 1), vote(5, 1)]);
    assert_eq!(outcomes[0], Err(SignError::UnknownKey));
    assert_eq!(outcomes[1], Err(already_signed(5)));
    assert!(outcomes[2].is_ok() && outcomes[3].is_ok());
    assert_ne!(outcomes[2], outcomes[3]);
}

#[test]
fn preparation_is_handed_out_once_and_again_when_it_is_lost() {
    let dir = TempDir::new().unwrap();
    let signer = signer(dir.path()).0;
    let jobs = signer.work_due(Slot(5));
    let roles: Vec<_> = jobs.iter().map(|job| (job.validator(), job.role(), job.is_urgent())).collect();
    assert_eq!(roles, [(VALIDATOR, KeyRole::Attestation, true), (VALIDATOR, KeyRole::Proposal, true)]);
    assert!(signer.work_due(Slot(5)).is_empty(), "both keys are being worked on");
    drop(jobs);
    for job in signer.work_due(Slot(5)) {
        signer.install(job.run().unwrap());
    }
    assert!(signer.sign_all(&[vote(5, 1)])[0].is_ok());
    let ahead = signer.work_due(Slot(5));
    assert_eq!(ahead.len(), 2, "the next part of each key comes ahead of need");
    assert!(ahead.iter().all(|job| !job.is_urgent()));
    ahead.into_iter().for_each(|job| signer.install(job.run().unwrap()));
    assert!(signer.work_due(Slot(5)).is_empty());
    let next_part = Test::WINDOW_LEAVES;
    assert!(signer.sign_all(&[vote(next_part, 1)])[0].is_ok());
}

#[test]
fn no_slot_stalls_while_the_work_that_is_due_is_done_behind_each() {
    let dir = TempDir::new().unwrap();
    let signer = signer(dir.path()).0;
    signer.prepare_now(Slot(0)).unwrap();
    assert_eq!(
        signer.sign_all(&[vote(Test::WINDOW_LEAVES, 1)]),
        [Err(SignError::NotPrepared { slot: Test::WINDOW_LEAVES })],
        "the start waits for the first part of each key alone"
    );
    // Every edge of a window and of a bottom tree within the keys' range.
    for slot in 0..100 {
        let outcomes = signer.sign_all(&[vote(slot, 1), request(KeyRole::Proposal, slot, 2)]);
        assert!(outcomes.iter().all(Result::is_ok), "slot {slot}: {outcomes:?}");
        for job in signer.work_due(Slot(slot)) {
            assert!(!job.is_urgent());
            signer.install(job.run().unwrap());
        }
    }
}

#[test]
fn keys_that_end_soon_are_announced() {
    let dir = TempDir::new().unwrap();
    let mut keys = KeyStore::default();
    keys.insert(VALIDATOR, KeyRole::Attestation, key(1, 0..100)).unwrap();
    keys.insert(VALIDATOR, KeyRole::Proposal, key(2, 0..40)).unwrap();
    let signer = opened(keys, dir.path());
    let ending = |role, end| Exhaustion { validator: VALIDATOR, role, end: Slot(end) };
    assert_eq!(signer.exhausts_within(Slot(10), 29), []);
    assert_eq!(signer.exhausts_within(Slot(10), 30), [ending(KeyRole::Proposal, 40)]);
    let both = [ending(KeyRole::Attestation, 100), ending(KeyRole::Proposal, 40)];
    assert_eq!(signer.exhausts_within(Slot(500), 0), both);
}

#[test]
fn nothing_of_a_key_is_printed() {
    let dir = TempDir::new().unwrap();
    let signer = signer(dir.path()).0;
    let text = format!("{signer:?} {:?}", signer.work_due(Slot(0)));
    assert!(text.starts_with("Signer { keys: KeyStore { keys: 2 }, ledger: Ledger { location: "), "{text}");
    assert!(text.len() < 600, "{text}");
}

fn write_key(dir: &TempDir, name: &str, key: &SecretKey<Test>) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, &**key.encode()).unwrap();
    path
}

fn assignment(path: &Path, role: KeyRole, public_key: PublicKey) -> KeyAssignment {
    KeyAssignment { validator: VALIDATOR, role, path: path.to_owned(), public_key }
}

fn refusal(assignments: &[KeyAssignment]) -> Error {
    KeyStore::<Test>::load(SignatureScheme::Leansig, assignments).unwrap_err()
}

#[test]
fn key_files_of_both_formats_are_recognised_by_content() {
    let dir = TempDir::new().unwrap();
    // The other format knows whole ranges only.
    let (ours, theirs) = (key(1, 0..10), key(2, 0..256));
    let exported = dir.path().join("exported");
    fs::write(&exported, &**theirs.export_leansig(|_, _| ()).unwrap()).unwrap();
    let assignments = [
        assignment(&write_key(&dir, "compact", &ours), KeyRole::Attestation, public_key(&ours)),
        assignment(&exported, KeyRole::Proposal, public_key(&theirs)),
    ];
    let keys = KeyStore::<Test>::load(SignatureScheme::Leansig, &assignments).unwrap();
    assert_eq!(keys.len(), 2);
    let signer = opened(keys, &dir.path().join("ledger"));
    signer.prepare_now(Slot(3)).unwrap();
    assert!(signer.sign_all(&[vote(3, 1), request(KeyRole::Proposal, 3, 1)]).iter().all(Result::is_ok));
}

#[test]
fn a_key_of_somebody_else_is_refused() {
    let dir = TempDir::new().unwrap();
    let (mine, other) = (key(1, 0..10), key(2, 0..10));
    let path = write_key(&dir, "other", &other);
    let error = refusal(&[assignment(&path, KeyRole::Proposal, public_key(&mine))]);
    assert_eq!(
        error.to_string(),
        format!(
            "the key file {} holds the secret of {}, but the proposal key of validator 3 is {}: check the key directory \
             and the assignment",
            path.display(),
            public_key(&other),
            public_key(&mine)
        )
    );
}

#[test]
fn files_that_are_no_keys_are_named() {
    let dir = TempDir::new().unwrap();
    let key = key(1, 0..10);
    let expected = public_key(&key);
    let missing = dir.path().join("missing");
    assert!(
        matches!(refusal(&[assignment(&missing, KeyRole::Proposal, expected)]), Error::KeyFile { path, .. } if path == missing)
    );
    let garbage = dir.path().join("garbage");
    for bytes in [vec![], vec![0; 5000], key.encode()[1..].to_vec(), key.encode()[..200].to_vec()] {
        fs::write(&garbage, bytes).unwrap();
        let error = refusal(&[assignment(&garbage, KeyRole::Proposal, expected)]);
        assert!(matches!(&error, Error::Key { path, .. } if *path == garbage), "{error}");
    }
    fs::File::create(&garbage).unwrap().set_len(1 << 30).unwrap();
    let error = refusal(&[assignment(&garbage, KeyRole::Proposal, expected)]);
    assert!(matches!(error, Error::KeyFileSize { bytes, .. } if bytes == 1 << 30));
}

#[test]
fn one_role_has_one_key() {
    let dir = TempDir::new().unwrap();
    let key = key(1, 0..10);
    let twice = assignment(&write_key(&dir, "key", &key), KeyRole::Attestation, public_key(&key));
    let error = refusal(&[twice.clone(), twice]);
    assert_eq!(error.to_string(), "validator 3 has two attestation keys assigned");
}
