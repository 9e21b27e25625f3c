//! Nodes that are killed, lose their power, run out of disk and are told to stop, at any moment.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lathe_types::Root;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::disk::{Disk, Shim};
use crate::solo::Solo;
use crate::support::signal;

/// Networks that are tried at the same time: they sleep most of the time.
const AT_ONCE: u64 = 4;
/// Slots that the keys of a network cover: more than a run lasts.
const SLOTS: u64 = 1024;
/// How long a node may take to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);
/// Slots after a start within which a node that is alone does a duty: with nobody to ask, it first takes its own word
/// for where the chain is.
const RESUMED_WITHIN_SLOTS: u64 = 5;

/// The seed of a run, which a failure prints with all that the run printed: `LATHE_TORTURE_SEED` runs it again.
fn seed() -> u64 {
    let given = std::env::var("LATHE_TORTURE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    println!("LATHE_TORTURE_SEED={seed}");
    seed
}

/// What a number of ends came to.
#[derive(Default)]
struct Tally {
    ends: AtomicU64,
    signed: AtomicU64,
    /// Slots from a start to the first duty, of the starts that were watched.
    resumed: Mutex<Vec<u64>>,
    worst_ms: AtomicU64,
}

/// Runs `one` for every network, each with its part of the ends.
fn share_out(ends: u64, one: impl Fn(u64, u64) + Sync) {
    std::thread::scope(|scope| {
        for network in 0..AT_ONCE {
            let one = &one;
            scope.spawn(move || one(network, ends / AT_ONCE + u64::from(network < ends % AT_ONCE)));
        }
    });
}

/// What the chain of a node that runs must still hold: the newest finalized block that was seen.
#[derive(Default)]
struct Finalized(Option<(u64, Root)>);

impl Finalized {
    /// Compares with what the node says after a start, and remembers the newer.
    fn check(&mut self, solo: &mut Solo) {
        let view = solo.wait_up();
        if let Some((slot, root)) = self.0 {
            assert!(
                view[2].slot.0 >= slot,
                "finalized went back from {slot} to {}\n{}",
                view[2].slot,
                solo.said()
            );
            assert!(
                solo.has_block(slot, root),
                "finalized block {root} of slot {slot} is gone\n{}",
                solo.said()
            );
        }
        self.see(solo);
    }

    fn see(&mut self, solo: &Solo) {
        if let Some([_, _, finalized]) = solo.view() {
            self.0 = Some((finalized.slot.0, finalized.root));
        }
    }
}

/// Starts a node and kills it at some moment of its life, again and again.
fn kill(ends: u64, seed: u64) {
    let tally = Tally::default();
    share_out(ends, |network, ends| {
        let mut random = StdRng::seed_from_u64(seed + network);
        let mut solo = Solo::new(SLOTS);
        let mut finalized = Finalized::default();
        for end in 0..ends {
            let started_at = solo.slot();
            solo.start(solo.command());
            // The first gets to finalize, and the second to do a duty; most die young.
            match (end + 7) % 8 {
                7 => {
                    finalized.check(&mut solo);
                    solo.wait_for_duty(started_at);
                    solo.run_for(Duration::from_secs(13));
                    finalized.see(&solo);
                }
                // After a life that was long enough to be in step: alone, one that is behind waits for the gate first.
                0 => {
                    let slot = solo.wait_for_duty(started_at);
                    tally.resumed.lock().unwrap().push(slot - started_at);
                }
                3 => finalized.check(&mut solo),
                _ => {}
            }
            solo.run_for(Duration::from_millis(random.random_range(0..5000)));
            solo.kill();
            let unrecorded = solo.unrecorded();
            assert!(unrecorded.is_empty(), "published and not on record: {unrecorded:?}\n{}", solo.said());
            tally.ends.fetch_add(1, Ordering::Relaxed);
        }
        solo.start(solo.command());
        finalized.check(&mut solo);
        solo.kill();
        conclude(&solo, &tally);
    });
    report("kill -9", &tally);
}

/// No slot was signed for twice; the ledger says so, too.
fn conclude(solo: &Solo, tally: &Tally) {
    let (signed, twice) = solo.reuse();
    assert_eq!(twice, [""; 0]);
    solo.verify_ledger();
    tally.signed.fetch_add(signed as u64, Ordering::Relaxed);
}

fn report(what: &str, tally: &Tally) {
    let resumed = tally.resumed.lock().unwrap();
    println!(
        "{what}: {} times; {} slots and roles signed for as far as was heard, 0 twice; first duty at most {} slots \
         after a start ({} watched); 0 finalized blocks lost",
        tally.ends.load(Ordering::Relaxed),
        tally.signed.load(Ordering::Relaxed),
        resumed.iter().max().unwrap_or(&0),
        resumed.len(),
    );
    assert!(resumed.iter().all(|slots| *slots <= RESUMED_WITHIN_SLOTS), "{resumed:?}");
}

/// Runs a node on a disk that keeps only what was synced, and cuts its power at some moment of its life.
/// With syncs that do nothing it returns how many published roots were lost, and expects nothing of the chain.
fn lose_power(ends: u64, seed: u64, is_deaf: bool) -> usize {
    let tally = Tally::default();
    let lost = AtomicU64::new(0);
    share_out(ends, |network, ends| {
        let mut random = StdRng::seed_from_u64(seed + network);
        let mut solo = Solo::new(SLOTS);
        let shim = Shim::compile(&solo.path(""));
        let mut finalized = Finalized::default();
        for end in 0..ends {
            let mut disk = Disk::read(&solo.root());
            let journal = solo.path("journal");
            std::fs::write(&journal, "").unwrap();
            let mut command = solo.command();
            shim.watch(&mut command, &solo.root(), &journal);
            if is_deaf {
                command.env("UNSYNCED_DEAF", "1");
            }
            let started_at = solo.slot();
            solo.start(command);
            if end % 4 == 3 && !is_deaf {
                finalized.check(&mut solo);
                solo.wait_for_duty(started_at);
                solo.run_for(Duration::from_secs(13));
                finalized.see(&solo);
            }
            let least = if is_deaf { 8000 } else { 0 };
            solo.run_for(Duration::from_millis(random.random_range(least..least + 5000)));
            solo.kill();
            disk.replay(&std::fs::read(&journal).unwrap());
            disk.lose_power(random.random());
            let unrecorded = solo.unrecorded();
            lost.fetch_add(unrecorded.len() as u64, Ordering::Relaxed);
            assert!(is_deaf || unrecorded.is_empty(), "published and lost: {unrecorded:?}\n{}", solo.said());
            tally.ends.fetch_add(1, Ordering::Relaxed);
        }
        if !is_deaf {
            solo.start(solo.command());
            finalized.check(&mut solo);
            solo.kill();
            conclude(&solo, &tally);
        }
    });
    if !is_deaf {
        report("power loss", &tally);
    }
    lost.into_inner() as usize
}

/// Tells nodes to stop, some from their first millisecond on.
fn terminate(ends: u64, seed: u64) {
    let tally = Tally::default();
    share_out(ends, |network, ends| {
        let mut random = StdRng::seed_from_u64(seed + network);
        let mut solo = Solo::new(SLOTS);
        for end in 0..ends {
            solo.start(solo.command());
            let longest = if end % 2 == 0 { 100 } else { 3000 };
            solo.run_for(Duration::from_millis(random.random_range(0..longest)));
            assert!(signal("-TERM", &solo.process()));
            let told = Instant::now();
            let status = solo.ended(STOPPED_WITHIN);
            let code = status.and_then(|status| status.code());
            assert_eq!(code, Some(0), "end {end}: {status:?} within {STOPPED_WITHIN:?}\n{}", solo.said());
            tally.worst_ms.fetch_max(told.elapsed().as_millis() as u64, Ordering::Relaxed);
            tally.ends.fetch_add(1, Ordering::Relaxed);
        }
        conclude(&solo, &tally);
    });
    println!(
        "SIGTERM: {} times, exit 0 after at most {} ms",
        tally.ends.load(Ordering::Relaxed),
        tally.worst_ms.load(Ordering::Relaxed)
    );
}

/// Writes that fail, one place after the other: nothing is published that is not on record, the node stops by itself or
/// goes on, and with a disk that works all is well again.
fn fail_writes(step: usize) {
    const ENOSPC: i32 = 28;
    const EIO: i32 = 5;
    let tally = Tally::default();
    let (stopped, went_on) = (AtomicU64::new(0), AtomicU64::new(0));
    // How many operations there are in the first two slots of a node's life.
    let places = {
        let mut solo = Solo::new(SLOTS);
        let shim = Shim::compile(&solo.path(""));
        let journal = solo.path("journal");
        let mut command = solo.command();
        shim.watch(&mut command, &solo.root(), &journal);
        let mut disk = Disk::read(&solo.root());
        solo.start(command);
        solo.wait_for_duty(1);
        solo.kill();
        disk.replay(&std::fs::read(&journal).unwrap());
        disk.operations
    };
    println!("{places} operations on files until slot 2 is voted for");
    share_out(AT_ONCE, |network, _| {
        for place in (1 + network as usize..=places).step_by(step * AT_ONCE as usize) {
            for (errno, count) in [(ENOSPC, 1_000_000), (EIO, 1)] {
                let mut solo = Solo::new(64);
                let shim = Shim::compile(&solo.path(""));
                let mut command = solo.command();
                shim.watch(&mut command, &solo.root(), &solo.path("journal"));
                command.env("UNSYNCED_FAIL", format!("{place}:{errno}:{count}"));
                solo.start(command);
                match solo.ended(Duration::from_secs(11)) {
                    Some(status) => {
                        assert!(
                            status.code().is_some_and(|code| code != 0),
                            "{place}: {status}\n{}",
                            solo.said()
                        );
                        stopped.fetch_add(1, Ordering::Relaxed);
                    }
                    None => {
                        solo.kill();
                        went_on.fetch_add(1, Ordering::Relaxed);
                    }
                }
                assert!(!solo.said().contains("panicked"), "{place}:\n{}", solo.said());
                let unrecorded = solo.unrecorded();
                assert!(unrecorded.is_empty(), "{place}: published and not on record: {unrecorded:?}");
                let started_at = solo.slot();
                solo.start(solo.command());
                solo.wait_for_duty(started_at);
                solo.kill();
                conclude(&solo, &tally);
                tally.ends.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    println!(
        "writes that fail: {} runs, each at another place; {} nodes stopped by themselves, {} went on; 0 slots signed \
         for twice, 0 published and not on record",
        tally.ends.load(Ordering::Relaxed),
        stopped.load(Ordering::Relaxed),
        went_on.load(Ordering::Relaxed)
    );
}

#[test]
#[ignore = "takes half a minute; run by make e2e"]
fn short_killed_and_told_to_stop() {
    kill(8, seed());
    terminate(16, seed());
}

#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_killed_two_hundred_times() {
    kill(200, seed());
}

#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_told_to_stop_two_hundred_times() {
    terminate(200, seed());
}

#[test]
#[ignore = "takes half a minute; run by make e2e"]
fn short_power_is_lost() {
    if is_shim_possible() {
        lose_power(8, seed(), false);
    }
}

#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_power_is_lost_two_hundred_times() {
    if is_shim_possible() {
        // With syncs that do nothing the same test finds what is lost.
        let lost = lose_power(8, seed(), true);
        println!("power loss with syncs that do nothing: {lost} published roots are not on record");
        assert!(lost > 0);
        lose_power(200, seed(), false);
    }
}

#[test]
#[ignore = "takes minutes; run by make torture"]
fn long_every_write_fails_once() {
    if is_shim_possible() {
        fail_writes(1);
    }
}

/// The journal is kept by a library in C, between Linux's and the program.
fn is_shim_possible() -> bool {
    let possible = cfg!(target_os = "linux") && Command::new("cc").arg("--version").output().is_ok();
    if !possible {
        println!("no C compiler, or not Linux: no power is lost and no write fails here");
    }
    possible
}
