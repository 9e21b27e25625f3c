//! Running cases and saying how it went.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fixtures::{FixtureFile, Fixtures};
use crate::outcome::{Failure, Outcome, Verdict};
use crate::runners;

/// The counts of one kind.
#[derive(Clone, Debug, Default)]
struct Row {
    passed: usize,
    failed: usize,
    known_differences: usize,
    needs_leanvm: usize,
    not_run: usize,
}

impl Row {
    /// The columns, in order.
    const COLUMNS: [&str; 5] = ["passed", "failed", "known difference", "needs leanVM", "not run"];

    fn counts(&self) -> [usize; 5] {
        [self.passed, self.failed, self.known_differences, self.needs_leanvm, self.not_run]
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.known_differences += other.known_differences;
        self.needs_leanvm += other.needs_leanvm;
        self.not_run += other.not_run;
    }
}

/// A case that disagrees.
#[derive(Clone, Debug)]
struct Failed {
    id: String,
    file: PathBuf,
    failure: Failure,
}

/// The outcome of every case that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: BTreeMap<String, Row>,
    files: usize,
    failures: Vec<Failed>,
    differences: Vec<(String, &'static str)>,
}

impl Report {
    /// Runs every case.
    pub fn of(fixtures: &Fixtures) -> Self {
        let mut report = Self::default();
        report.extend(fixtures);
        report
    }

    /// Runs every case of these as well.
    pub fn extend(&mut self, fixtures: &Fixtures) {
        fixtures.files().iter().for_each(|file| self.run(file));
    }

    fn run(&mut self, file: &FixtureFile) {
        self.files += 1;
        match file.cases() {
            Ok(cases) => {
                for named in cases {
                    let run = |case| runners::of(&named.kind)(&case);
                    self.record(&named.kind, named.id, &file.path, named.case.and_then(run));
                }
            }
            Err(error) => {
                let id = file.path.display().to_string();
                self.record("unreadable", id, &file.path, Err(Failure::new("a fixture", error)));
            }
        }
    }

    fn record(&mut self, kind: &str, id: String, file: &Path, outcome: Outcome) {
        let row = self.rows.entry(kind.to_owned()).or_default();
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
                self.failures.push(Failed { id, file: file.to_owned(), failure });
            }
        }
    }

    fn total(&self) -> Row {
        let mut total = Row::default();
        self.rows.values().for_each(|row| total.add(row));
        total
    }

    /// Cases whose every expectation held.
    pub fn passed(&self) -> usize {
        self.total().passed
    }

    /// Cases that disagree.
    pub fn failed(&self) -> usize {
        self.failures.len()
    }

    /// Cases of all outcomes.
    pub fn cases(&self) -> usize {
        self.total().counts().iter().sum()
    }

    /// Files that were read.
    pub fn files(&self) -> usize {
        self.files
    }

    /// Prints the report, and how long it took.
    pub fn write(&self, out: &mut impl io::Write, took: Duration) -> io::Result<()> {
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (cases, files) = (count(self.cases(), "case"), count(self.files(), "file"));
        writeln!(out, "{cases} in {files}, {:.1} s", took.as_secs_f64())?;
        writeln!(out, "{self}")
    }

    /// Whether every case was judged, as far as that takes no leanVM, and none disagrees.
    pub fn is_success(&self) -> bool {
        let Row { failed, not_run, .. } = self.total();
        failed == 0 && not_run == 0
    }
}

/// A table with a row for each kind, the known differences, the failures, and the line `N passed, N failed`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.keys().map(String::len).max().unwrap_or_default().max("kind".len());
        writeln!(f, "{:width$}  {}", "kind", Row::COLUMNS.join("  "))?;
        let total = ("total".to_owned(), self.total());
        for (kind, row) in self.rows.iter().chain([(&total.0, &total.1)]) {
            write!(f, "{kind:width$}")?;
            for (column, count) in Row::COLUMNS.iter().zip(row.counts()) {
                write!(f, "  {count:>width$}", width = column.len())?;
            }
            f.write_char('\n')?;
        }
        for (id, reason) in &self.differences {
            writeln!(f, "known difference: {id}\n  {reason}")?;
        }
        for (kind, row) in self.rows.iter().filter(|(_, row)| row.not_run > 0) {
            writeln!(f, "not run: {} cases of kind {kind}, which has no runner here", row.not_run)?;
        }
        for Failed { id, file, failure } in &self.failures {
            writeln!(f, "failed: {id}\n  in {}\n{failure}", file.display())?;
        }
        write!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}

/// Runs one kind on the fixtures at hand. `Ok` is the report, or the note that there are no fixtures; `Err` is a report
/// with cases that fail or that nobody judged, or the reason why the fixtures cannot be read.
pub fn run_family(kind: &str) -> Result<String, String> {
    let fixtures = match Fixtures::locate() {
        Ok(fixtures) => fixtures.map_err(|error| error.to_string())?,
        Err(missing) => return Ok(no_fixtures(&missing)),
    };
    let report = Report::of(&fixtures.of_kind(kind));
    if report.is_success() { Ok(report.to_string()) } else { Err(report.to_string()) }
}

/// The note that stands in for a report when there is nothing to run.
pub fn no_fixtures(missing: &Path) -> String {
    format!(
        "no fixtures: {} is not there, so no conformance case was run (set {} to their directory)",
        missing.display(),
        crate::fixtures::FIXTURES_ENV,
    )
}
