//! `lathe spec run` from outside: what a specification's author sees.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn case(delta: u64, is_justifiable: bool) -> Value {
    json!({
        "network": "Lstar", "leanEnv": "test", "proofSetting": 0, "_info": {},
        "slot": 10 + delta, "finalizedSlot": 10, "output": { "delta": delta, "isJustifiable": is_justifiable },
    })
}

fn run(paths: &[&Path]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_lathe")).args(["spec", "run"]).args(paths).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_table_for_success_and_the_place_for_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let family = dir.path().join("mine/consensus/justifiability");
    fs::create_dir_all(&family).unwrap();
    let (good, bad) = (family.join("good.json"), family.join("bad.json"));
    fs::write(&good, json!({ "six": case(6, true), "seven": case(7, false) }).to_string()).unwrap();
    fs::write(&bad, json!({ "eight": case(8, true) }).to_string()).unwrap();

    let (code, said, complained) = run(&[&good]);
    assert_eq!((code, complained.as_str()), (Some(0), ""), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("2 cases in 1 file, ") && lines[0].ends_with(" s"), "{said}");
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["justifiability", "2", "0", "0", "0", "0"]);
    assert_eq!(*lines.last().unwrap(), "2 passed, 0 failed");

    let (code, said, complained) = run(&[dir.path()]);
    assert_eq!((code, complained.as_str()), (Some(1), "error: not all fixtures passed\n"));
    let failure = format!(
        "failed: mine/justifiability/eight\n  in {}\n  at        is_justifiable\n  expected  true\n  found     false\n\
         2 passed, 1 failed\n",
        fs::canonicalize(&bad).unwrap().display()
    );
    assert!(said.ends_with(&failure), "{said}");
    assert!(run(&[&good, &bad]).1.ends_with("2 passed, 1 failed\n"), "several paths make one report");
}

#[test]
fn nothing_to_run_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (code, said, complained) = run(&[dir.path()]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(complained.contains("holds no fixtures"), "{complained}");
    let (code, _, complained) = run(&[&dir.path().join("nowhere")]);
    assert_eq!(code, Some(1));
    assert!(complained.starts_with("error: cannot read ") && complained.contains("nowhere"), "{complained}");
}
