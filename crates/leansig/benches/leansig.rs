//! What verification, signing and key generation cost, each beside what the permutations it is made of cost on this
//! machine in the same run. Prints a table and writes `bench/leansig.json` into the target directory.
//!
//! Every figure is the least of many short rounds, so that a busy machine disturbs the ratios little.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it fails")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use lathe_leansig::{Claim, Prod, PublicKey, SecretKey, Signature, primitives, verify, verify_batch};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const ROUNDS: u32 = 24;
/// Permutations in one round.
const PERMUTATIONS: u64 = 1000;
/// Keys and slots of the signatures to verify.
const KEYS: u64 = 8;
const SLOTS: u64 = 8;
/// Leaves of the key that is generated.
const LEAVES: u64 = 64;
/// Messages signed for the mean; the number of attempts varies a lot from one to the next.
const MESSAGES: u32 = 384;
/// Times that each of them is signed. Signing is deterministic, so the fastest counts.
const REPEATS: u32 = 4;
/// Attempts until a message encodes, on average.
const ATTEMPTS: f64 = 913.0;

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

/// Nanoseconds per state of the primitives.
struct Primitives {
    single_16: f64,
    single_24: f64,
    packed_16: f64,
    packed_24: f64,
    keccak: f64,
}

impl Primitives {
    fn measure() -> Self {
        let per_state =
            |run: fn(u64), lanes: u64| fastest(|| run(PERMUTATIONS)) / (PERMUTATIONS * lanes) as f64;
        Self {
            single_16: per_state(primitives::single_16, 1),
            single_24: per_state(primitives::single_24, 1),
            packed_16: per_state(primitives::packed_16, primitives::POSEIDON_LANES),
            packed_24: per_state(primitives::packed_24, primitives::POSEIDON_LANES),
            keccak: per_state(primitives::keccak, primitives::SHAKE_LANES),
        }
    }
}

struct Signed {
    key: PublicKey,
    slot: u64,
    message: [u8; 32],
    signature: Signature<Prod>,
}

fn signatures(rng: &mut ChaCha20Rng) -> Vec<Signed> {
    let mut all = Vec::new();
    for index in 0..KEYS {
        let mut key = SecretKey::<Prod>::generate(rng, 0..SLOTS, |_, _| ()).unwrap();
        for slot in 0..SLOTS {
            let message = [(index * SLOTS + slot) as u8; 32];
            let signature = key.sign_with_build(slot, &message).unwrap();
            all.push(Signed { key: key.public_key(), slot, message, signature });
        }
    }
    all
}

fn sign_mean(rng: &mut ChaCha20Rng) -> f64 {
    let mut key = SecretKey::<Prod>::generate(rng, 0..8, |_, _| ()).unwrap();
    key.sign_with_build(0, &[0; 32]).unwrap();
    let one = |index: u32| {
        let mut message = [0; 32];
        message[..4].copy_from_slice(&index.to_le_bytes());
        fastest_of(REPEATS, || drop(black_box(key.sign(u64::from(index % 8), &message).unwrap())))
    };
    (0..MESSAGES).map(one).sum::<f64>() / f64::from(MESSAGES)
}

fn keygen_per_leaf(rng: &mut ChaCha20Rng) -> f64 {
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let generate = || drop(black_box(SecretKey::<Prod>::generate(rng, 0..LEAVES, |_, _| ()).unwrap()));
    single.install(|| fastest(generate)) / LEAVES as f64
}

fn main() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let p = Primitives::measure();
    let signed = signatures(&mut rng);
    let claims: Vec<Claim<'_, Prod>> = signed
        .iter()
        .map(|s| Claim { public_key: &s.key, slot: s.slot, message: &s.message, signature: &s.signature })
        .collect();
    assert!(verify_batch(&claims).iter().all(|valid| *valid));

    let batch = fastest(|| drop(black_box(verify_batch(&claims)))) / claims.len() as f64;
    let single = fastest(|| {
        for claim in &claims {
            black_box(verify(claim.public_key, claim.slot, claim.message, claim.signature));
        }
    }) / claims.len() as f64;
    let sign = sign_mean(&mut rng);
    let keygen = keygen_per_leaf(&mut rng);

    let batch_bound = 122.0 * p.packed_16 + 58.0 * p.packed_24;
    let single_bound = 122.0 * p.single_16 + 58.0 * p.single_24;
    let sign_bound = ATTEMPTS * (p.packed_24 + p.keccak) + 46.0 * p.keccak + 200.0 * p.packed_16;
    let keygen_bound = 46.0 * p.keccak + 322.0 * p.packed_16 + 26.0 * p.packed_24;

    println!(
        "ns per state: width 16 {:.0}, packed {:.0}; width 24 {:.0}, packed {:.0}; keccak packed {:.0}",
        p.single_16, p.packed_16, p.single_24, p.packed_24, p.keccak
    );
    println!("{:<28}{:>12}{:>12}{:>8}", "", "us", "bound us", "ratio");
    for (name, figure, bound) in [
        ("verify, in a batch of 64", batch, batch_bound),
        ("verify, single (scalar bound)", single, single_bound),
        ("sign, mean", sign, sign_bound),
        ("keygen, per leaf", keygen, keygen_bound),
    ] {
        println!("{name:<28}{:>12.1}{:>12.1}{:>8.2}", figure / 1e3, bound / 1e3, figure / bound);
    }
    write(&serde_json::json!({
        "verify_batch_ratio": batch / batch_bound,
        "verify_single_ratio": single / single_bound,
        "sign_ratio": sign / sign_bound,
        "keygen_ratio": keygen / keygen_bound,
        "verify_batch_ns": batch,
        "verify_single_ns": single,
        "sign_mean_ns": sign,
        "keygen_leaf_ns": keygen,
        "single_16_ns": p.single_16,
        "single_24_ns": p.single_24,
        "packed_16_ns": p.packed_16,
        "packed_24_ns": p.packed_24,
        "keccak_packed_ns": p.keccak,
        "poseidon_lanes": primitives::POSEIDON_LANES,
        "keccak_lanes": primitives::SHAKE_LANES,
    }));
}

fn write(figures: &serde_json::Value) {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(target);
    let file = target.join("bench/leansig.json");
    std::fs::create_dir_all(target.join("bench")).unwrap();
    std::fs::write(&file, format!("{figures:#}\n")).unwrap();
    println!("written to {}", file.display());
}
