//! The list fits the source.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use lathe_mutants::{PLANTED, RULES};

#[test]
fn every_flip_stands_in_its_file_once_and_changes_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut stale = Vec::new();
    for file in RULES.iter().flat_map(|files| files.iter()) {
        let source = fs::read_to_string(root.join(file.path)).unwrap();
        for flip in file.flips {
            match flip.apply(&source) {
                Ok(flipped) => assert_ne!(flipped, source, "{}", flip.rule),
                Err(why) => stale.push(format!("{}: {}: {why}", file.path, flip.rule)),
            }
        }
    }
    for bug in PLANTED {
        let source = fs::read_to_string(root.join(bug.path)).unwrap();
        if let Err(why) = bug.flip.apply(&source) {
            stale.push(format!("{}: {}: {why}", bug.path, bug.flip.rule));
        }
    }
    assert!(stale.is_empty(), "\n{}\n", stale.join("\n"));
}

#[test]
fn every_rule_is_named_once() {
    let rules: Vec<&str> = RULES
        .iter()
        .flat_map(|files| files.iter())
        .flat_map(|file| file.flips)
        .map(|flip| flip.rule)
        .collect();
    assert_eq!(rules.iter().collect::<HashSet<_>>().len(), rules.len());
    assert!(rules.len() >= 25, "{} rules", rules.len());
}
