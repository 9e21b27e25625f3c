//! The runner of `validator_duty_gate`, on the vectors that were proposed upstream and on what they do not say.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use lathe_spec_tests::{Fixtures, Report};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A case with a head, a newest block and steps of clock, head if it moves, verdict, and what the gate saw.
fn case(head: u64, newest: u64, steps: &[(u64, Option<u64>, bool)]) -> Value {
    let mut head_slot = head;
    let (mut evaluations, mut decisions) = (Vec::new(), Vec::new());
    for (clock, moved, allow) in steps {
        head_slot = moved.unwrap_or(head_slot);
        evaluations.push(json!({ "wallClockSlot": clock, "setHeadSlot": moved, "duty": "attestation" }));
        decisions.push(json!({
            "allow": allow, "headSlot": head_slot, "lag": clock.saturating_sub(head_slot),
            "maxSeenSlot": if newest > head { newest.max(head_slot) } else { head_slot },
        }));
    }
    json!({
        "network": "Lstar", "leanEnv": "test", "proofSetting": 0, "_info": {},
        "initialState": { "headSlot": head, "maxSeenSlot": newest },
        "steps": evaluations, "decisions": decisions,
    })
}

fn run(case: &Value) -> Report {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("some-set/consensus/validator_duty_gate");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file.json"), json!({ "case": case }).to_string()).unwrap();
    Report::of(&Fixtures::at(dir.path()).unwrap())
}

fn threshold_and_hysteresis() -> Value {
    let steps = [
        (14, None, true),
        (15, None, false),
        (15, Some(12), false),
        (15, Some(13), true),
        (15, Some(20), true),
    ];
    case(10, 20, &steps)
}

#[test]
fn the_proposed_vectors_pass() {
    let stall = case(10, 12, &[(20, None, false), (21, None, true), (22, None, true)]);
    for case in [threshold_and_hysteresis(), stall] {
        let report = run(&case);
        assert_eq!((report.passed(), report.failed()), (1, 0), "{report}");
    }
}

#[test]
fn every_decision_counts() {
    for field in ["allow", "headSlot", "lag", "maxSeenSlot"] {
        for step in 0..5 {
            let mut wrong = threshold_and_hysteresis();
            let value = &mut wrong["decisions"][step][field];
            *value = value.as_bool().map_or(json!(99), |allow| json!(!allow));
            let report = run(&wrong);
            assert_eq!((report.passed(), report.failed()), (0, 1), "{field} of step {step}: {report}");
            assert!(report.to_string().contains(&format!("at        step {step}, {field}")), "{report}");
        }
    }
    let mut short = threshold_and_hysteresis();
    short["decisions"].as_array_mut().unwrap().pop();
    assert!(run(&short).to_string().contains("at        decisions"));
}

#[test]
fn a_gate_without_anything_newer_is_a_known_difference() {
    let report = run(&case(10, 10, &[(14, None, true), (15, None, false), (19, None, true)]));
    assert_eq!((report.passed(), report.failed()), (0, 0), "{report}");
    assert!(report.to_string().contains("a newer head that is missing here"), "{report}");
    // Not for what the specification's rule does not say either.
    let report = run(&case(10, 10, &[(14, None, false)]));
    assert_eq!((report.passed(), report.failed()), (0, 1), "{report}");
}
