//! Bytes on an HTTP connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lathe_http::{
    Api, ApiError, BlockId, Feed, ForkChoice, Identity, Limits, NetworkInfo, Overview, PeerInfo, Syncing,
    serve_stream,
};
use lathe_types::{
    BlockHeader, Checkpoint, GenesisConfig, HistoricalBlockHashes, JustificationRoots,
    JustificationValidators, JustifiedSlots, Root, SignedBlock, State, Validators,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().ok();
}

/// Bytes that fit into each direction of the connection at once.
const PIPE_LEN: usize = 64 << 10;

/// Whatever a client sends, none of the answers is a failure of ours, and only a POST throws the switch.
pub fn http(data: &[u8]) {
    let node = Arc::new(Node::default());
    let answer = RUNTIME.with(|runtime| Some(runtime.as_ref()?.block_on(exchange(node.clone(), data))));
    let Some(answer) = answer else { return };
    for status in statuses(&answer) {
        assert!(
            matches!(status, 200 | 304 | 400 | 403 | 404 | 405 | 408 | 411 | 413..=415 | 431 | 503),
            "status {status}"
        );
    }
    if node.aggregator.load(Ordering::SeqCst) {
        assert!(data.windows(4).any(|window| window == b"POST"));
    }
}

async fn exchange(node: Arc<Node>, request: &[u8]) -> Vec<u8> {
    let (mut client, server) = duplex(PIPE_LEN);
    let patience = Duration::from_secs(5);
    let limits = Limits {
        max_connections: 1,
        header_timeout: patience,
        request_timeout: patience,
        stall_timeout: patience,
        // A stream of events never ends by itself.
        max_streams: 0,
        ..Limits::default()
    };
    let serving = tokio::spawn(serve_stream(server, node, limits));
    let (mut reader, mut writer) = tokio::io::split(&mut client);
    let mut answer = Vec::new();
    let send = async {
        // A server that closes early is within its rights.
        let _ = writer.write_all(request).await;
        let _ = writer.shutdown().await;
    };
    let _ = tokio::join!(send, reader.read_to_end(&mut answer));
    let served = serving.await;
    assert!(served.is_ok(), "the connection's task ended with a panic");
    answer
}

/// The status of every answer in what was received.
fn statuses(answer: &[u8]) -> impl Iterator<Item = u16> {
    let line = b"HTTP/1.1 ";
    answer.windows(line.len() + 3).filter_map(move |window| {
        let digits = window.strip_prefix(line)?;
        str::from_utf8(digits).ok()?.parse().ok()
    })
}

/// A node at genesis.
#[derive(Default)]
struct Node {
    aggregator: AtomicBool,
}

impl Api for Node {
    fn health(&self) -> Result<(), String> {
        Ok(())
    }
    fn state(&self, _id: BlockId) -> Result<(Root, Arc<State>), ApiError> {
        Ok((
            Root::ZERO,
            Arc::new(State {
                config: GenesisConfig { genesis_time: 7 },
                slot: Default::default(),
                latest_block_header: BlockHeader::default(),
                latest_justified: Checkpoint::default(),
                latest_finalized: Checkpoint::default(),
                historical_block_hashes: HistoricalBlockHashes::default(),
                justified_slots: JustifiedSlots::with_capacity(0).map_err(|_| ApiError::Internal)?,
                validators: Validators::default(),
                justifications_roots: JustificationRoots::default(),
                justifications_validators: JustificationValidators::with_capacity(0)
                    .map_err(|_| ApiError::Internal)?,
                latest_execution_payload_header: None,
            }),
        ))
    }
    fn block(&self, _id: BlockId) -> Result<(Root, Arc<SignedBlock>), ApiError> {
        Ok((Root::ZERO, Arc::default()))
    }
    fn head(&self) -> Result<Checkpoint, ApiError> {
        Ok(Checkpoint::default())
    }
    fn overview(&self) -> Result<Overview, ApiError> {
        Err(ApiError::Unavailable)
    }
    fn feed(&self) -> Feed {
        Feed::new()
    }
    fn justified_checkpoint(&self) -> Result<Checkpoint, ApiError> {
        Ok(Checkpoint::default())
    }
    fn fork_choice(&self) -> Result<ForkChoice, ApiError> {
        Ok(ForkChoice {
            nodes: Vec::new(),
            head: Root::ZERO,
            justified: Checkpoint::default(),
            finalized: Checkpoint::default(),
            safe_target: Root::ZERO,
            validator_count: None,
        })
    }
    fn syncing(&self) -> Result<Syncing, ApiError> {
        Ok(Syncing {
            execution: None,
            is_syncing: false,
            head_slot: Default::default(),
            sync_distance: 0,
            finalized_slot: Default::default(),
            age_ms: 0,
        })
    }
    fn is_aggregator(&self) -> Result<bool, ApiError> {
        Ok(self.aggregator.load(Ordering::SeqCst))
    }
    fn set_aggregator(&self, enabled: bool) -> Result<bool, ApiError> {
        Ok(self.aggregator.swap(enabled, Ordering::SeqCst))
    }
    fn metrics(&self) -> Result<String, ApiError> {
        Ok(String::new())
    }
    fn identity(&self) -> Result<Identity, ApiError> {
        Ok(Identity { version: String::new(), peer_id: String::new() })
    }
    fn peers(&self) -> Result<Vec<PeerInfo>, ApiError> {
        Ok(Vec::new())
    }
    fn network(&self) -> Result<NetworkInfo, ApiError> {
        Ok(NetworkInfo { genesis_time: 7, validator_count: 0, fork_digest: String::new() })
    }
}
