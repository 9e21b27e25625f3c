//! The client against a scripted server: every answer that a client must survive, and what it makes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, helpers included")]

mod fake;

use std::time::Duration;

use fake::{Answer, Call, Fake};
use lathe_execution::{
    B256, BuiltPayload, Bytes, Capabilities, EngineClient, ExecutionError, ExecutionPayloadV3, Fault, Fork,
    ForkchoiceAnswer, ForkchoiceState, JwtSecret, Limits, NewPayload, PayloadAttributes, PayloadId,
    PayloadStatus,
};
use serde_json::{Value, json};

const SECRET: &str = "0x00000000000000000000000000000000000000000000000000000000deadbeef";
const ETHREX: &str = include_str!("golden/ethrex-get-payload-v5.json");
const ETHEREUMJS: &str = include_str!("golden/ethereumjs-get-payload-v4.json");
const ALL: [&str; 7] = [
    "engine_forkchoiceUpdatedV3",
    "engine_getPayloadV3",
    "engine_getPayloadV4",
    "engine_getPayloadV5",
    "engine_newPayloadV3",
    "engine_newPayloadV4",
    "engine_getClientVersionV1",
];

/// Long enough for a loaded machine, short enough to wait for where the limit is the subject.
fn limits(ms: u64) -> Limits {
    let limit = Duration::from_millis(ms);
    Limits { new_payload: limit, forkchoice: limit, get_payload: limit, other: limit }
}

fn client_with(fake: &Fake, limits: Limits) -> EngineClient {
    EngineClient::new(fake.url().parse().unwrap(), JwtSecret::from_hex(SECRET).unwrap(), limits)
}

fn client(fake: &Fake) -> EngineClient {
    client_with(fake, limits(60_000))
}

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn payload() -> ExecutionPayloadV3 {
    serde_json::from_value(golden(ETHREX)["executionPayload"].clone()).unwrap()
}

/// One call of each kind that matters, answered alike: the transport does not look at the method.
async fn latest_with(answer: Answer) -> ExecutionError {
    let fake = Fake::start(move |_: &Call| answer.clone()).await;
    client(&fake).latest().await.unwrap_err()
}

async fn new_payload(answer: Value) -> Result<PayloadStatus, ExecutionError> {
    let fake = Fake::start(move |_: &Call| Answer::Result(answer.clone())).await;
    hand_over(&client(&fake), &Capabilities::new(ALL), &[]).await
}

async fn hand_over(
    client: &EngineClient,
    capabilities: &Capabilities,
    requests: &[Bytes],
) -> Result<PayloadStatus, ExecutionError> {
    let payload = &payload();
    let payload = NewPayload { payload, parent_beacon_block_root: hash(9), execution_requests: requests };
    client.new_payload(capabilities, payload).await
}

fn header(byte: u8, number: &str) -> Value {
    json!({ "hash": hash(byte), "number": number, "transactions": [], "somethingNew": 1 })
}

/// A client that is well, on a chain whose block 0 has this hash.
fn well(genesis: u8) -> impl FnMut(&Call) -> Answer + Send {
    move |call: &Call| match (call.method.as_str(), call.params.first()) {
        ("engine_exchangeCapabilities", _) => Answer::Result(json!(ALL)),
        ("engine_getClientVersionV1", _) => Answer::Result(
            json!([{ "code": "EX", "name": "ethrex", "version": "24.0.0\nforged line", "commit": "00000000" }]),
        ),
        ("eth_getBlockByNumber", Some(number)) if number == "0x0" => Answer::Result(header(genesis, "0x0")),
        ("eth_getBlockByNumber", _) => Answer::Result(header(7, "0x1f")),
        (method, _) => panic!("{method}"),
    }
}

#[tokio::test]
async fn a_handshake_finds_out_who_is_there() {
    let fake = Fake::start(well(1)).await;
    for genesis in [None, Some(hash(1))] {
        let peer = client(&fake).handshake(genesis).await.unwrap();
        assert_eq!(peer.capabilities, Capabilities::new(ALL));
        assert_eq!((peer.genesis, peer.latest.hash, peer.latest.number), (hash(1), hash(7), 31));
        let version = peer.version.unwrap();
        assert_eq!((version.name.as_str(), version.version.as_str()), ("ethrex", "24.0.0 forged line"));
    }
    assert_eq!(fake.calls()[0].params, [json!(ALL)]);
}

