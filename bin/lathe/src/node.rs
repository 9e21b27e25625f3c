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
use lathe_node::{CheckpointProxy, CheckpointServer, Node, NodeOptions, RemoteOptions, SignerToken, Stopped};
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

/// Run a node.
#[derive(Args, Debug)]
pub struct NodeArgs {
    /// Network directory with all files under their standard names; stands for the file options below
    #[arg(long, value_name = "DIR", aliases = ["custom-network-config-dir", "genesis-dir"])]
    network_dir: Option<PathBuf>,
    /// config.yaml of the network
    #[arg(long, value_name = "FILE", required_unless_present = "network_dir")]
    genesis: Option<PathBuf>,
    /// annotated_validators.yaml; without it the node is an observer
    #[arg(long, value_name = "FILE")]
    validators: Option<PathBuf>,
    #[command(flatten)]
    p2p: P2pArgs,
    /// validator-config.yaml
    #[arg(long, value_name = "FILE")]
    validator_config: Option<PathBuf>,
    /// Directory of the secret keys
    #[arg(long, value_name = "DIR", alias = "hash-sig-key-dir")]
    hash_sig_keys_dir: Option<PathBuf>,
    /// Directory of the chain database; default: data/<node-id> in the network directory, else ./data
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
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
    /// Name of this node, such as lathe_0
    #[arg(long, value_name = "NAME")]
    node_id: String,
    /// File with the node's secp256k1 key in hex
    #[arg(long, value_name = "FILE", alias = "private-key-path")]
    node_key: Option<PathBuf>,
    /// Address that API and metrics listen on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", aliases = ["api-host", "address"])]
    http_address: IpAddr,
    /// Port of the API; default: as validator-config.yaml says, else 5052
    #[arg(long, value_name = "PORT", alias = "http-port")]
    api_port: Option<u16>,
    /// Port of the metrics, which may be that of the API; default: as validator-config.yaml says, else 5054
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// Address that the metrics listen on; default: that of the API
    #[arg(long, value_name = "IP", alias = "metrics-host")]
    metrics_address: Option<IpAddr>,
    /// Accepted for compatibility: metrics are always served
    #[arg(long, hide = true, alias = "metrics-enable")]
    metrics: bool,
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
    /// Aggregate votes
    #[arg(long)]
    is_aggregator: bool,
    /// Number of attestation subnets; default: as config.yaml, then validator-config.yaml say, else 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    attestation_committee_count: Option<u64>,
    /// Further subnets to aggregate
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "is_aggregator")]
    aggregate_subnet_ids: Vec<u64>,
    #[command(flatten)]
    aggregation: AggregationArgs,
    #[command(flatten)]
    execution: ExecutionArgs,
    #[command(flatten)]
    access: ApiArgs,
    /// Stop when standard input closes, for a parent that must not leave nodes behind
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// Runs the node until a signal or a failure.
pub fn run(args: NodeArgs, log: &Log) -> eyre::Result<()> {
    if crate::test_driver::is_wanted() {
        return crate::test_driver::run(args.api(None));
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
    options.log_lines_lost = log.lost();
    let asked: Vec<String> = options.listen.iter().map(ToString::to_string).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build()
        .wrap_err("the runtime does not start")?;
    let outcome = runtime.block_on(async {
        execution::pair(&mut options, execution_genesis).await?;
        let node = Node::start(options).await?;
        info!(listening = %node.quic_address(), asked = asked.join(", "), "node is up");
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
    fn into_options(self) -> eyre::Result<NodeOptions> {
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
        let node_key = NodeKey::from_bytes(directory.node_key.secret())
            .wrap_err("the node key is not a secp256k1 secret; generate another one")?;
        Ok(NodeOptions {
            backend: self.aggregation.of_network(&genesis, directory.config.fork_digest())?,
            max_raw_bytes: self.aggregation.max_raw_bytes,
            genesis,
            committee_count,
            fork_digest: directory.config.fork_digest().to_owned(),
            keys: directory.duties.keys.clone(),
            remote_signer: self.remote_signer()?,
            allow_key_reuse: self.allow_key_reuse,
            is_aggregator: self.is_aggregator || entry.as_ref().is_some_and(|entry| entry.is_aggregator),
            aggregate_subnets: self.aggregate_subnet_ids.iter().copied().map(SubnetId).collect(),
            listen: self.p2p.listen(entry.as_ref()),
            bootnodes: self.p2p.bootnodes(&directory.nodes, node_key.peer_id())?,
            node_key,
            peer_names: peer_names(&directory),
            api: Some(self.api(entry.as_ref())),
            metrics: Some(self.metrics_address(entry.as_ref())),
            http: self.access.options()?,
            checkpoint_servers: self.checkpoint_sync_url.clone(),
            checkpoint_proxy: self.checkpoint_proxy.clone(),
            resync_on_corruption: self.resync_on_corruption,
            ledger_dir: self.ledger_dir.clone().unwrap_or_else(|| data_dir.join("ledger")),
            data_dir,
            execution: self.execution.options()?,
            clock_speed: 1.0,
            last_resort: Some(end_process),
            log_lines_lost: Arc::default(),
            name: self.node_id,
        })
    }

    fn remote_signer(&self) -> eyre::Result<Option<RemoteOptions>> {
        let Some(address) = self.remote_signer.clone() else { return Ok(None) };
        let token = crate::signer::token(&address, self.remote_signer_token.as_deref())?;
        Ok(Some(RemoteOptions { address, token: SignerToken(token) }))
    }

    /// Where the files are: the network directory's standard names, replaced by what is named one by one.
    fn paths(&self) -> eyre::Result<NetworkPaths> {
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
        if self.validators.is_some() {
            paths.validators.clone_from(&self.validators);
        }
        if self.validator_config.as_ref().is_some_and(|path| path.as_os_str() != "genesis_bootnode") {
            paths.validator_config.clone_from(&self.validator_config);
        }
        if self.p2p.names_peers() {
            paths.nodes = None;
        }
        if let Some(dir) = &self.hash_sig_keys_dir {
            paths.keys_dir.clone_from(dir);
        }
        if let Some(path) = &self.node_key {
            paths.node_key.clone_from(path);
        }
        Ok(paths)
    }

    fn api(&self, entry: Option<&NodeEntry>) -> SocketAddr {
        let port = self.api_port.or(entry.and_then(|entry| entry.api_port)).unwrap_or(DEFAULT_API_PORT);
        SocketAddr::new(self.http_address, port)
    }

    fn metrics_address(&self, entry: Option<&NodeEntry>) -> SocketAddr {
        let port =
            self.metrics_port.or(entry.and_then(|entry| entry.metrics_port)).unwrap_or(DEFAULT_METRICS_PORT);
        SocketAddr::new(self.metrics_address.unwrap_or(self.http_address), port)
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
