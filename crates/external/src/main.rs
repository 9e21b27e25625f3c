//! A worker without a node around it, for the tests of this crate: `lathe` has it as a subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, target, _] = &arguments[..] else { return ExitCode::FAILURE };
    let Ok(target) = target.parse() else { return ExitCode::FAILURE };
    if command != lathe_external::WORKER_COMMAND {
        return ExitCode::FAILURE;
    }
    match lathe_external::run(&target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
