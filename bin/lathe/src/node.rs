//! `lathe node`: runs one node of a network.

use std::collections::HashMap;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use eyre::{WrapErr as _, bail, eyre};
use lathe_config::{NetworkDirectory, NetworkPaths, NodeEntry, committee_count};
use lathe_network::NodeKey;
use lathe_node::{
    CheckpointProxy, CheckpointServer, LogSwitch, Node, NodeOptions, ProcessOptions, RemoteOptions,
    SignerToken, Stopped,
};
use lathe_signer::SignerAddress;
use lathe_types::SubnetId;
use tracing::{info, warn};

use crate::aggregation::AggregationArgs;
use crate::api::ApiArgs;
use crate::execution::{self, ExecutionArgs};
use crate::log::Log;
use crate::p2p::P2pArgs;
use crate::quiet::quiet;
use crate::{signals, surroundings};

/// Default API port.
const DEFAULT_API_PORT: u16 = 5052;
/// Default metrics port.
const DEFAULT_METRICS_PORT: u16 = 5054;
/// Threads of the asynchronous runtime: one may be busy with the chain while the other serves the network.
const RUNTIME_THREADS: usize = 2;

const EXAMPLES: &str = "\
Examples:
  lathe node --network-dir net --node-id lathe_0
      a node of the network in net, where everything has its usual name
  lathe node --network-dir net --node-id lathe_0 --check
      read all of it, say what the node would do and what is wrong, and end
  lathe node --config-file node.toml
      the same options from a file: node-id = \"lathe_0\", api-port = 5052

An option given twice counts as it was given last, but for those that are
lists. Other clients' names for the options are understood; each is listed
with the option.";

/// Run a node.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_override_self = true)]
pub(crate) struct NodeArgs {
    /// TOML file of options, named as here without the dashes before them; the command line and the environment count
    /// before it
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    config_file: Option<PathBuf>,
    /// Network directory with all files under their standard names; stands for the file options below
    #[arg(
        long,
        value_name = "DIR",
        help_heading = "Network",
        visible_aliases = ["custom-network-config-dir", "genesis-dir", "custom-genesis"]
    )]
    network_dir: Option<PathBuf>,
    /// config.yaml of the network
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Network",
        required_unless_present = "network_dir",
        visible_aliases = ["genesis-config", "network"]
    )]
    genesis: Option<PathBuf>,
    /// annotated_validators.yaml; without it the node is an observer
    #[arg(long, value_name = "FILE", help_heading = "Network", visible_alias = "validator-registry-path")]
    validators: Option<PathBuf>,
    /// annotated_validators.yaml, for those who name validators.yaml as well; counts before --validators
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    validator_keys_path: Option<PathBuf>,
    /// validator-config.yaml
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    validator_config: Option<PathBuf>,
    /// Name of this node, such as lathe_0
    #[arg(long, value_name = "NAME", help_heading = "Network", visible_alias = "node")]
    pub node_id: String,
    /// Read everything, say what the node would do and what is wrong, line by line, and end
    ///
    /// Nothing is written, nothing is signed, and each port is taken for a moment only. Exit code 1 if anything is
    /// wrong.
    #[arg(long, help_heading = "Network")]
    check: bool,
    #[command(flatten)]
    pub p2p: P2pArgs,
    /// File with the node's secp256k1 key in hex
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Peers",
        visible_aliases = ["private-key-path", "node-key-path"]
    )]
    node_key: Option<PathBuf>,
    /// Directory of the chain database; default: data/<node-id> in the network directory, else ./data
    #[arg(long, value_name = "DIR", help_heading = "Chain")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    checkpoint: CheckpointArgs,
    #[command(flatten)]
    signing: SigningArgs,
    #[command(flatten)]
    addresses: AddressArgs,
    #[command(flatten)]
    pub access: ApiArgs,
    /// Aggregate votes
    #[arg(long, help_heading = "Aggregation", visible_alias = "aggregator")]
    is_aggregator: bool,
    /// Number of attestation subnets; default: as config.yaml, then validator-config.yaml say, else 1
    #[arg(
        long,
        value_name = "N",
        help_heading = "Aggregation",
        value_parser = clap::value_parser!(u64).range(1..=4096)
    )]
    attestation_committee_count: Option<u64>,
    /// Further subnets to aggregate
    #[arg(
        long,
        value_name = "LIST",
        help_heading = "Aggregation",
        value_delimiter = ',',
        requires = "is_aggregator"
    )]
    aggregate_subnet_ids: Vec<u64>,
    #[command(flatten)]
    aggregation: AggregationArgs,
    #[command(flatten)]
    pub execution: ExecutionArgs,
    #[command(flatten)]
    foreign: ForeignArgs,
    /// Stop when standard input closes, for a parent that must not leave nodes behind
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// Where the chain may start from.
#[derive(Args, Debug)]
#[command(next_help_heading = "Chain")]
struct CheckpointArgs {
    /// Node to take a finalized state from, to start there and not at genesis: http://host:port or https://host, or
    /// with /lean/v0/states/finalized at its end
    ///
    /// May be given several times, or as a list with commas: all are asked, and must agree. A stored chain that peers
    /// can continue is kept.
    #[arg(long, value_name = "URL", value_delimiter = ',', value_parser = quiet::<CheckpointServer>())]
    checkpoint_sync_url: Vec<CheckpointServer>,
    /// Proxy before those of them that are not on this machine or its network: http://host:port
    ///
    /// The environment's HTTP_PROXY is not used.
    #[arg(long, value_name = "URL", requires = "checkpoint_sync_url", value_parser = quiet::<CheckpointProxy>())]
    checkpoint_proxy: Option<CheckpointProxy>,
    /// Move a damaged chain database away and synchronise anew; the signing ledger is not affected
    #[arg(long)]
    resync_on_corruption: bool,
}

