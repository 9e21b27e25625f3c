//! Runs seeds of the simulator from the command line, on all cores.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use lathe_sim::{Fault, Scenario, replay_command, run, run_telling};
use rayon::prelude::*;
use strum::IntoEnumIterator as _;

/// Simulates networks of Lathe nodes under faults, one per seed. The same seed gives the same run.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Slots of each run: rounds of some 60 with faults first, and then none.
    #[arg(long, default_value_t = 60)]
    slots: u64,
    /// Print every event of every node: milliseconds since genesis, node, event.
    #[arg(long)]
    events: bool,
}

/// What all runs came to.
#[derive(Default)]
struct Totals {
    /// Runs that are over, those among them that failed, and their slots.
    runs: u64,
    failed: u64,
    slots: u64,
    /// Times that each kind of fault struck, and runs in which it did.
    faults: BTreeMap<Fault, (u64, u64)>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let totals = Mutex::new(Totals::default());
    let seeds = arguments.seed..arguments.seed.saturating_add(arguments.seeds);
    seeds.into_par_iter().for_each(|seed| run_seed(&arguments, seed, &totals, started));
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(&totals, started);
    if totals.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_seed(arguments: &Arguments, seed: u64, totals: &Mutex<Totals>, started: Instant) {
    let scenario = Scenario::from_seed(seed, arguments.slots);
    let slots = scenario.slots();
    let outcome =
        if arguments.events { run_telling(scenario, &mut |line| print(line)) } else { run(scenario) };
    let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
    totals.runs += 1;
    totals.slots += slots;
    match outcome {
        Ok(outcome) => {
            if arguments.seeds == 1 {
                print(&format!("seed {seed}: {}\n", blake3::Hash::from(outcome.trace)));
            }
            for (fault, times) in outcome.coverage {
                let (all, runs) = totals.faults.entry(fault).or_default();
                *all += times;
                *runs += 1;
            }
        }
        Err(violation) => {
            totals.failed += 1;
            print(&format!("seed {seed}: {violation}\n    {}\n", replay_command(seed, arguments.slots)));
        }
    }
    if totals.runs.is_multiple_of(1_000) && totals.runs < arguments.seeds {
        print(&format!("{}\n", rate(&totals, started)));
    }
}

fn rate(totals: &Totals, started: Instant) -> String {
    let seconds = started.elapsed().as_secs_f64();
    format!(
        "{} seeds in {seconds:.0} s: {:.1} seeds and {:.0} slots a second, {} failed",
        totals.runs,
        totals.runs as f64 / seconds,
        totals.slots as f64 / seconds,
        totals.failed
    )
}

fn report(totals: &Totals, started: Instant) {
    print(&format!("{:<20} {:>12} {:>10}\n", "fault", "times", "seeds"));
    for fault in Fault::iter() {
        let (times, runs) = totals.faults.get(&fault).copied().unwrap_or_default();
        print(&format!("{:<20} {times:>12} {runs:>10}\n", <&str>::from(fault)));
    }
    print(&format!("{}\n", rate(totals, started)));
}

/// A closed pipe is no reason to stop counting.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
