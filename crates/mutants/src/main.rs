//! Breaks every rule once and prints which test notices: `cargo run -p lathe-mutants [-- WORD]`. With a word, only the
//! rules and files that contain it.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
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
    let started = Instant::now();

    // The unit tests are quick; the fixtures judge only what those let through.
    let mut crates: Vec<&str> = chosen.iter().map(|(file, _)| file.crate_name()).collect();
    crates.dedup();
    for name in crates {
        expect_sound(trial.unit_tests(name)?)?;
    }
    let let_through = break_each(&tree, &chosen, |file| trial.unit_tests(file.crate_name()))?;
    let survivors = if let_through.is_empty() {
        let_through
    } else {
        writeln!(out, "the fixtures, for {} that the unit tests let through:", let_through.len())?;
        expect_sound(trial.fixtures()?)?;
        break_each(&tree, &let_through, |_| trial.fixtures())?
    };

    let (caught, minutes) = (chosen.len() - survivors.len(), started.elapsed().as_secs() / 60);
    writeln!(out, "{caught} of {} broken rules were noticed, in {minutes} minutes", chosen.len())?;
    for (file, flip) in &survivors {
        writeln!(out, "NOT NOTICED: {} ({})", flip.rule, file.path)?;
    }
    Ok(if survivors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tests that fail already notice nothing.
fn expect_sound(outcome: Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Survived => Ok(()),
        outcome => Err(format!("nothing is broken yet, and still: {outcome:?}")),
    }
}

/// Breaks each rule, prints who noticed and how long that took, and gives back those that nobody noticed.
fn break_each<'a>(
    tree: &Tree,
    rules: &[(&'a File, &'a Flip)],
    tests: impl Fn(&File) -> io::Result<Outcome>,
) -> Result<Vec<(&'a File, &'a Flip)>, Box<dyn Error>> {
    let mut let_through = Vec::new();
    for (file, flip) in rules {
        let started = Instant::now();
        let source = tree.read(file.path)?;
        let flipped =
            flip.apply(&source).map_err(|stale| format!("{}: {}: {stale}", file.path, flip.rule))?;
        tree.write(file.path, &flipped)?;
        let outcome = tests(file);
        tree.write(file.path, &source)?;
        let verdict = match outcome? {
            Outcome::Caught(by) => by,
            Outcome::Survived => {
                let_through.push((*file, *flip));
                "-".to_owned()
            }
            Outcome::Broken(why) => return Err(format!("{} does not compile:\n{why}", flip.rule).into()),
        };
        writeln!(io::stdout(), "{:<80} {:>4} s  {verdict}", flip.rule, started.elapsed().as_secs())?;
    }
    Ok(let_through)
}