/// Who signs, and what is kept of it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Keys")]
struct SigningArgs {
    /// Directory of the secret keys
    #[arg(long, value_name = "DIR", visible_aliases = ["hash-sig-key-dir", "xmss-key-dir", "sig-keys-dir"])]
    hash_sig_keys_dir: Option<PathBuf>,
    /// Directory of the signing ledger; default: ledger in the data directory
    #[arg(long, value_name = "DIR")]
    ledger_dir: Option<PathBuf>,
    /// A signer that holds keys and ledger (lathe signer serve): unix:PATH or HOST:PORT; the node then needs no key
    /// files
    #[arg(long, value_name = "ADDRESS", conflicts_with = "allow_key_reuse")]
    remote_signer: Option<SignerAddress>,
    /// File with the word that the signer wants to hear; needed for HOST:PORT
    #[arg(long, value_name = "FILE", requires = "remote_signer")]
    remote_signer_token: Option<PathBuf>,
    /// Let keys sign again what they have signed for another genesis: gives them away, only for throw-away networks
    #[arg(long)]
    allow_key_reuse: bool,
}

fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "write an IP address, such as 127.0.0.1, 0.0.0.0 for all, or ::1".into())
}

/// Where API and metrics are served.
#[derive(Args, Debug)]
#[command(next_help_heading = "API")]
struct AddressArgs {
    /// Address that API and metrics listen on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", visible_alias = "api-host", value_parser = ip)]
    http_address: IpAddr,
    /// Port of the API; default: as validator-config.yaml says, else 5052
    #[arg(long, value_name = "PORT", visible_alias = "http-port")]
    api_port: Option<u16>,
    /// Port of the metrics, which may be that of the API; default: as validator-config.yaml says, else 5054
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// Address that the metrics listen on; default: that of the API
    #[arg(long, value_name = "IP", visible_alias = "metrics-host", value_parser = ip)]
    metrics_address: Option<IpAddr>,
}

/// What other clients' command lines hold and a Lathe node has no use for: understood, so that the lines start.
#[derive(Args, Debug, Default)]
struct ForeignArgs {
    /// Metrics are always served
    #[arg(long, hide = true, alias = "metrics-enable", num_args = 0..=1, default_missing_value = "true")]
    metrics: Option<String>,
    /// The genesis state is made from config.yaml
    #[arg(long, hide = true, value_name = "FILE")]
    genesis_state: Option<String>,
    /// The network is what config.yaml says
    #[arg(long, hide = true, value_name = "NAME")]
    devnet: Option<String>,
    /// There is one database
    #[arg(long, hide = true, value_name = "NAME")]
    db_backend: Option<String>,
    /// The chain has a thread of its own
    #[arg(long, hide = true, value_name = "on|off")]
    chain_worker: Option<String>,
}

