//! Ports, limits, and clients that mean no good.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::common::{AS_JSON, Node, PATIENCE, Running, loopback, parse, read_all, request};
use lathe_http::{Addresses, HttpError, Limits, Options, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const METRICS: (&str, &[u8]) = ("text/plain; version=0.0.4; charset=utf-8", b"lean_head_slot 3\n");
const GET_HEALTH: &str = "GET /lean/v0/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const GET_METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn metrics_are_on_both_ports_and_the_api_on_one() {
    let node = Running::start(Node::default(), Limits::default()).await;
    assert_ne!(node.api, node.metrics);
    for address in [node.api, node.metrics] {
        let (status, content_type, body) = request(address, GET_METRICS).await;
        assert_eq!((status, content_type.as_str(), body.as_slice()), (200, METRICS.0, METRICS.1));
    }
    assert_eq!(request(node.api, GET_HEALTH).await.0, 200);
    assert_eq!(request(node.metrics, GET_HEALTH).await.0, 200);
    let fork_choice = "GET /lean/v0/fork_choice HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(request(node.metrics, fork_choice).await.0, 404);
}

#[tokio::test]
async fn the_admin_routes_move_to_their_own_address() {
    let addresses = Addresses { api: Some(loopback()), admin: Some(loopback()), metrics: None };
    let server = bind(addresses).await.unwrap();
    let (api, admin) = (server.api_address().unwrap(), server.admin_address().unwrap());
    let task = tokio::spawn(server.run(std::future::pending()));
    let body = r#"{"enabled":true}"#;
    let post = format!(
        "POST /lean/v0/admin/aggregator HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n{AS_JSON}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, _, said) = request(api, &post).await;
    assert_eq!(status, 404);
    assert!(String::from_utf8(said).unwrap().contains("--admin-address"));
    assert_eq!(request(admin, &post).await.0, 200);
    assert_eq!(request(admin, GET_METRICS).await.0, 404);
    task.abort();
}

#[tokio::test]
async fn equal_ports_are_one_listener() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let server = bind(Addresses { api: Some(port), metrics: Some(port), admin: None }).await.unwrap();
    assert_eq!((server.api_address(), server.metrics_address()), (Some(port), Some(port)));
    let task = tokio::spawn(server.run(std::future::pending()));
    assert_eq!(request(port, GET_METRICS).await.0, 200);
    assert_eq!(request(port, GET_HEALTH).await.0, 200);
    task.abort();
}

#[tokio::test]
async fn one_port_on_two_addresses_is_two_listeners() {
    let api = std::net::TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let metrics = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), api.port());
    let server = bind(Addresses { api: Some(api), metrics: Some(metrics), admin: None }).await.unwrap();
    assert_eq!((server.api_address(), server.metrics_address()), (Some(api), Some(metrics)));
    let task = tokio::spawn(server.run(std::future::pending()));
    assert_eq!(request(api, GET_METRICS).await.0, 200);
    assert_eq!(request(metrics, GET_METRICS).await.0, 200);
    task.abort();
}

