//! Requests and responses between real services, and against peers that break every rule.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "events are taken apart")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{Node, block, heavy_block, noisy_block, status};
use lathe_hostile::Raw;
use lathe_network::reqresp::codec::{decode_response, encode_request, encode_response, encode_varint};
use lathe_network::reqresp::{MAX_BYTES_PER_RESPONSE, Protocol};
use lathe_network::snappy::compress_frames;
use lathe_network::{NetworkEvent, PeerId, Request, RequestFailure, RequestId, Responder, ResponseCode};
use lathe_types::{Encode as _, Root, SignedBlock, Slot, Status, TreeHash as _};

type Answer = (Vec<Arc<SignedBlock>>, Result<(), RequestFailure>);

fn is_request(event: NetworkEvent) -> Option<(PeerId, Request, Responder)> {
    match event {
        NetworkEvent::Request { peer, request, responder } => Some((peer, request, responder)),
        _ => None,
    }
}

fn is_status(event: NetworkEvent) -> Option<(PeerId, Status)> {
    if let NetworkEvent::PeerStatus { peer, status } = event { Some((peer, status)) } else { None }
}

async fn ask(node: &Node, peer: PeerId, request: Request) -> RequestId {
    node.with(move |service| service.request(peer, request)).await
}

/// Collects the answer to `request`.
async fn answer(node: &mut Node, request: RequestId) -> Answer {
    let mut blocks = Vec::new();
    let outcome = node
        .wait(|event| match event {
            NetworkEvent::ResponseChunk { request: of, block, .. } if of == request => {
                blocks.push(block);
                None
            }
            NetworkEvent::ResponseEnd { request: of, outcome, .. } if of == request => Some(outcome),
            _ => None,
        })
        .await;
    (blocks, outcome)
}

/// Two connected services.
async fn pair() -> (Node, Node) {
    let mut server = Node::start(vec![]).await;
    let mut client = Node::start(vec![server.bootnode()]).await;
    client.wait_connected(server.id()).await;
    server.wait_connected(client.id()).await;
    (client, server)
}

/// A service connected to a peer that answers every request of `protocol` with `bytes`.
async fn client_of(protocol: Protocol, bytes: Vec<u8>) -> (Node, Raw) {
    let raw = Raw::start(protocol, bytes).await;
    let mut client = Node::start(vec![raw.bootnode()]).await;
    client.wait_connected(raw.id).await;
    (client, raw)
}

/// A service and a peer that is connected to it and speaks `protocol`.
async fn server_of(protocol: Protocol) -> (Node, Raw) {
    let raw = Raw::start(protocol, Vec::new()).await;
    let server = connect(&raw).await;
    (server, raw)
}

async fn connect(raw: &Raw) -> Node {
    let mut server = Node::start(vec![]).await;
    raw.dial(&server.address).await;
    server.wait_connected(raw.id).await;
    raw.until_connected(server.id()).await;
    server
}

