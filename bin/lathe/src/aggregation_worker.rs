//! `lathe aggregation-worker`: the process around a library or a program of the external aggregation backend.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use lathe_external::{Target, WORKER_COMMAND};

/// Arguments of a worker, which a node writes.
#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    /// The shared library, or exec: and a command
    target: Target,
    /// What the process is for, for people who look at a list of processes: the node says it again
    purpose: String,
}

/// Runs a worker if that is what the command line asks for, before anything else is begun: it closes all descriptors
/// that it did not open itself, and would take them from the log and from whoever listens for signals.
pub(crate) fn run_alone(arguments: impl Iterator<Item = String>) -> Option<ExitCode> {
    let arguments: Vec<String> = arguments.skip(1).collect();
    let [command, target, _] = arguments.as_slice() else { return None };
    let target: Target = if command == WORKER_COMMAND { target.parse().ok()? } else { return None };
    Some(match lathe_external::run(&target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The node's log, and if that has gone nobody is left to be told.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Whoever comes here wrote the command by hand, and not as a node does.
pub(crate) fn run(args: &WorkerArgs) -> eyre::Result<()> {
    eyre::bail!("nodes start workers themselves; this one is for {} and would {}", args.target, args.purpose)
}
