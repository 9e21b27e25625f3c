//! Breaks every rule once and prints which test notices: `cargo run -p lathe-mutants [-- WORD]`. With a word, only the
//! rules and files that contain it.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

use lathe_mutants::{File, Flip, Outcome, RULES, Tree, Trial};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let word = env::args().nth(1).unwrap_or_default();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| source.join("target"), PathBuf::from);
    let home = target.join("mutants");
    fs::create_dir_all(&home)?;
    let tree = Tree::copy(&source, home.join("tree"))?;
    let fixtures = env::var_os("LATHE_SPEC_FIXTURES")
        .map_or_else(|| source.join("../shared/leanspec-fixtures"), PathBuf::from);
    let mut out = io::stdout();
    if !fixtures.is_dir() {
        writeln!(out, "no fixtures in {}: unit tests alone have to notice", fixtures.display())?;
    }
    let trial = Trial { root: tree.root(), target_dir: home.join("build"), fixtures };
    fs::create_dir_all(&trial.target_dir)?;

    let chosen: Vec<(&File, &Flip)> = RULES
        .iter()
        .flat_map(|files| files.iter())
        .flat_map(|file| file.flips.iter().map(move |flip| (file, flip)))
        .filter(|(file, flip)| file.path.contains(&word) || flip.rule.contains(&word))
        .collect();
    check_baseline(&trial, &chosen)?;

    let started = Instant::now();
    let (mut survivors, mut broken) = (0, 0);
    for (file, flip) in &chosen {
        let (outcome, took) = break_rule(&tree, &trial, file, flip)?;
        let verdict = match outcome {
            Outcome::Caught(by) => by,
            Outcome::Survived => {
                survivors += 1;
                "SURVIVED".to_owned()
            }
            Outcome::Broken(why) => {
                broken += 1;
                format!("DOES NOT COMPILE\n{why}")
            }
        };
        writeln!(out, "{:<75} {:>4} s  {verdict}", flip.rule, took.as_secs())?;
    }
    let caught = chosen.len() - survivors - broken;
    let minutes = started.elapsed().as_secs() / 60;
    writeln!(out, "{caught} of {} broken rules were noticed, in {minutes} minutes", chosen.len())?;
    Ok(if survivors + broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tests that fail already notice nothing.
fn check_baseline(trial: &Trial<'_>, chosen: &[(&File, &Flip)]) -> Result<(), Box<dyn Error>> {
    let mut crates: Vec<&str> = chosen.iter().map(|(file, _)| file.crate_name()).collect();
    crates.dedup();
    for crate_name in crates {
        match trial.run(crate_name)? {
            Outcome::Survived => {}
            outcome => return Err(format!("nothing is broken yet, and still: {outcome:?}").into()),
        }
    }
    Ok(())
}

fn break_rule(
    tree: &Tree,
    trial: &Trial<'_>,
    file: &File,
    flip: &Flip,
) -> Result<(Outcome, Duration), Box<dyn Error>> {
    let started = Instant::now();
    let source = tree.read(file.path)?;
    let flipped = flip.apply(&source).map_err(|stale| format!("{}: {}: {stale}", file.path, flip.rule))?;
    tree.write(file.path, &flipped)?;
    let outcome = trial.run(file.crate_name());
    tree.write(file.path, &source)?;
    Ok((outcome?, started.elapsed()))
}