fn success(block: &SignedBlock) -> Vec<u8> {
    encode_response(ResponseCode::Success, &block.as_ssz_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_learn_each_others_status() {
    let mut server = Node::start(vec![]).await;
    server.with(|service| service.set_status(status(11))).await;
    let mut client = Node::start(vec![server.bootnode()]).await;
    assert_eq!(client.wait(is_status).await, (server.id(), status(11)));
    assert_eq!(server.wait(is_status).await, (client.id(), status(0)));
    // Asked again, the present status is told.
    server.with(|service| service.set_status(status(12))).await;
    let peer = server.id();
    client.with(move |service| service.request_status(peer)).await;
    assert_eq!(client.wait(is_status).await, (server.id(), status(12)));
    assert_eq!(client.with(|service| service.peers()[0].status).await, Some(status(12)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_dials_us_and_says_nothing_is_asked() {
    let told = encode_response(ResponseCode::Success, &status(5).as_ssz_bytes()).unwrap();
    let raw = Raw::start(Protocol::Status, told).await;
    let mut node = connect(&raw).await;
    assert_eq!(node.wait(is_status).await, (raw.id, status(5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_travel_by_root_and_by_range() {
    let (mut client, mut server) = pair().await;
    let known: HashMap<Root, Arc<SignedBlock>> =
        (1..4).map(|slot| (block(slot).block.tree_hash_root(), block(slot))).collect();
    let root = |slot| block(slot).block.tree_hash_root();

    let by_root = Request::BlocksByRoot(vec![root(3), Root::repeat_byte(1), root(1)]);
    let asked = ask(&client, server.id(), by_root.clone()).await;
    let (peer, request, responder) = server.wait(is_request).await;
    assert_eq!((peer, &request), (client.id(), &by_root));
    let Request::BlocksByRoot(roots) = request else { unreachable!() };
    for block in roots.iter().filter_map(|root| known.get(root)) {
        responder.send_block(Arc::clone(block)).await.unwrap();
    }
    drop(responder);
    assert_eq!(answer(&mut client, asked).await, (vec![block(3), block(1)], Ok(())));

    let by_range = Request::BlocksByRange { start_slot: Slot(1), count: 3 };
    let asked = ask(&client, server.id(), by_range.clone()).await;
    let (_, request, responder) = server.wait(is_request).await;
    assert_eq!(request, by_range);
    for slot in [1, 3] {
        responder.send_block_ssz(block(slot).as_ssz_bytes()).await.unwrap();
    }
    drop(responder);
    assert_eq!(answer(&mut client, asked).await, (vec![block(1), block(3)], Ok(())));

    // An answer without blocks, and one that says why.
    let asked = ask(&client, server.id(), by_range.clone()).await;
    drop(server.wait(is_request).await);
    assert_eq!(answer(&mut client, asked).await, (vec![], Ok(())));
    let asked = ask(&client, server.id(), by_range).await;
    let (_, _, responder) = server.wait(is_request).await;
    responder.fail(ResponseCode::ResourceUnavailable, "pruned").await;
    assert_eq!(answer(&mut client, asked).await, (vec![], Err(RequestFailure::Unavailable)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_exchanges_do_not_mix() {
    let (mut client, mut server) = pair().await;
    let mut asked = Vec::new();
    let mut responders = HashMap::new();
    for slot in 1..6 {
        asked.push(
            ask(&client, server.id(), Request::BlocksByRange { start_slot: Slot(slot), count: 1 }).await,
        );
        responders.insert(slot, server.wait(is_request).await.2);
    }
    // Answered in another order than asked, with one that fails in between.
    for slot in [4, 2, 5, 1, 3] {
        let responder = responders.remove(&slot).unwrap();
        if slot == 5 {
            responder.fail(ResponseCode::ServerError, "").await;
        } else {
            responder.send_block(block(slot)).await.unwrap();
        }
    }
    let mut blocks = HashMap::new();
    let mut outcomes = HashMap::new();
    client
        .wait(|event| {
            match event {
                NetworkEvent::ResponseChunk { request, block, .. } => {
                    blocks.insert(request, block);
                }
                NetworkEvent::ResponseEnd { request, outcome, .. } => {
                    outcomes.insert(request, outcome);
                }
                _ => {}
            }
            (outcomes.len() == 5).then_some(())
        })
        .await;
    for (slot, request) in (1..6).zip(&asked) {
        let (expected, outcome) =
            if slot == 5 { (None, Err(RequestFailure::Invalid)) } else { (Some(block(slot)), Ok(())) };
        assert_eq!((blocks.remove(request), outcomes[request]), (expected, outcome), "{slot}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_answers_end_with_their_reason() {
    let one = success(&block(1));
    let text = encode_response(ResponseCode::ResourceUnavailable, b"gone").unwrap();
    let long_text = encode_response(ResponseCode::ServerError, &[b'x'; 300]).unwrap();
    let not_a_block = encode_response(ResponseCode::Success, &[1; 50]).unwrap();
    let lie = [&[0][..], &encode_varint(1 << 33), &compress_frames(&[0; 9]).unwrap()].concat();
    let bomb = [&[0][..], &encode_varint(9), &compress_frames(&[0; 60_000]).unwrap()].concat();
    for (name, bytes, blocks, outcome) in [
        ("nothing", vec![], 0, Ok(())),
        ("one block", one.clone(), 1, Ok(())),
        ("a block too many", one.repeat(3), 2, Err(RequestFailure::Invalid)),
        ("a block, then an error", [one.clone(), text.clone()].concat(), 1, Err(RequestFailure::Unavailable)),
        ("cut in the second block", [&one[..], &one[..40]].concat(), 1, Err(RequestFailure::Invalid)),
        ("only a code", vec![0], 0, Err(RequestFailure::Invalid)),
        ("an unknown code", [&[77][..], &text[1..]].concat(), 0, Err(RequestFailure::Invalid)),
        ("too long an error", long_text, 0, Err(RequestFailure::Invalid)),
        ("no block", not_a_block, 0, Err(RequestFailure::Invalid)),
        ("a lying length", lie, 0, Err(RequestFailure::Invalid)),
        ("a bomb", bomb, 0, Err(RequestFailure::Invalid)),
    ] {
        let (mut client, raw) = client_of(Protocol::BlocksByRange, bytes).await;
        let asked = ask(&client, raw.id, Request::BlocksByRange { start_slot: Slot(0), count: 2 }).await;
        let (received, end) = answer(&mut client, asked).await;
        assert_eq!((received.len(), end), (blocks, outcome), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_is_cut_at_the_limit() {
    let heavy = success(&heavy_block(1));
    let block_len = heavy_block(1).as_ssz_bytes().len();
    let kept = MAX_BYTES_PER_RESPONSE.div_ceil(block_len);
    let (mut client, raw) = client_of(Protocol::BlocksByRange, heavy.repeat(kept + 5)).await;
    let asked = ask(&client, raw.id, Request::BlocksByRange { start_slot: Slot(0), count: 64 }).await;
    let (blocks, outcome) = answer(&mut client, asked).await;
    assert_eq!((blocks.len(), outcome), (kept, Err(RequestFailure::Truncated)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_sent_end_too() {
    let (mut client, raw) = client_of(Protocol::Status, vec![]).await;
    let request = Request::BlocksByRange { start_slot: Slot(0), count: 1 };
    let asked = ask(&client, raw.id, request.clone()).await;
    assert_eq!(answer(&mut client, asked).await.1, Err(RequestFailure::Unsupported));
    let asked = ask(&client, PeerId::random(), request.clone()).await;
    assert_eq!(answer(&mut client, asked).await.1, Err(RequestFailure::Transport));

    let (mut client, mut server) = pair().await;
    let asked = ask(&client, server.id(), request).await;
    let responder = server.wait(is_request).await.2;
    server.kill().await;
    assert_eq!(answer(&mut client, asked).await.1, Err(RequestFailure::Transport));
    assert!(responder.send_block(block(1)).await.is_err() || responder.send_block(block(1)).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_told_so() {
    let refused = |answer: Vec<u8>| {
        let (code, text) = decode_response(&answer).unwrap();
        (code, String::from_utf8(text).unwrap())
    };
    let invalid = |text: &str| (ResponseCode::InvalidRequest, text.to_owned());
    let range = |count| Request::BlocksByRange { start_slot: Slot(0), count };

    let (server, raw) = server_of(Protocol::BlocksByRange).await;
    let zero = encode_request(&range(0).to_ssz()).unwrap();
    assert_eq!(refused(raw.ask(server.id(), zero).await.unwrap()), invalid("count is zero"));
    let many = encode_request(&range(1025).to_ssz()).unwrap();
    assert_eq!(refused(raw.ask(server.id(), many).await.unwrap()), invalid("count is over 1024"));
    let short = encode_request(&[0; 15]).unwrap();
    assert_eq!(refused(raw.ask(server.id(), short).await.unwrap()), invalid("request does not decode"));
    assert_eq!(refused(raw.ask(server.id(), vec![]).await.unwrap()), invalid("incomplete request"));
    let lie = encode_varint(1 << 20);
    assert_eq!(refused(raw.ask(server.id(), lie).await.unwrap()), invalid("malformed request"));
    let cut = encode_request(&range(1).to_ssz()).unwrap()[..20].to_vec();
    assert_eq!(refused(raw.ask(server.id(), cut).await.unwrap()), invalid("incomplete request"));

    let (server, raw) = server_of(Protocol::BlocksByRoot).await;
    let mut many = Request::BlocksByRoot(vec![Root::ZERO; 1024]).to_ssz();
    many.extend([0; 32]);
    let answer = raw.ask(server.id(), encode_request(&many).unwrap()).await.unwrap();
    assert_eq!(refused(answer), invalid("malformed request"));
    assert_eq!(server.with(|service| service.counters().requests_malformed).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greedy_peer_runs_out_of_quota() {
    let (mut server, raw) = server_of(Protocol::BlocksByRange).await;
    let largest =
        encode_request(&Request::BlocksByRange { start_slot: Slot(0), count: 1024 }.to_ssz()).unwrap();
    let mut answers = Vec::new();
    for _ in 0..8 {
        let asking = raw.ask(server.id(), largest.clone());
        let serving = async {
            loop {
                drop(server.wait(is_request).await);
            }
        };
        tokio::select! {
            answer = asking => answers.push(answer.unwrap()),
            () = serving => unreachable!(),
        }
    }
    let refused =
        answers.iter().filter(|answer| answer.first() == Some(&ResponseCode::ServerError.byte())).count();
    assert!(refused >= 4, "{refused} of 8 were refused");
    assert!(answers[0].is_empty(), "the first was served");
    assert_eq!(server.with(|service| service.counters().requests_over_quota).await, refused as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serving_stops_at_the_byte_limit_on_a_chunk_boundary() {
    let (mut server, raw) = server_of(Protocol::BlocksByRange).await;
    let all = encode_request(&Request::BlocksByRange { start_slot: Slot(0), count: 1024 }.to_ssz()).unwrap();
    let peer = server.id();
    let asking = tokio::spawn(async move { raw.ask(peer, all).await });
    let (_, _, responder) = server.wait(is_request).await;
    let heavy = heavy_block(1);
    let mut handed_over = 0;
    while responder.send_block(Arc::clone(&heavy)).await.is_ok() {
        handed_over += 1;
    }
    let expected = MAX_BYTES_PER_RESPONSE.div_ceil(heavy.as_ssz_bytes().len());
    assert!(handed_over >= expected, "{handed_over} of {expected}");
    assert_eq!(asking.await.unwrap().unwrap(), success(&heavy).repeat(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_is_given_up_and_others_are_served() {
    let raw = Raw::stalling(Protocol::BlocksByRange).await;
    let mut server = connect(&raw).await;
    let all = encode_request(&Request::BlocksByRange { start_slot: Slot(0), count: 1024 }.to_ssz()).unwrap();
    let peer = server.id();
    let _asking = tokio::spawn(async move { raw.ask(peer, all).await });
    let (_, _, stalled) = server.wait(is_request).await;
    let noisy = noisy_block(1);
    let stalling = tokio::spawn(async move {
        let mut handed_over = 0;
        while stalled.send_block(Arc::clone(&noisy)).await.is_ok() {
            handed_over += 1;
        }
        handed_over
    });
    let mut other = Node::start(vec![server.bootnode()]).await;
    other.wait_connected(server.id()).await;
    let asked = ask(&other, server.id(), Request::BlocksByRange { start_slot: Slot(0), count: 1 }).await;
    server.wait(is_request).await.2.send_block(block(1)).await.unwrap();
    assert_eq!(answer(&mut other, asked).await, (vec![block(1)], Ok(())));
    // Some 20 fit into the peer's receive window of 10 MB and one waits; the limit on bytes would be at 64.
    let handed_over = tokio::time::timeout(common::DEADLINE, stalling).await.unwrap().unwrap();
    assert!(handed_over < 30, "{handed_over}");
}