#[tokio::test]
async fn another_chain_is_refused() {
    let fake = Fake::start(well(1)).await;
    let error = client(&fake).handshake(Some(hash(2))).await.unwrap_err();
    assert_eq!(error, ExecutionError::GenesisMismatch { expected: hash(2), found: hash(1) });
    assert_eq!(error.fault(), Some(Fault::Unsuitable));
}

#[tokio::test]
async fn a_client_without_the_methods_is_refused() {
    let fake =
        Fake::start(|_: &Call| Answer::Result(json!(["engine_newPayloadV4", "engine_forkchoiceUpdatedV2"])))
            .await;
    let error = client(&fake).handshake(None).await.unwrap_err();
    assert_eq!(error, ExecutionError::MissingCapability("engine_forkchoiceUpdatedV3"));
    assert_eq!(fake.methods(), ["engine_exchangeCapabilities"]);
}

#[tokio::test]
async fn a_client_that_does_not_tell_its_version_is_as_good() {
    for (answer, is_asked) in [
        (Answer::Error(-32601, "method not found"), true),
        (Answer::Error(-32602, "unknown client code"), true),
        (Answer::Result(json!("ethrex")), true),
        (Answer::Result(json!([])), true),
        (Answer::Hang, false),
    ] {
        let mut rest = well(1);
        let fake = Fake::start(move |call: &Call| match call.method.as_str() {
            "engine_getClientVersionV1" => answer.clone(),
            "engine_exchangeCapabilities" => Answer::Result(json!(ALL[..if is_asked { 7 } else { 6 }])),
            _ => rest(call),
        })
        .await;
        assert_eq!(client(&fake).handshake(None).await.unwrap().version, None);
    }
}

#[tokio::test]
async fn each_request_has_a_fresh_token_and_the_connection_is_kept() {
    let fake = Fake::start(well(1)).await;
    let client = client(&fake);
    client.latest().await.unwrap();
    client.latest().await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let secret = JwtSecret::from_hex(SECRET).unwrap();
    for call in fake.calls() {
        let token = call.token.strip_prefix("Bearer ").unwrap();
        let issued_at = (now - 60..=now).find(|at| secret.token(*at) == token);
        assert!(issued_at.is_some(), "{token}");
        assert_eq!(call.connection, 0);
    }
}

#[tokio::test]
async fn a_refused_token_has_two_forms() {
    for answer in [
        Answer::Status(401, "Unauthorized: invalid token"),
        Answer::Status(403, ""),
        Answer::Error(-32000, "Auth failed: TokenDecodingError"),
        Answer::Error(-32000, "invalid JWT"),
    ] {
        let error = latest_with(answer).await;
        assert_eq!(error, ExecutionError::Unauthorised { method: "eth_getBlockByNumber" });
        assert_eq!(error.fault(), Some(Fault::Unauthorised));
    }
    let other = latest_with(Answer::Error(-32000, "header not found")).await;
    assert_eq!((other.fault(), other.label()), (None, "rpc_error"));
}

#[tokio::test]
async fn failures_of_the_server_have_names() {
    let method = "eth_getBlockByNumber";
    assert_eq!(latest_with(Answer::Status(500, "oops")).await, ExecutionError::Http { method, status: 500 });
    assert_eq!(latest_with(Answer::Status(503, "")).await.fault(), Some(Fault::Broken));
    let long = "Nothing\n".repeat(1000);
    let fake =
        Fake::start(move |_: &Call| Answer::Error(-32603, Box::leak(long.clone().into_boxed_str()))).await;
    let error = client(&fake).latest().await.unwrap_err();
    assert_eq!(error, ExecutionError::Rpc { method, code: -32603, message: "Nothing ".repeat(25) });
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "null",
        r#"{"id":1}"#,
        r#"{"id":1,"result":{"hash":"0x12"}}"#,
        r#"{"id":1,"result":7}"#,
    ] {
        let error = latest_with(Answer::Body(body.into())).await;
        assert_eq!((error.label(), error.fault()), ("malformed", Some(Fault::Broken)), "{body}");
    }
    let other = json!({ "id": 77, "result": header(1, "0x0") }).to_string();
    let error = latest_with(Answer::Body(other.into())).await;
    assert_eq!(error, ExecutionError::Malformed { method, detail: "it answers another request".into() });
}

