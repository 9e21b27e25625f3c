//! What a node is told when it starts.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use lathe_checkpoint::{Proxy, Server};
use lathe_config::KeyFile;
use lathe_http::LogSwitch;
use lathe_network::{Bootnode, NodeKey, PeerId};
use lathe_signer::SignerAddress;
use lathe_types::{Genesis, SubnetId, ValidatorIndex};
use zeroize::Zeroizing;

use crate::backend::AggregationBackend;
use crate::execution::ExecutionOptions;

/// What the API answers to whom. The default is for a node whose API is on loopback.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Secret that a request to change the node must show.
    pub admin_token: Option<lathe_http::Token>,
    /// Where such requests are taken, if not where the API is.
    pub admin_address: Option<SocketAddr>,
    /// Take them without a token although strangers can connect.
    pub admin_unprotected: bool,
    /// Origins whose pages may use the API.
    pub origins: Vec<String>,
}

/// The program that a node runs in. The default is for a node inside a test.
#[derive(Clone)]
pub struct ProcessOptions {
    /// Its version, with the commit where that is known.
    pub version: String,
    /// What it was built for, such as `x86_64-unknown-linux-gnu`; empty if nobody says.
    pub target: String,
    /// Lines that its log lost, counted by whoever writes it.
    pub log_lines_lost: Arc<AtomicU64>,
    /// What changes how much it logs.
    pub log: Option<Arc<dyn LogSwitch>>,
}

impl Default for ProcessOptions {
    fn default() -> Self {
        let version = env!("CARGO_PKG_VERSION").into();
        Self { version, target: String::new(), log_lines_lost: Arc::default(), log: None }
    }
}

impl std::fmt::Debug for ProcessOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessOptions").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Where a signer of its own is.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// Where it listens.
    pub address: SignerAddress,
    /// What it wants to hear; empty for a socket file.
    pub token: SignerToken,
}

/// A secret word that is wiped when it is dropped, and never printed.
#[derive(Clone)]
pub struct SignerToken(pub Zeroizing<String>);

impl std::fmt::Debug for SignerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignerToken(secret)")
    }
}

/// Everything that one node is started with. The command line, the files of a network directory and tests all end up
/// here.
#[derive(Debug)]
pub struct NodeOptions {
    /// Name, such as `lathe_0`.
    pub name: String,
    /// The network's genesis.
    pub genesis: Genesis,
    /// Attestation subnets of the network.
    pub committee_count: u64,
    /// Digest in the gossip topics.
    pub fork_digest: String,
    /// The network's proof system.
    pub backend: AggregationBackend,
    /// Bytes of a block's proof beyond which proofs take the place of raw signatures; `None` for what a proof may have.
    pub max_raw_bytes: Option<usize>,
    /// Secret keys of the local validators; none for an observer.
    pub keys: Vec<KeyFile>,
    /// A signer in another process, which holds keys and ledger; the node then opens neither.
    pub remote_signer: Option<RemoteOptions>,
    /// Whether keys may sign again what they have signed for a network with another genesis.
    pub allow_key_reuse: bool,
    /// Whether the node aggregates.
    pub is_aggregator: bool,
    /// Subnets that it aggregates beside those of its validators.
    pub aggregate_subnets: Vec<SubnetId>,
    /// The node's identity.
    pub node_key: NodeKey,
    /// Where QUIC listens, at least one address; port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// Where others find it, if that is not where it listens.
    pub advertised_ip: Option<IpAddr>,
    /// Peers to connect to; the node itself may be among them.
    pub bootnodes: Vec<Bootnode>,
    /// Names of known peers, for metrics.
    pub peer_names: HashMap<PeerId, String>,
    /// Where the API listens, if it does.
    pub api: Option<SocketAddr>,
    /// Where the metrics listen, if they do; may equal `api`.
    pub metrics: Option<SocketAddr>,
    /// What the API answers to whom.
    pub http: HttpOptions,
    /// Nodes that are asked for a finalized state to start from, in this order.
    pub checkpoint_servers: Vec<Server>,
    /// The proxy that stands before such nodes outside of this machine and its network, if any.
    pub checkpoint_proxy: Option<Proxy>,
    /// Whether a damaged chain database is moved away, and the chain synchronised anew.
    pub resync_on_corruption: bool,
    /// Directory of the chain database.
    pub data_dir: PathBuf,
    /// Directory of the signing ledger; outside of the database, so that wiping the chain never wipes it.
    pub ledger_dir: PathBuf,
    /// The execution client beside the node; a network that is paired with an execution layer needs one.
    pub execution: Option<ExecutionOptions>,
    /// How many times as fast as the system clock the node's own clock runs; 1 except in tests.
    pub clock_speed: f64,
    /// The program that the node runs in.
    pub process: ProcessOptions,
    /// Called on a thread of its own when a stop outlasts its deadline; the binary ends the process there.
    pub last_resort: Option<fn()>,
}

impl NodeOptions {
    /// Local validators, ascending.
    pub fn validators(&self) -> Vec<ValidatorIndex> {
        let mut validators: Vec<_> = self.keys.iter().map(|key| key.validator).collect();
        validators.sort_unstable();
        validators.dedup();
        validators
    }

    /// Attestation subnets that the node listens to: those of its validators and, for an aggregator, those that it was
    /// told to aggregate; subnet 0 for an aggregator that has neither.
    pub fn subnets(&self) -> Vec<SubnetId> {
        let mut subnets: Vec<_> =
            self.validators().iter().map(|validator| validator.subnet(self.committee_count)).collect();
        if self.is_aggregator {
            subnets.extend(&self.aggregate_subnets);
            if subnets.is_empty() {
                subnets.push(SubnetId(0));
            }
        }
        subnets.sort_unstable();
        subnets.dedup();
        subnets
    }
}
