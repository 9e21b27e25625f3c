//! How long all votes of a slot take in one node with 64 validators, from the order to the last signature, with their
//! records in the ledger and the marks beside the keys, both synced to the disk of the temporary directory. Prints the
//! figures beside those of keys without marks, slot by slot in turn, and beside the time that the signatures alone
//! would take, and writes `bench/signer.json` into the target directory.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it fails")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use lathe_leansig::{Prod, SecretKey};
use lathe_signer::{KeyAssignment, KeyStore, Locked, SignRequest, Signer};
use lathe_types::{KeyRole, PublicKey, Root, SignatureScheme, Slot, ValidatorIndex};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

const VALIDATORS: u64 = 64;
const SLOTS: u64 = 40;
/// What a slot's votes may take on two cores.
const BUDGET_MS: f64 = 150.0;

fn milliseconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

/// Two signers with the same keys: one has them from files, with marks beside them, the other in memory.
fn signers(dir: &Path) -> [Signer; 2] {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut in_memory = KeyStore::default();
    let mut assignments = Vec::new();
    for validator in (0..VALIDATORS).map(ValidatorIndex) {
        let key = SecretKey::<Prod>::generate(&mut rng, 0..SLOTS, |_, _| ()).unwrap();
        let (path, role) = (dir.join(validator.to_string()), KeyRole::Attestation);
        std::fs::write(&path, &**key.encode()).unwrap();
        let public_key = PublicKey::from(key.public_key().encode());
        assignments.push(KeyAssignment { validator, role, path, public_key });
        in_memory.insert(validator, role, key).unwrap();
    }
    let from_files = KeyStore::load(SignatureScheme::Leansig, &assignments).unwrap();
    [(from_files, "with"), (in_memory, "without")].map(|(keys, name)| {
        let signer = Locked::take(keys, &dir.join(name), 0).unwrap().open(None, None, false).unwrap();
        signer.prepare_now(Slot(0)).unwrap();
        signer
    })
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let [signer, unmarked] = signers(dir.path());
    let requests = |slot: u64| -> Vec<SignRequest> {
        (0..VALIDATORS)
            .map(|index| SignRequest {
                validator: ValidatorIndex(index),
                role: KeyRole::Attestation,
                slot: Slot(slot),
                // All validators of a node vote for the same, but under keys of their own.
                message: Root::repeat_byte(slot as u8),
            })
            .collect()
    };
    let mut slots = Vec::new();
    let mut without_marks = Vec::new();
    let mut again = Vec::new();
    for slot in 0..SLOTS {
        let requests = requests(slot);
        let sign = |signer: &Signer| assert!(signer.sign_all(&requests).iter().all(Result::is_ok));
        slots.push(milliseconds(|| sign(&signer)));
        without_marks.push(milliseconds(|| sign(&unmarked)));
        // The same messages again need no record, so this is what the signatures alone take.
        again.push(milliseconds(|| sign(&signer)));
    }
    let sorted = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times
    };
    let (slots, without_marks, again) = (sorted(slots), sorted(without_marks), sorted(again));
    let median = |times: &[f64]| times[times.len() / 2];
    let worst = slots[slots.len() - 1];
    let threads = rayon::current_num_threads();
    println!(
        "{VALIDATORS} votes of a slot, signed and synced, {threads} threads: median {:.1} ms, worst {worst:.1} ms, \
         without marks {:.1} ms, signatures alone {:.1} ms, budget {BUDGET_MS} ms",
        median(&slots),
        median(&without_marks),
        median(&again)
    );
    let json = format!(
        "{{\n  \"votes\": {VALIDATORS},\n  \"threads\": {threads},\n  \"median_ms\": {:.2},\n  \"worst_ms\": {worst:.2},\n  \
         \"without_marks_ms\": {:.2},\n  \
         \"signatures_alone_ms\": {:.2},\n  \"budget_ms\": {BUDGET_MS}\n}}\n",
        median(&slots),
        median(&without_marks),
        median(&again)
    );
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(target);
    std::fs::create_dir_all(target.join("bench")).unwrap();
    std::fs::write(target.join("bench/signer.json"), json).unwrap();
}
