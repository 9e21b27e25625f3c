//! The whole workspace keeps the house rules.

use std::path::Path;

use lathe_tidy::{Source, Violation, Workspace, arrows, lengths, panics, purity, words};

fn workspace() -> Workspace {
    Workspace::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

fn assert_none(violations: impl Iterator<Item = Violation>) {
    let list: Vec<String> = violations.map(|violation| violation.to_string()).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

#[test]
fn files_and_functions_are_short() {
    assert_none(workspace().sources().unwrap().iter().flat_map(lengths::check));
}

#[test]
fn crates_keep_to_their_arrows() {
    assert_none(workspace().crates().unwrap().iter().flat_map(arrows::check));
}

#[test]
fn the_core_is_pure() {
    assert_none(workspace().crates().unwrap().iter().flat_map(purity::check_manifest));
    let is_pure = |source: &&Source| {
        purity::PURE.iter().any(|name| source.file.starts_with(&format!("crates/{name}/src/")))
    };
    assert_none(workspace().sources().unwrap().iter().filter(is_pure).flat_map(purity::check_source));
}

#[test]
fn what_is_shipped_does_not_unwrap() {
    assert_none(workspace().sources().unwrap().iter().flat_map(panics::check));
}

#[test]
fn no_file_knows_a_machine() {
    let texts = workspace().texts().unwrap();
    assert_none(texts.iter().flat_map(|(file, text)| words::check(file, text)));
}

#[test]
fn the_whole_workspace_is_read() {
    let sources = workspace().sources().unwrap();
    for file in [
        "bin/lathe/src/main.rs",
        "crates/types/src/lib.rs",
        "spec-tests/src/lib.rs",
        "crates/tidy/tests/tidy.rs",
    ] {
        assert!(sources.iter().any(|source| source.file == file), "{file}");
    }
    let crates = workspace().crates().unwrap();
    let engine = crates.iter().find(|member| member.name == "engine").unwrap();
    assert!(engine.dependencies.iter().any(|(name, _)| name == "lathe-types"));
    assert!(crates.iter().any(|member| member.name == "lathe"), "the binary too");
}
