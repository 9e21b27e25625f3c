//! A network directory, and nodes of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lathe_config::{Environment, NetworkDirectory, NetworkPaths, NetworkPlan, create_network};
use lathe_engine::View;
use lathe_network::{Bootnode, NodeKey, NodeRecord, PeerId, quic_multiaddr};
use lathe_node::{AggregationBackend, ExecutionOptions, HttpOptions, JwtSecret, Node, NodeOptions, Stopped};
use lathe_types::Root;

const NODES: usize = 2;
/// From the making of the files to genesis; meshes form in the meantime.
const GENESIS_DELAY: Duration = Duration::from_secs(6);
/// A network that has not got there by then hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

pub(crate) fn make_network(dir: &Path, execution_genesis: Root, slots: u64) {
    let plan = NetworkPlan {
        nodes: NODES,
        validators: NODES as u64,
        slots,
        execution_genesis: Some(execution_genesis),
        ..NetworkPlan::default()
    };
    let record = |key: &lathe_config::NodeKey, ip: IpAddr, port: u16| {
        let key = NodeKey::from_bytes(key.secret()).map_err(|error| error.to_string())?;
        NodeRecord::new(&key, ip, port).map(|record| record.to_string()).map_err(|error| error.to_string())
    };
    let environment = Environment {
        node_record: &record,
        fork_digest: &|_| Some("0a0b0c0d".into()),
        genesis_time: &|| (SystemTime::now() + GENESIS_DELAY).duration_since(UNIX_EPOCH).unwrap().as_secs(),
        key_maker: None,
        progress: &|_, _| {},
        unfinished: &|_| {},
    };
    create_network(dir, &plan, &environment).unwrap();
}

pub(crate) fn options(
    dir: &Path,
    node: usize,
    endpoint: &str,
    bootnodes: Vec<Bootnode>,
    clock_speed: f64,
) -> NodeOptions {
    let name = format!("lathe_{node}");
    let network = NetworkDirectory::read(&NetworkPaths::in_directory(dir, &name), &name).unwrap();
    let data_dir = dir.join("data").join(&name);
    NodeOptions {
        genesis: network.config.genesis(),
        committee_count: 1,
        fork_digest: network.config.fork_digest().to_owned(),
        backend: AggregationBackend::default(),
        max_raw_bytes: None,
        keys: network.duties.keys.clone(),
        allow_key_reuse: false,
        remote_signer: None,
        is_aggregator: true,
        aggregate_subnets: Vec::new(),
        node_key: NodeKey::from_bytes(network.node_key.secret()).unwrap(),
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        bootnodes,
        peer_names: Default::default(),
        api: None,
        metrics: None,
        http: HttpOptions::default(),
        checkpoint_servers: Vec::new(),
        checkpoint_proxy: None,
        resync_on_corruption: false,
        ledger_dir: data_dir.join("ledger"),
        data_dir,
        execution: Some(ExecutionOptions {
            endpoint: endpoint.parse().unwrap(),
            secret: JwtSecret::from_hex(&"5a".repeat(32)).unwrap(),
            fee_recipient: [0x22; 20].into(),
        }),
        clock_speed,
        process: Default::default(),
        advertised_ip: None,
        last_resort: None,
        name,
    }
}

/// A node that runs.
pub(crate) struct Running {
    pub node: Node,
    peer_id: PeerId,
}

impl Running {
    pub(crate) async fn start(options: NodeOptions) -> Self {
        let peer_id = options.node_key.peer_id();
        Self { node: Node::start(options).await.unwrap(), peer_id }
    }

    pub(crate) fn bootnode(&self) -> Bootnode {
        let address = self.node.quic_address();
        Bootnode { peer_id: Some(self.peer_id), address: quic_multiaddr(address.ip(), address.port()) }
    }

    pub(crate) async fn until(&self, what: &str, condition: impl FnMut(&Arc<View>) -> bool) -> Arc<View> {
        let mut view = self.node.view();
        match tokio::time::timeout(LIMIT, view.wait_for(condition)).await {
            Ok(reached) => Arc::clone(&reached.unwrap()),
            Err(_) => panic!("gave up on: {what}; the head is {:?}", self.node.view().borrow().head),
        }
    }

    pub(crate) fn missed(&self, reason: &str) -> u64 {
        let missed = &self.node.metrics().chain.missed_duties;
        ["proposal", "attestation"].iter().map(|duty| missed.with_label_values(&[duty, reason]).get()).sum()
    }

    /// Bound in seconds below which all but one in a hundred turns of the chain's loop lie.
    pub(crate) fn turn_p99(&self) -> String {
        let text = self.node.metrics().render().unwrap();
        let buckets: Vec<(&str, f64)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("lathe_chain_turn_seconds_bucket{le=\"")?.split_once("\"} "))
            .filter_map(|(bound, count)| Some((bound, count.parse().ok()?)))
            .collect();
        let all = buckets.last().unwrap().1;
        buckets.iter().find(|(_, count)| *count >= 0.99 * all).unwrap().0.to_owned()
    }

    pub(crate) async fn stop(self) {
        self.node.stopper().stop("the test is over");
        assert_eq!(tokio::time::timeout(LIMIT, self.node.wait()).await.unwrap(), Stopped::Orderly);
    }
}

/// Runs a test on two threads, and does not wait for what hangs at its end.
pub(crate) fn on_a_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
    runtime.shutdown_background();
}