#[tokio::test]
async fn a_connection_that_breaks_is_opened_again() {
    let error = latest_with(Answer::Close).await;
    assert_eq!((error.label(), error.fault()), ("unreachable", Some(Fault::Unreachable)));
    let fake = Fake::start(well(1)).await;
    let (address, caller) = (fake.address, client(&fake));
    caller.latest().await.unwrap();
    drop(fake);
    assert_eq!(caller.latest().await.unwrap_err().fault(), Some(Fault::Unreachable));
    let _again = Fake::start_at(address, well(1)).await;
    assert_eq!(caller.latest().await.unwrap().number, 31);
}

#[tokio::test]
async fn a_hanging_client_costs_the_time_limit() {
    let fake = Fake::start(|_: &Call| Answer::Hang).await;
    let limit = Duration::from_millis(50);
    let hurried = client_with(&fake, limits(50));
    let error = hurried.latest().await.unwrap_err();
    assert_eq!(error, ExecutionError::Timeout { method: "eth_getBlockByNumber", limit });
    assert_eq!(error.fault(), Some(Fault::Timeout));
    // Each kind of call has its own limit.
    let only = |change: fn(&mut Limits, Duration)| {
        let mut only = limits(60_000);
        change(&mut only, limit);
        client_with(&fake, only)
    };
    let all = &Capabilities::new(ALL);
    let error = hand_over(&only(|limits, limit| limits.new_payload = limit), all, &[]).await.unwrap_err();
    assert_eq!(error, ExecutionError::Timeout { method: "engine_newPayloadV4", limit });
    let error =
        only(|limits, limit| limits.get_payload = limit).get_payload(all, PayloadId::new([0; 8])).await;
    assert_eq!(error.unwrap_err(), ExecutionError::Timeout { method: "engine_getPayloadV5", limit });
    let state = ForkchoiceState::default();
    let error = only(|limits, limit| limits.forkchoice = limit).forkchoice_updated(state, None).await;
    assert_eq!(error.unwrap_err(), ExecutionError::Timeout { method: "engine_forkchoiceUpdatedV3", limit });
}

#[tokio::test]
async fn long_answers_are_not_read() {
    let expected = ExecutionError::TooLarge { method: "eth_getBlockByNumber", limit: 1 << 20 };
    // By what is announced: the body never comes, so waiting for it would be noticed.
    assert_eq!(latest_with(Answer::Announce((1 << 20) + 1)).await, expected);
    // By what is sent.
    assert_eq!(latest_with(Answer::Endless(2 << 20)).await, expected);
    assert_eq!(expected.fault(), Some(Fault::Broken));
    // A payload may be larger.
    let fake = Fake::start(|_: &Call| Answer::Announce((32 << 20) + 1)).await;
    let error = client(&fake).get_payload(&Capabilities::new(ALL), PayloadId::new([1; 8])).await.unwrap_err();
    assert_eq!(error, ExecutionError::TooLarge { method: "engine_getPayloadV5", limit: 32 << 20 });
}

#[tokio::test]
async fn every_status_of_a_payload_is_understood() {
    let invalid =
        |latest_valid_hash, reason: &str| PayloadStatus::Invalid { latest_valid_hash, reason: reason.into() };
    for (answer, expected) in [
        (
            json!({ "status": "VALID", "latestValidHash": hash(1), "validationError": null }),
            PayloadStatus::Valid,
        ),
        (
            json!({ "status": "SYNCING", "latestValidHash": null, "validationError": null }),
            PayloadStatus::Syncing,
        ),
        (json!({ "status": "ACCEPTED" }), PayloadStatus::Accepted),
        (
            json!({ "status": "INVALID", "latestValidHash": hash(4), "validationError": "gas\nused" }),
            invalid(Some(hash(4)), "gas used"),
        ),
        (json!({ "status": "INVALID", "latestValidHash": null, "validationError": null }), invalid(None, "")),
        (json!({ "status": "INVALID", "latestValidHash": hash(0) }), invalid(Some(hash(0)), "")),
        (json!({ "status": "INVALID_BLOCK_HASH", "validationError": "hash" }), invalid(None, "hash")),
    ] {
        assert_eq!(new_payload(answer).await, Ok(expected));
    }
    for nonsense in [json!({ "status": "MAYBE" }), json!({}), json!("VALID"), json!(null)] {
        assert_eq!(new_payload(nonsense).await.unwrap_err().label(), "malformed");
    }
}

