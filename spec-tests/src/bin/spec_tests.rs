//! Runs every fixture at hand and prints a table: `cargo run -p lathe-spec-tests`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use lathe_spec_tests::{Fixtures, Report, no_fixtures};

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let fixtures = match Fixtures::locate() {
        Ok(fixtures) => fixtures,
        Err(missing) => {
            writeln!(out, "{}", no_fixtures(&missing))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    match Report::of_all(&fixtures) {
        Ok(report) => {
            writeln!(out, "{report}")?;
            Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            writeln!(io::stderr(), "{error}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}
