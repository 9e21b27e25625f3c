//! `lathe signer`: the ledger of what keys have signed.

mod ledger;
mod serve;

pub(crate) use serve::token;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use lathe_config::NetworkConfig;
use lathe_ledger::KeyId;
use lathe_types::SECONDS_PER_SLOT;

const EXAMPLES: &str = "\
Examples:
  lathe signer show net/data/lathe_0/ledger --config net/config.yaml
      what was signed, up to where, by which keys; also while the node runs
  lathe signer export old/ledger --out moved.jsonl
      on the old machine, after its node has stopped for good ...
  lathe signer import new/ledger moved.jsonl
      ... and on the new one, before its node starts

A key signs one message per slot; a second one gives it away. Never run two
signers with copies of one key: see docs/keys.md.";

/// See, check and move the record of what keys have signed
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum SignerCommand {
    /// Hold keys and ledger for nodes that have none
    Serve(serve::ServeArgs),
    /// Show what was signed, up to where, and by which keys
    Show(ShowArgs),
    /// Check every checksum, and that the ledger knows what the marks beside the keys know
    Verify(VerifyArgs),
    /// Write the ledger as text, with a count and a checksum; the node must have stopped
    Export(ExportArgs),
    /// Add what an export holds; what may be signed afterwards is what both allow
    Import(ImportArgs),
    /// Let a key sign again that rests because a signature was seen that is not ours
    Resume(ResumeArgs),
}

/// A ledger, and how to name its keys.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Directory of the ledger, such as data/lathe_0/ledger
    #[arg(value_name = "LEDGER_DIR")]
    ledger: PathBuf,
    /// config.yaml of the network, to name keys by validator
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Arguments of `lathe signer verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Directory of the ledger
    #[arg(value_name = "LEDGER_DIR")]
    ledger: PathBuf,
    /// Directory of the keys, to compare the ledger with their marks
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

/// Arguments of `lathe signer export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Directory of the ledger
    #[arg(value_name = "LEDGER_DIR")]
    ledger: PathBuf,
    /// File to write; never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `lathe signer import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Directory of the ledger; one is started where there is none
    #[arg(value_name = "LEDGER_DIR")]
    ledger: PathBuf,
    /// What `lathe signer export` has written
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Arguments of `lathe signer resume`.
#[derive(Args, Debug)]
pub(crate) struct ResumeArgs {
    /// Directory of the ledger
    #[arg(value_name = "LEDGER_DIR")]
    ledger: PathBuf,
    /// Key as `lathe signer show` names it; default: all that rest
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// Runs a `lathe signer` command.
pub(crate) fn run(command: &SignerCommand) -> eyre::Result<()> {
    match command {
        SignerCommand::Serve(args) => serve::run(args),
        SignerCommand::Show(args) => ledger::show(args),
        SignerCommand::Verify(args) => ledger::verify(args),
        SignerCommand::Export(args) => ledger::export(args),
        SignerCommand::Import(args) => ledger::import(args),
        SignerCommand::Resume(args) => ledger::resume(args),
    }
}

/// Whose the keys of a network are, in words.
pub(crate) fn owners(config: Option<&Path>) -> eyre::Result<HashMap<KeyId, String>> {
    let Some(path) = config else { return Ok(HashMap::new()) };
    let config = NetworkConfig::read(path)?;
    let mut owners = HashMap::new();
    for (index, keys) in config.validators.iter().enumerate() {
        owners.insert(KeyId::of(&keys.attestation), format!("validator {index}, attestation"));
        owners.insert(KeyId::of(&keys.proposal), format!("validator {index}, proposal"));
    }
    Ok(owners)
}

/// The current slot by the system clock; `None` before genesis.
pub(crate) fn current_slot(genesis_time: u64) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Some(now.checked_sub(genesis_time)? / SECONDS_PER_SLOT)
}