#[tokio::test]
async fn a_forkchoice_update_starts_building_or_does_not() {
    let fake = Fake::start(|call: &Call| {
        let id = if call.params[1].is_null() { json!(null) } else { json!("0x0102030405060708") };
        Answer::Result(
            json!({ "payloadStatus": { "status": "VALID", "latestValidHash": hash(1) }, "payloadId": id }),
        )
    })
    .await;
    let state =
        ForkchoiceState { head_block_hash: hash(1), safe_block_hash: hash(2), finalized_block_hash: hash(0) };
    let attributes = PayloadAttributes {
        timestamp: 1_700_000_004,
        suggested_fee_recipient: [0x22; 20].into(),
        withdrawals: Some(Vec::new()),
        parent_beacon_block_root: Some(hash(9)),
        ..PayloadAttributes::default()
    };
    let client = client(&fake);
    let answer = client.forkchoice_updated(state, None).await.unwrap();
    assert_eq!(answer, ForkchoiceAnswer { status: PayloadStatus::Valid, payload_id: None });
    let answer = client.forkchoice_updated(state, Some(&attributes)).await.unwrap();
    assert_eq!(answer.payload_id, Some(PayloadId::new([1, 2, 3, 4, 5, 6, 7, 8])));
    let state = json!({ "headBlockHash": hash(1), "safeBlockHash": hash(2), "finalizedBlockHash": hash(0) });
    let attributes = json!({
        "timestamp": "0x6553f104",
        "prevRandao": hash(0),
        "suggestedFeeRecipient": "0x2222222222222222222222222222222222222222",
        "withdrawals": [],
        "parentBeaconBlockRoot": hash(9),
    });
    let calls = fake.calls();
    assert_eq!(calls[0].params, [state.clone(), json!(null)]);
    assert_eq!(calls[1].params, [state, attributes]);
}

/// How a client says that a version will not do.
const REFUSALS: [(i64, &str); 2] = [(-38005, "Unsupported fork"), (-32601, "the method does not exist")];

