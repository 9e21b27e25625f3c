//! Whatever happens to the files around the keys, in whatever order, no key signs two messages at one slot.
//!
//! Each schedule is random and has a seed. It runs a signer as it ships, ledger and marks on places that forget
//! unsynced writes, through starts, kills, power losses, wiped data, restored backups, copies, second processes, steps
//! of the clock, small and large, corrections under a running signer, and new geneses. What it may not do is what
//! `docs/keys.md` says that an operator must never do: take the keys away from their marks. `LATHE_LEDGER_SCHEDULES`
//! sets the number of schedules.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as tests do, by panicking")]

use std::collections::HashMap;

use lathe_ledger::{Entry, FaultyMedium, KeyId, Ledger, Marks, Terms};
use lathe_types::Root;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const KEYS: [KeyId; 2] = [KeyId([1; 32]), KeyId([2; 32])];
const STEPS: usize = 60;
const FIRST_GENESIS: u64 = 1_700_000_000;

/// Which guard is taken away, to see that the model notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Without {
    /// The marks beside the keys.
    marks: bool,
    /// Their write before a signature leaves.
    marks_first: bool,
    /// The lock on the key files.
    key_locks: bool,
}

/// A signer that runs.
struct Running {
    ledger: Ledger<FaultyMedium>,
    /// Which of the places for ledgers it has taken.
    place: usize,
    marks: Marks<FaultyMedium>,
}

struct World {
    rng: ChaCha8Rng,
    without: Without,
    allow_reuse: bool,
    /// Ledgers in several data directories, and copies of them.
    ledgers: Vec<FaultyMedium>,
    backups: Vec<Option<Vec<u8>>>,
    marks: FaultyMedium,
    running: Vec<Running>,
    genesis_time: u64,
    /// Slots since genesis, and by how much the clock is wrong.
    now: i64,
    clock_error: i64,
    /// The message that left for each key and slot, and for which genesis.
    released: HashMap<(KeyId, u64), (u64, Root)>,
    signatures: usize,
    /// Processes that found that another one signs with a copy of their key.
    stopped: usize,
    corrections: usize,
    starts: usize,
    what: Vec<String>,
    violation: Option<String>,
}

impl World {
    fn new(seed: u64, without: Without) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let allow_reuse = rng.random_bool(0.1);
        Self {
            rng,
            without,
            allow_reuse,
            ledgers: vec![FaultyMedium::default()],
            backups: Vec::new(),
            marks: FaultyMedium::default(),
            running: Vec::new(),
            genesis_time: FIRST_GENESIS,
            now: -2,
            clock_error: 0,
            released: HashMap::new(),
            signatures: 0,
            stopped: 0,
            corrections: 0,
            starts: 0,
            what: Vec::new(),
            violation: None,
        }
    }

    fn clock(&self) -> Option<u64> {
        u64::try_from(self.now + self.clock_error).ok()
    }

    fn any_ledger(&mut self) -> FaultyMedium {
        let index = self.rng.random_range(0..self.ledgers.len());
        self.ledgers[index].clone()
    }

    fn start(&mut self) -> Option<()> {
        // A second process finds the key files locked.
        if !self.running.is_empty() && !self.without.key_locks {
            return None;
        }
        // Nor does it get the ledger of the first.
        let place = self.rng.random_range(0..self.ledgers.len());
        if self.running.iter().any(|running| running.place == place) {
            return None;
        }
        let medium = self.ledgers[place].clone();
        let mut marks = Marks::open(self.marks.clone()).ok()?;
        let found: Vec<_> = KEYS.iter().filter_map(|key| marks.of(*key)).collect();
        marks.make_room(self.genesis_time, &KEYS).ok()?;
        let terms = Terms {
            genesis_time: self.genesis_time,
            current_slot: self.clock(),
            proven_slot: None,
            marks: if self.without.marks { &[] } else { &found },
            allow_key_reuse: self.allow_reuse,
        };
        let ledger = Ledger::open(medium, &terms).ok()?;
        self.what.push(format!("  {:?}, signing from {}", ledger.opened(), ledger.watermark()));
        if ledger.opened().is_clean() {
            marks.write(&KEYS.map(|key| ledger.mark(key))).ok()?;
        }
        self.starts += 1;
        self.running.push(Running { ledger, place, marks });
        Some(())
    }

    /// The duties of a slot, and perhaps the end of the process in their midst.
    fn sign(&mut self) -> Option<()> {
        let slot = self.clock()?.saturating_add_signed(self.rng.random_range(-1..=1));
        let process = self.rng.random_range(0..self.running.len().max(1));
        let ends_early = self.rng.random_range(0..8);
        let running = self.running.get_mut(process)?;
        let mut entries = Vec::new();
        for key in KEYS {
            let root = Root::repeat_byte(self.rng.random_range(1..=3));
            if self.rng.random_bool(0.8) {
                entries.push(Entry { key, slot, root });
            }
        }
        let outcomes = running.ledger.record_all(&entries);
        let signed =
            entries.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(entry, _)| *entry);
        let signed: Vec<Entry> = signed.collect();
        let marks: Vec<_> = signed.iter().map(|entry| running.ledger.mark(entry.key)).collect();
        if ends_early == 0 && !self.without.marks_first {
            self.end();
            return None;
        }
        if !self.without.marks_first
            && let Err(error) = running.marks.write(&marks)
        {
            // Nothing leaves, and the process ends.
            self.what.push(format!("  {error}"));
            self.stopped += 1;
            self.running.remove(process);
            return None;
        }
        for Entry { key, slot, root } in signed {
            self.signatures += 1;
            self.what.push(format!("  {} signs {} at {slot}", key.short(), root.0[0]));
            let (genesis, first) = *self.released.entry((key, slot)).or_insert((self.genesis_time, root));
            let is_accepted = self.allow_reuse && genesis != self.genesis_time;
            if first != root && !is_accepted {
                let story = self.what.join("\n");
                self.violation =
                    Some(format!("{} signed two messages at slot {slot}:\n{story}", key.short()));
                return None;
            }
            if is_accepted {
                self.released.insert((key, slot), (self.genesis_time, root));
            }
        }
        if ends_early == 1 {
            self.end();
        }
        Some(())
    }

    /// The clock shows another time. A signer that runs is told of a step back by more than a slot, as in a node.
    fn set_clock(&mut self, error: i64) {
        let before = std::mem::replace(&mut self.clock_error, error);
        if before <= error + 1 {
            return;
        }
        let clock = self.clock();
        for running in &mut self.running {
            if let Some(lowest) = running.ledger.clock_corrected(clock, None).unwrap() {
                self.corrections += 1;
                self.what.push(format!("  the clock is corrected, signing from {lowest}"));
            }
        }
    }

    /// A kill, or a power loss.
    fn end(&mut self) {
        self.running.clear();
        if self.rng.random_bool(0.5) {
            self.what.push("  power loss".into());
            let mut rng = self.rng.clone();
            self.ledgers
                .iter()
                .chain([&self.marks])
                .for_each(|place| place.lose_power(|bound| rng.random_range(0..bound)));
            self.rng = rng;
        }
    }

    fn step(&mut self) {
        let event = self.rng.random_range(0..110);
        let (from, to) = (self.any_ledger(), self.any_ledger());
        let name = match event {
            0..20 => {
                self.now += self.rng.random_range(0..3);
                "time passes"
            }
            20..40 => {
                self.start();
                "start"
            }
            40..70 => {
                for _ in 0..self.rng.random_range(1..4) {
                    self.sign();
                    self.now += self.rng.random_range(0..2);
                }
                "duties"
            }
            70..76 => {
                self.end();
                "end"
            }
            76..80 => {
                self.end();
                from.put_back(None);
                "wipe data"
            }
            80..84 => {
                self.backups.push(from.copied());
                "backup"
            }
            84..88 if !self.backups.is_empty() => {
                self.end();
                let index = self.rng.random_range(0..self.backups.len());
                to.put_back(self.backups[index].clone());
                "restore"
            }
            88..91 => {
                self.ledgers.push(FaultyMedium::holding(from.copied()));
                "copy to another directory"
            }
            91..96 | 98..108 => {
                // A correction is as likely as an error, and errors may be larger than what a ledger remembers.
                let error = match self.rng.random_range(0..4) {
                    0 => self.rng.random_range(-12..=12),
                    1 => self.rng.random_range(30..=100),
                    _ => 0,
                };
                self.set_clock(error);
                "clock step"
            }
            96..98 => {
                self.end();
                self.genesis_time += 1000;
                self.now = self.rng.random_range(-2..=3);
                if self.rng.random_bool(0.7) {
                    self.ledgers = vec![FaultyMedium::default()];
                }
                "new genesis"
            }
            _ => "nothing",
        };
        self.what.push(format!("{name} (slot {}, clock {:?})", self.now, self.clock()));
    }

    fn run(seed: u64, without: Without) -> Self {
        let mut world = Self::new(seed, without);
        world.what.push(format!("seed {seed}"));
        for _ in 0..STEPS {
            if world.violation.is_none() {
                world.step();
            }
        }
        world
    }
}

