//! A node with fixed answers, and a client that works on raw sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lathe_http::{
    Addresses, Api, ApiError, BlockId, Duties, Feed, ForkChoice, ForkChoiceNode, Identity, Limits, LogSwitch,
    NetworkInfo, Options, Overview, PeerInfo, Server, Syncing,
};
use lathe_types::{
    BlockHeader, Checkpoint, GenesisConfig, HistoricalBlockHashes, JustificationRoots,
    JustificationValidators, JustifiedSlots, Root, SignedBlock, Slot, State, Validator, ValidatorIndex,
    Validators,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest wait for the server to close a connection. Shorter than the half minute that the HTTP library would grant.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Answers of a node at genesis, or none at all.
#[derive(Default)]
pub(crate) struct Node {
    pub aggregator: AtomicBool,
    pub failure: Option<ApiError>,
    pub ailment: Option<&'static str>,
    pub history: usize,
    pub feed: Feed,
    pub log: Option<Level>,
}

/// A log that knows two levels.
#[derive(Default)]
pub(crate) struct Level(Mutex<String>);

impl LogSwitch for Level {
    fn level(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn set(&self, level: &str) -> Result<(), String> {
        if !matches!(level, "info" | "debug") {
            return Err(format!("`{level}` is no level"));
        }
        *self.0.lock().unwrap() = level.into();
        Ok(())
    }
}

impl Node {
    pub(crate) fn state_at_genesis(&self) -> State {
        State {
            config: GenesisConfig { genesis_time: 7 },
            slot: Slot(9),
            latest_block_header: BlockHeader::default(),
            latest_justified: Checkpoint::default(),
            latest_finalized: Checkpoint::default(),
            historical_block_hashes: HistoricalBlockHashes::new(vec![Root::repeat_byte(5); self.history])
                .unwrap(),
            justified_slots: JustifiedSlots::with_capacity(3).unwrap(),
            validators: Validators::new(vec![Validator::default()]).unwrap(),
            justifications_roots: JustificationRoots::empty(),
            justifications_validators: JustificationValidators::with_capacity(0).unwrap(),
            latest_execution_payload_header: None,
        }
    }

    fn answer<T>(&self, value: T) -> Result<T, ApiError> {
        self.failure.map_or(Ok(value), Err)
    }
}

impl Api for Node {
    fn health(&self) -> Result<(), String> {
        self.ailment.map_or(Ok(()), |ailment| Err(ailment.into()))
    }
    fn state(&self, id: BlockId) -> Result<(Root, Arc<State>), ApiError> {
        match id {
            BlockId::Root(root) if root != Root::repeat_byte(1) => Err(ApiError::NotFound),
            _ => self.answer((Root::repeat_byte(1), Arc::new(self.state_at_genesis()))),
        }
    }
    fn block(&self, id: BlockId) -> Result<(Root, Arc<SignedBlock>), ApiError> {
        match id {
            BlockId::Slot(slot) if slot != Slot(0) => Err(ApiError::NotFound),
            _ => self.answer((Root::repeat_byte(1), Arc::new(SignedBlock::default()))),
        }
    }
    fn log(&self) -> Option<&dyn LogSwitch> {
        self.log.as_ref().map(|log| log as &dyn LogSwitch)
    }
    fn head(&self) -> Result<Checkpoint, ApiError> {
        self.answer(Checkpoint { root: Root::repeat_byte(1), slot: Slot(3) })
    }
    fn overview(&self) -> Result<Overview, ApiError> {
        let checkpoint = Checkpoint { root: Root::repeat_byte(1), slot: Slot(3) };
        self.answer(Overview {
            name: "lathe_0".into(),
            version: "lathe/1".into(),
            peer_id: "16Uiu2".into(),
            genesis_time: 7,
            fork_digest: "12345678".into(),
            validator_count: 4,
            clock_ms: 28_000,
            syncing: self.syncing()?,
            head: checkpoint,
            justified: checkpoint,
            finalized: checkpoint,
            safe_target: checkpoint,
            is_aggregator: self.is_aggregator()?,
            local_validators: vec![ValidatorIndex(0)],
            peers: self.peers()?,
            duties: Duties::default(),
            process: None,
            slots: Vec::new(),
        })
    }
    fn feed(&self) -> Feed {
        self.feed.clone()
    }
    fn justified_checkpoint(&self) -> Result<Checkpoint, ApiError> {
        self.answer(Checkpoint { root: Root::repeat_byte(1), slot: Slot(2) })
    }
    fn fork_choice(&self) -> Result<ForkChoice, ApiError> {
        let node = ForkChoiceNode {
            root: Root::repeat_byte(1),
            slot: Slot(0),
            parent_root: Root::ZERO,
            proposer_index: ValidatorIndex(0),
            weight: 3,
        };
        let checkpoint = Checkpoint { root: Root::repeat_byte(1), slot: Slot(0) };
        self.answer(ForkChoice {
            nodes: vec![node],
            head: Root::repeat_byte(1),
            justified: checkpoint,
            finalized: checkpoint,
            safe_target: Root::repeat_byte(1),
            validator_count: Some(4),
        })
    }
    fn syncing(&self) -> Result<Syncing, ApiError> {
        self.answer(Syncing {
            execution: None,
            is_syncing: true,
            head_slot: Slot(3),
            sync_distance: 4,
            finalized_slot: Slot(1),
            age_ms: 7,
        })
    }
    fn is_aggregator(&self) -> Result<bool, ApiError> {
        self.answer(self.aggregator.load(Ordering::SeqCst))
    }
    fn set_aggregator(&self, enabled: bool) -> Result<bool, ApiError> {
        self.answer(())?;
        Ok(self.aggregator.swap(enabled, Ordering::SeqCst))
    }
    fn metrics(&self) -> Result<String, ApiError> {
        self.answer("lean_head_slot 3\n".into())
    }
    fn identity(&self) -> Result<Identity, ApiError> {
        self.answer(Identity { version: "lathe/1".into(), peer_id: "16Uiu2".into() })
    }
    fn peers(&self) -> Result<Vec<PeerInfo>, ApiError> {
        let peer =
            PeerInfo { peer_id: "16U".into(), name: Some("lathe_1".into()), address: None, inbound: true };
        self.answer(vec![peer])
    }
    fn network(&self) -> Result<NetworkInfo, ApiError> {
        self.answer(NetworkInfo { genesis_time: 7, validator_count: 4, fork_digest: "12345678".into() })
    }
}

/// A server on ports of the system's choice.
pub(crate) struct Running {
    pub api: SocketAddr,
    pub metrics: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

impl Running {
    pub(crate) async fn start(node: Node, limits: Limits) -> Self {
        Self::start_with(node, limits, Options::default()).await
    }

    pub(crate) async fn start_with(node: Node, limits: Limits, options: Options) -> Self {
        let addresses = Addresses { api: Some(loopback()), metrics: Some(loopback()), admin: None };
        let server = Server::bind(addresses, Arc::new(node), limits, options).await.unwrap();
        let (api, metrics) = (server.api_address().unwrap(), server.metrics_address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async { _ = stopped.await }));
        Self { api, metrics, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    /// Sends a request that closes its connection and returns status, content type and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        request(self.api, &format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"))
            .await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, String, Vec<u8>) {
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        request(self.api, &text).await
    }
}

/// Headers of a body in JSON.
pub(crate) const AS_JSON: &str = "content-type: application/json\r\n";

pub(crate) async fn request(address: SocketAddr, text: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    parse(&read_all(&mut stream).await)
}

/// Everything until the other side closes; fails rather than waiting for ever.
pub(crate) async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A reset ends the answer as well as a close does.
    let _ = read.expect("the server closes the connection");
    answer
}

pub(crate) fn parse(answer: &[u8]) -> (u16, String, Vec<u8>) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a complete head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    (status, content_type.to_owned(), answer[end + 4..].to_vec())
}
