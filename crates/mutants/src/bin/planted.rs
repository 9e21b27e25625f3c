//! Plants each bug once and prints the first seed of the simulator that finds it: `cargo run -p lathe-mutants --bin
//! planted [-- WORD]`. With a word, only the bugs and files that contain it.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use lathe_mutants::{Outcome, PLANTED, PLANTED_SLOTS, Planted, Tree, Trial};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let word = env::args().nth(1).unwrap_or_default();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| source.join("target"), PathBuf::from);
    let home = target.join("mutants");
    fs::create_dir_all(&home)?;
    let tree = Tree::copy(&source, home.join("tree"))?;
    let trial = Trial { root: tree.root(), target_dir: home.join("build"), fixtures: PathBuf::new() };
    fs::create_dir_all(&trial.target_dir)?;
    let mut out = io::stdout();

    let is_chosen = |bug: &&Planted| bug.path.contains(&word) || bug.flip.rule.contains(&word);
    let chosen: Vec<&Planted> = PLANTED.iter().filter(is_chosen).collect();
    // Seeds that fail already find nothing.
    let most = chosen.iter().map(|bug| bug.seeds).max().unwrap_or_default();
    match trial.seeds(most, PLANTED_SLOTS)? {
        Outcome::Survived => {}
        outcome => return Err(format!("nothing is planted yet, and still: {outcome:?}").into()),
    }
    let mut missed = 0;
    for bug in &chosen {
        let started = Instant::now();
        let source = tree.read(bug.path)?;
        let planted =
            bug.flip.apply(&source).map_err(|stale| format!("{}: {}: {stale}", bug.path, bug.flip.rule))?;
        tree.write(bug.path, &planted)?;
        let outcome = trial.seeds(bug.seeds, PLANTED_SLOTS);
        tree.write(bug.path, &source)?;
        let verdict = match outcome? {
            Outcome::Caught(by) => by,
            Outcome::Survived => {
                missed += 1;
                format!("NOT FOUND by {} seeds", bug.seeds)
            }
            Outcome::Broken(why) => {
                return Err(format!("{} does not compile:\n{why}", bug.flip.rule).into());
            }
        };
        writeln!(out, "{:<68} {:>4} s  {verdict}", bug.flip.rule, started.elapsed().as_secs())?;
    }
    writeln!(out, "{} of {} planted bugs were found", chosen.len() - missed, chosen.len())?;
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