impl ForeignArgs {
    /// Says what has no effect here.
    fn warn(&self) {
        let named = [
            ("--genesis-state", &self.genesis_state),
            ("--devnet", &self.devnet),
            ("--db-backend", &self.db_backend),
            ("--chain-worker", &self.chain_worker),
        ];
        let given: Vec<&str> =
            named.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
        if !given.is_empty() {
            warn!("other clients' options that have no effect here: {}", given.join(", "));
        }
        if self.metrics.as_deref() == Some("false") {
            warn!("--metrics false: metrics are always served; --metrics-address says to whom");
        }
    }
}

/// Runs the node until a signal or a failure.
pub(crate) fn run(args: NodeArgs, log: &Log, switch: Arc<dyn LogSwitch>) -> eyre::Result<()> {
    if crate::test_driver::is_wanted() {
        return crate::test_driver::run(args.api(None));
    }
    if args.check {
        return crate::check::run(args);
    }
    surroundings::raise_file_limit();
    // A node that is stopped while it starts has nothing to lose.
    signals::end_with(0);
    if args.stop_with_stdin {
        std::thread::spawn(|| {
            wait_for_stdin_to_close();
            signals::stop("standard input closed");
        });
    }
    let execution_genesis = args.execution.execution_genesis_block_hash;
    let mut options = args.into_options()?;
    options.process = ProcessOptions {
        version: env!("LATHE_VERSION").into(),
        target: env!("LATHE_TARGET").into(),
        log_lines_lost: log.lost(),
        log: Some(switch),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build()
        .wrap_err("the runtime does not start")?;
    let outcome = runtime.block_on(async {
        execution::pair(&mut options, execution_genesis).await?;
        let node = Node::start(options).await?;
        node.describe().iter().for_each(|line| info!("{line}"));
        let stopper = node.stopper();
        let asked = signals::wait();
        tokio::spawn(async move { stopper.stop(asked.await) });
        let stopped = node.wait().await;
        Ok::<_, eyre::Report>(stopped)
    })?;
    // Blocked threads, such as the one on standard input, must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Stopped::Orderly => Ok(()),
        Stopped::Failed(failure) => Err(eyre!("{failure}")),
    }
}

/// Ends the process when it cannot be ended in order.
fn end_process() {
    signals::exit(1)
}

fn wait_for_stdin_to_close() {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0; 64];
    while stdin.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

