//! Running the tests of the copy, the likeliest to notice first.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long one stage of tests may run before it counts as caught: a broken rule may well make a loop endless.
const TEST_PATIENCE: Duration = Duration::from_secs(120);
/// The same for the simulator, which is asked for a number of seeds.
const SEEDS_PATIENCE: Duration = Duration::from_secs(1200);
/// How long one stage may compile. The first one compiles everything.
const BUILD_PATIENCE: Duration = Duration::from_secs(3600);
/// Our own code is compiled again and again and runs for a second; what verifies signatures runs longer.
const COMPILED_QUICKLY: [&str; 6] = [
    "--config",
    "profile.dev.opt-level=0",
    "--config",
    "profile.dev.debug=false",
    "--config",
    "profile.dev.package.lathe-leansig.opt-level=3",
];
/// Between looks at a running stage.
const PAUSE: Duration = Duration::from_millis(50);

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No test failed.
    Survived,
    /// The first test that failed, behind the name of its crate.
    Caught(String),
    /// It does not compile, so it says nothing; the end of the compiler's words.
    Broken(String),
}

/// The tests, and where they run.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The copy of the workspace.
    pub root: &'a Path,
    /// Where it is built.
    pub target_dir: PathBuf,
    /// The specification's fixtures.
    pub fixtures: PathBuf,
}

impl Trial<'_> {
    /// Runs the unit tests that may notice a change in a crate: its own, then those of the other crates with rules.
    /// Ends with the first that fails.
    pub fn unit_tests(&self, crate_name: &str) -> io::Result<Outcome> {
        let mut crates = vec![crate_name];
        if crate_name != "engine" {
            crates.extend(["transition", "forkchoice"].into_iter().filter(|name| *name != crate_name));
        }
        for name in crates {
            let outcome = self.stage(&Stage { package: name, selection: &["--tests"] })?;
            if outcome != Outcome::Survived {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Survived)
    }

    /// Runs the specification's fixtures, as far as they are about consensus.
    pub fn fixtures(&self) -> io::Result<Outcome> {
        self.stage(&Stage { package: "spec-tests", selection: &["--test", "consensus"] })
    }

    /// Lets the simulator run that many seeds from 0 on; caught by the first of them that fails, which is named with
    /// the invariant that did not hold.
    pub fn seeds(&self, seeds: u64, slots: u64) -> io::Result<Outcome> {
        let (built, log) = self.cargo(&["build", "--package", "lathe-sim"], BUILD_PATIENCE)?;
        if built != Some(true) {
            return Ok(Outcome::Broken(last_lines(&log, 25)));
        }
        let (seeds, slots) = (seeds.to_string(), slots.to_string());
        let run = ["run", "--package", "lathe-sim", "--", "--seeds", &seeds, "--slots", &slots];
        let (passed, log) = self.cargo(&run, SEEDS_PATIENCE)?;
        Ok(match passed {
            Some(true) => Outcome::Survived,
            Some(false) => Outcome::Caught(first_seed(&log).unwrap_or_else(|| last_lines(&log, 5))),
            None => Outcome::Caught("does not end".to_owned()),
        })
    }

    fn stage(&self, stage: &Stage<'_>) -> io::Result<Outcome> {
        let package = format!("lathe-{}", stage.package);
        let mut test = COMPILED_QUICKLY.to_vec();
        test.extend(["test", "--package", &package]);
        test.extend(stage.selection);
        let (built, log) = self.cargo(&[&test[..], &["--no-run"]].concat(), BUILD_PATIENCE)?;
        if built != Some(true) {
            return Ok(Outcome::Broken(last_lines(&log, 25)));
        }
        let (passed, log) = self.cargo(&test, TEST_PATIENCE)?;
        Ok(match passed {
            Some(true) => Outcome::Survived,
            Some(false) => Outcome::Caught(format!("{}: {}", stage.package, first_failure(&log))),
            None => Outcome::Caught(format!("{}: does not end", stage.package)),
        })
    }

    /// Whether cargo succeeded, `None` if it did not end in time; and what it said.
    fn cargo(&self, arguments: &[&str], patience: Duration) -> io::Result<(Option<bool>, String)> {
        let log = self.target_dir.join("trial.log");
        let output = File::create(&log)?;
        let mut child = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(self.root)
            .args(["--offline", "--quiet"])
            .args(arguments)
            .env("CARGO_TARGET_DIR", &self.target_dir)
            .env("LATHE_SPEC_FIXTURES", &self.fixtures)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()?;
        let started = Instant::now();
        let success = loop {
            match child.try_wait()? {
                Some(status) => break Some(status.success()),
                None if started.elapsed() < patience => std::thread::sleep(PAUSE),
                None => {
                    // The tests are children of the child, in its process group.
                    let group = format!("-{}", child.id());
                    Command::new("kill").args(["-KILL", "--", &group]).status()?;
                    child.wait()?;
                    break None;
                }
            }
        };
        Ok((success, String::from_utf8_lossy(&fs::read(log)?).into_owned()))
    }
}

/// Tests of one crate.
#[derive(Debug)]
struct Stage<'a> {
    package: &'a str,
    selection: &'static [&'static str],
}

/// The name of the first test that failed, by the list at the end of the run.
fn first_failure(log: &str) -> &str {
    let mut headings = log.split("\nfailures:\n").skip(1);
    let lists = headings.by_ref().last().unwrap_or_default();
    lists.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no test has a name for it")
}

/// The lowest seed that the simulator names, and the invariant that did not hold there.
fn first_seed(log: &str) -> Option<String> {
    let failed = log.lines().filter_map(|line| {
        let (seed, violation) = line.strip_prefix("seed ")?.split_once(": ")?;
        let (invariant, _) = violation.split_once(": ")?;
        Some((seed.parse::<u64>().ok()?, invariant))
    });
    failed.min().map(|(seed, invariant)| format!("seed {seed}: {invariant}"))
}

fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failed_test_is_named() {
        let log = "running 2 tests\n..\n\nfailures:\n\n---- a::b stdout ----\npanicked\n\n\nfailures:\n    a::b\n    \
                   a::c\n\ntest result: FAILED.\n";
        assert_eq!(first_failure(log), "a::b");
        assert_eq!(first_failure("process abort"), "no test has a name for it");
    }

    #[test]
    fn the_lowest_seed_is_named_with_its_invariant() {
        let log = "seed 31: a node starts: node 3: no block (at 7 ms)\n    cargo run -p lathe-sim\n\
                   seed 4: one root per key and slot: validator 1 signed 0x1 and 0x2 (at 9 ms)\n";
        assert_eq!(first_seed(log).as_deref(), Some("seed 4: one root per key and slot"));
        assert_eq!(first_seed("seed 4: 9f8e\n"), None, "the trace of a run that passed");
    }
}
