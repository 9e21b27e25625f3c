//! What the specification's API conformance suite asks of a node: one that is still at genesis, with three validators.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lathe_types::{Block, BlockBody, Decode as _, Encode as _, SignedBlock, State, TreeHash as _};
use serde_json::{Value, json};
use support::{free_ports, lathe};

/// Longest wait for the node to come up or to answer; only reached when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node whose genesis is an hour away.
struct Node {
    process: Child,
    url: String,
    agent: ureq::Agent,
    _dir: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = free_ports(3);
        let [quic, api, metrics] = [base, base + 1, base + 2].map(|port| port.to_string());
        let made = lathe()
            .args(["genesis", "--nodes", "1", "--validators", "3", "--slots", "4", "--genesis-delay", "3600"])
            .args(["--base-port", &quic, "--base-api-port", &api, "--base-metrics-port", &metrics, "--out"])
            .arg(dir.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let process = lathe()
            .args(["node", "--node-id", "lathe_0", "--network-dir"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        let agent = config.build().into();
        let mut node = Self { process, url: format!("http://127.0.0.1:{api}"), agent, _dir: dir };
        let started = Instant::now();
        while node.agent.get(format!("{}/lean/v0/health", node.url)).call().is_err() {
            assert_eq!(node.process.try_wait().unwrap(), None, "the node ended");
            assert!(started.elapsed() < PATIENCE, "the node does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        node
    }

    /// Status, content type and body.
    fn get(&self, path: &str, accept: &str) -> (u16, String, Vec<u8>) {
        let request = self.agent.get(format!("{}{path}", self.url)).header("accept", accept);
        read(request.call().unwrap())
    }

    fn get_json(&self, path: &str) -> Value {
        let (status, content_type, body) = self.get(path, JSON);
        assert_eq!((status, content_type.as_str()), (200, JSON), "{path}");
        serde_json::from_slice(&body).unwrap()
    }

    fn get_ssz(&self, path: &str) -> Vec<u8> {
        let (status, content_type, body) = self.get(path, SSZ);
        assert_eq!((status, content_type.as_str()), (200, SSZ), "{path}");
        body
    }

    fn switch(&self, body: &str) -> (u16, String, Vec<u8>) {
        let request = self.agent.post(format!("{}{AGGREGATOR}", self.url)).header("content-type", JSON);
        read(request.send(body).unwrap())
    }

    fn switched(&self, enabled: bool) -> Value {
        let (status, content_type, body) = self.switch(&json!({ "enabled": enabled }).to_string());
        assert_eq!((status, content_type.as_str()), (200, JSON));
        serde_json::from_slice(&body).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> (u16, String, Vec<u8>) {
    let content_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let body = answer.body_mut().read_to_vec().unwrap();
    (answer.status().as_u16(), content_type.unwrap_or_default(), body)
}

const JSON: &str = "application/json";
const SSZ: &str = "application/octet-stream";
const AGGREGATOR: &str = "/lean/v0/admin/aggregator";

#[test]
fn a_node_at_genesis_answers_as_the_suite_expects() {
    let node = Node::start();
    let health = node.get("/lean/v0/health", JSON);
    assert_eq!(health, (200, JSON.into(), br#"{"status":"healthy","service":"lean-rpc-api"}"#.to_vec()));

    let fork_choice = node.get_json("/lean/v0/fork_choice");
    let root = &fork_choice["head"];
    let genesis = json!({ "slot": 0, "root": root });
    let zero = format!("0x{}", "00".repeat(32));
    let expected = json!({
        "nodes": [{ "root": root, "slot": 0, "parent_root": zero, "proposer_index": 0, "weight": 0 }],
        "head": root,
        "justified": genesis,
        "finalized": genesis,
        "safe_target": root,
        "validator_count": 3,
    });
    assert_eq!(fork_choice, expected);
    assert_eq!(node.get_json("/lean/v0/checkpoints/justified"), genesis);

    let state = State::from_ssz_bytes(&node.get_ssz("/lean/v0/states/finalized")).unwrap();
    assert_eq!((state.slot.0, state.validators.len()), (0, 3));
    // The block is what the state's header says, in an empty proof: enough to start a store from the two.
    let header = &state.latest_block_header;
    let rebuilt = Block {
        slot: header.slot,
        proposer_index: header.proposer_index,
        parent_root: header.parent_root,
        state_root: state.tree_hash_root(),
        body: BlockBody::default(),
    };
    assert_eq!(json!(rebuilt.tree_hash_root()), *root);
    let signed = SignedBlock { block: rebuilt, ..SignedBlock::default() };
    assert_eq!(node.get_ssz("/lean/v0/blocks/finalized"), signed.as_ssz_bytes());

    let (status, content_type, body) = node.get("/metrics", "*/*");
    assert_eq!((status, content_type.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("# HELP ") && text.contains("# TYPE "));
    for path in ["/unknown", "/lean/v0/unknown"] {
        assert_eq!(node.get(path, JSON).0, 404, "{path}");
    }
}

#[test]
fn the_aggregator_role_switches_as_the_suite_expects() {
    let node = Node::start();
    node.switched(false);
    assert_eq!(node.get_json(AGGREGATOR), json!({ "is_aggregator": false }));
    assert_eq!(node.switched(true), json!({ "is_aggregator": true, "previous": false }));
    assert_eq!(node.get_json(AGGREGATOR), json!({ "is_aggregator": true }));
    assert_eq!(node.switched(true), json!({ "is_aggregator": true, "previous": true }));
    assert_eq!(node.switched(false), json!({ "is_aggregator": false, "previous": true }));
    for body in ["", "{}", r#"{"enabled":"yes"}"#, r#"{"enabled":1}"#] {
        assert_eq!(node.switch(body).0, 400, "{body}");
    }
    let delete = node.agent.delete(format!("{}{AGGREGATOR}", node.url)).call().unwrap();
    assert_eq!(delete.status(), 405);
    assert_eq!(node.get_json(AGGREGATOR), json!({ "is_aggregator": false }), "a refusal switches nothing");
}
