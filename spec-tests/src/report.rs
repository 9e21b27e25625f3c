//! Running families of cases and saying how it went.

use std::fmt::{self, Write as _};

use crate::fixtures::{FixtureError, Fixtures};
use crate::outcome::{Failure, Outcome, Verdict};
use crate::runners;

/// The counts of one kind.
#[derive(Clone, Debug, Default)]
struct Row {
    kind: String,
    passed: usize,
    failed: usize,
    known_differences: usize,
    needs_leanvm: usize,
    not_run: usize,
}

/// The outcome of every case that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    failures: Vec<(String, Failure)>,
    differences: Vec<(String, &'static str)>,
}

impl Report {
    /// Runs every case of every kind.
    pub fn of_all(fixtures: &Fixtures) -> Result<Self, FixtureError> {
        let mut report = Self::default();
        for kind in fixtures.kinds()? {
            report.run(fixtures, &kind)?;
        }
        Ok(report)
    }

    /// Runs every case of one kind.
    pub fn run(&mut self, fixtures: &Fixtures, kind: &str) -> Result<(), FixtureError> {
        let runner = runners::of(kind);
        self.rows.push(Row { kind: kind.to_owned(), ..Row::default() });
        for file in fixtures.files(kind)? {
            for (id, case) in file.cases()? {
                self.record(id, case.and_then(|case| runner(&case)));
            }
        }
        Ok(())
    }

    fn record(&mut self, id: String, outcome: Outcome) {
        let Some(row) = self.rows.last_mut() else { return };
        match outcome {
            Ok(Verdict::Passed) => row.passed += 1,
            Ok(Verdict::NeedsLeanVm) => row.needs_leanvm += 1,
            Ok(Verdict::NotRun) => row.not_run += 1,
            Ok(Verdict::KnownDifference(reason)) => {
                row.known_differences += 1;
                self.differences.push((id, reason));
            }
            Err(failure) => {
                row.failed += 1;
                self.failures.push((id, failure));
            }
        }
    }

    /// Cases whose every expectation held.
    pub fn passed(&self) -> usize {
        self.rows.iter().map(|row| row.passed).sum()
    }

    /// Cases that disagree.
    pub fn failed(&self) -> usize {
        self.failures.len()
    }
}

/// A table with a row for each kind, then the differences and failures, then the line `N passed, N failed`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = ["passed", "failed", "known difference", "needs leanVM", "not run"];
        let width = self.rows.iter().map(|row| row.kind.len()).max().unwrap_or_default().max("kind".len());
        writeln!(f, "{:width$}  {}", "kind", columns.join("  "))?;
        for row in &self.rows {
            write!(f, "{:width$}", row.kind)?;
            let counts = [row.passed, row.failed, row.known_differences, row.needs_leanvm, row.not_run];
            for (column, count) in columns.iter().zip(counts) {
                write!(f, "  {count:>width$}", width = column.len())?;
            }
            f.write_char('\n')?;
        }
        for (id, reason) in &self.differences {
            writeln!(f, "known difference: {id}: {reason}")?;
        }
        for (id, failure) in &self.failures {
            writeln!(f, "failed: {id}: {failure}")?;
        }
        write!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}

/// Runs one kind on the fixtures at hand. `Ok` is the report, or the note that there are no fixtures; `Err` is a report
/// with failures or the reason why the fixtures cannot be read.
pub fn run_family(kind: &str) -> Result<String, String> {
    let fixtures = match Fixtures::locate() {
        Ok(fixtures) => fixtures,
        Err(missing) => return Ok(no_fixtures(&missing)),
    };
    let mut report = Report::default();
    report.run(&fixtures, kind).map_err(|error| error.to_string())?;
    if report.failed() == 0 { Ok(report.to_string()) } else { Err(report.to_string()) }
}

/// The note that stands in for a report when there is nothing to run.
pub fn no_fixtures(missing: &std::path::Path) -> String {
    format!(
        "no fixtures: {} is not there, so no conformance case was run (set {} to their directory)",
        missing.display(),
        crate::fixtures::FIXTURES_ENV,
    )
}