/// A client whose chain stands at `fork` and that keeps to the rule.
fn strict(fork: Fork, (code, text): (i64, &'static str)) -> impl FnMut(&Call) -> Answer + Send {
    move |call: &Call| {
        if call.method == fork.get_payload() {
            let mut envelope = golden(ETHREX);
            if !fork.has_requests() {
                envelope.as_object_mut().unwrap().remove("executionRequests");
            }
            Answer::Result(envelope)
        } else if call.method == fork.new_payload() {
            Answer::Result(json!({ "status": "VALID" }))
        } else {
            Answer::Error(code, text)
        }
    }
}

#[tokio::test]
async fn the_version_follows_the_fork() {
    for (fork, get, new) in [
        (Fork::Osaka, vec!["engine_getPayloadV5"], vec!["engine_newPayloadV4"]),
        (Fork::Prague, vec!["engine_getPayloadV5", "engine_getPayloadV4"], vec!["engine_newPayloadV4"]),
        (
            Fork::Cancun,
            vec!["engine_getPayloadV5", "engine_getPayloadV4", "engine_getPayloadV3"],
            vec!["engine_newPayloadV4", "engine_newPayloadV3"],
        ),
    ] {
        for refusal in REFUSALS {
            let fake = Fake::start(strict(fork, refusal)).await;
            let all = Capabilities::new(ALL);
            let built = client(&fake).get_payload(&all, PayloadId::new([1; 8])).await.unwrap();
            assert!(built.execution_requests.is_empty());
            assert_eq!(hand_over(&client(&fake), &all, &[]).await, Ok(PayloadStatus::Valid));
            assert_eq!(fake.methods(), [&get[..], &new].concat());
        }
    }
}

#[tokio::test]
async fn what_is_not_offered_is_not_called() {
    let fake = Fake::start(|_: &Call| Answer::Error(-38005, "Unsupported fork")).await;
    let prague = Capabilities::new(["engine_getPayloadV4", "engine_newPayloadV4"]);
    let error = client(&fake).get_payload(&prague, PayloadId::new([1; 8])).await.unwrap_err();
    assert_eq!(error, ExecutionError::UnsupportedFork { what: "getPayload", tried: vec![Fork::Prague] });
    let error = hand_over(&client(&fake), &prague, &[]).await.unwrap_err();
    assert_eq!(error, ExecutionError::UnsupportedFork { what: "newPayload", tried: vec![Fork::Osaka] });
    assert_eq!(error.fault(), None);
    assert_eq!(fake.methods(), ["engine_getPayloadV4", "engine_newPayloadV4"]);
}

#[tokio::test]
async fn requests_never_go_by_a_version_that_has_no_place_for_them() {
    let fake = Fake::start(strict(Fork::Cancun, REFUSALS[0])).await;
    let requests = [Bytes::from_static(&[1, 0xaa])];
    let error = hand_over(&client(&fake), &Capabilities::new(ALL), &requests).await.unwrap_err();
    assert_eq!(error, ExecutionError::UnsupportedFork { what: "newPayload", tried: vec![Fork::Osaka] });
    assert_eq!(fake.methods(), ["engine_newPayloadV4"]);
    let call = &fake.calls()[0];
    assert_eq!(call.params[1..], [json!([]), json!(hash(9)), json!(["0x01aa"])]);
}

async fn built(envelope: Value) -> Result<BuiltPayload, ExecutionError> {
    let fake = Fake::start(move |_: &Call| Answer::Result(envelope.clone())).await;
    client(&fake).get_payload(&Capabilities::new(ALL), PayloadId::new([1; 8])).await
}

#[tokio::test]
async fn payloads_of_real_clients_come_through_unchanged() {
    for text in [ETHREX, ETHEREUMJS] {
        let mut envelope = golden(text);
        envelope["executionRequests"] = json!(["0x01aabb"]);
        let built = built(envelope.clone()).await.unwrap();
        assert_eq!(built.execution_requests, [Bytes::from_static(&[1, 0xaa, 0xbb])]);
        assert_eq!(built.block_value.to_string(), "21000000000000");
        // A field that no version of the payload has is not echoed.
        let fields = envelope["executionPayload"].as_object_mut().unwrap();
        fields.remove("requestsHash");
        assert_eq!(serde_json::to_value(&built.payload).unwrap(), envelope["executionPayload"]);
    }
}

#[tokio::test]
async fn a_payload_with_blobs_is_refused() {
    let mut envelope = golden(ETHREX);
    envelope["blobsBundle"]["commitments"] = json!(["0x00", "0x01"]);
    assert_eq!(built(envelope).await, Err(ExecutionError::Blobs(2)));
}

#[tokio::test]
async fn a_payload_is_fetched_once() {
    let fake = Fake::start(strict(Fork::Osaka, REFUSALS[0])).await;
    client(&fake).get_payload(&Capabilities::new(ALL), PayloadId::new([0xab; 8])).await.unwrap();
    assert_eq!(fake.methods(), ["engine_getPayloadV5"]);
    assert_eq!(fake.calls()[0].params, [json!("0xabababababababab")]);
}

#[tokio::test]
async fn a_block_that_is_not_there_is_an_answer() {
    let fake = Fake::start(|_: &Call| Answer::Result(json!(null))).await;
    assert_eq!(client(&fake).block(0x1f).await, Ok(None));
    assert_eq!(fake.calls()[0].params, [json!("0x1f"), json!(false)]);
    assert_eq!(client(&fake).latest().await.unwrap_err().label(), "malformed");
}

#[tokio::test]
async fn syncing_is_false_or_anything_else() {
    for (answer, expected) in
        [(json!(false), false), (json!(true), true), (json!({ "currentBlock": "0x1" }), true)]
    {
        let fake = Fake::start(move |_: &Call| Answer::Result(answer.clone())).await;
        assert_eq!(client(&fake).is_syncing().await, Ok(expected));
    }
}

#[test]
fn endpoints_are_plain_http() {
    for good in ["http://127.0.0.1:8551", "http://localhost:8551/", "http://[::1]:8551", "http://el/engine"] {
        assert!(good.parse::<lathe_execution::Endpoint>().is_ok(), "{good}");
    }
    for (bad, detail) in [
        ("https://127.0.0.1:8551", "TLS is not spoken here, use a proxy or a tunnel"),
        ("127.0.0.1:8551", "not an http:// URL"),
        ("http://user:password@el:8551", "a user name has no place in it"),
        ("ws://el", "not an http:// URL"),
        ("", "not a URL"),
    ] {
        let error = bad.parse::<lathe_execution::Endpoint>().unwrap_err();
        assert_eq!(error, ExecutionError::Endpoint { endpoint: bad.into(), detail });
    }
}
