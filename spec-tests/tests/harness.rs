//! The harness itself: what it must notice, and what it must not count as passed.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use lathe_spec_tests::json::FromJson;
use lathe_spec_tests::{Fixtures, Report};
use lathe_types::{Block, Checkpoint, PublicKey, SignedBlock, State, Validator};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs one fixture file of `kind` and returns its report.
fn report(kind: &str, cases: &Value) -> Report {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("some-set/consensus").join(kind).join("deep/er");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file.json"), cases.to_string()).unwrap();
    Report::of(&Fixtures::at(dir.path()).unwrap())
}

fn justifiability(delta: u64, is_justifiable: bool) -> Value {
    json!({
        "network": "Lstar", "leanEnv": "test", "proofSetting": 0, "_info": {},
        "slot": 10 + delta, "finalizedSlot": 10, "output": { "delta": delta, "isJustifiable": is_justifiable },
    })
}

/// The same case with `key` set to `value`.
fn with(mut case: Value, key: &str, value: Value) -> Value {
    case[key] = value;
    case
}

fn fails(case: &Value) -> String {
    let report = report("justifiability", &json!({ "case": case }));
    assert_eq!((report.passed(), report.failed()), (0, 1), "{report}");
    report.to_string()
}

#[test]
fn a_report_counts_and_explains() {
    let cases = json!({ "good": justifiability(6, true), "bad": justifiability(7, true) });
    let report = report("justifiability", &cases);
    assert_eq!((report.passed(), report.failed(), report.cases(), report.files()), (1, 1, 2, 1));
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "kind            passed  failed  known difference  needs leanVM  not run");
    assert_eq!(lines[1], "justifiability       1       1                 0             0        0");
    assert_eq!(lines[2], "total                1       1                 0             0        0");
    assert_eq!(lines[3], "failed: some-set/justifiability/bad");
    assert!(lines[4].ends_with("/some-set/consensus/justifiability/deep/er/file.json"), "{}", lines[4]);
    assert_eq!(
        lines[5..],
        ["  at        is_justifiable", "  expected  true", "  found     false", "1 passed, 1 failed"]
    );
    let mut printed = Vec::new();
    report.write(&mut printed, std::time::Duration::from_millis(1_260)).unwrap();
    assert_eq!(String::from_utf8(printed).unwrap(), format!("2 cases in 1 file, 1.3 s\n{text}\n"));
}

#[test]
fn unknown_keys_fail() {
    assert!(fails(&with(justifiability(6, true), "surprise", json!(1))).contains("unknown field `surprise`"));
    let output = json!({ "delta": 6, "isJustifiable": true, "surprise": 1 });
    assert!(fails(&with(justifiability(6, true), "output", output)).contains("unknown field `surprise`"));
}

#[test]
fn headers_are_read_strictly() {
    for (key, value) in [
        ("network", json!("Other")),
        ("leanEnv", json!("staging")),
        ("proofSetting", json!(3)),
        ("proofSetting", Value::Null),
        ("rejectionReason", json!("NO_SUCH_REASON")),
    ] {
        fails(&with(justifiability(6, true), key, value));
    }
    fails(&json!([]));
}

#[test]
fn a_rejection_that_does_not_come_fails() {
    let case = with(justifiability(6, true), "rejectionReason", json!("WRONG_PROPOSER"));
    assert!(fails(&case).contains("  expected  WRONG_PROPOSER\n  found     acceptance\n"));
}

#[test]
fn an_unknown_kind_is_not_run_and_not_passed() {
    let report = report("something_new", &json!({ "case": justifiability(6, true) }));
    assert_eq!((report.passed(), report.failed(), report.cases()), (0, 0, 1));
    assert!(!report.is_success(), "what nobody judged is no success");
    let text = report.to_string();
    let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["something_new", "0", "0", "0", "0", "1"]);
    assert!(text.contains("not run: 1 cases of kind something_new, which has no runner here\n"));
}

#[test]
fn a_file_that_is_no_fixture_fails_and_stops_nothing() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("set/consensus/justifiability");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("a.json"), "[1, 2]").unwrap();
    fs::write(folder.join("b.json"), json!({ "case": justifiability(6, true) }).to_string()).unwrap();
    let report = Report::of(&Fixtures::at(dir.path()).unwrap());
    assert_eq!((report.passed(), report.failed()), (1, 1));
    assert!(report.to_string().contains("a.json is not a fixture"), "{report}");
}

