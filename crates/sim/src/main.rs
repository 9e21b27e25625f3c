//! Runs seeds of the simulator from the command line.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use lathe_sim::{Scenario, replay_command, run_telling};

/// Simulates networks of Lathe engines under faults, one per seed.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Pair the chains with an execution layer.
    #[arg(long)]
    execution: bool,
    /// Print every event of every node: milliseconds since genesis, node, event.
    #[arg(long)]
    events: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut failures = 0_u64;
    let mut out = std::io::stdout().lock();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let mut tell = |line: &str| {
            if arguments.events {
                let _ = out.write_all(line.as_bytes());
            }
        };
        let scenario =
            if arguments.execution { Scenario::paired_from_seed(seed) } else { Scenario::from_seed(seed) };
        let line = match run_telling(scenario, &mut tell) {
            Ok(outcome) if arguments.seeds == 1 => {
                format!("seed {seed}: {}", blake3::Hash::from(outcome.trace))
            }
            Ok(_) => continue,
            Err(violation) => {
                failures += 1;
                format!("seed {seed}: {violation}\n    {}", replay_command(seed, arguments.execution))
            }
        };
        // A closed pipe is no reason to stop counting.
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "{} seeds, {failures} failed", arguments.seeds);
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
