//! The `lathe` command: one subcommand per file. Every failure ends in one line that says what to do, and in an exit
//! code other than zero.

mod aggregation;
mod aggregation_worker;
mod api;
mod devnet;
mod execution;
mod genesis;
mod keys;
mod node;
mod nodes;
mod output;
mod progress;
mod signals;
mod signer;
mod spec;
mod test_driver;
mod top;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Gives freed memory back from a thread of its own, so that a burst does not stay in the process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is logged unless RUST_LOG says otherwise: ourselves at work, libraries only when something is wrong. Two
/// aggregators often make the same aggregate, which gossipsub warns of and which is as it should be.
const DEFAULT_LOG: &str = "warn,libp2p_gossipsub=error,lathe=info,lathe_node=info,lathe_network=info,lathe_engine=info,lathe_http=info";

const EXAMPLES: &str = "\
Examples:
  lathe devnet
      watch four nodes finalize on this machine
  lathe devnet --slots 60 --summary summary.json
      the same for 60 slots, with an account of the run
  lathe genesis --nodes 4 --validators 4 --out net
      make the files of a network ...
  lathe node --network-dir net --node-id lathe_0
      ... and run one of its nodes

Logging goes to standard error. RUST_LOG=debug says more.";

/// A Lean Ethereum consensus client
#[derive(Parser)]
#[command(name = "lathe", version, after_help = EXAMPLES, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one node of a network
    Node(Box<node::NodeArgs>),
    /// Run a whole network on this machine
    Devnet(devnet::DevnetArgs),
    /// Watch one node or many in the terminal
    Top(top::TopArgs),
    /// Serve a page that shows a whole network
    Watch(top::WatchArgs),
    /// Make the files of a new network
    Genesis(genesis::GenesisArgs),
    /// Make, inspect and convert validator keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// See, check and move the record of what keys have signed
    #[command(subcommand)]
    Signer(signer::SignerCommand),
    /// Run a library of the external aggregation backend; nodes start it themselves
    #[command(name = lathe_external::WORKER_COMMAND, hide = true)]
    AggregationWorker(aggregation_worker::WorkerArgs),
    /// Run the specification's conformance fixtures
    #[command(subcommand)]
    Spec(spec::SpecCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let outcome = match cli.command {
        Command::Node(args) => node::run(*args),
        Command::Devnet(args) => devnet::run(&args),
        Command::Top(args) => top::run(args),
        Command::Watch(args) => top::watch(args),
        Command::Genesis(args) => genesis::run(&args),
        Command::Keys(command) => keys::run(&command),
        Command::Signer(command) => signer::run(&command),
        Command::AggregationWorker(args) => aggregation_worker::run(&args),
        Command::Spec(command) => spec::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("error: {}", output::one_line(report.chain()));
            ExitCode::FAILURE
        }
    }
}

fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let stderr = std::io::stderr;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
