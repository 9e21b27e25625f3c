//! The fork choice runner: it must notice whatever a step's picture of the store says wrongly.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use lathe_spec_tests::{Fixtures, Report};
use lathe_transition::{generate_genesis, genesis_block};
use lathe_types::{Genesis, TreeHash, Validator, ValidatorIndex, Validators};
use serde_json::{Value, json};
use tempfile::TempDir;

const ZERO: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";
const OTHER: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

fn run(case: &Value) -> Report {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("some-set/consensus/fork_choice");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file.json"), json!({ "case": case }).to_string()).unwrap();
    Report::of(&Fixtures::at(dir.path()).unwrap())
}

/// Two validators at genesis and a tick to interval 3.
fn case() -> Value {
    let registry = (0..2).map(|index| Validator { index: ValidatorIndex(index), ..Validator::default() });
    let validators = Validators::try_from_iter(registry).unwrap();
    let state = generate_genesis(&Genesis {
        genesis_time: 7,
        validators,
        execution_genesis: None,
        signature_scheme: Default::default(),
    });
    let block = genesis_block(&state);
    let root = block.tree_hash_root().to_string();
    let key = format!("0x{}", "00".repeat(52));
    let validator = |index| json!({ "attestationPublicKey": key, "proposalPublicKey": key, "index": index });
    let zero = json!({ "root": ZERO, "slot": 0 });
    let genesis = json!({ "root": root, "slot": 0 });
    json!({
        "network": "Lstar", "leanEnv": "test", "proofSetting": 0, "_info": {}, "maxSlot": 0,
        "anchorState": {
            "config": { "genesisTime": 7 }, "slot": 0,
            "latestBlockHeader": {
                "slot": 0, "proposerIndex": 0, "parentRoot": ZERO, "stateRoot": ZERO,
                "bodyRoot": state.latest_block_header.body_root.to_string(),
            },
            "latestJustified": zero, "latestFinalized": zero,
            "historicalBlockHashes": { "data": [] }, "justifiedSlots": { "data": [] },
            "validators": { "data": [validator(0), validator(1)] },
            "justificationsRoots": { "data": [] }, "justificationsValidators": { "data": [] },
        },
        "anchorBlock": {
            "slot": 0, "proposerIndex": 0, "parentRoot": ZERO, "stateRoot": block.state_root.to_string(),
            "body": { "attestations": { "data": [] } },
        },
        "steps": [{
            "stepType": "tick", "valid": true, "interval": 3, "hasProposal": false,
            "checks": { "time": 3, "headSlot": 0, "headRootLabel": "genesis" },
            "storeSnapshot": {
                "time": 3, "headRoot": root, "safeTargetRoot": root,
                "latestJustified": genesis, "latestFinalized": genesis,
                "blockRoots": [root], "blockWeights": [], "attestationSignatures": [],
                "newAggregatedPayloads": [], "knownAggregatedPayloads": [],
            },
        }],
    })
}

/// The case with one value replaced, and what its only failure says.
fn failure(path: &str, value: Value) -> String {
    let mut case = case();
    *case.pointer_mut(path).unwrap() = value;
    failure_of(&case)
}

fn failure_of(case: &Value) -> String {
    let report = run(case);
    assert_eq!((report.passed(), report.failed()), (0, 1), "{report}");
    report.to_string()
}

#[test]
fn an_honest_case_passes() {
    let report = run(&case());
    assert_eq!((report.passed(), report.failed()), (1, 0), "{report}");
}

#[test]
fn every_field_of_a_snapshot_counts() {
    let wrong = [
        ("time", json!(4)),
        ("headRoot", json!(OTHER)),
        ("safeTargetRoot", json!(OTHER)),
        ("latestJustified", json!({ "root": OTHER, "slot": 0 })),
        ("latestFinalized", json!({ "root": OTHER, "slot": 0 })),
        ("blockRoots", json!([])),
        ("blockWeights", json!([{ "root": OTHER, "weight": 1 }])),
        ("attestationSignatures", json!([{ "dataRoot": OTHER, "validatorIndices": [0] }])),
        ("newAggregatedPayloads", json!([{ "dataRoot": OTHER, "participantSets": [[0]] }])),
        ("knownAggregatedPayloads", json!([{ "dataRoot": OTHER, "participantSets": [[0]] }])),
    ];
    let snapshot = &case()["steps"][0]["storeSnapshot"];
    assert_eq!(snapshot.as_object().unwrap().len(), wrong.len());
    for (field, value) in wrong {
        let text = failure(&format!("/steps/0/storeSnapshot/{field}"), value);
        assert!(text.contains("  at        step 0, "), "{field}: {text}");
    }
}

#[test]
fn checks_outcomes_and_unknown_keys_count() {
    let text = failure("/steps/0/checks/headSlot", json!(1));
    assert!(
        text.contains("  at        step 0, head slot\n  expected  Slot(1)\n  found     Slot(0)\n"),
        "{text}"
    );
    assert!(
        failure("/steps/0/checks/headRootLabel", json!("block_9"))
            .contains("a label that an earlier step gave")
    );
    let mut refused = case();
    refused["steps"][0]["valid"] = json!(false);
    refused["steps"][0]["rejectionReason"] = json!("WRONG_PROPOSER");
    assert!(failure_of(&refused).contains("  expected  WRONG_PROPOSER\n  found     acceptance\n"));
    refused["steps"][0].as_object_mut().unwrap().remove("rejectionReason");
    assert!(failure_of(&refused).contains("a reason unless valid"));

    let mut blind = case();
    blind["steps"][0].as_object_mut().unwrap().remove("storeSnapshot");
    assert!(failure_of(&blind).contains("a storeSnapshot"));

    for path in ["/steps/0/storeSnapshot", "/steps/0/checks", "/steps/0", "/anchorState", "/anchorBlock", ""]
    {
        let mut case = case();
        case.pointer_mut(path).unwrap()["surprise"] = json!(1);
        failure_of(&case);
    }
    let mut stray = case();
    stray["steps"][0]["tickToSlot"] = json!(true);
    assert!(failure_of(&stray).contains("a step with the fields of its type"));
}

#[test]
fn an_anchor_that_does_not_fit_is_refused_for_the_stated_reason() {
    let mut case = case();
    case["anchorBlock"]["stateRoot"] = json!(OTHER);
    assert!(failure_of(&case).contains("found     ANCHOR_STATE_ROOT_MISMATCH"));
    case["rejectionReason"] = json!("ANCHOR_STATE_ROOT_MISMATCH");
    case["steps"] = json!([]);
    assert_eq!(run(&case).passed(), 1);
}
