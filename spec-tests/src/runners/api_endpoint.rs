//! `api_endpoint` fixtures: a request to a node that just started on a known chain, and its answer.
//!
//! The request goes through the real server over a socket; behind it is what answers in a node, on an engine and a
//! database that hold the chain.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use lathe_driver::begin_at;
use lathe_engine::Anchor;
use lathe_http::{Addresses, Api, Limits, Options, Server};
use lathe_node::api_at_rest;
use lathe_storage::{MemoryDb, NetworkId};
use lathe_types::{
    Decode as _, MultiMessageAggregate, PublicKey, SignedBlock, Slot, TreeHash as _, Validator,
    ValidatorIndex, Validators,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;

use super::chain::without_votes;
use crate::fixtures::{Case, Scheme};
use crate::outcome::{Failure, Outcome, expect_eq};

/// Longest wait for an answer; only reached when the server hangs.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    endpoint: String,
    method: String,
    genesis_params: GenesisParams,
    #[serde(default)]
    request_body: Option<Value>,
    initial_is_aggregator: bool,
    expected_status_code: u16,
    expected_content_type: String,
    #[serde(default)]
    expected_body: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GenesisParams {
    #[serde(default = "default_validators")]
    num_validators: u64,
    #[serde(default)]
    genesis_time: u64,
    #[serde(default)]
    anchor_slot: Slot,
}

fn default_validators() -> u64 {
    4
}

pub(super) fn run(case: &Case) -> Outcome {
    let body: Body = case.body()?;
    let node = node(case, &body)?;
    let sent = body.request_body.as_ref().map(Value::to_string).unwrap_or_default();
    let answer = ask(node, &body.method, &body.endpoint, &sent)
        .map_err(|error| Failure::new("an answer", error).at(&body.endpoint))?;
    expect_eq("status", &body.expected_status_code, &answer.status)?;
    expect_eq("content type", &body.expected_content_type, &answer.content_type)?;
    if body.endpoint == "/metrics" {
        check_metrics(&body.expected_body, &answer.body)?;
        return case.expect_rejection(None);
    }
    let found = match body.expected_body {
        Value::String(_) => Value::String(format!("0x{}", hex::encode(&answer.body))),
        _ => serde_json::from_slice(&answer.body).map_err(|error| Failure::new("JSON", error))?,
    };
    expect_eq("body", &body.expected_body, &found)?;
    case.expect_rejection(None)
}

/// What the fixtures can say of metrics, whose values change all the time: that they are there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricNames {
    required_metric_names: Vec<String>,
}

fn check_metrics(expected: &Value, exposition: &[u8]) -> Result<(), Failure> {
    let MetricNames { required_metric_names } = MetricNames::deserialize(expected)
        .map_err(|error| Failure::new("required_metric_names", error).at("expectedBody"))?;
    let text = str::from_utf8(exposition).map_err(|error| Failure::new("text", error))?;
    // A family is there if it says its type and has a sample, under its name or, of a histogram, its name's parts.
    let is_there = |name: &String| {
        let typed = text.lines().any(|line| line.starts_with(&format!("# TYPE {name} ")));
        let sample =
            |line: &str| ["{", " ", "_count"].iter().any(|end| line.starts_with(&format!("{name}{end}")));
        typed && text.lines().any(sample)
    };
    let missing: Vec<&String> = required_metric_names.iter().filter(|name| !is_there(name)).collect();
    expect_eq("missing metrics", &Vec::new(), &missing)
}

/// What answers in a node whose chain begins at the last block of an empty chain.
fn node(case: &Case, body: &Body) -> Result<impl Api + use<>, Failure> {
    let GenesisParams { num_validators, genesis_time, anchor_slot } = body.genesis_params;
    let validators = registry(case, num_validators)?;
    let (state, block) = without_votes(validators, genesis_time, anchor_slot)?;
    let (state, header, root) = (Arc::new(state), block.header(), block.tree_hash_root());
    let failed = |error: &dyn std::fmt::Display| Failure::new("a node", error);
    let network = NetworkId { genesis: root, variant: String::new() };
    let database = MemoryDb::new(&network).map_err(|error| failed(&error))?;
    let block = SignedBlock { block, proof: MultiMessageAggregate::default() };
    begin_at(&database, header.clone(), Some(block.into()), state.clone()).map_err(|error| failed(&error))?;
    let anchor = Anchor::new(header, state);
    api_at_rest(Arc::new(database), anchor, body.initial_is_aggregator).map_err(|error| failed(&error))
}

/// The validators whose keys the fixtures were made with.
fn registry(case: &Case, count: u64) -> Result<Validators, Failure> {
    let keys = case.keys_dir();
    let read = |name: &str| -> Result<Value, Failure> {
        let path = keys.join(name);
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new("the keys that the fixtures were made with", format!("{}: {error}", path.display()))
        };
        let text = fs::read(&path).map_err(|error| failed(&error))?;
        serde_json::from_slice(&text).map_err(|error| failed(&error))
    };
    let validator = |index: u64| -> Result<Validator, Failure> {
        let (attestation, proposal) = match case.scheme {
            Scheme::Test => {
                let pairs = read(&format!("test_scheme/{index}.json"))?;
                let public = |pair: &str| pairs[pair]["public_key"].clone();
                (public("attestation_keypair"), public("proposal_keypair"))
            }
            Scheme::Prod => {
                let all = read("prod_public_keys.json")?;
                let pair = &all[index.to_string()];
                (pair["attestation"].clone(), pair["proposal"].clone())
            }
        };
        Ok(Validator {
            attestation_public_key: public_key(&attestation)?,
            proposal_public_key: public_key(&proposal)?,
            index: ValidatorIndex(index),
        })
    };
    let validators = (0..count).map(validator).collect::<Result<Vec<_>, _>>()?;
    Validators::new(validators).map_err(|_| Failure::new("a registry", "too many validators"))
}

fn public_key(value: &Value) -> Result<PublicKey, Failure> {
    let digits = value.as_str().map(|text| text.trim_start_matches("0x")).unwrap_or_default();
    let key = hex::decode(digits).ok().and_then(|bytes| PublicKey::from_ssz_bytes(&bytes).ok());
    key.ok_or_else(|| Failure::new("a public key", value))
}

struct Answer {
    status: u16,
    content_type: String,
    body: Vec<u8>,
}

/// Starts a server for one request.
fn ask(node: impl Api + 'static, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let addresses = Addresses { api, ..Addresses::default() };
        let server = Server::bind(addresses, Arc::new(node), Limits::default(), Options::default()).await;
        let server = server.map_err(io::Error::other)?;
        let address = server.api_address().ok_or_else(|| io::Error::other("no address"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.run(async { _ = stopped.await }));
        let answer = tokio::task::spawn_blocking(move || exchange(address, &request)).await?;
        drop(stop);
        serving.await?;
        answer
    })
}

fn exchange(address: SocketAddr, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let malformed = || io::Error::other("not an HTTP answer");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(malformed)?;
    let head = str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    Ok(Answer { status, content_type: content_type.to_owned(), body: bytes[end + 4..].to_vec() })
}
