//! Runs every fixture at hand and prints a table: `cargo run -p lathe-spec-tests --features network`.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use lathe_spec_tests::{Fixtures, Report, no_fixtures};

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let started = Instant::now();
    let fixtures = match Fixtures::locate() {
        Ok(Ok(fixtures)) => fixtures,
        Ok(Err(error)) => {
            writeln!(io::stderr(), "{error}")?;
            return Ok(ExitCode::FAILURE);
        }
        Err(missing) => {
            writeln!(out, "{}", no_fixtures(&missing))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let report = Report::of(&fixtures);
    report.write(&mut out, started.elapsed())?;
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
