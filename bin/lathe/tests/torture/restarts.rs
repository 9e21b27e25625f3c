//! Nodes that come back behind the others, and clocks that step while a node runs.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::lab::{Lab, is_inside};
use crate::probe::{Metrics, finalized, gauge, get, view};
use crate::support::{SLOT, ledger_records};

/// Where Debian and its kin have the library that fakes the time.
const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
/// Head and finality as far apart as the timeline requires, and one more slot for one that is under way.
const LAG_SLOTS: u64 = 5;

fn settle(lab: &Lab, nodes: &[usize]) {
    lab.wait_until("finality", Duration::from_secs(60), || {
        nodes.iter().all(|node| finalized(&lab.api(*node)).is_some_and(|slot| slot >= 2))
    });
}

/// A stored chain that peers can continue is kept; a start from a checkpoint fills in what lies before it; who knows
/// that node alone gets the whole chain from it.
#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_a_checkpoint_costs_no_chain() {
    let mut lab = Lab::start(4, 4, 256, &[]);
    settle(&lab, &[0, 1, 2, 3]);
    lab.stop_node(3);
    let stored = lab.slot();
    sleep(SLOT * 14);
    let url = format!("{}/lean/v0/states/finalized", lab.api(0));
    lab.start_node(3, |command| {
        command.args(["--checkpoint-sync-url", &url]);
    });
    let in_step = |lab: &Lab, node: usize| {
        let view = view(&lab.api(node));
        view.is_some_and(|view| view[0].slot.0 + 1 >= lab.slot() && view[2].slot.0 + LAG_SLOTS >= lab.slot())
    };
    let took = lab.wait_until("the stopped node in step", Duration::from_secs(30), || in_step(&lab, 3));
    println!("behind by {} slots, in step after {} ms", lab.slot() - stored, took.as_millis());
    assert_eq!(gauge(&lab, 3, "lathe_earliest_block_slot"), 0.0, "it kept its chain\n{}", lab.tail(3));

    let anew = lab.add_observer();
    lab.start_node(anew, |command| {
        command.args(["--checkpoint-sync-url", &url]);
    });
    lab.wait_until("the new node in step", Duration::from_secs(30), || in_step(&lab, anew));
    lab.wait_until("the blocks before the checkpoint", Duration::from_secs(30), || {
        gauge(&lab, anew, "lathe_earliest_block_slot") <= 1.0
    });
    let follower = lab.add_observer();
    lab.start_knowing(follower, &[anew], |_| {});
    let took =
        lab.wait_until("who knows the new node alone", Duration::from_secs(60), || in_step(&lab, follower));
    println!("an observer that knows only a node from a checkpoint is in step after {} ms", took.as_millis());
}

/// A node that is alone for a minute finds the others again.
#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_all_peers_are_lost_for_a_minute() {
    if !is_inside("restarts::long_all_peers_are_lost_for_a_minute") {
        return;
    }
    let lab = Lab::start(4, 4, 256, &[]);
    settle(&lab, &[0, 1, 2, 3]);
    lab.cut(&[0, 1, 2], &[3]);
    sleep(Duration::from_secs(60));
    println!("{} peers after a minute alone", peers(&lab, 3));
    let healed_at = lab.slot();
    lab.heal(&[0, 1, 2], &[3]);
    let first = lab.wait_until("a peer", Duration::from_secs(60), || peers(&lab, 3) > 0);
    let all = lab.wait_until("all peers", Duration::from_secs(60), || peers(&lab, 3) == 3);
    lab.wait_until("finality", Duration::from_secs(144), || {
        (0..4).all(|node| finalized(&lab.api(node)).is_some_and(|slot| slot > healed_at))
    });
    println!(
        "first peer after {} ms, all after {} ms more, finality after {} slots",
        first.as_millis(),
        all.as_millis(),
        lab.slot() - healed_at
    );
    assert!(first <= Duration::from_secs(10), "{first:?}");
}

/// Peers that a node says it is connected to.
fn peers(lab: &Lab, node: usize) -> u64 {
    let body = get(&format!("{}/lean/v0/node/peer_count", lab.api(node))).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    value["connected"].as_u64().unwrap_or_default()
}

/// A clock that steps ahead by ten minutes while a node runs, and back after 40 seconds.
#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_a_clock_steps_ahead_and_back() {
    let Some(library) = FAKETIME.iter().find(|path| Path::new(path).exists()) else {
        println!("libfaketime is not installed: no clock steps here");
        return;
    };
    let mut lab = Lab::start(3, 4, 256, &[]);
    let node = lab.add_observer();
    let offset = lab.path("offset");
    let step = |to: &str| std::fs::write(&offset, to).unwrap();
    step("+0");
    lab.start_node(node, |command: &mut Command| {
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &offset);
        command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
    });
    settle(&lab, &[0, 1, 2, 3]);
    let before = Metrics::of(&lab, node).sum("lean_pq_sig_attestation_signatures_total");
    step("+600");
    sleep(Duration::from_secs(40));
    let during = Metrics::of(&lab, node).sum("lean_pq_sig_attestation_signatures_total");
    let stepped_back_at = lab.slot();
    step("+0");
    lab.wait_until("a vote after the correction", Duration::from_secs(30), || {
        gauge(&lab, node, "lean_pq_sig_attestation_signatures_total") > during
    });
    let resumed_after = lab.slot() - stepped_back_at;
    sleep(SLOT * 4);
    let newest =
        ledger_records(&lab.data_dir(node).join("ledger")).into_iter().map(|((_, slot), _)| slot).max();
    println!(
        "{} signatures while ten minutes ahead; the first vote {resumed_after} slots after the correction; newest slot \
         on record {newest:?} at slot {}",
        during - before,
        lab.slot()
    );
    assert!(newest.is_some_and(|newest| newest <= lab.slot() + 1), "a slot of the future was signed for");
    assert!(resumed_after <= 2, "{}", lab.tail(node));
    let log = std::fs::read_to_string(lab.log(node)).unwrap();
    let about =
        |line: &&str| line.contains("report: ") && line.contains("clock") && !line.contains("duty was");
    let said: Vec<&str> = log.lines().filter(about).collect();
    println!("{}", said.join("\n"));
    assert_eq!(said.len(), 2, "one line when it begins and one when it ends:\n{}", said.join("\n"));
}
