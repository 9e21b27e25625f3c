//! `lathe spec run`: judges conformance fixtures.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use eyre::{bail, eyre};
use lathe_spec_tests::{Fixtures, Report};

const EXAMPLES: &str = "\
Examples:
  lathe spec run fixtures
      everything below a directory that holds <set>/consensus/<kind>/...
  lathe spec run fixtures/consensus/fork_choice
      one family
  lathe spec run fixtures/consensus/ssz/lstar/ssz/test_block.json
      one file

A case that disagrees is printed with its file, the step, what the case expects
and what was found, and the exit code is 1. Cases with real proofs take leanVM
to judge and are counted apart.";

/// Run conformance fixtures
#[derive(Subcommand, Debug)]
pub(crate) enum SpecCommand {
    /// Run leanSpec fixtures and print a table
    #[command(after_help = EXAMPLES)]
    Run(RunArgs),
}

/// Run fixtures.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Directories with fixtures, or fixture files
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

/// Runs the subcommand.
pub(crate) fn run(command: &SpecCommand) -> eyre::Result<()> {
    let SpecCommand::Run(RunArgs { paths }) = command;
    let started = Instant::now();
    let mut report = Report::default();
    for path in paths {
        let fixtures = Fixtures::at(path)?;
        if fixtures.files().is_empty() {
            bail!("{}: holds no fixtures (.json files below consensus/<kind>/)", path.display());
        }
        report.extend(&fixtures);
    }
    report.write(&mut std::io::stdout().lock(), started.elapsed())?;
    if report.is_success() { Ok(()) } else { Err(eyre!("not all fixtures passed")) }
}
