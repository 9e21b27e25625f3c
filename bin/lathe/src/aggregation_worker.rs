//! `lathe aggregation-worker`: the process around a library or a program of the external aggregation backend.

use clap::Args;
use lathe_external::Target;

/// Arguments of a worker, which a node writes.
#[derive(Args, Debug)]
pub struct WorkerArgs {
    /// The shared library, or exec: and a command
    target: Target,
    /// What the process is for, for people who look at a list of processes: the node says it again
    purpose: String,
}

/// Serves the node at the other end of standard input.
pub fn run(args: &WorkerArgs) -> eyre::Result<()> {
    tracing::debug!(target = %args.target, purpose = args.purpose, "an aggregation worker starts");
    Ok(lathe_external::run(&args.target)?)
}