#[test]
fn directories_families_and_files_can_be_named() {
    let dir = TempDir::new().unwrap();
    let write = |path: &str, case: Value| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, json!({ "case": case }).to_string()).unwrap();
    };
    let count = |path: &str| {
        let report = Report::of(&Fixtures::at(&dir.path().join(path)).unwrap());
        assert_eq!(report.failed(), 0, "{path}: {report}");
        report.passed()
    };
    write("one/consensus/justifiability/lstar/a.json", justifiability(6, true));
    write("two/consensus/justifiability/b.json", justifiability(9, true));
    write("two/consensus/justifiability/c.json", justifiability(8, false));
    // Keys and the like, which lie beside the sets, are no fixtures.
    write("keys/0.json", json!(1));
    assert_eq!(count(""), 3);
    assert_eq!(count("two"), 2);
    assert_eq!(count("two/consensus"), 2);
    assert_eq!(count("one/consensus/justifiability/lstar"), 1);
    assert_eq!(count("two/consensus/justifiability/c.json"), 1);
    // Elsewhere a case has to say itself of which kind it is.
    let stated = with(justifiability(6, true), "_info", json!({ "fixtureFormat": "justifiability_test" }));
    write("loose/d.json", stated);
    assert_eq!(count("loose"), 1);
    assert_eq!(count("loose/d.json"), 1);
    write("loose/e.json", justifiability(6, true));
    let report = Report::of(&Fixtures::at(&dir.path().join("loose")).unwrap());
    assert!(report.to_string().contains("case does not say of which kind it is"), "{report}");
    assert!(Fixtures::at(&dir.path().join("keys")).unwrap().files().len() == 1);
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert!(Fixtures::at(&dir.path().join("empty")).unwrap().files().is_empty());
    assert!(Fixtures::at(&dir.path().join("nowhere")).unwrap_err().to_string().contains("nowhere"));
}

fn block() -> Value {
    let root = format!("0x{}", "11".repeat(32));
    let checkpoint = json!({ "root": root, "slot": 1 });
    let data = json!({ "slot": 1, "head": checkpoint, "target": checkpoint, "source": checkpoint });
    let attestation = json!({ "aggregationBits": { "data": [true, false] }, "data": data });
    json!({
        "slot": 1, "proposerIndex": "2", "parentRoot": root, "stateRoot": root,
        "body": { "attestations": { "data": [attestation] } },
    })
}

/// What is wrong with the block after `change`.
fn wrong(change: impl FnOnce(&mut Value)) -> String {
    let mut block = block();
    change(&mut block);
    Block::from_json(&block).unwrap_err().to_string()
}

#[test]
fn json_is_read_strictly_and_errors_name_the_place() {
    let parsed = Block::from_json(&block()).unwrap();
    assert_eq!((parsed.proposer_index.0, parsed.body.attestations[0].aggregation_bits.len()), (2, 2));

    assert_eq!(
        wrong(|block| block["body"]["attestations"]["data"][0]["data"]["target"]["slot"] = json!(-1)),
        "body.attestations.data[0].data.target.slot: expected an unsigned 64-bit integer, found -1"
    );
    assert_eq!(wrong(|block| block["parentRoot"] = json!("11")), "parentRoot: expected a hex string with 0x");
    assert!(wrong(|block| block["parentRoot"] = json!("0x11")).starts_with("parentRoot: "));
    assert!(wrong(|block| block["body"]["attestations"] = json!([])).contains("the only key data"));
    assert!(wrong(|block| block["extra"] = json!(1)).contains("expected 5 keys, found 6"));
    assert!(wrong(|block| drop(block.as_object_mut().unwrap().remove("slot"))).contains("slot: is missing"));
}

#[test]
fn limits_hold_in_json() {
    let data = format!("0x{}", "00".repeat(512 * 1024 + 1));
    let signed = json!({ "block": block(), "proof": { "proof": { "data": data } } });
    assert!(SignedBlock::from_json(&signed).unwrap_err().to_string().starts_with("proof.proof: "));
    assert!(PublicKey::from_json(&json!("0x00")).is_err());
    assert!(Checkpoint::from_json(&json!(null)).is_err());
}

#[test]
fn a_misplaced_validator_is_refused() {
    let key = format!("0x{}", "00".repeat(52));
    let validator = json!({ "attestationPublicKey": key, "proposalPublicKey": key, "index": 1 });
    assert_eq!(Validator::from_json(&validator).unwrap().index.0, 1);
    let root = format!("0x{}", "00".repeat(32));
    let checkpoint = json!({ "root": root, "slot": 0 });
    let empty = json!({ "data": [] });
    let state = json!({
        "config": { "genesisTime": 0 }, "slot": 0,
        "latestBlockHeader": {
            "slot": 0, "proposerIndex": 0, "parentRoot": root, "stateRoot": root, "bodyRoot": root,
        },
        "latestJustified": checkpoint, "latestFinalized": checkpoint, "historicalBlockHashes": empty,
        "justifiedSlots": empty, "validators": { "data": [validator] }, "justificationsRoots": empty,
        "justificationsValidators": empty,
    });
    assert!(State::from_json(&state).unwrap_err().to_string().starts_with("validators: "));
}
