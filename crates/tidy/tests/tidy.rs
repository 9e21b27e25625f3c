//! The whole workspace keeps the house rules.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;

use lathe_tidy::{House, Source, Violation, Workspace, arrows, lengths, purity, width, words};

fn workspace() -> Workspace {
    Workspace::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

fn assert_none(violations: impl Iterator<Item = Violation>) {
    let list: Vec<String> = violations.map(|violation| violation.to_string()).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

fn house() -> House {
    workspace().house().unwrap().unwrap()
}

#[test]
fn files_are_short() {
    assert_none(workspace().sources().unwrap().iter().flat_map(lengths::check));
}

#[test]
fn crates_keep_to_their_arrows() {
    assert_none(arrows::check(&house(), &workspace().crates().unwrap()).into_iter());
}

#[test]
fn the_core_is_pure() {
    let house = house();
    let pure = purity::pure_crates(&house);
    let crates = workspace().crates().unwrap();
    let members = crates.iter().filter(|member| pure.contains(&member.name.as_str()));
    assert_none(members.flat_map(purity::check_manifest));
    let is_pure =
        |source: &&Source| pure.iter().any(|name| source.file.starts_with(&format!("crates/{name}/src/")));
    assert_none(workspace().sources().unwrap().iter().filter(is_pure).flat_map(purity::check_source));
}

#[test]
fn prose_is_not_wide() {
    assert_none(workspace().sources().unwrap().iter().flat_map(width::check_comments));
    let texts = workspace().texts().unwrap();
    let pages = texts.iter().filter(|(file, _)| file.ends_with(".md"));
    assert_none(pages.flat_map(|(file, text)| width::check_markdown(file, text)));
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
