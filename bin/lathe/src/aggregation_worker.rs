//! `lathe aggregation-worker`: the process around a library of the external aggregation backend.

use std::path::PathBuf;

use clap::Args;
use lathe_external::Purpose;

/// Arguments of a worker, which a node writes.
#[derive(Args, Debug)]
pub struct WorkerArgs {
    /// The shared library
    library: PathBuf,
    /// What the process is for: verify or prove
    purpose: Purpose,
}

/// Serves the node at the other end of standard input.
pub fn run(args: &WorkerArgs) -> eyre::Result<()> {
    Ok(lathe_external::run(&args.library, args.purpose)?)
}
