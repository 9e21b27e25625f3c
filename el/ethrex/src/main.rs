//! A development execution client: ethrex's own EVM, mempool, payload builder and Engine API, on two loopback ports.
//!
//! It serves one consensus client and knows no peers: nothing is dialled, and nothing listens beside the two RPC ports.
//! The chain is in memory, so every start begins at genesis, which is what a wiped client looks like.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use ethrex_blockchain::Blockchain;
use ethrex_common::types::DEFAULT_BUILDER_GAS_CEIL;
use ethrex_common::{H256, H512};
use ethrex_p2p::network::P2PContext;
use ethrex_p2p::peer_handler::PeerHandler;
use ethrex_p2p::peer_table::{PeerTableServer, TARGET_PEERS};
use ethrex_p2p::rlpx::initiator::RLPxInitiator;
use ethrex_p2p::sync::SyncMode;
use ethrex_p2p::sync_manager::SyncManager;
use ethrex_p2p::types::{NetworkConfig, Node, NodeRecord};
use ethrex_rpc::{ClientVersion, RpcNamespace, start_api};
use ethrex_storage::{EngineType, Store};
use eyre::{WrapErr as _, eyre};
use secp256k1::{PublicKey, SECP256K1, SecretKey};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the peer-to-peer parts are called in their own logs.
const AGENT: &str = "ethrex-dev";
/// The release of ethrex that Cargo.toml pins.
const ETHREX_VERSION: &str = "24.0.0";
/// Milliseconds between broadcasts of transactions to peers, of which there are none.
const BROADCAST_INTERVAL_MS: u64 = 60_000;
/// Seconds between searches for peers, of which there are none.
const LOOKUP_INTERVAL_S: f64 = 3600.0;

#[derive(Parser)]
struct Args {
    /// Genesis in geth's format
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// File with the Engine API's secret: 32 bytes in hex
    #[arg(long, value_name = "FILE")]
    jwt_secret: PathBuf,
    /// Where eth_*, net_* and web3_* are served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8545")]
    http: SocketAddr,
    /// Where the Engine API is served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8551")]
    authrpc: SocketAddr,
    /// Stop when standard input closes, for a parent that must not leave processes behind
    #[arg(long)]
    stop_with_stdin: bool,
}

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).init();
    let args = Args::parse();
    if args.stop_with_stdin {
        std::thread::spawn(stop_with_stdin);
    }
    let genesis = fs::read_to_string(&args.genesis).wrap_err_with(|| args.genesis.display().to_string())?;
    let genesis = serde_json::from_str(&genesis).wrap_err("the genesis file does not parse")?;
    let secret = read_secret(&args.jwt_secret)?;

    let mut store = Store::new("", EngineType::InMemory)?;
    store.add_initial_state(genesis).await?;
    let chain = Arc::new(Blockchain::default_with_store(store.clone()));
    // Otherwise eth_syncing would say true until the first forkchoiceUpdated.
    chain.set_synced();

    let identity = SecretKey::from_byte_array(&[7; 32])?;
    let node = node_of(&identity, args.http);
    let record = NodeRecord::from_node(&node, 1, &identity).map_err(|error| eyre!("{error:?}"))?;
    let peers = PeerTableServer::spawn(H256::zero(), TARGET_PEERS, store.clone());
    let context = P2PContext::new(
        node.clone(),
        NetworkConfig::from_node(&node),
        TaskTracker::new(),
        identity,
        peers.clone(),
        store.clone(),
        chain.clone(),
        AGENT.into(),
        None,
        BROADCAST_INTERVAL_MS,
        LOOKUP_INTERVAL_S,
    )
    .map_err(|error| eyre!("{error:?}"))?;
    let handler = PeerHandler::new(peers, RLPxInitiator::spawn_on_thread(context));
    let stop = CancellationToken::new();
    let syncer = SyncManager::new(
        handler.clone(),
        &SyncMode::Full,
        stop.clone(),
        chain.clone(),
        store.clone(),
        std::env::temp_dir(),
    )
    .await;
    let namespaces = [RpcNamespace::Eth, RpcNamespace::Net, RpcNamespace::Web3];
    start_api(
        args.http,
        None,
        args.authrpc,
        store,
        chain,
        secret.into(),
        node,
        record,
        syncer,
        handler,
        version(),
        None,
        DEFAULT_BUILDER_GAS_CEIL,
        String::new(),
        HashSet::from(namespaces),
        stop,
    )
    .await
    .map_err(|error| eyre!("{error:?}"))
}

/// Nothing is kept, so there is nothing to put in order.
fn stop_with_stdin() {
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    std::process::exit(0);
}

fn read_secret(path: &PathBuf) -> eyre::Result<Vec<u8>> {
    let text = fs::read_to_string(path).wrap_err_with(|| path.display().to_string())?;
    let text = text.trim();
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).wrap_err("the secret is not hex")
}

/// An identity that only `admin_nodeInfo` would show.
fn node_of(identity: &SecretKey, address: SocketAddr) -> Node {
    let key = PublicKey::from_secret_key(SECP256K1, identity).serialize_uncompressed();
    Node::new(address.ip(), address.port(), address.port(), H512::from_slice(&key[1..]))
}

fn version() -> ClientVersion {
    let none = || "unknown".to_owned();
    ClientVersion::new(
        "ethrex".into(),
        ETHREX_VERSION.into(),
        "dev".into(),
        "00000000".into(),
        none(),
        none(),
    )
}
