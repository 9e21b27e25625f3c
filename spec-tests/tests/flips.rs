//! Each runner asserts everything that a fixture states: in copies of the fixtures at hand one expectation after the
//! other is changed, or a key added that nobody knows, and every such copy must fail.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;

use lathe_spec_tests::{Case, FixtureFile, Fixtures, Verdict, no_fixtures, runners};
use serde_json::{Map, Value, json};

/// Changes tried for each place, indices aside; a place in every file would take minutes.
const TRIES: usize = 3;

/// Parts of a case that say how it must end.
fn is_expectation(kind: &str, path: &str) -> bool {
    let parts: &[&str] = match kind {
        "api_endpoint" => &["/expectedStatusCode", "/expectedContentType", "/expectedBody"],
        "fork_choice" => {
            &["/steps/*/valid", "/steps/*/rejectionReason", "/steps/*/checks", "/steps/*/storeSnapshot"]
        }
        "gossipsub_handler" => &["/expected"],
        "justifiability" | "slot_clock" | "sync" | "networking_codec" => &["/output", "/config"],
        "poseidon_permutation" => &["/outputState"],
        "reaggregation" => &["/combinedAttesters"],
        "ssz" => &["/serialized", "/root"],
        "state_transition" => &["/post", "/postStateRoot"],
        _ => &[],
    };
    path == "/rejectionReason"
        || parts.iter().any(|part| path == *part || path.starts_with(&format!("{part}/")))
}

/// Expectations that say nothing by themselves, and why.
fn is_idle(kind: &str, shape: &str, value: &Value) -> bool {
    let is_list = value.is_array();
    match kind {
        // Blocks of the fixture's maker that the file does not carry; the state root beside them covers the same
        // fields.
        "state_transition" => shape.contains("RootLabel") || shape.contains("RootsLabels"),
        // Lists of separate checks: one fewer is less to hold. Of whom a check speaks is no expectation either.
        "fork_choice" => {
            let lists = ["attestationChecks", "blockAttestations", "labelsInStore", "lexicographicHeadAmong"];
            is_list && lists.iter().any(|list| shape.ends_with(list)) || shape.ends_with("Checks/*/validator")
        }
        "api_endpoint" => is_list && shape.ends_with("required_metric_names"),
        _ => false,
    }
}

/// Objects whose keys are free: what a client sends, and maps by name.
fn is_open(kind: &str, path: &str) -> bool {
    match kind {
        "api_endpoint" => path == "/requestBody",
        "gossipsub_handler" => path.ends_with("/backoff"),
        _ => false,
    }
}

/// Every place below `value`, as a pointer, with its value.
fn places(value: &Value) -> Vec<(String, &Value)> {
    let mut all = vec![(String::new(), value)];
    let mut next = 0;
    while let Some((path, value)) = all.get(next).cloned() {
        match value {
            Value::Object(fields) => {
                all.extend(fields.iter().map(|(key, value)| (format!("{path}/{key}"), value)))
            }
            Value::Array(items) => {
                all.extend(items.iter().enumerate().map(|(index, item)| (format!("{path}/{index}"), item)));
            }
            _ => {}
        }
        next += 1;
    }
    all
}

/// A place with its indices taken out.
fn shape(path: &str) -> String {
    let part = |part: &str| if part.parse::<usize>().is_ok() { "*".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Something of the same type that says otherwise.
fn flip(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(truth) => json!(!truth),
        Value::Number(number) => match number.as_u64() {
            Some(number) => json!(number ^ 1),
            None => json!(number.as_f64()? + 1.0),
        },
        // In the first byte: what comes last in compressed bytes may decode alike.
        Value::String(text) if text.starts_with("0x") && text.len() > 3 => {
            let other = if text[3..].starts_with('0') { '1' } else { '0' };
            json!(format!("{}{other}{}", &text[..3], &text[4..]))
        }
        Value::String(text) => match text.parse::<u64>() {
            Ok(number) => json!((number ^ 1).to_string()),
            Err(_) if text == "WRONG_PROPOSER" => json!("PARENT_ROOT_MISMATCH"),
            Err(_) if text.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_') => {
                json!("WRONG_PROPOSER")
            }
            Err(_) => json!(format!("{text}x")),
        },
        Value::Array(items) => json!(items.split_last()?.1),
        Value::Object(_) | Value::Null => return None,
    })
}

