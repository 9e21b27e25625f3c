//! What verification, signing and key generation cost, each beside what the compressions of BLAKE2s that it is made
//! of cost in the same lanes on this machine in the same run. Prints a table and writes `bench/xmss_blake2s.json`
//! into the target directory.
//!
//! Every figure is the least of many short rounds, so that a busy machine disturbs the ratios little.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it fails")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use lathe_xmss_blake2s::{
    Claim, Layout, PublicKey, SEED_BYTES, SecretKey, Signature, primitives, verify, verify_batch,
};

const LAYOUT: Layout = Layout::L5;
const SEED: [u8; SEED_BYTES] = [7; SEED_BYTES];
const ROUNDS: u32 = 24;
/// Calls of the compression function in one round.
const COMPRESSIONS: u64 = 1000;
/// Keys and slots of the signatures to verify.
const KEYS: u64 = 8;
const SLOTS: u64 = 8;
/// Leaves of the key that is generated.
const LEAVES: u64 = 1024;
/// Messages signed; the number of trials varies a lot from one to the next.
const MESSAGES: u32 = 64;
/// Times that each of them is signed. Signing is deterministic, so the fastest counts.
const REPEATS: u32 = 32;
/// Compressions of a verification, of a leaf, of one trial and of the chains of a signature.
const VERIFY: f64 = 144.0;
const LEAF: f64 = 347.0;
const TRIAL: f64 = 3.0;
const VALUES: f64 = 42.0 + 195.0;
/// Trials until a message encodes, on average.
const TRIALS: f64 = 29_489.0;

/// Nanoseconds of the fastest of some rounds.
fn fastest_of(rounds: u32, mut work: impl FnMut()) -> f64 {
    let round = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e9
    };
    (0..rounds).map(round).fold(f64::INFINITY, f64::min)
}

fn fastest(work: impl FnMut()) -> f64 {
    fastest_of(ROUNDS, work)
}

struct Signed {
    key: PublicKey,
    slot: u64,
    message: [u8; 32],
    signature: Signature,
}

fn signatures() -> Vec<Signed> {
    let mut all = Vec::new();
    for index in 0..KEYS {
        let mut key = SecretKey::from_seed(LAYOUT, &[index as u8; SEED_BYTES], 0..SLOTS, |_, _| ()).unwrap();
        for slot in 0..SLOTS {
            let message = [(index * SLOTS + slot) as u8; 32];
            let signature = key.sign_with_build(slot, &message).unwrap();
            all.push(Signed { key: key.public_key(), slot, message, signature });
        }
    }
    all
}

/// Nanoseconds of signing all messages, and the trials that it takes.
fn sign() -> (f64, f64) {
    let mut key = SecretKey::from_seed(LAYOUT, &SEED, 0..1, |_, _| ()).unwrap();
    key.sign_with_build(0, &[0; 32]).unwrap();
    let one = |index: u32| {
        let mut message = [0; 32];
        message[..4].copy_from_slice(&index.to_le_bytes());
        let trials = primitives::winning_trial(LAYOUT, &SEED, 0, &message).unwrap() + 1;
        let time = fastest_of(REPEATS, || drop(black_box(key.sign(0, &message).unwrap())));
        (time, f64::from(trials))
    };
    (0..MESSAGES).map(one).fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn keygen_per_leaf() -> f64 {
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let generate = || drop(black_box(SecretKey::from_seed(LAYOUT, &SEED, 0..LEAVES, |_, _| ()).unwrap()));
    single.install(|| fastest(generate)) / LEAVES as f64
}

fn main() {
    let lanes = primitives::COMPRESS_LANES;
    let compression = fastest(|| primitives::packed(COMPRESSIONS)) / (COMPRESSIONS * lanes) as f64;
    let signed = signatures();
    let claims: Vec<Claim<'_>> = signed
        .iter()
        .map(|s| Claim { public_key: &s.key, slot: s.slot, message: &s.message, signature: &s.signature })
        .collect();
    assert!(verify_batch(LAYOUT, &claims).iter().all(|valid| *valid));

    let batch = fastest(|| drop(black_box(verify_batch(LAYOUT, &claims)))) / claims.len() as f64;
    let single = fastest(|| {
        for claim in &claims {
            black_box(verify(LAYOUT, claim.public_key, claim.slot, claim.message, claim.signature));
        }
    }) / claims.len() as f64;
    let (sign, trials) = sign();
    let keygen = keygen_per_leaf();

    // The messages at hand take a few trials more or fewer than others would: what a mean message costs follows from
    // both.
    let sign_ratio = sign / (compression * (TRIAL * trials + VALUES * f64::from(MESSAGES)));
    let sign_bound = compression * (TRIAL * TRIALS + VALUES);
    println!("one compression, in {lanes} lanes: {compression:.2} ns each, {:.1} M/s", 1e3 / compression);
    println!("{:<28}{:>12}{:>12}{:>8}", "", "us", "bound us", "ratio");
    for (name, figure, bound) in [
        ("verify, in a batch of 64", batch, VERIFY * compression),
        ("verify, single", single, VERIFY * compression * lanes as f64),
        ("sign, mean", sign_ratio * sign_bound, sign_bound),
        ("keygen, per leaf", keygen, LEAF * compression),
    ] {
        println!("{name:<28}{:>12.2}{:>12.2}{:>8.2}", figure / 1e3, bound / 1e3, figure / bound);
    }
    write(&serde_json::json!({
        "lanes": lanes,
        "compression_ns": compression,
        "verify_batch_ns": batch,
        "verify_batch_ratio": batch / (VERIFY * compression),
        "verify_single_ns": single,
        "sign_mean_ns": sign_ratio * sign_bound,
        "sign_ratio": sign_ratio,
        "keygen_leaf_ns": keygen,
        "keygen_ratio": keygen / (LEAF * compression),
    }));
}

fn write(figures: &serde_json::Value) {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(target);
    let file = target.join("bench/xmss_blake2s.json");
    std::fs::create_dir_all(target.join("bench")).unwrap();
    std::fs::write(&file, format!("{figures:#}\n")).unwrap();
    println!("written to {}", file.display());
}