fn schedules(default: u64) -> u64 {
    std::env::var("LATHE_LEDGER_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

#[test]
fn no_key_signs_twice_whatever_happens_to_the_files_around_it() {
    let count = schedules(2_000);
    let (mut signatures, mut starts, mut corrections) = (0, 0, 0);
    for seed in 0..count {
        let world = World::run(seed, Without::default());
        if let Some(violation) = world.violation {
            panic!("{violation}");
        }
        assert_eq!(world.stopped, 0, "nobody else signs:\n{}", world.what.join("\n"));
        signatures += world.signatures;
        starts += world.starts;
        corrections += world.corrections;
    }
    // A model that never signs proves nothing.
    assert!(signatures as u64 > 5 * count, "{signatures} signatures in {count} schedules");
    assert!(starts as u64 > 2 * count, "{starts} starts in {count} schedules");
    assert!(corrections as u64 * 4 > count, "{corrections} corrections in {count} schedules");
    println!(
        "{count} schedules: {starts} starts, {signatures} signatures, {corrections} corrections of the clock"
    );
}

/// How many of some schedules end in two messages at one slot.
fn reused(without: Without) -> usize {
    (0..600).filter(|seed| World::run(*seed, without).violation.is_some()).count()
}

/// A key file that was replaced by a copy of itself has no lock on it. The marks are still those that both processes
/// write, and each has a ledger of its own.
#[test]
fn where_no_lock_keeps_a_second_process_out_its_first_signature_stops_one_of_them() {
    let without = Without { key_locks: true, ..Without::default() };
    let (mut stopped, count) = (0, schedules(2_000));
    for seed in 0..count {
        let world = World::run(seed, without);
        if let Some(violation) = world.violation {
            panic!("{violation}");
        }
        stopped += world.stopped;
    }
    assert!(stopped as u64 * 20 > count, "{stopped} processes were stopped in {count} schedules");
}

#[test]
fn the_model_notices_when_a_guard_is_missing() {
    for without in [
        Without { marks: true, ..Without::default() },
        Without { marks_first: true, ..Without::default() },
        Without { marks_first: true, key_locks: true, ..Without::default() },
    ] {
        assert!(reused(without) > 0, "{without:?}");
    }
}