impl NodeArgs {
    pub(crate) fn into_options(self) -> eyre::Result<NodeOptions> {
        self.foreign.warn();
        let paths = self.paths()?;
        let directory = NetworkDirectory::read(&paths, &self.node_id)?;
        let secrets = directory.duties.keys.iter().map(|key| key.path.as_path());
        surroundings::warn_of_linked_keys(secrets.clone());
        surroundings::warn_of_open_secrets(secrets.chain([paths.node_key.as_path()]));
        let entry = directory.validator_config.node(&self.node_id).cloned();
        for warning in &directory.config.warnings {
            warn!("{warning}");
        }
        if !directory.duties.is_listed {
            warn!(node = self.node_id, "no validators are assigned to this node; it only observes");
        }
        let committee_count = committee_count(
            self.attestation_committee_count,
            &directory.config,
            directory.validator_config.attestation_committee_count,
        );
        if let Some(subnet) = self.aggregate_subnet_ids.iter().find(|subnet| **subnet >= committee_count) {
            bail!(
                "--aggregate-subnet-ids: there is no subnet {subnet}; the network has {committee_count}, counted from 0"
            );
        }
        let data_dir = self.data_dir.clone().unwrap_or_else(|| match &self.network_dir {
            Some(dir) => dir.join("data").join(&self.node_id),
            None => PathBuf::from("data"),
        });
        let genesis = directory.config.genesis();
        // A node that pairs a network whose files do not makes the digest, too.
        let pairs = self.execution.is_given() && genesis.execution_genesis.is_none();
        let digest = (!pairs).then(|| directory.config.fork_digest());
        let node_key = NodeKey::from_bytes(directory.node_key.secret()).wrap_err_with(|| {
            format!("{}: make another one: openssl rand -hex 32", paths.node_key.display())
        })?;
        Ok(NodeOptions {
            backend: self.aggregation.of_network(&genesis, digest)?,
            max_raw_bytes: self.aggregation.max_raw_bytes,
            genesis,
            committee_count,
            fork_digest: directory.config.fork_digest().to_owned(),
            keys: directory.duties.keys.clone(),
            remote_signer: self.remote_signer()?,
            allow_key_reuse: self.signing.allow_key_reuse,
            is_aggregator: self.is_aggregator || entry.as_ref().is_some_and(|entry| entry.is_aggregator),
            aggregate_subnets: self.aggregate_subnet_ids.iter().copied().map(SubnetId).collect(),
            listen: self.p2p.listen(entry.as_ref()),
            bootnodes: self.p2p.bootnodes(&directory.nodes, node_key.peer_id())?,
            node_key,
            advertised_ip: entry.as_ref().and_then(|entry| entry.ip.as_deref()?.parse().ok()),
            peer_names: peer_names(&directory),
            api: Some(self.api(entry.as_ref())),
            metrics: Some(self.metrics_address(entry.as_ref())),
            http: self.access.options()?,
            checkpoint_servers: self.checkpoint.checkpoint_sync_url.clone(),
            checkpoint_proxy: self.checkpoint.checkpoint_proxy.clone(),
            resync_on_corruption: self.checkpoint.resync_on_corruption,
            ledger_dir: self.signing.ledger_dir.clone().unwrap_or_else(|| data_dir.join("ledger")),
            data_dir,
            execution: self.execution.options()?,
            clock_speed: 1.0,
            last_resort: Some(end_process),
            process: ProcessOptions::default(),
            name: self.node_id,
        })
    }

    pub(crate) fn remote_signer(&self) -> eyre::Result<Option<RemoteOptions>> {
        let Some(address) = self.signing.remote_signer.clone() else { return Ok(None) };
        let token = crate::signer::token(&address, self.signing.remote_signer_token.as_deref())?;
        Ok(Some(RemoteOptions { address, token: SignerToken(token) }))
    }

    /// Where the files are: the network directory's standard names, replaced by what is named one by one.
    pub(crate) fn paths(&self) -> eyre::Result<NetworkPaths> {
        let genesis = self.genesis.clone();
        let base = self.network_dir.clone().or_else(|| Some(genesis.as_ref()?.parent()?.to_path_buf()));
        let base = base.ok_or_else(|| eyre!("--genesis: not the path of a file"))?;
        let mut paths = NetworkPaths::in_directory(&base, &self.node_id);
        if self.network_dir.is_none() {
            // Files that stand beside config.yaml by chance are not meant unless they are named.
            (paths.validators, paths.nodes, paths.validator_config) = (None, None, None);
        }
        if let Some(path) = genesis {
            paths.config = path;
        }
        if let Some(path) = self.validator_keys_path.as_ref().or(self.validators.as_ref()) {
            paths.validators = Some(path.clone());
        }
        if self.validator_config.as_ref().is_some_and(|path| path.as_os_str() != "genesis_bootnode") {
            paths.validator_config.clone_from(&self.validator_config);
        }
        if self.p2p.names_peers() {
            paths.nodes = None;
        }
        if let Some(dir) = &self.signing.hash_sig_keys_dir {
            paths.keys_dir.clone_from(dir);
        }
        if let Some(path) = &self.node_key {
            paths.node_key.clone_from(path);
        }
        Ok(paths)
    }

    pub(crate) fn api(&self, entry: Option<&NodeEntry>) -> SocketAddr {
        let port =
            self.addresses.api_port.or(entry.and_then(|entry| entry.api_port)).unwrap_or(DEFAULT_API_PORT);
        SocketAddr::new(self.addresses.http_address, port)
    }

