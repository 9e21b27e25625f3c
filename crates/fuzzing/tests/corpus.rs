//! The corpus, replayed: whatever a search has found stays found.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

use std::fs;
use std::path::{Path, PathBuf};

use lathe_fuzzing::TARGETS;

/// Bytes of the whole corpus: it is part of every clone.
const MAX_CORPUS_BYTES: u64 = 1 << 20;

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let dir = fuzz_dir().join("corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    inputs
}

#[test]
fn every_input_keeps_its_properties() {
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(inputs.len() >= 5, "{name} has {} inputs", inputs.len());
        for path in inputs {
            let bytes = fs::read(&path).unwrap();
            // The name of the input is what a failure has to tell.
            println!("{}", path.display());
            target(&bytes);
            // Every target has to take what is left of an input.
            target(&bytes[..bytes.len() / 2]);
        }
    }
}

#[test]
fn the_corpus_is_small() {
    let sizes =
        TARGETS.iter().flat_map(|(name, _)| inputs(name)).map(|path| fs::metadata(path).unwrap().len());
    let total: u64 = sizes.sum();
    assert!(total <= MAX_CORPUS_BYTES, "{total} bytes");
}

#[test]
fn every_target_has_a_binary() {
    let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
        let binary = fs::read_to_string(fuzz_dir().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(binary.contains(&format!("lathe_fuzzing::{name}(data)")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
