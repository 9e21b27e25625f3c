//! A network whose proofs are made by a shared library, which crashes, hangs, lies and is killed while it runs. Takes
//! minutes, so it is run by name: `make accept`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and may print"
)]

#[path = "../../../crates/external/tests/support/compile.rs"]
mod compile;
mod support;

use std::path::Path;
use std::time::Duration;

use compile::{behave, compile};
use support::{Network, ledger_conflicts};

const NODES: usize = 4;
const LOST: &str = "lathe_external_worker_total";

/// Sum over all nodes of a metric's values with these labels in them.
fn total(network: &Network, name: &str, labels: &[&str]) -> f64 {
    (0..NODES).map(|index| network.labelled(index, name, labels).unwrap_or(0.0)).sum()
}

fn restarts(network: &Network) -> f64 {
    total(network, LOST, &["event=\"restarted\""])
}

fn missed(network: &Network) -> f64 {
    total(network, "lathe_missed_duties_total", &[])
}

fn finalized(network: &Network) -> u64 {
    (0..NODES).map(|index| network.finalized(index).unwrap()).min().unwrap()
}

/// Does harm and waits until that many workers were started again; then finality must go on, and hardly a duty be
/// missed.
fn survive(network: &Network, what: &str, workers: f64, most_missed: f64, harm: impl FnOnce()) {
    let (restarted, missed_before, slot) = (restarts(network), missed(network), network.slot());
    harm();
    network.wait_until(what, Duration::from_secs(60), |network| restarts(network) >= restarted + workers);
    let healed = network.slot();
    network.wait_for(healed + 1);
    let before = finalized(network);
    network.wait_for(healed + 9);
    let (after, missed) = (finalized(network), missed(network) - missed_before);
    println!(
        "{what}: harmed in slot {slot}, healed in {healed}; finalized {before} -> {after}; {missed} duties missed"
    );
    assert!(after >= before + 6, "{what}: finality went from {before} to {after} in eight slots");
    assert!(missed <= most_missed, "{what}: {missed} duties missed");
}

/// Process ids of workers of that purpose, on Linux.
fn workers(library: &Path, purpose: &str) -> Vec<String> {
    let library = library.canonicalize().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let matching = processes.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let arguments: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        arguments.get(2).is_some_and(|argument| *argument == library.to_string_lossy())
            && arguments.get(3).is_some_and(|argument| argument == purpose)
    });
    matching.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

fn kill(processes: &[String]) {
    assert!(std::process::Command::new("kill").arg("-9").args(processes).status().unwrap().success());
}

#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_a_library_that_misbehaves_costs_the_duty_that_it_was_at() {
    let dir = tempfile::tempdir().unwrap();
    let library = compile(dir.path(), &[]);
    let backend = format!("external:{}", library.display());
    let mut network = Network::start_with(NODES, 4, 256, &["--aggregation-backend", &backend]);
    network.wait_until("the first finalized block", Duration::from_secs(60), |network| {
        (0..NODES).all(|index| network.finalized(index).is_some_and(|slot| slot >= 3))
    });
    assert_eq!((restarts(&network), missed(&network)), (0.0, 0.0));

    // Each of these takes one proof, and with it at most one proposal or aggregation.
    for harm in ["merge crash", "merge hang", "merge random", "merge lie", "aggregate crash"] {
        survive(&network, harm, 1.0, 1.0, || behave(&library, &format!("{harm} once")));
    }
    // A verdict that is lost is asked for again.
    survive(&network, "verify_multi crash", 1.0, 1.0, || behave(&library, "verify_multi crash once"));
    // All of them at once, whatever they are doing.
    for purpose in ["prove", "verify"] {
        let running = workers(&library, purpose);
        assert_eq!(running.len(), NODES);
        survive(&network, &format!("kill -9, {purpose}"), NODES as f64, 2.0, || kill(&running));
    }
    // A slow merge makes its proposers sign earlier, and the blocks come in time all the same.
    behave(&library, "merge slow900");
    network.wait_for(network.slot() + 6);
    survive(&network, "merges of 0.9 s", 0.0, 0.0, || {});

    let events: Vec<f64> = ["died", "timed_out", "garbage", "not_started"]
        .map(|event| total(&network, LOST, &[&format!("event=\"{event}\"")]))
        .into();
    println!("died, timed out, garbage, not started: {events:?}; {} duties missed in all", missed(&network));
    assert_eq!(events, [11.0, 1.0, 2.0, 0.0]);
    for index in 0..NODES {
        network.kill(index);
        let (conflicts, records) = ledger_conflicts(&[&network.data_dir(index)]);
        assert_eq!(conflicts, 0, "node {index} signed two messages with one key in one slot");
        assert!(records > 60, "the ledger of node {index} holds {records} records");
    }
    let left = || workers(&library, "prove").len() + workers(&library, "verify").len();
    for _ in 0..100 {
        if left() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("workers outlive their nodes");
}

