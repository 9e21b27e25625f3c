//! Real networks of real processes. They take minutes, so they are run by name: `make e2e` runs the short ones,
//! `make accept` all of them, on an otherwise idle machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and may print"
)]

mod support;

use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{Network, ledger_conflicts};

/// Runs `lathe devnet` for some slots and gives its summary.
fn devnet(nodes: u32, validators: u32, slots: u32) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("summary.json");
    let output = support::lathe()
        .args(["devnet", "--nodes", &nodes.to_string(), "--validators", &validators.to_string()])
        .args(["--slots", &slots.to_string(), "--dir"])
        .arg(dir.path().join("net"))
        .arg("--summary")
        .arg(&summary)
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let json = std::fs::read_to_string(&summary).unwrap_or_default();
    println!("{json}");
    assert!(output.status.success(), "{text}\n{json}");
    serde_json::from_str(&json).unwrap()
}

/// What every healthy network shows: a block in every slot, the least lag that the timeline allows, nothing missed.
fn assert_healthy(summary: &Value, slots: u64) {
    assert_eq!(summary["agreed"], true, "{summary}");
    assert_eq!(summary["slots_with_block"], slots, "{summary}");
    assert_eq!(summary["participation"], 1.0, "{summary}");
    assert_eq!(summary["justified_lag_slots"], 2, "{summary}");
    assert_eq!(summary["finality_lag_slots"], 3, "{summary}");
    for node in summary["nodes"].as_array().unwrap() {
        let missed = node["missed_duties"].as_object().unwrap();
        assert!(missed.values().all(|count| count == 0), "{node}");
    }
}

#[test]
#[ignore = "takes minutes; run by make e2e"]
fn short_four_nodes_finalize_every_slot() {
    assert_healthy(&devnet(4, 4, 12), 12);
}

#[test]
#[ignore = "takes minutes; run by make e2e"]
fn short_a_killed_aggregator_comes_back() {
    kill_one(0);
}

#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_a_killed_node_comes_back() {
    kill_one(3);
}

#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_four_nodes_finalize_sixty_slots() {
    assert_healthy(&devnet(4, 4, 60), 60);
}

#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_eight_nodes_with_thirty_two_validators() {
    assert_healthy(&devnet(8, 32, 60), 60);
}

/// More validators than a block has room for votes: finality needs two thirds of them, and every one does its duty.
#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_sixty_four_validators_per_node() {
    const KEYS_PER_NODE: f64 = 128.0;
    let summary = devnet(4, 256, 30);
    assert_eq!(summary["agreed"], true, "{summary}");
    assert_eq!(summary["slots_with_block"], 30, "{summary}");
    assert_eq!(summary["justified_lag_slots"], 2, "{summary}");
    assert_eq!(summary["finality_lag_slots"], 3, "{summary}");
    assert!(summary["participation"].as_f64().unwrap() > 2.0 / 3.0, "{summary}");
    for node in summary["nodes"].as_array().unwrap() {
        let missed = node["missed_duties"].as_object().unwrap();
        assert!(missed.values().all(|count| count == 0), "{node}");
        // 64 KiB per key.
        assert!(node["max_rss_mib"].as_f64().unwrap() < 150.0 + KEYS_PER_NODE / 16.0, "{node}");
    }
}

/// Budgets of the architecture page, after 200 slots.
#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_two_hundred_slots_stay_within_budget() {
    let summary = devnet(4, 4, 200);
    assert_healthy(&summary, 200);
    for node in summary["nodes"].as_array().unwrap() {
        assert!(node["max_rss_mib"].as_f64().unwrap() < 100.0, "{node}");
        assert!(node["cpu_percent"].as_f64().unwrap() < 3.0, "{node}");
        assert!(node["block_arrival_ms"]["p99"].as_f64().unwrap() < 15.0, "{node}");
        assert!(node["block_import_ms"]["p99"].as_f64().unwrap() < 10.0, "{node}");
    }
}

/// `kill -9` at a random moment of a slot; the rest keep finalizing; the node comes back and does its duties.
fn kill_one(victim: usize) {
    let mut network = Network::start(4, 4, 128);
    let survivors: Vec<usize> = (0..4).filter(|index| *index != victim).collect();
    network.wait_until("the first finalized block", Duration::from_secs(60), |network| {
        (0..4).all(|index| network.finalized(index).is_some_and(|slot| slot >= 2))
    });
    sleep_randomly();
    network.kill(victim);
    let killed_at = network.slot();
    println!("killed node {victim} in slot {killed_at}");

    let mut finalized = Vec::new();
    for slot in killed_at + 1..=killed_at + 12 {
        network.wait_for(slot);
        finalized.push(survivors.iter().map(|index| network.finalized(*index).unwrap()).min().unwrap());
    }
    println!("finalized by the survivors, slot by slot: {finalized:?}");
    for window in finalized.windows(9) {
        assert!(
            window[8] >= window[0] + 4,
            "finality advanced {} in eight slots: {finalized:?}",
            window[8] - window[0]
        );
    }

    network.start_node(victim);
    network.wait_until("the killed node in sync", Duration::from_secs(20), |network| network.in_sync(victim));
    let synced_at = network.slot();
    let signed = network.metric(victim, "lean_pq_sig_attestation_signatures_total").unwrap_or(0.0);
    network.wait_for(synced_at + 2);
    let later = network.metric(victim, "lean_pq_sig_attestation_signatures_total").unwrap();
    assert!(later > signed, "no duty done within two slots of being in sync, at slot {synced_at}");
    network.wait_for(synced_at + 5);
    let heads: Vec<_> = (0..4).map(|index| network.head(index).unwrap()).collect();
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
    assert!(network.finalized(victim).unwrap() > *finalized.last().unwrap());

    for index in 0..4 {
        network.kill(index);
        let (conflicts, records) = ledger_conflicts(&[&network.data_dir(index)]);
        assert_eq!(conflicts, 0, "node {index} signed two messages with one key in one slot");
        assert!(records > 10, "the ledger of node {index} holds {records} records");
    }
}

