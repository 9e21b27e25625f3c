//! The client against real execution clients, started as processes. Those that are not installed are left out, and the
//! test says so; `make el` installs them.
#![allow(clippy::print_stderr, reason = "a test that is left out says so")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::time::Duration;

use lathe_execution::dev::{DevClient, Program, genesis};
use lathe_execution::{
    B256, BuiltPayload, EngineClient, ExecutionError, Fork, ForkchoiceState, JwtSecret, Limits, NewPayload,
    PayloadAttributes, PayloadId, PayloadStatus, Peer,
};
use tempfile::TempDir;

/// Longest wait for a process, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause that lets a builder take in what is in its mempool.
const BUILD_TIME: Duration = Duration::from_millis(200);

/// A client, its directory, and how to call it.
struct Real {
    process: DevClient,
    client: EngineClient,
    _dir: TempDir,
}

impl Real {
    /// `None` if the program is not installed.
    fn start(program: Program, fork: Fork) -> Option<Self> {
        if let Err(error) = program.locate() {
            eprintln!("left out: {error}");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut process = DevClient::start(program, fork, program.name(), dir.path()).unwrap();
        process.wait_until_ready(PATIENCE).unwrap();
        let client = call(&process, &JwtSecret::from_file(&process.secret_file()).unwrap());
        Some(Self { process, client, _dir: dir })
    }
}

fn call(process: &DevClient, secret: &JwtSecret) -> EngineClient {
    let limits =
        Limits { new_payload: PATIENCE, forkchoice: PATIENCE, get_payload: PATIENCE, other: PATIENCE };
    EngineClient::new(process.endpoint().parse().unwrap(), secret.clone(), limits)
}

fn head(hash: B256) -> ForkchoiceState {
    ForkchoiceState { head_block_hash: hash, ..ForkchoiceState::default() }
}

/// Builds a block on `parent`, and fetches it.
async fn build(client: &EngineClient, peer: &Peer, parent: B256, timestamp: u64) -> BuiltPayload {
    let attributes = PayloadAttributes {
        timestamp,
        withdrawals: Some(Vec::new()),
        parent_beacon_block_root: Some(B256::repeat_byte(9)),
        ..PayloadAttributes::default()
    };
    let answer = client.forkchoice_updated(head(parent), Some(&attributes)).await.unwrap();
    assert_eq!(answer.status, PayloadStatus::Valid);
    tokio::time::sleep(BUILD_TIME).await;
    client.get_payload(&peer.capabilities, answer.payload_id.unwrap()).await.unwrap()
}

async fn import(client: &EngineClient, peer: &Peer, built: &BuiltPayload) -> PayloadStatus {
    let payload = NewPayload {
        payload: &built.payload,
        parent_beacon_block_root: B256::repeat_byte(9),
        execution_requests: &built.execution_requests,
    };
    client.new_payload(&peer.capabilities, payload).await.unwrap()
}

fn hash_of(built: &BuiltPayload) -> B256 {
    built.payload.payload_inner.payload_inner.block_hash
}

fn each() -> impl Iterator<Item = Real> {
    let all = [
        (Program::Ethrex, Fork::Cancun),
        (Program::Ethrex, Fork::Prague),
        (Program::Ethrex, Fork::Osaka),
        (Program::EthereumJs, Fork::Cancun),
        (Program::EthereumJs, Fork::Prague),
    ];
    all.into_iter().filter_map(|(program, fork)| Real::start(program, fork))
}

#[tokio::test]
async fn blocks_are_built_and_imported_on_every_fork() {
    for Real { client, process, .. } in each() {
        let peer = client.handshake(None).await.unwrap();
        assert_eq!(peer.latest.number, 0, "{process:?}");
        let mut parent = peer.genesis;
        let mut built = Vec::new();
        for number in 1..=3 {
            let block = build(&client, &peer, parent, 4 * number).await;
            assert_eq!(block.payload.payload_inner.payload_inner.block_number, number);
            assert_eq!(import(&client, &peer, &block).await, PayloadStatus::Valid);
            parent = hash_of(&block);
            let answer = client.forkchoice_updated(head(parent), None).await.unwrap();
            assert_eq!((answer.status, answer.payload_id), (PayloadStatus::Valid, None));
            built.push(block);
        }
        // Handing over twice does no harm, which replays rely on.
        assert_eq!(import(&client, &peer, &built[0]).await, PayloadStatus::Valid);
        assert_eq!(client.block(2).await.unwrap().unwrap().hash, hash_of(&built[1]));
        assert_eq!(client.block(9).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_a_client_refuses_has_a_name() {
    for Real { client, process, .. } in each() {
        let peer = client.handshake(None).await.unwrap();
        let first = build(&client, &peer, peer.genesis, 4).await;
        let mut bad = first.clone();
        bad.payload.payload_inner.payload_inner.state_root = B256::repeat_byte(1);
        assert!(matches!(import(&client, &peer, &bad).await, PayloadStatus::Invalid { .. }), "{process:?}");
        let mut orphan = first.clone();
        orphan.payload.payload_inner.payload_inner.parent_hash = B256::repeat_byte(1);
        // Its hash is wrong as well, so that a client may look at either first.
        assert_ne!(import(&client, &peer, &orphan).await, PayloadStatus::Valid);
        let unknown = client.forkchoice_updated(head(B256::repeat_byte(2)), None).await.unwrap();
        assert_eq!((unknown.status, unknown.payload_id), (PayloadStatus::Syncing, None));
        let error = client.get_payload(&peer.capabilities, PayloadId::new([0x5a; 8])).await.unwrap_err();
        assert!(error.is_unknown_payload(), "{error}");
        let wrong = JwtSecret::from_hex(&"01".repeat(32)).unwrap();
        let error = call(&process, &wrong).handshake(None).await.unwrap_err();
        assert_eq!(error, ExecutionError::Unauthorised { method: "engine_exchangeCapabilities" });
        let error = client.handshake(Some(B256::repeat_byte(3))).await.unwrap_err();
        assert_eq!(
            error,
            ExecutionError::GenesisMismatch { expected: B256::repeat_byte(3), found: peer.genesis }
        );
    }
}

#[tokio::test]
async fn a_restart_keeps_the_chain_or_wipes_it() {
    for (program, kept) in [(Program::Ethrex, 0), (Program::EthereumJs, 1)] {
        let Some(Real { client, mut process, _dir }) = Real::start(program, Fork::Prague) else { continue };
        let peer = client.handshake(None).await.unwrap();
        let block = build(&client, &peer, peer.genesis, 4).await;
        assert_eq!(import(&client, &peer, &block).await, PayloadStatus::Valid);
        client.forkchoice_updated(head(hash_of(&block)), None).await.unwrap();
        process.kill();
        assert!(!process.is_running());
        assert_eq!(client.latest().await.unwrap_err().label(), "unreachable");
        process.run().unwrap();
        process.wait_until_ready(PATIENCE).unwrap();
        assert_eq!(
            client.handshake(Some(peer.genesis)).await.unwrap().latest.number,
            kept,
            "{}",
            program.name()
        );
        // Either way the block can be handed over again.
        assert_eq!(import(&client, &peer, &block).await, PayloadStatus::Valid);
    }
}

#[test]
fn every_genesis_is_of_its_fork() {
    for (fork, times) in [(Fork::Cancun, 2), (Fork::Prague, 3), (Fork::Osaka, 4)] {
        let found: serde_json::Value = serde_json::from_str(genesis(fork)).unwrap();
        let config = found["config"].as_object().unwrap();
        let active: Vec<_> =
            config.iter().filter(|(name, time)| name.ends_with("Time") && **time == 0).collect();
        assert_eq!(active.len(), times, "{active:?}");
        assert_eq!(config["chainId"], lathe_execution::dev::CHAIN_ID);
    }
}
