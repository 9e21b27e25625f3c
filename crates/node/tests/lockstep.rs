//! Four real nodes in one process: real signatures, databases and QUIC, on a clock that runs faster than real time.
//!
//! They end six slots on one head, and go on when one of them is killed. The only timing in here is a limit that turns
//! a network that hangs into a failure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lathe_config::{Environment, NetworkDirectory, NetworkPaths, NetworkPlan, create_network};
use lathe_network::{Bootnode, NodeKey, NodeRecord, PeerId, quic_multiaddr};
use lathe_node::{AggregationBackend, HttpOptions, Node, NodeOptions, Stopped};
use lathe_types::Root;

const NODES: usize = 4;
/// A slot takes a second: enough for four nodes that share two cores with other tests.
const CLOCK_SPEED: f64 = 4.0;
/// From the making of the files to genesis; meshes form in the meantime.
const GENESIS_DELAY: Duration = Duration::from_secs(6);
/// Slots after which the nodes are compared.
const FIRST_SLOTS: u64 = 6;
/// Slots after which the others are compared, one node having been killed.
const MORE_SLOTS: u64 = 16;
/// A network that has not got there by then hangs.
const LIMIT: Duration = Duration::from_secs(120);
const KEY_SLOTS: u64 = 64;

fn make_network(dir: &Path) {
    let plan =
        NetworkPlan { nodes: NODES, validators: NODES as u64, slots: KEY_SLOTS, ..NetworkPlan::default() };
    let record = |key: &lathe_config::NodeKey, ip: IpAddr, port: u16| {
        let key = NodeKey::from_bytes(key.secret()).map_err(|error| error.to_string())?;
        NodeRecord::new(&key, ip, port).map(|record| record.to_string()).map_err(|error| error.to_string())
    };
    let environment = Environment {
        node_record: &record,
        fork_digest: &|_| None,
        genesis_time: &|| (SystemTime::now() + GENESIS_DELAY).duration_since(UNIX_EPOCH).unwrap().as_secs(),
        key_maker: None,
        progress: &|_, _| {},
        unfinished: &|_| {},
    };
    create_network(dir, &plan, &environment).unwrap();
}

fn name(node: usize) -> String {
    format!("lathe_{node}")
}

/// Options for a node that knows those that run already; the system chooses its port.
fn options(dir: &Path, node: usize, running: &[Running]) -> NodeOptions {
    let network = NetworkDirectory::read(&NetworkPaths::in_directory(dir, &name(node)), &name(node)).unwrap();
    let peer_names = network.validator_config.nodes.iter().map(|entry| {
        let key = NodeKey::from_bytes(entry.private_key.as_ref().unwrap().secret()).unwrap();
        (key.peer_id(), entry.name.clone())
    });
    let data_dir = dir.join("data").join(name(node));
    NodeOptions {
        name: name(node),
        genesis: network.config.genesis(),
        committee_count: 1,
        fork_digest: network.config.fork_digest().to_owned(),
        backend: AggregationBackend::default(),
        max_raw_bytes: None,
        keys: network.duties.keys.clone(),
        allow_key_reuse: false,
        remote_signer: None,
        is_aggregator: network.validator_config.node(&name(node)).unwrap().is_aggregator,
        aggregate_subnets: Vec::new(),
        node_key: NodeKey::from_bytes(network.node_key.secret()).unwrap(),
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        bootnodes: running.iter().map(Running::bootnode).collect(),
        peer_names: peer_names.collect(),
        api: None,
        metrics: None,
        http: HttpOptions::default(),
        checkpoint_servers: Vec::new(),
        checkpoint_proxy: None,
        resync_on_corruption: false,
        ledger_dir: data_dir.join("ledger"),
        data_dir,
        execution: None,
        clock_speed: CLOCK_SPEED,
        process: Default::default(),
        advertised_ip: None,
        last_resort: None,
    }
}

struct Running {
    node: Node,
    peer_id: PeerId,
}

impl Running {
    async fn start(options: NodeOptions) -> Self {
        let peer_id = options.node_key.peer_id();
        Self { node: Node::start(options).await.unwrap(), peer_id }
    }

    fn bootnode(&self) -> Bootnode {
        let address = self.node.quic_address();
        Bootnode { peer_id: Some(self.peer_id), address: quic_multiaddr(address.ip(), address.port()) }
    }

    fn mesh_size(&self) -> i64 {
        let mesh = &self.node.metrics().network.mesh_peers;
        (0..NODES).map(|node| mesh.with_label_values(&[&name(node)]).get()).sum()
    }

    /// The root of the first head at or beyond `slot` that has exactly this slot, and the finalized slot of its state.
    async fn head_at(&self, slot: u64) -> (u64, Root, u64) {
        let mut view = self.node.view();
        let view = view.wait_for(|view| view.head.slot.0 >= slot).await.unwrap();
        (view.head.slot.0, view.head.root, view.head_finalized.slot.0)
    }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("gave up on {what}"))
}

async fn wait_for_meshes(nodes: &[Running]) {
    while nodes.iter().any(|running| running.mesh_size() < NODES as i64 - 1) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn four_nodes_agree_and_three_go_on() {
    let dir = tempfile::tempdir().unwrap();
    make_network(dir.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut nodes: Vec<Running> = Vec::new();
        for node in 0..NODES {
            let options = options(dir.path(), node, &nodes);
            nodes.push(Running::start(options).await);
        }
        within("the meshes", wait_for_meshes(&nodes)).await;

        let mut heads = Vec::new();
        for running in &nodes {
            heads.push(within("the first slots", running.head_at(FIRST_SLOTS)).await);
        }
        let (_, root, finalized) = heads[0];
        assert_eq!(heads, [(FIRST_SLOTS, root, finalized); NODES], "all on one head");
        assert!(finalized > 0, "something is finalized");

        // An aggregator goes without a word; its slots stay empty and its vote is missing.
        nodes.remove(1).node.kill();
        let mut views = Vec::new();
        for running in &nodes {
            let mut view = running.node.view();
            let reached =
                within("the other slots", view.wait_for(|view| view.head_finalized.slot.0 > FIRST_SLOTS))
                    .await;
            views.push(Arc::clone(&reached.unwrap()));
        }
        // One node may be a block ahead of another, but not on another chain.
        let lowest = views.iter().min_by_key(|view| view.head.slot).unwrap();
        for view in &views {
            assert!(view.nodes.iter().any(|node| node.root == lowest.head.root), "one chain");
            assert!(view.head.slot.0 < MORE_SLOTS, "finality went on without the third");
        }
        for running in nodes {
            running.node.stopper().stop("the test is over");
            assert_eq!(within("the end", running.node.wait()).await, Stopped::Orderly);
        }
    });
    runtime.shutdown_background();
}
