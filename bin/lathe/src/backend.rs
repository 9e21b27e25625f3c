//! `lathe backend`: trying a proof system before a network depends on it.

use clap::{Args, Subcommand};
use eyre::bail;
use lathe_node::{AggregationBackend, BackendReport, Measured, check_backend};

use crate::output::say;

/// Subcommands.
#[derive(Subcommand, Debug)]
pub(crate) enum BackendCommand {
    /// Test a proof system, and measure whether this machine keeps up with it
    ///
    /// Proofs are made and checked, and what must be refused is tried: another message, another block, a turned bit, a
    /// cut proof, noise. Times are those of this machine as it is: stop what else runs.
    Check(CheckArgs),
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Which: raw, stark, lean-pq, external:<path of a shared library> or external:exec:<command>
    backend: AggregationBackend,
    /// Validators of the network in question
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4096))]
    validators: u64,
    /// Most signatures to aggregate; as many keys are made, which takes a worker seconds each
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=64))]
    signatures: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs one of them.
pub(crate) fn run(command: &BackendCommand) -> eyre::Result<()> {
    let BackendCommand::Check(args) = command;
    let mut told = |step: &str| {
        if !args.json {
            say(&format!("{step} ..."));
        }
    };
    let (signatures, validators) = (usize::try_from(args.signatures)?, usize::try_from(args.validators)?);
    let report = check_backend(&args.backend, signatures, validators, &mut told)?;
    if args.json {
        say(&serde_json::to_string_pretty(&report)?);
    } else {
        lines(&report).iter().for_each(|line| say(line));
    }
    match report.faults.as_slice() {
        [] => Ok(()),
        faults => bail!("{} is not to be used: {}", report.id, faults.join("; ")),
    }
}

fn lines(report: &BackendReport) -> Vec<String> {
    let row = |what: &str, measured: &Measured| {
        format!(
            "{what:<12} {:>3}  {:>7} ms  {:>8} bytes  verified in {:.1} ms",
            measured.size, measured.millis, measured.bytes, measured.verify_millis
        )
    };
    let mut lines =
        vec![format!("{}, scheme {}: set up in {} ms", report.id, report.scheme, report.set_up_millis)];
    lines.extend(report.aggregates.iter().map(|measured| row("signatures", measured)));
    lines.extend(report.merges.iter().map(|measured| row("components", measured)));
    if !report.process_mib.is_empty() {
        let peaks: Vec<String> = report.process_mib.iter().map(|mib| format!("{mib} MiB")).collect();
        lines.push(format!("peak memory of its processes: {}", peaks.join(", ")));
    }
    let verdict = if report.keeps_up { "keeps up" } else { "does NOT keep up" };
    lines.push(format!(
        "this machine {verdict} with slots of 4 s and {} validators:\n  {}",
        report.validators, report.verdict
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_a_terminal() {
        let measured = Measured { size: 64, millis: 12_345, verify_millis: 1234.5, bytes: 524_288 };
        let report = BackendReport {
            id: "external:lean-pq/0.7.0".into(),
            scheme: "lean-pq",
            set_up_millis: 12_345,
            faults: Vec::new(),
            aggregates: vec![measured],
            merges: vec![measured],
            process_mib: vec![1_000, 2_000, 3_000],
            validators: 4_096,
            keeps_up: false,
            verdict: "aggregates of 4096 votes come late: 123456 ms".into(),
        };
        let lines = lines(&report);
        assert_eq!(lines.len(), 5);
        assert!(lines.iter().flat_map(|line| line.lines()).all(|line| line.len() <= 80), "{lines:#?}");
    }
}
