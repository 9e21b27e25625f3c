//! What proofs cost: time and CPU time to make, size, time to verify, memory. Prints a table and writes
//! `bench/aggregation.json` into the target directory. Each case runs in a process of its own, so that its memory is
//! its own; times are the least of some rounds, so that a busy machine disturbs them little.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it fails")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use lathe_leansig::{Prod, SecretKey};
use lathe_stark::{Claim, Statement, prove, verify};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

// The allocator of the node.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Messages, each at its own slot, and signatures of each.
const CASES: [(usize, usize); 6] = [(1, 1), (1, 4), (1, 16), (1, 64), (1, 256), (8, 32)];
const PROVE_ROUNDS: usize = 5;
const VERIFY_ROUNDS: usize = 30;

fn signed(messages: usize, each: usize) -> (Statement, Vec<Vec<u8>>) {
    let all: Vec<(Claim, Vec<u8>)> = (0..messages * each)
        .into_par_iter()
        .map(|index| {
            let slot = (12_345 + index / each) as u64;
            let mut rng = ChaCha20Rng::seed_from_u64(index as u64);
            let mut key = SecretKey::<Prod>::generate(&mut rng, slot..slot + 1, |_, _| ()).unwrap();
            let message = [(index / each) as u8; 32];
            let signature = key.sign_with_build(slot, &message).unwrap().encode();
            (Claim { public_key: key.public_key().encode(), message, slot: slot as u32 }, signature)
        })
        .collect();
    let (claims, signatures) = all.into_iter().unzip();
    (Statement::new(claims).unwrap(), signatures)
}

/// Seconds of CPU time that this process has taken. Linux only; zero elsewhere.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// The most memory that this process has had, in MiB. Linux only; zero elsewhere.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn least(rounds: usize, mut work: impl FnMut() -> f64) -> f64 {
    (0..rounds).map(|_| work()).fold(f64::INFINITY, f64::min)
}

fn measure(messages: usize, each: usize) -> serde_json::Value {
    let (statement, signatures) = signed(messages, each);
    let signatures: Vec<&[u8]> = signatures.iter().map(Vec::as_slice).collect();
    let mut proof = prove(&statement, &signatures).unwrap();
    let cpu_before = cpu_seconds();
    let prove_s = least(PROVE_ROUNDS, || {
        let start = Instant::now();
        proof = prove(&statement, &signatures).unwrap();
        start.elapsed().as_secs_f64()
    });
    let cpu_s = (cpu_seconds() - cpu_before) / PROVE_ROUNDS as f64;
    let verify_ms = least(VERIFY_ROUNDS, || {
        let start = Instant::now();
        verify(&statement, &proof).unwrap();
        start.elapsed().as_secs_f64() * 1e3
    });
    serde_json::json!({
        "messages": messages,
        "signatures": messages * each,
        "prove_s": prove_s,
        "prove_cpu_s": cpu_s,
        "kib": proof.len() as f64 / 1024.0,
        "verify_ms": verify_ms,
        "rss_mib": peak_mib(),
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--case") {
        let number = |offset: usize| arguments[at + offset].parse().unwrap();
        println!("{}", measure(number(1), number(2)));
        return;
    }
    println!(
        "{:>9}{:>11}{:>9}{:>9}{:>9}{:>11}{:>9}",
        "messages", "signatures", "prove s", "CPU s", "KiB", "verify ms", "RSS MiB"
    );
    let mut figures = Vec::new();
    for (messages, each) in CASES {
        let case = [messages.to_string(), each.to_string()];
        let output =
            Command::new(std::env::current_exe().unwrap()).arg("--case").args(&case).output().unwrap();
        let figure: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let value = |name: &str| figure[name].as_f64().unwrap();
        println!(
            "{:>9}{:>11}{:>9.3}{:>9.3}{:>9.1}{:>11.2}{:>9.0}",
            value("messages"),
            value("signatures"),
            value("prove_s"),
            value("prove_cpu_s"),
            value("kib"),
            value("verify_ms"),
            value("rss_mib")
        );
        figures.push(figure);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(target);
    let file = target.join("bench/aggregation.json");
    std::fs::create_dir_all(target.join("bench")).unwrap();
    std::fs::write(&file, format!("{:#}\n", serde_json::json!({ "cases": figures }))).unwrap();
    println!("written to {}", file.display());
}