/// A node that lost its data, ledger included, starts from what another node calls final and finalizes with the others.
#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_a_wiped_node_starts_from_a_checkpoint() {
    const WIPED: usize = 3;
    let mut network = Network::start(4, 4, 128);
    network.wait_until("finality", Duration::from_secs(60), |network| {
        network.finalized(WIPED).is_some_and(|slot| slot >= 2)
    });
    network.kill(WIPED);
    let lost = network.data_dir(WIPED).with_extension("lost");
    std::fs::rename(network.data_dir(WIPED), &lost).unwrap();
    network.wait_for(network.slot() + 4);

    let checkpoint = network.finalized(0).unwrap();
    assert!(checkpoint > 2, "three of four finalize");
    // The first server cannot be reached: nothing listens on a port that was just free.
    let nobody = format!("http://127.0.0.1:{}", support::free_ports(1));
    let servers = format!("{nobody},{}/lean/v0/states/finalized", network.url(0));
    network.start_node_with(WIPED, &["--checkpoint-sync-url", &servers]);
    network.wait_until("the wiped node in sync", Duration::from_secs(20), |network| network.in_sync(WIPED));
    let view = network.api(WIPED, "fork_choice").unwrap();
    let slots: Vec<u64> =
        view["nodes"].as_array().unwrap().iter().map(|node| node["slot"].as_u64().unwrap()).collect();
    println!("started from a checkpoint at slot {checkpoint} or later; holds slots {slots:?}");
    assert!(slots.iter().all(|slot| *slot >= checkpoint), "nothing is fetched from before: {slots:?}");

    // A ledger that is missing after genesis signs from two slots ahead on.
    network.wait_for(network.slot() + 6);
    let signed = network.metric(WIPED, "lean_pq_sig_attestation_signatures_total").unwrap();
    assert!(signed >= 3.0, "{signed} votes");
    let heads: Vec<_> = (0..4).map(|index| network.head(index).unwrap()).collect();
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
    let finalized: Vec<_> = (0..4).map(|index| network.finalized(index).unwrap()).collect();
    println!("finalized: {finalized:?}");
    assert!(finalized.iter().all(|slot| *slot > checkpoint && *slot == finalized[0]), "{finalized:?}");

    network.kill(WIPED);
    let (conflicts, records) = ledger_conflicts(&[&lost, &network.data_dir(WIPED)]);
    assert_eq!(
        conflicts, 0,
        "a key signed two messages in one slot, before and after the loss of its ledger"
    );
    assert!(records > 5, "{records} records");

    // Started again with the same option, it keeps the chain that it has.
    network.start_node_with(WIPED, &["--checkpoint-sync-url", &nobody]);
    network.wait_until("the node in sync again", Duration::from_secs(20), |network| network.in_sync(WIPED));
}

/// Two of four are less than two thirds: finality must stop, and go on once they are back.
#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_two_killed_nodes_stop_finality_until_they_return() {
    let mut network = Network::start(4, 4, 128);
    network.wait_until("the first finalized block", Duration::from_secs(60), |network| {
        (0..4).all(|index| network.finalized(index).is_some_and(|slot| slot >= 2))
    });
    sleep_randomly();
    network.kill(1);
    network.kill(2);
    // What was voted before the kill may still finalize.
    let stopped_at = network.slot() + 3;
    network.wait_for(stopped_at);
    let before: Vec<_> = [0, 3].map(|index| network.finalized(index).unwrap()).into();
    network.wait_for(stopped_at + 6);
    let after: Vec<_> = [0, 3].map(|index| network.finalized(index).unwrap()).into();
    assert_eq!(before, after, "half of the validators finalized something");

    network.start_node(1);
    network.start_node(2);
    network.wait_until("finality goes on", Duration::from_secs(100), |network| {
        (0..4).all(|index| network.finalized(index).is_some_and(|slot| slot > stopped_at))
    });
}

fn sleep_randomly() {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let wait = Duration::from_millis(u64::from(nanos / 1_000) % 4_000);
    println!("random moment: {wait:?} from now");
    std::thread::sleep(wait);
}