    pub(crate) fn metrics_address(&self, entry: Option<&NodeEntry>) -> SocketAddr {
        let port = self
            .addresses
            .metrics_port
            .or(entry.and_then(|entry| entry.metrics_port))
            .unwrap_or(DEFAULT_METRICS_PORT);
        SocketAddr::new(self.addresses.metrics_address.unwrap_or(self.addresses.http_address), port)
    }
}

/// Names of the nodes that validator-config.yaml knows, by their peer ids.
fn peer_names(directory: &NetworkDirectory) -> HashMap<lathe_network::PeerId, String> {
    let named = directory.validator_config.nodes.iter().filter_map(|node| {
        let key = NodeKey::from_bytes(node.private_key.as_ref()?.secret()).ok()?;
        Some((key.peer_id(), node.name.clone()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: NodeArgs,
    }

    fn parse(line: &str) -> NodeArgs {
        use clap::Parser as _;
        Cli::try_parse_from(std::iter::once("node").chain(line.split_whitespace())).unwrap().args
    }

    #[test]
    fn ethlambdas_flags_are_understood() {
        let args = parse(
            "--genesis /config/config.yaml --validators /config/annotated_validators.yaml --bootnodes /config/nodes.yaml \
             --validator-config /config/validator-config.yaml --hash-sig-keys-dir /config/hash-sig-keys --data-dir /data \
             --gossipsub-port 9001 --node-id lathe_0 --node-key /config/lathe_0.key --http-address 0.0.0.0 \
             --api-port 5055 --metrics-port 8085 --is-aggregator --attestation-committee-count 2 \
             --aggregate-subnet-ids 0,1",
        );
        let paths = args.paths().unwrap();
        assert_eq!(paths.config, PathBuf::from("/config/config.yaml"));
        assert_eq!(paths.validators, Some("/config/annotated_validators.yaml".into()));
        assert!(args.p2p.names_peers() && paths.nodes.is_none());
        assert_eq!(paths.validator_config, Some("/config/validator-config.yaml".into()));
        assert_eq!(paths.keys_dir, PathBuf::from("/config/hash-sig-keys"));
        assert_eq!(paths.node_key, PathBuf::from("/config/lathe_0.key"));
        assert_eq!(args.api(None).to_string(), "0.0.0.0:5055");
        assert_eq!(args.metrics_address(None).to_string(), "0.0.0.0:8085");
        assert_eq!((args.is_aggregator, args.attestation_committee_count), (true, Some(2)));
        assert_eq!(args.aggregate_subnet_ids, [0, 1]);
    }

    #[test]
    fn the_aliases_of_other_clients_are_understood() {
        for directory in ["--network-dir", "--custom-network-config-dir", "--genesis-dir"] {
            let args = parse(&format!(
                "{directory} /config --node-id lathe_0 --socket-port 9007 --http-port 5057 --metrics"
            ));
            assert_eq!(args.paths().unwrap().config, PathBuf::from("/config/config.yaml"));
            assert_eq!(args.p2p.listen(None), ["127.0.0.1:9007".parse().unwrap()]);
            assert_eq!(args.api(None).to_string(), "127.0.0.1:5057");
        }
        let args = parse(
            "--genesis-dir /config --node-id q --listen-addr /ip4/0.0.0.0/udp/9002/quic-v1 --metrics-host ::1",
        );
        assert_eq!(args.p2p.listen(None), ["0.0.0.0:9002".parse().unwrap()]);
        assert_eq!(args.metrics_address(None).to_string(), "[::1]:5054");
    }

    #[test]
    fn the_list_of_nodes_gives_the_ports() {
        let local = NodeEntry {
            name: "lathe_0".into(),
            private_key: None,
            ip: Some("127.0.0.1".into()),
            quic: Some(9003),
            metrics_port: Some(8083),
            api_port: Some(5053),
            is_aggregator: false,
            count: None,
            subnet: None,
        };
        let args = parse("--network-dir net --node-id lathe_0");
        assert_eq!(args.p2p.listen(Some(&local)), ["127.0.0.1:9003".parse().unwrap()]);
        assert_eq!(args.api(Some(&local)).to_string(), "127.0.0.1:5053");
        assert_eq!(args.metrics_address(Some(&local)).to_string(), "127.0.0.1:8083");
    }
}
