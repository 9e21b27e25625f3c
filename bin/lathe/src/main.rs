//! The `lathe` command: one subcommand per file. Every failure ends in one line that says what to do, and in an exit
//! code other than zero.

mod aggregation;
mod aggregation_worker;
mod api;
mod devnet;
mod execution;
mod genesis;
mod keys;
mod log;
mod node;
mod nodes;
mod output;
mod p2p;
mod progress;
mod quiet;
mod signals;
mod signer;
mod spec;
mod surroundings;
mod test_driver;
mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Gives freed memory back from a thread of its own, so that a burst does not stay in the process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    let log = log::Log::start();
    signals::listen(log.clone());
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Node(args) => node::run(*args, &log),
        Command::Devnet(args) => devnet::run(&args),
        Command::Top(args) => top::run(args),
        Command::Watch(args) => top::watch(args),
        Command::Genesis(args) => genesis::run(&args),
        Command::Keys(command) => keys::run(&command),
        Command::Signer(command) => signer::run(&command),
        Command::AggregationWorker(args) => aggregation_worker::run(&args),
        Command::Spec(command) => spec::run(&command),
    };
    signals::stand_aside();
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            log.line(&format!("error: {}", output::one_line(report.chain())));
            ExitCode::FAILURE
        }
    };
    log.flush();
    code
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