async fn bind(addresses: Addresses) -> Result<Server, HttpError> {
    Server::bind(addresses, Arc::new(Node::default()), Limits::default(), Options::default()).await
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind(loopback()).unwrap();
    let address = taken.local_addr().unwrap();
    let bind = |api, metrics| bind(Addresses { api, metrics, admin: None });
    let Err(HttpError::Bind { option, .. }) = bind(Some(address), None).await else { panic!("bound twice") };
    assert_eq!(option, "api-port");
    let Err(error) = bind(Some(loopback()), Some(address)).await else { panic!("bound twice") };
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot listen for the metrics on {address} (")), "{text}");
    assert!(text.ends_with("choose another port with --metrics-port"), "{text}");
}

#[tokio::test]
async fn slow_headers_end_the_connection() {
    let limits = Limits { header_timeout: Duration::from_millis(100), ..Limits::default() };
    let node = Running::start(Node::default(), limits).await;
    // Silence, and a request that never gets on.
    for start in ["", "GET /lean/v0/health HTTP/1.1\r\nx-a: "] {
        let mut stream = TcpStream::connect(node.api).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
    // A client that drips a byte at a time gains nothing by it.
    let mut stream = TcpStream::connect(node.api).await.unwrap();
    let drip = async {
        let mut written = 0;
        while stream.write_all(b"G").await.is_ok() {
            written += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        written
    };
    assert!(tokio::time::timeout(PATIENCE, drip).await.is_ok());
    assert_eq!(request(node.api, GET_HEALTH).await.0, 200);
}

#[tokio::test]
async fn a_slow_body_is_answered_and_closed() {
    let limits = Limits { request_timeout: Duration::from_millis(100), ..Limits::default() };
    let node = Running::start(Node::default(), limits).await;
    let mut stream = TcpStream::connect(node.api).await.unwrap();
    let head = "POST /lean/v0/admin/aggregator HTTP/1.1\r\nhost: a\r\ncontent-length: 17\r\n\r\n{\"ena";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(parse(&read_all(&mut stream).await).0, 408);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let limits = Limits {
        stall_timeout: Duration::from_millis(100),
        max_connections: 1,
        health_connections: 0,
        ..Limits::default()
    };
    // Eight megabytes are more than the sockets' buffers take.
    let node = Running::start(Node { history: 1 << 18, ..Node::default() }, limits).await;
    let mut stalled = TcpStream::connect(node.api).await.unwrap();
    let request_state = "GET /lean/v0/states/finalized HTTP/1.1\r\nhost: a\r\n\r\n";
    stalled.write_all(request_state.as_bytes()).await.unwrap();
    // Its place becomes free although it never closes.
    let served = async {
        loop {
            let mut stream = TcpStream::connect(node.api).await.unwrap();
            if stream.write_all(GET_HEALTH.as_bytes()).await.is_ok() {
                let answer = read_all(&mut stream).await;
                if answer.starts_with(b"HTTP/1.1 200") {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, served).await.is_ok());
    drop(stalled);
}

/// A connection that is answered and kept.
async fn polite(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /lean/v0/health HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stream
}

#[tokio::test]
async fn a_connection_that_waits_gives_way_to_a_newcomer() {
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let node = Running::start(Node::default(), limits).await;
    let (mut first, _second, _third) =
        (polite(node.api).await, polite(node.api).await, polite(node.api).await);
    let rest = read_all(&mut first).await;
    assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1 "), "closed, not answered again");
}

#[tokio::test]
async fn slow_clients_do_not_keep_health_checks_out() {
    let node = Running::start(Node::default(), Limits::default()).await;
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut stream = TcpStream::connect(node.api).await.unwrap();
        // Each is at a different place in its request, and none gets on.
        stream.write_all(&b"GET /lean/v0/health HTTP/1.1\r\nx-a: "[..slow.len() % 30]).await.unwrap();
        slow.push(stream);
        if slow.len() % 50 == 0 {
            assert_eq!(request(node.api, GET_HEALTH).await.0, 200);
        }
    }
}

#[tokio::test]
async fn while_all_are_busy_only_health_is_answered() {
    let limits = Limits { max_connections: 1, health_connections: 1, ..Limits::default() };
    // Eight megabytes are more than the sockets' buffers take.
    let node = Running::start(Node { history: 1 << 18, ..Node::default() }, limits).await;
    let mut busy = TcpStream::connect(node.api).await.unwrap();
    busy.write_all(b"GET /lean/v0/states/finalized HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    busy.read_exact(&mut answer).await.unwrap();
    assert_eq!(request(node.api, GET_HEALTH).await.0, 200);
    let (status, content_type, _) = request(node.api, GET_METRICS).await;
    assert_eq!((status, content_type.as_str()), (503, "application/json"));
    // The other port has places of its own.
    assert_eq!(request(node.metrics, GET_METRICS).await.0, 200);
    drop(busy);
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let node = Running::start(Node::default(), Limits::default()).await;
    let long = format!("GET /lean/v0/health HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    assert_eq!(request(node.api, &long).await.0, 431);
    let many = format!("GET /lean/v0/health HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(100));
    assert_eq!(request(node.api, &many).await.0, 431);
    assert_eq!(request(node.api, "nonsense\r\n\r\n").await.0, 400);
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_frees_the_port() {
    let node = Running::start(Node::default(), Limits::default()).await;
    let address = node.api;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /lean/v0/health HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    node.stop().await;
    read_all(&mut idle).await;
    assert!(TcpStream::connect(address).await.is_err());
}
