//! Exact answers of every route.

use std::sync::atomic::AtomicBool;

use crate::common::{AS_JSON, Level, Node, Running, read_all, request};
use lathe_http::{ApiError, Guard, Limits, Options, Token};
use lathe_types::{Encode, SignedBlock};
use tokio::io::AsyncWriteExt as _;

const JSON: &str = "application/json";
const SSZ: &str = "application/octet-stream";

async fn node() -> Running {
    Running::start(Node::default(), Limits::default()).await
}

fn json(text: &str) -> (u16, String, Vec<u8>) {
    (200, JSON.into(), text.into())
}

#[tokio::test]
async fn plain_answers() {
    let node = node().await;
    let one = "0x0101010101010101010101010101010101010101010101010101010101010101";
    let zero = "0x0000000000000000000000000000000000000000000000000000000000000000";
    let healthy = json(r#"{"status":"healthy","service":"lean-rpc-api"}"#);
    assert_eq!(node.get("/lean/v0/health").await, healthy);
    assert_eq!(node.get("/v0/health").await, healthy);
    let checkpoint = node.get("/lean/v0/checkpoints/justified").await;
    assert_eq!(checkpoint, json(&format!(r#"{{"root":"{one}","slot":2}}"#)));
    let fork_choice = format!(
        r#"{{"nodes":[{{"root":"{one}","slot":0,"parent_root":"{zero}","proposer_index":0,"weight":3}}],"head":"{one}","justified":{{"root":"{one}","slot":0}},"finalized":{{"root":"{one}","slot":0}},"safe_target":"{one}","validator_count":4}}"#
    );
    assert_eq!(node.get("/lean/v0/fork_choice").await, json(&fork_choice));
    let syncing = r#"{"is_syncing":true,"head_slot":3,"sync_distance":4,"finalized_slot":1,"age_ms":7}"#;
    assert_eq!(node.get("/lean/v0/node/syncing").await, json(syncing));
    let identity = r#"{"version":"lathe/1","peer_id":"16Uiu2"}"#;
    assert_eq!(node.get("/lean/v0/node/identity").await, json(identity));
    assert_eq!(node.get("/lean/v0/node/version").await, json(r#"{"version":"lathe/1"}"#));
    let peers = r#"[{"peer_id":"16U","name":"lathe_1","address":null,"inbound":true}]"#;
    assert_eq!(node.get("/lean/v0/node/peers").await, json(peers));
    assert_eq!(node.get("/lean/v0/node/peer_count").await, json(r#"{"connected":1}"#));
    assert_eq!(node.get("/lean/v0/genesis").await, json(r#"{"genesis_time":7,"validator_count":4}"#));
    let (status, content_type, spec) = node.get("/lean/v0/config/spec").await;
    assert_eq!((status, content_type.as_str()), (200, JSON));
    assert!(String::from_utf8(spec).unwrap().contains(r#""FORK_DIGEST":"12345678""#));
}

#[tokio::test]
async fn ssz_by_default_and_json_on_request() {
    let node = node().await;
    let state = Node::default().state_at_genesis();
    let ssz = (200, SSZ.into(), state.as_ssz_bytes());
    assert_eq!(node.get("/lean/v0/states/finalized").await, ssz);
    let accept = |value: &str| format!("accept: {value}\r\n");
    assert_eq!(node.send("GET", "/lean/v0/states/finalized", &accept("*/*"), "").await, ssz);
    assert_eq!(node.send("GET", "/lean/v0/states/finalized", &accept(SSZ), "").await, ssz);
    let block = (200, SSZ.into(), SignedBlock::default().as_ssz_bytes());
    assert_eq!(node.get("/lean/v0/blocks/finalized").await, block);

    let (status, content_type, body) = node.send("GET", "/lean/v0/states/finalized", &accept(JSON), "").await;
    assert_eq!((status, content_type.as_str()), (200, JSON));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["config"]["genesis_time"], 7);
    assert_eq!(body["slot"], 9);
    assert_eq!(body["validators"][0]["attestation_public_key"], format!("0x{}", "00".repeat(52)));
    assert_eq!(body["justified_slots"], "0x08");
    let (status, content_type, body) = node.send("GET", "/lean/v0/blocks/finalized", &accept(JSON), "").await;
    assert_eq!((status, content_type.as_str()), (200, JSON));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["block"]["slot"], &body["proof"]["proof"]), (&0.into(), &"0x".into()));
}

#[tokio::test]
async fn blocks_headers_and_states_are_named_by_id() {
    let node = node().await;
    let root = format!("0x{}", "01".repeat(32));
    let block = (200, SSZ.into(), SignedBlock::default().as_ssz_bytes());
    for id in ["head", "justified", "finalized", "0", &root] {
        assert_eq!(node.get(&format!("/lean/v0/blocks/{id}")).await, block, "{id}");
        assert_eq!(node.get(&format!("/lean/v0/states/{id}")).await.0, 200, "{id}");
    }
    let zero = format!("0x{}", "00".repeat(32));
    for path in [format!("/lean/v0/states/{zero}"), "/lean/v0/blocks/7".into(), "/lean/v0/headers/7".into()] {
        let (status, content_type, _) = node.get(&path).await;
        assert_eq!((status, content_type.as_str()), (404, JSON), "{path}");
    }
    for id in ["genesis", "-1", "0x12", "99999999999999999999999"] {
        for what in ["blocks", "headers", "states"] {
            let (status, content_type, _) = node.get(&format!("/lean/v0/{what}/{id}")).await;
            assert_eq!((status, content_type.as_str()), (400, JSON), "{what} {id}");
        }
    }
    let header = SignedBlock::default().block.header();
    let (status, content_type, body) = node.get("/lean/v0/headers/head").await;
    assert_eq!((status, content_type.as_str()), (200, JSON));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["body_root"], serde_json::json!(header.body_root));
    let ssz = node.send("GET", "/lean/v0/blocks/head/header", &format!("accept: {SSZ}\r\n"), "").await;
    assert_eq!(ssz, (200, SSZ.into(), header.as_ssz_bytes()));
    assert_eq!(
        node.get("/lean/v0/head").await,
        json(&format!(r#"{{"head":"{root}","root":"{root}","slot":3}}"#))
    );
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let node = node().await;
    let root = format!("0x{}", "01".repeat(32));
    let ask = |tag: String| {
        let (node, path) = (&node, "/lean/v0/blocks/finalized");
        async move { node.send("GET", path, &format!("if-none-match: {tag}\r\n"), "").await }
    };
    assert_eq!(ask(format!("\"{root}-ssz\"")).await, (304, String::new(), Vec::new()));
    assert_eq!(ask(format!("\"{root}-json\"")).await.0, 200);
}

#[tokio::test]
async fn everything_that_is_documented_is_served() {
    let logging = Node { log: Some(Level::default()), ..Node::default() };
    let node = Running::start(logging, Limits::default()).await;
    let (status, content_type, document) = node.get("/openapi.json").await;
    assert_eq!((status, content_type.as_str()), (200, JSON));
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        // A stream has no end, so it is asked for nothing.
        let expected = if path.ends_with("/events") { 400 } else { 200 };
        let (status, content_type, _) = node.get(&path.replace("{id}", "head")).await;
        assert_eq!(status, expected, "{path}");
        let answer = &operations["get"]["responses"][expected.to_string()]["content"];
        let media_type = content_type.split(';').next().unwrap();
        assert!(answer.get(media_type).is_some(), "{path}: {content_type}");
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let node = node().await;
    let page = node.get("/").await;
    assert_eq!((page.0, page.1.as_str()), (200, "text/html; charset=utf-8"));
    for path in ["/fork_choice/ui", "/lean/v0/fork_choice/ui", "/lean/v0/fork_choice/ui/"] {
        assert_eq!(node.get(path).await, page, "{path}");
    }
    let text = String::from_utf8(page.2).unwrap();
    let urls: Vec<_> = text.match_indices("http").map(|(at, _)| &text[at..text.len().min(at + 30)]).collect();
    assert!(urls.iter().all(|url| url.starts_with("http://www.w3.org/2000/svg")), "{urls:?}");
    assert!(!text.contains("innerHTML"), "what peers say must not become markup");
}

#[tokio::test]
async fn the_aggregator_role_is_switched() {
    let node = node().await;
    let path = "/lean/v0/admin/aggregator";
    assert_eq!(node.get(path).await, json(r#"{"is_aggregator":false}"#));
    let on = node.send("POST", path, AS_JSON, r#"{"enabled": true}"#).await;
    assert_eq!(on, json(r#"{"is_aggregator":true,"previous":false}"#));
    assert_eq!(node.get(path).await, json(r#"{"is_aggregator":true}"#));
    let charset = "content-type: Application/JSON; charset=utf-8\r\n";
    let again = node.send("POST", path, charset, r#"{"enabled":true,"more":1}"#).await;
    assert_eq!(again, json(r#"{"is_aggregator":true,"previous":true}"#));
    let off = node.send("POST", path, AS_JSON, r#"{"enabled":false}"#).await;
    assert_eq!(off, json(r#"{"is_aggregator":false,"previous":true}"#));
}

#[tokio::test]
async fn the_level_of_the_log_is_changed() {
    let path = "/lean/v0/admin/log_level";
    let silent = node().await;
    assert_eq!(silent.get(path).await.0, 503, "there is none to change");
    assert_eq!(silent.send("POST", path, AS_JSON, r#"{"level":"debug"}"#).await.0, 503);
    let node =
        Running::start(Node { log: Some(Level::default()), ..Node::default() }, Limits::default()).await;
    let set = async |headers, body| node.send("POST", path, headers, body).await;
    assert_eq!(set(AS_JSON, r#"{"level":"info"}"#).await, json(r#"{"level":"info","previous":""}"#));
    assert_eq!(set(AS_JSON, r#"{"level":"debug"}"#).await, json(r#"{"level":"debug","previous":"info"}"#));
    for (headers, body, status) in [
        (AS_JSON, r#"{"level":"loud"}"#, 400),
        (AS_JSON, r#"{"level":1}"#, 400),
        (AS_JSON, "debug", 400),
        ("", r#"{"level":"info"}"#, 415),
        ("content-type: application/json\r\norigin: http://elsewhere\r\n", r#"{"level":"info"}"#, 403),
    ] {
        assert_eq!(set(headers, body).await.0, status, "{body}");
    }
    assert_eq!(node.get(path).await, json(r#"{"level":"debug"}"#));
}

#[tokio::test]
async fn long_text_is_sent_in_gzip_to_those_who_take_it() {
    let node = node().await;
    let ask = async |path: &str| {
        let head = "host: 127.0.0.1\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n";
        let mut stream = tokio::net::TcpStream::connect(node.api).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}").as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(answer[..body].to_vec()).unwrap(), answer[body..].to_vec())
    };
    let plain = node.get("/openapi.json").await.2;
    let (head, packed) = ask("/openapi.json").await;
    assert!(
        head.contains("content-encoding: gzip\r\n") && head.contains("vary: accept-encoding\r\n"),
        "{head}"
    );
    assert!(packed.len() < plain.len() / 5, "{} of {}", packed.len(), plain.len());
    let mut unpacked = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    // Short text and what has an entity tag go as they are.
    for path in ["/lean/v0/health", "/lean/v0/states/finalized"] {
        assert!(!ask(path).await.0.contains("content-encoding"), "{path}");
    }
}

#[tokio::test]
async fn bad_switches_change_nothing() {
    let node =
        Running::start(Node { aggregator: AtomicBool::new(true), ..Node::default() }, Limits::default())
            .await;
    let path = "/lean/v0/admin/aggregator";
    for body in [
        "",
        "{",
        "null",
        "[]",
        "true",
        "[false]",
        "{}",
        r#"{"enabled":0}"#,
        r#"{"enabled":1}"#,
        r#"{"enabled":"true"}"#,
        r#"{"enabled":null}"#,
    ] {
        let (status, content_type, _) = node.send("POST", path, AS_JSON, body).await;
        assert_eq!((status, content_type.as_str()), (400, JSON), "{body}");
    }
    let off = r#"{"enabled":false}"#;
    for content_type in ["", "content-type: text/plain\r\n", "content-type: application/jsonp\r\n"] {
        assert_eq!(node.send("POST", path, content_type, off).await.0, 415, "{content_type}");
    }
    let from = |origin: &str| format!("{AS_JSON}origin: {origin}\r\n");
    for origin in ["null", "http://evil.example", "http://127.0.0.1:1"] {
        assert_eq!(node.send("POST", path, &from(origin), off).await.0, 403, "{origin}");
    }
    let large = format!(r#"{{"enabled":false,"pad":"{}"}}"#, "x".repeat(5000));
    assert_eq!(node.send("POST", path, AS_JSON, &large).await.0, 413);
    assert_eq!(node.get(path).await, json(r#"{"is_aggregator":true}"#));
    assert_eq!(node.send("POST", path, &from("http://127.0.0.1"), off).await.0, 200);
}

#[tokio::test]
async fn a_public_api_is_switched_by_token_only() {
    let (path, off) = ("/lean/v0/admin/aggregator", r#"{"enabled":false}"#);
    let start = |admin| {
        Running::start_with(Node::default(), Limits::default(), Options { admin, ..Options::default() })
    };
    let closed = start(Guard::Closed).await;
    assert_eq!(closed.send("POST", path, AS_JSON, off).await.0, 403);
    assert_eq!(closed.get(path).await.0, 200);
    let guarded = start(Guard::Token(Token::new("0123456789abcdef").unwrap())).await;
    assert_eq!(guarded.send("POST", path, AS_JSON, off).await.0, 401);
    let with_token = format!("{AS_JSON}authorization: Bearer 0123456789abcdef\r\n");
    assert_eq!(guarded.send("POST", path, &with_token, off).await.0, 200);
}

#[tokio::test]
async fn pages_of_named_origins_may_read_and_no_others() {
    let origins = vec!["https://board.example".to_owned()];
    let options = Options { origins, ..Options::default() };
    let node = Running::start_with(Node::default(), Limits::default(), options).await;
    let ask = |method: &str, origin: &str| {
        let text = format!(
            "{method} /lean/v0/head HTTP/1.1\r\nhost: a\r\nconnection: close\r\norigin: {origin}\r\n\
             access-control-request-method: GET\r\n\r\n"
        );
        let address = node.api;
        async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes()).await.unwrap();
            String::from_utf8(read_all(&mut stream).await).unwrap()
        }
    };
    let leave = "access-control-allow-origin: https://board.example\r\n";
    let read = ask("GET", "https://board.example").await;
    assert!(read.starts_with("HTTP/1.1 200") && read.contains(leave), "{read}");
    let asked = ask("OPTIONS", "https://board.example").await;
    assert!(asked.starts_with("HTTP/1.1 204") && asked.contains(leave), "{asked}");
    assert!(asked.contains("access-control-allow-headers: authorization, content-type\r\n"), "{asked}");
    for method in ["GET", "OPTIONS"] {
        let other = ask(method, "https://evil.example").await;
        assert!(!other.contains("access-control"), "{other}");
    }
}

#[tokio::test]
async fn an_ill_node_says_so_on_both_ports() {
    let ill = Node { ailment: Some("it stands still"), ..Node::default() };
    let node = Running::start(ill, Limits::default()).await;
    let said = r#"{"reason":"it stands still","service":"lean-rpc-api","status":"unhealthy"}"#;
    for path in ["/lean/v0/health", "/v0/health", "/health", "/health/"] {
        assert_eq!(node.get(path).await, (503, JSON.into(), said.into()), "{path}");
    }
    let of_metrics = "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(request(node.metrics, of_metrics).await, (503, JSON.into(), said.into()));
}

#[tokio::test]
async fn unknown_routes_and_methods() {
    let node = node().await;
    for path in ["/lean/v0", "/lean/v0/nothing", "/lean/v1/health", "/v0/fork_choice"] {
        let (status, content_type, _) = node.get(path).await;
        assert_eq!((status, content_type.as_str()), (404, JSON), "{path}");
    }
    assert_eq!(node.get("/lean/v0/health/").await.0, 200, "a slash at the end is no other path");
    for (method, path) in [
        ("DELETE", "/lean/v0/admin/aggregator"),
        ("PUT", "/lean/v0/admin/aggregator"),
        ("POST", "/lean/v0/health"),
        ("POST", "/lean/v0/states/finalized"),
        ("DELETE", "/metrics"),
    ] {
        let (status, content_type, _) = node.send(method, path, "", "").await;
        assert_eq!((status, content_type.as_str()), (405, JSON), "{method} {path}");
    }
}

#[tokio::test]
async fn failures_have_their_status() {
    let paths = [
        "/lean/v0/states/finalized",
        "/lean/v0/blocks/finalized",
        "/lean/v0/checkpoints/justified",
        "/lean/v0/fork_choice",
        "/lean/v0/node/syncing",
        "/lean/v0/admin/aggregator",
        "/metrics",
    ];
    for (failure, expected) in
        [(ApiError::Unavailable, 503), (ApiError::NotFound, 404), (ApiError::Internal, 500)]
    {
        let node =
            Running::start(Node { failure: Some(failure), ..Node::default() }, Limits::default()).await;
        for path in paths {
            assert_eq!(node.get(path).await.0, expected, "{path}");
        }
        let switched = node.send("POST", "/lean/v0/admin/aggregator", AS_JSON, r#"{"enabled":true}"#).await;
        assert_eq!(switched.0, expected);
        assert_eq!(node.get("/lean/v0/health").await.0, 200, "the server itself is healthy");
    }
}
