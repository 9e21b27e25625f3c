//! The `lathe` command: one subcommand per file. Every failure ends in one line that says what to do, and in an exit
//! code other than zero.

mod aggregation;
mod aggregation_worker;
mod api;
mod backend;
mod check;
mod command_line;
mod db;
mod devnet;
mod enr;
mod execution;
mod genesis;
mod health;
mod keys;
mod log;
mod manual;
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
use std::sync::Arc;

use clap::{FromArgMatches as _, Parser, Subcommand};
use lathe_node::LogSwitch;

/// Gives freed memory back from a thread of its own, so that a burst does not stay in the process.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator keeps for itself: two arenas, because each holds on to pages of its own and hardly anything
/// allocates often, and freed pages for a second instead of ten. A node that votes for a hundred validators with
/// raw proofs stays 8 MiB smaller.
#[allow(
    unsafe_code,
    reason = "the allocator finds its settings by the name of this symbol, which nobody else has"
)]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8; 47] = b"narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

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

The log goes to standard error; -v says more. What an option says, the
environment can say too: LATHE_HTTP_ADDRESS=0.0.0.0 is --http-address 0.0.0.0.";

/// Version with the commit, and the target; as `--version` tells them.
const VERSION: &str = concat!(env!("LATHE_VERSION"), " (", env!("LATHE_TARGET"), ")");

/// A Lean Ethereum consensus client
#[derive(Parser)]
#[command(name = "lathe", version = VERSION, after_help = EXAMPLES, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    log: log::LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one node of a network
    #[command(alias = "lean_node")]
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
    /// Look into a chain database, and look after it
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Read and make node records
    #[command(subcommand)]
    Enr(enr::EnrCommand),
    /// Ask a node whether it is well
    Health(health::HealthArgs),
    /// Print completions for a shell
    Completions(manual::CompletionsArgs),
    /// Write manual pages
    Man(manual::ManArgs),
    /// Run a library of the external aggregation backend; nodes start it themselves
    #[command(name = lathe_external::WORKER_COMMAND, hide = true)]
    AggregationWorker(aggregation_worker::WorkerArgs),
    /// Try a proof system before a network depends on it
    #[command(subcommand)]
    Backend(backend::BackendCommand),
    /// Run the specification's conformance fixtures
    #[command(subcommand)]
    Spec(spec::SpecCommand),
}

fn main() -> ExitCode {
    if let Some(code) = aggregation_worker::run_alone(std::env::args()) {
        return code;
    }
    let log = log::Log::start();
    signals::listen(log.clone());
    let cli = match command_line::read(std::env::args_os()) {
        Ok(matches) => Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()),
        Err(report) => return end(&log, Err(report)),
    };
    let outcome = cli.log.begin(&log).and_then(|switch| run(cli, &log, switch));
    signals::stand_aside();
    end(&log, outcome)
}

fn run(cli: Cli, log: &log::Log, switch: Arc<dyn LogSwitch>) -> eyre::Result<()> {
    match cli.command {
        Command::Node(args) => node::run(*args, log, switch),
        Command::Devnet(args) => devnet::run(&args, &cli.log),
        Command::Top(args) => top::run(args),
        Command::Watch(args) => top::watch(args),
        Command::Genesis(args) => genesis::run(&args),
        Command::Keys(command) => keys::run(&command),
        Command::Signer(command) => signer::run(&command),
        Command::Db(command) => db::run(&command),
        Command::Enr(command) => enr::run(&command),
        Command::Health(args) => health::run(&args),
        Command::Completions(args) => {
            manual::completions(&args);
            Ok(())
        }
        Command::Man(args) => manual::man(&args),
        Command::AggregationWorker(args) => aggregation_worker::run(&args),
        Command::Backend(command) => backend::run(&command),
        Command::Spec(command) => spec::run(&command),
    }
}

/// Says why the command failed, if it did.
fn end(log: &log::Log, outcome: eyre::Result<()>) -> ExitCode {
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