/// Slots of each run with slow proofs.
const SLOW_SLOTS: u64 = 35;

/// What a run of four nodes came to, one of which aggregates, with a library that only takes its time: an aggregate and
/// each of its signatures, a merge and each of its components, in milliseconds; and that many provers.
fn run_slowly(costs: [u64; 4], provers: u32) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    let library = compile(dir.path(), &[&format!("TEST_PROVERS={provers}")]);
    let numbers = costs.map(|millis| millis.to_string()).join(" ");
    std::fs::write(format!("{}.costs", library.display()), &numbers).unwrap();
    let summary = dir.path().join("summary.json");
    let output = support::lathe()
        .args(["devnet", "--nodes", "4", "--validators", "4", "--aggregators", "1"])
        .args(["--slots", &SLOW_SLOTS.to_string()])
        .args(["--aggregation-backend", &format!("external:{}", library.display())])
        .arg("--dir")
        .arg(dir.path().join("net"))
        .arg("--summary")
        .arg(&summary)
        .output()
        .unwrap();
    // It complains of a lag, which is what is wanted to be seen here.
    let read = std::fs::read_to_string(&summary);
    let read = read.unwrap_or_else(|_| panic!("no summary: {}", String::from_utf8_lossy(&output.stderr)));
    let logs: String = (0..4)
        .map(|node| std::fs::read_to_string(dir.path().join(format!("net/logs/lathe_{node}.log"))).unwrap())
        .collect();
    assert!(!logs.contains("an aggregation worker was lost"), "{costs:?}: a prover was ended");
    let warned = logs.lines().filter(|line| line.contains("a duty was missed")).count();
    let mut summary: serde_json::Value = serde_json::from_str(&read).unwrap();
    summary["warnings"] = warned.into();
    println!(
        "aggregate {} + {} a signature, merge {} + {} a component, provers {provers}: {} blocks seen, {} in the chain, \
         head {}, lags {} and {}, {warned} duties missed",
        costs[0],
        costs[1],
        costs[2],
        costs[3],
        summary["nodes"][0]["blocks_seen"],
        summary["slots_with_block"],
        summary["nodes"][0]["head_slot"],
        summary["justified_lag_slots"],
        summary["finality_lag_slots"]
    );
    summary
}

#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_slow_proofs_degrade_a_network_and_never_stop_it() {
    let number = |summary: &serde_json::Value, field: &str| summary[field].as_u64().unwrap();
    let of_node = |summary: &serde_json::Value, field: &str| summary["nodes"][0][field].as_u64().unwrap();
    // What another client's provers take on a good machine, and on a slower one.
    for (costs, provers) in [([500, 0, 500, 250], 1), ([900, 0, 1_500, 500], 2)] {
        let summary = run_slowly(costs, provers);
        // At the end: how long anything takes is learned from the first blocks, which come late.
        let head = of_node(&summary, "head_slot");
        let lags = (head - of_node(&summary, "justified_slot"), head - of_node(&summary, "finalized_slot"));
        assert_eq!((lags, number(&summary, "warnings")), ((2, 3), 0), "{costs:?}");
    }
    // Longer than a slot: late blocks, and finality goes on.
    let summary = run_slowly([900, 0, 3_000, 1_000], 1);
    assert!(of_node(&summary, "blocks_seen") * 10 >= SLOW_SLOTS * 9);
    assert!(of_node(&summary, "finalized_slot") > 0);
    let summary = run_slowly([900, 0, 2_000, 3_000], 1);
    assert!(of_node(&summary, "blocks_seen") * 2 > SLOW_SLOTS);
    let summary = run_slowly([0, 227, 0, 2_500], 1);
    assert!(of_node(&summary, "head_slot") + 3 >= SLOW_SLOTS);
}

#[test]
fn a_library_and_our_own_backends_pass_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let library = compile(dir.path(), &[]);
    for (backend, id) in
        [("raw".to_owned(), "raw"), (format!("external:{}", library.display()), "external:test/1")]
    {
        let output = support::lathe()
            .args(["backend", "check", &backend, "--signatures", "4", "--json"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((report["id"].as_str(), &report["faults"]), (Some(id), &serde_json::json!([])));
        let sizes = |field: &str| -> Vec<u64> {
            report[field].as_array().unwrap().iter().map(|it| it["size"].as_u64().unwrap()).collect()
        };
        assert_eq!((sizes("aggregates"), sizes("merges")), (vec![1, 4], vec![1, 2, 5]));
    }
}

#[test]
fn a_library_that_accepts_everything_is_not_to_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let library = compile(dir.path(), &[]);
    // It answers each check without looking.
    behave(&library, "verify_single empty");
    let backend = format!("external:{}", library.display());
    let output = support::lathe().args(["backend", "check", &backend, "--signatures", "1"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for fault in ["another message", "a proof with a bit turned", "a proof that is cut off", "noise"] {
        assert!(error.contains(&format!("it accepts {fault}")), "{fault}: {error}");
    }
}
