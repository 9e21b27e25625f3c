//! Hive's test driver from end to end: the real binary, and over HTTP every fixture that hive sends to a client.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lathe_spec_tests::{Fixtures, Verdict, no_fixtures, runners};
use serde_json::{Map, Value, json};
use support::{free_ports, lathe};

/// Longest wait for the driver to come up or to answer; only reached when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A test driver in a process of its own.
struct Driver {
    process: Child,
    url: String,
    agent: ureq::Agent,
}

impl Driver {
    fn start() -> Self {
        let port = free_ports(1);
        let process = lathe()
            .args(["node", "--network-dir", "/nonexistent", "--node-id", "lathe_0"])
            .args(["--api-port", &port.to_string()])
            .env("HIVE_LEAN_TEST_DRIVER", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build()
            .into();
        let mut driver = Self { process, url: format!("http://127.0.0.1:{port}/lean/v0"), agent };
        let started = Instant::now();
        while driver.agent.get(format!("{}/health", driver.url)).call().is_err() {
            assert_eq!(driver.process.try_wait().unwrap(), None, "the driver ended");
            assert!(started.elapsed() < PATIENCE, "the driver does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        driver
    }

    /// Status and body of an answer; `Null` where there is no body.
    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/test_driver/{path}", self.url);
        let mut answer = self.agent.post(url).send(body.to_string()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let json = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        (answer.status().as_u16(), json)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Hands every case of a kind to `replay`, with what the runner of fixture files says of it.
fn for_each_case(kind: &str, mut replay: impl FnMut(&str, &Value, Verdict)) {
    let fixtures = match Fixtures::locate() {
        Ok(fixtures) => fixtures.unwrap().of_kind(kind),
        Err(missing) => return println!("{}", no_fixtures(&missing)),
    };
    let mut verdicts = BTreeMap::new();
    for file in fixtures.files() {
        let text = std::fs::read_to_string(&file.path).unwrap();
        let raw: Map<String, Value> = serde_json::from_str(&text).unwrap();
        for (named, value) in file.cases().unwrap().into_iter().zip(raw.values()) {
            let verdict = runners::of(kind)(&named.case.unwrap()).unwrap();
            replay(&named.id, value, verdict);
            *verdicts.entry(format!("{verdict:?}")).or_insert(0) += 1;
        }
    }
    println!("{kind}: {verdicts:?}");
}

/// What an answer lacks of the rejection that a fixture states, if anything.
fn compare_rejection(expected: &Value, succeeded: &Value, error: &Value) -> Result<(), String> {
    let reason = expected.as_str();
    let right = match reason {
        None => *succeeded == json!(true) && error.is_null(),
        Some(reason) => *succeeded == json!(false) && error.as_str().unwrap().starts_with(reason),
    };
    if right { Ok(()) } else { Err(format!("expected {expected}, found {succeeded} and {error}")) }
}

fn says_leanvm(error: &Value) -> bool {
    error.as_str().is_some_and(|error| error.contains("leanVM"))
}

/// Compares the driver's picture of the store with the one that the fixture has of it.
fn compare_step(step: &Value, answer: &Value) -> Result<(), String> {
    compare_rejection(&step["rejectionReason"], &answer["accepted"], &answer["error"])?;
    let (theirs, ours) = (&step["storeSnapshot"], &answer["snapshot"]);
    let pairs = [
        ("time", "time"),
        ("headRoot", "headRoot"),
        ("safeTargetRoot", "safeTarget"),
        ("latestJustified", "justifiedCheckpoint"),
        ("latestFinalized", "finalizedCheckpoint"),
    ];
    for (their_name, our_name) in pairs {
        // The fixtures write interval counts as numbers or as digits.
        let (their, our) = (&theirs[their_name], &ours[our_name]);
        if their != our && their.as_str() != Some(&our.to_string()) {
            return Err(format!("{our_name}: expected {their}, found {our}"));
        }
    }
    let head_slot = &step["checks"]["headSlot"];
    if !head_slot.is_null() && *head_slot != ours["headSlot"] {
        return Err(format!("headSlot: expected {head_slot}, found {}", ours["headSlot"]));
    }
    assert_eq!(ours.as_object().unwrap().len(), pairs.len() + 1, "nothing else is in there");
    Ok(())
}

#[test]
fn fork_choice_fixtures_replay() {
    let driver = Driver::start();
    let mut steps = 0;
    for_each_case("fork_choice", |id, case, verdict| {
        let init = json!({
            "anchorState": case["anchorState"],
            "anchorBlock": case["anchorBlock"],
            "genesisTime": case["anchorState"]["config"]["genesisTime"],
        });
        let (status, body) = driver.post("fork_choice/init", &init);
        if let Some(reason) = case["rejectionReason"].as_str() {
            assert_eq!(status, 400, "{id}");
            assert!(body["error"].as_str().unwrap().contains(reason), "{id}: {body}");
            return;
        }
        assert_eq!((status, body), (204, Value::Null), "{id}");
        for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let (status, answer) = driver.post("fork_choice/step", step);
            assert_eq!(status, 200, "{id}, step {index}: {answer}");
            steps += 1;
            let compared = compare_step(step, &answer);
            match (compared, verdict) {
                (Ok(()), _) => {}
                // From here on the two go different ways, for a reason that the direct run has established.
                (Err(_), Verdict::KnownDifference(_)) => return,
                (Err(_), Verdict::NeedsLeanVm) if says_leanvm(&answer["error"]) => return,
                (Err(what), _) => panic!("{id}, step {index}: {what}"),
            }
        }
    });
    println!("{steps} steps");
}

#[test]
fn state_transition_fixtures_replay() {
    let driver = Driver::start();
    for_each_case("state_transition", |id, case, verdict| {
        assert_eq!(verdict, Verdict::Passed, "{id}");
        let (status, answer) = driver.post("state_transition/run", case);
        assert_eq!(status, 200, "{id}: {answer}");
        compare_rejection(&case["rejectionReason"], &answer["succeeded"], &answer["error"])
            .unwrap_or_else(|what| panic!("{id}: {what}"));
        assert_eq!(answer["rejectionReason"], case["rejectionReason"], "{id}");
        let (expected, post) = (&case["post"], &answer["post"]);
        assert_eq!(post["postStateRoot"], case["postStateRoot"], "{id}");
        // Labels name blocks that the file does not hold, and validators hold the keys that it was sent.
        for (field, value) in expected.as_object().into_iter().flatten() {
            if !field.ends_with("Label")
                && !field.ends_with("Labels")
                && field != "validators"
                && !value.is_null()
            {
                assert_eq!(post[field], *value, "{id}: {field}");
            }
        }
        assert_eq!(post.is_null(), expected.is_null(), "{id}: {post}");
        for field in
            ["slot", "latestBlockHeaderSlot", "latestBlockHeaderStateRoot", "historicalBlockHashesCount"]
        {
            assert!(post.is_null() || !post[field].is_null(), "{id}: {field} is missing");
            if !expected[field].is_null() {
                assert_eq!(post[field], expected[field], "{id}: {field}");
            }
        }
    });
}

#[test]
fn verify_signatures_fixtures_replay() {
    let driver = Driver::start();
    for_each_case("verify_signatures", |id, case, verdict| {
        // The whole case, as hive sends it, and the two parts that matter.
        let parts = json!({ "anchorState": case["anchorState"], "signedBlock": case["signedBlock"] });
        for body in [case, &parts] {
            let (status, answer) = driver.post("verify_signatures/run", body);
            assert_eq!(status, 200, "{id}: {answer}");
            assert_eq!(answer.as_object().unwrap().len(), 3, "{id}: {answer}");
            match verdict {
                Verdict::Passed => {
                    compare_rejection(&case["rejectionReason"], &answer["succeeded"], &answer["error"])
                        .unwrap_or_else(|what| panic!("{id}: {what}"));
                }
                Verdict::NeedsLeanVm => {
                    assert_eq!(answer["succeeded"], false, "{id}");
                    assert_eq!(answer["rejectionReason"], Value::Null, "{id}");
                    assert!(says_leanvm(&answer["error"]), "{id}: {answer}");
                }
                other => panic!("{id}: {other:?}"),
            }
        }
    });
}

#[test]
fn requests_that_make_no_sense_are_refused_by_name() {
    let driver = Driver::start();
    let error = |path: &str, body: Value| {
        let (status, answer) = driver.post(path, &body);
        assert_eq!(status, 400, "{path}: {answer}");
        answer["error"].as_str().unwrap().to_owned()
    };
    assert!(error("fork_choice/init", json!({})).contains("missing field `anchorState`"));
    let step = json!({ "stepType": "tick", "valid": true, "interval": 1, "hasProposal": false });
    assert_eq!(error("fork_choice/step", step), "no fork choice has been started");
    let surprising = json!({ "stepType": "tick", "valid": true, "surprise": 1 });
    assert!(error("fork_choice/step", surprising).contains("unknown field `surprise`"));
    assert!(error("state_transition/run", json!([])).contains("expected an object"));
    assert!(error("verify_signatures/run", json!({})).contains("missing field `anchorState`"));
}

#[test]
fn only_the_value_one_asks_for_the_driver() {
    for value in ["0", "", "yes"] {
        let output = lathe()
            .args(["node", "--network-dir", "/nonexistent", "--node-id", "lathe_0"])
            .env("HIVE_LEAN_TEST_DRIVER", value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{value}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("/nonexistent/config.yaml: cannot be read"), "{value}: {said}");
    }
}
