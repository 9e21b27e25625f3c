//! Events over real sockets.

use std::net::SocketAddr;

use crate::common::{Node, PATIENCE, Running, parse, read_all};
use lathe_http::{Feed, Limits, Topic};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn open(address: SocketAddr, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /lean/v0/events{query} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until `text` was said.
async fn hear(stream: &mut TcpStream, text: &str) {
    let mut heard = Vec::new();
    let listening = async {
        while !String::from_utf8_lossy(&heard).contains(text) {
            assert!(
                stream.read_buf(&mut heard).await.unwrap() > 0,
                "ended: {}",
                String::from_utf8_lossy(&heard)
            );
        }
    };
    tokio::time::timeout(PATIENCE, listening).await.expect(text);
}

async fn start(limits: Limits) -> (Running, Feed) {
    let feed = Feed::new();
    (Running::start(Node { feed: feed.clone(), ..Node::default() }, limits).await, feed)
}

#[tokio::test]
async fn events_arrive_as_they_happen() {
    let (node, feed) = start(Limits::default()).await;
    let mut stream = open(node.api, "?topics=head,finalized&topics=block").await;
    hear(&mut stream, "content-type: text/event-stream").await;
    feed.publish(Topic::Justified, || 1);
    feed.publish(Topic::Head, || serde_json::json!({ "slot": 7 }));
    hear(&mut stream, "event: head\ndata: {\"slot\":7}\n\n").await;
    feed.publish(Topic::Block, || 8);
    hear(&mut stream, "event: block\ndata: 8\n\n").await;
}

#[tokio::test]
async fn unknown_and_missing_topics_are_errors_in_json() {
    let (node, _feed) = start(Limits::default()).await;
    for query in ["", "?topics=", "?topics=head,nothing", "?topic=head"] {
        let (status, content_type, body) = node.get(&format!("/lean/v0/events{query}")).await;
        assert_eq!((status, content_type.as_str()), (400, "application/json"), "{query}");
        assert!(String::from_utf8(body).unwrap().contains("there are head, block, justified"));
    }
    assert_eq!(node.get("/events?topics=%68ead%2Cnothing").await.0, 400);
}

#[tokio::test]
async fn streams_are_capped_and_take_no_other_places() {
    let limits = Limits { max_streams: 2, max_connections: 2, health_connections: 0, ..Limits::default() };
    let (node, feed) = start(limits).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = open(node.api, "?topics=head").await;
        hear(&mut stream, "retry: 2000").await;
        streams.push(stream);
    }
    assert_eq!(node.get("/events?topics=head").await.0, 503);
    assert_eq!(node.get("/lean/v0/head").await.0, 200);
    feed.publish(Topic::Head, || 1);
    for stream in &mut streams {
        hear(stream, "data: 1").await;
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_and_the_others_hear_everything() {
    let (node, feed) = start(Limits::default()).await;
    let mut stuck = open(node.api, "?topics=head").await;
    hear(&mut stuck, "retry: 2000").await;
    let mut reading = open(node.api, "?topics=finalized").await;
    hear(&mut reading, "retry: 2000").await;
    // More than the ring and the sockets' buffers hold.
    let long = "x".repeat(4096);
    for round in 0..4 {
        for _ in 0..8000 {
            feed.publish(Topic::Head, || &long);
        }
        feed.publish(Topic::Finalized, || round);
        hear(&mut reading, &format!("data: {round}\n\n")).await;
    }
    let rest = read_all(&mut stuck).await;
    assert!(String::from_utf8_lossy(&rest).contains("event: error\ndata: {\"error\":\"too slow: "));
}

#[tokio::test]
async fn stopping_does_not_wait_for_streams() {
    let (node, _feed) = start(Limits::default()).await;
    let mut stream = open(node.api, "?topics=head").await;
    hear(&mut stream, "retry: 2000").await;
    node.stop().await;
    read_all(&mut stream).await;
}

#[tokio::test]
async fn a_head_request_opens_no_stream() {
    let (node, _feed) = start(Limits { max_streams: 1, ..Limits::default() }).await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(node.api).await.unwrap();
        let request = b"HEAD /events?topics=head HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert_eq!(parse(&read_all(&mut stream).await).0, 200);
    }
}
