//! A node whose system clock is wrong for a while, in a network of real processes. It needs libfaketime (Debian:
//! `apt install faketime`) and takes minutes, so it is run by name like the other networks: `make e2e`, `make accept`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, helpers included"
)]

mod support;

use std::thread::sleep;
use std::time::{Duration, Instant};

use support::{Network, faketime, ledger_conflicts, signed_slots};

/// The node with the wrong clock, which has one validator of four, or two.
const WRONG: usize = 2;
const AHEAD_S: u64 = 600;
const WRONG_FOR: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(60);
const BEGINS: &str = "duties rest until it is corrected";
const ENDS: &str = "what others sign fits the clock again: duties go on";

/// Three nodes of which one has a clock of its own, after the first finalized block.
fn network() -> Option<Network> {
    if faketime().is_none() {
        println!("not run: libfaketime is not installed");
        return None;
    }
    let mut network = Network::start(3, 4, 512);
    network.kill(WRONG);
    network.set_clock(WRONG, 0);
    network.start_node(WRONG);
    network.wait_until("the first finalized block", PATIENCE, |network| {
        (0..3).all(|index| network.finalized(index).is_some_and(|slot| slot >= 1))
    });
    Some(network)
}

/// Starts the node anew with a clock that is ahead.
fn start_ahead(network: &mut Network) {
    network.kill(WRONG);
    println!("ahead from slot {}", network.slot());
    network.set_clock(WRONG, AHEAD_S);
    network.start_node(WRONG);
}

/// The clock is wrong now: waits, and sees that duties rest all the time.
fn see_it_rest(network: &Network) {
    let wrong_until = Instant::now() + WRONG_FOR;
    network.wait_until("duties rest", PATIENCE, |network| network.log_of(WRONG).contains(BEGINS));
    println!("told in slot {}", network.slot());
    sleep(wrong_until.saturating_duration_since(Instant::now()));
    let syncing = network.api(WRONG, "node/syncing").unwrap();
    assert_eq!(syncing["is_syncing"], true, "{syncing}");
}

/// After a correction: in step within two slots, and nothing was signed for a slot that was not there.
fn assert_in_step(mut network: Network, corrected: u64) {
    network.wait_for(corrected + 2);
    let syncing = network.api(WRONG, "node/syncing").unwrap();
    assert_eq!(syncing["is_syncing"], false, "{syncing}");
    network.wait_for(corrected + 6);
    // Nodes are asked one after the other, and a block may come in between.
    network.wait_until("all have one head", PATIENCE, |network| {
        let heads: Vec<_> = (0..3).map(|index| network.head(index)).collect();
        heads[0].is_some() && heads.iter().all(|head| *head == heads[0])
    });
    let log = network.log_of(WRONG);
    assert_eq!(log.matches(BEGINS).count(), 1, "{log}");
    network.kill(WRONG);
    let signed = signed_slots(&network.data_dir(WRONG));
    println!("corrected in slot {corrected}; signed for {signed:?}");
    let last = signed.last().unwrap();
    assert!(*last <= network.slot() + 1, "leaves of slots to come: {signed:?}");
    for slot in corrected + 2..=corrected + 6 {
        assert!(signed.contains(&slot), "no duty done in slot {slot}: {signed:?}\n{log}");
    }
    let (conflicts, _) = ledger_conflicts(&[&network.data_dir(WRONG)]);
    assert_eq!(conflicts, 0);
}

#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_a_clock_that_steps_ahead_and_back_spends_nothing() {
    let Some(network) = network() else { return };
    println!("ahead from slot {}", network.slot());
    network.set_clock(WRONG, AHEAD_S);
    see_it_rest(&network);
    network.set_clock(WRONG, 0);
    let corrected = network.slot();
    network.wait_until("it is said that duties go on", PATIENCE, |network| {
        network.log_of(WRONG).matches(ENDS).count() == 1
    });
    assert_in_step(network, corrected);
}

#[test]
#[ignore = "takes minutes; run by make e2e"]
fn short_a_clock_that_is_ahead_at_boot_spends_nothing() {
    let Some(mut network) = network() else { return };
    start_ahead(&mut network);
    see_it_rest(&network);
    network.set_clock(WRONG, 0);
    let corrected = network.slot();
    network.wait_until("it is said that duties go on", PATIENCE, |network| {
        network.log_of(WRONG).matches(ENDS).count() == 1
    });
    assert_in_step(network, corrected);
}

#[test]
#[ignore = "takes minutes; run by make accept"]
fn long_a_clock_that_is_set_right_before_the_next_start_costs_two_slots() {
    let Some(mut network) = network() else { return };
    start_ahead(&mut network);
    see_it_rest(&network);
    network.kill(WRONG);
    network.set_clock(WRONG, 0);
    network.start_node(WRONG);
    let corrected = network.slot();
    network.wait_until("it is said that the clock was ahead", PATIENCE, |network| {
        network.log_of(WRONG).contains("it was opened while the clock was ahead")
    });
    assert_in_step(network, corrected);
}