/// Whether a case holds as it stands, as far as that can be told without leanVM.
fn holds(file: &FixtureFile, kind: &str, case: &Value) -> bool {
    let case = Case::parse("copy", kind, &file.path, case.clone());
    let outcome = case.and_then(|case| runners::of(kind)(&case));
    matches!(outcome, Ok(Verdict::Passed | Verdict::NeedsLeanVm))
}

fn cases(file: &FixtureFile) -> Vec<Value> {
    let cases: Map<String, Value> = serde_json::from_slice(&fs::read(&file.path).unwrap()).unwrap();
    cases.into_iter().map(|(_, case)| case).collect()
}

/// One way to change a case: at a place of a kind, the value there becomes another.
type Change = fn(&str, &str, &Value) -> Option<Value>;

/// Changes cases of every file, one place at a time, and wants each copy to fail.
fn check(kind: &str, change: Change, at_least: usize) {
    let fixtures = match Fixtures::locate() {
        Ok(fixtures) => fixtures.unwrap().of_kind(kind),
        Err(missing) => return println!("{}", no_fixtures(&missing)),
    };
    let mut tried: BTreeMap<String, usize> = BTreeMap::new();
    let mut unnoticed = Vec::new();
    for file in fixtures.files() {
        for case in cases(file) {
            let mut is_good = None;
            for (path, value) in places(&case) {
                let Some(value) = change(kind, &path, value) else { continue };
                let tries = tried.entry(shape(&path)).or_default();
                if *tries == TRIES || !*is_good.get_or_insert_with(|| holds(file, kind, &case)) {
                    continue;
                }
                *tries += 1;
                let mut changed = case.clone();
                *changed.pointer_mut(&path).unwrap() = value;
                if holds(file, kind, &changed) {
                    unnoticed.push(format!("{}: {path}", file.path.display()));
                }
            }
        }
    }
    let made: usize = tried.values().sum();
    println!("{kind}: {made} changes in {} places", tried.len());
    assert!(unnoticed.is_empty(), "unnoticed:\n{}", unnoticed.join("\n"));
    assert!(made >= at_least, "{made} changes of {kind}");
}

/// Another expectation.
fn otherwise(kind: &str, path: &str, value: &Value) -> Option<Value> {
    let shape = shape(path);
    if is_expectation(kind, &shape) && !is_idle(kind, &shape, value) { flip(value) } else { None }
}

/// A key more.
fn more(kind: &str, path: &str, value: &Value) -> Option<Value> {
    if !value.is_object() || path.starts_with("/_info") || is_open(kind, path) {
        return None;
    }
    let mut more = value.clone();
    more["surprise"] = json!(1);
    Some(more)
}

macro_rules! kinds {
    ($($kind:ident: $flips:literal)+) => { $(
        mod $kind {
            #[test]
            fn every_expectation_counts() {
                super::check(stringify!($kind), super::otherwise, $flips);
            }

            #[test]
            fn no_key_is_passed_over() {
                super::check(stringify!($kind), super::more, 1);
            }
        }
    )+ };
}

kinds! {
    api_endpoint: 10
    fork_choice: 50
    gossipsub_handler: 10
    justifiability: 3
    networking_codec: 10
    poseidon_permutation: 3
    reaggregation: 2
    slot_clock: 6
    ssz: 6
    state_transition: 20
    sync: 6
    verify_multi_message_proofs: 1
    verify_signatures: 1
    verify_single_message_proofs: 1
}
