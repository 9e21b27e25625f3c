//! `lathe genesis`: makes the files of a new network.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use lathe_config::{
    CreatedNetwork, DEFAULT_AGGREGATORS, DEFAULT_API_PORT, DEFAULT_METRICS_PORT, DEFAULT_QUIC_PORT,
    Environment, KeyFormat, KeyMaker, NetworkPlan, create_network,
};
use lathe_network::NodeRecord;
use lathe_node::AggregationBackend;
use lathe_types::{Genesis, Root, SignatureScheme};

use crate::keys::{Format, lasting};
use crate::output::say;
use crate::progress::KeyProgress;

/// Slots that keys cover unless it is said.
const DEFAULT_SLOTS: u64 = 4096;

const EXAMPLES: &str = "\
Examples:
  lathe genesis --nodes 4 --validators 4 --out net
  lathe genesis --nodes 8 --validators 32 --subnets 2 --slots 20000 --out net
  lathe genesis --node-names lathe_0,zeam_0 --validators 2 --aggregators 1 \\
      --fork-digest 12345678 --key-format leansig --out devnet/genesis
      a network with other clients: docs/mixed_devnet.md

Then start every node within the delay, each in a terminal of its own:
  lathe node --network-dir net --node-id lathe_0

The directory holds config.yaml, nodes.yaml, validators.yaml,
annotated_validators.yaml, validator-config.yaml, one <node>.key per node, and
hash-sig-keys/. To make keys alone see `lathe keys generate`; for keys, genesis
and running nodes in one go see `lathe devnet`.";

/// Arguments of `lathe genesis`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GenesisArgs {
    /// Nodes, named lathe_0 and so on
    #[arg(long, value_name = "N", required_unless_present = "node_names")]
    nodes: Option<usize>,
    /// Names of the nodes instead, such as lathe_0,ethlambda_0: the client and a number, as devnet tools have it
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "nodes")]
    node_names: Vec<String>,
    /// Validators, dealt to the nodes in turn
    #[arg(long, value_name = "N")]
    validators: u64,
    /// Directory for the files; one that holds a network is never overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seconds from the end of key generation to slot 0
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    genesis_delay: u64,
    /// Attestation subnets; a validator is on the subnet that its index leaves divided by this
    #[arg(long, value_name = "N", default_value_t = 1)]
    subnets: u64,
    /// Aggregators per subnet, as far as it has nodes
    #[arg(long, value_name = "N", default_value_t = DEFAULT_AGGREGATORS)]
    aggregators: usize,
    /// Slots that the validators' keys cover [default: 4096, or the least that the key format holds]
    #[arg(long, value_name = "N")]
    slots: Option<u64>,
    /// QUIC port of the first node; the others follow
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_QUIC_PORT)]
    base_port: u16,
    /// API port of the first node; the others follow
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_API_PORT)]
    base_api_port: u16,
    /// Metrics port of the first node; the others follow
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_METRICS_PORT)]
    base_metrics_port: u16,
    /// How the validators sign: leansig, xmss-blake2s, xmss-blake2s-l3 or lean-pq [default: leansig, or that of
    /// --aggregation-backend]
    #[arg(long, value_name = "SCHEME")]
    signature_scheme: Option<SignatureScheme>,
    /// Proof system of the network: raw, stark, lean-pq, external:<path of a shared library> or external:exec:<command>
    /// [default: stark for leansig, lean-pq for lean-pq, raw for other schemes]
    #[arg(long, value_name = "raw|stark|lean-pq|external:PATH")]
    aggregation_backend: Option<AggregationBackend>,
    /// Name of the network in its topics, where other clients take part: they all use 12345678, whatever their proofs.
    /// Each node of Lathe is told --aggregation-backend then
    #[arg(long, value_name = "NAME", conflicts_with = "aggregation_backend")]
    fork_digest: Option<String>,
    /// How secret keys are stored
    #[arg(long, value_enum, default_value_t = Format::Lathe)]
    key_format: Format,
    /// Pair the network with an execution layer whose genesis block has this hash
    #[arg(long, value_name = "HASH")]
    execution_genesis_block_hash: Option<Root>,
    /// Address of all nodes
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    ip: IpAddr,
}

/// Makes the network.
pub(crate) fn run(args: &GenesisArgs) -> eyre::Result<()> {
    let (scheme, backend) =
        crate::aggregation::of_new_network(args.signature_scheme, args.aggregation_backend.clone());
    backend.check(scheme)?;
    let key_format = KeyFormat::from(args.key_format);
    let slots = args.slots.unwrap_or(key_format.least_slots().unwrap_or(DEFAULT_SLOTS));
    let plan = NetworkPlan {
        nodes: args.nodes.unwrap_or(args.node_names.len()),
        names: args.node_names.clone(),
        validators: args.validators,
        subnets: args.subnets,
        aggregators: args.aggregators,
        slots,
        key_format,
        ip: args.ip,
        quic_port: args.base_port,
        api_port: args.base_api_port,
        metrics_port: args.base_metrics_port,
        execution_genesis: args.execution_genesis_block_hash,
        signature_scheme: scheme,
    };
    let progress = KeyProgress::new();
    let genesis_time = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs().saturating_add(args.genesis_delay)
    };
    let service = backend.key_service(scheme, |_| {})?;
    let maker = service.as_ref().map(|service| |seed: &[u8; 32], slots| service.make(seed, slots));
    let digest = digest(args, &backend)?;
    let environment = Environment {
        node_record: &node_record,
        fork_digest: &digest,
        genesis_time: &genesis_time,
        key_maker: maker.as_ref().map(|maker| maker as KeyMaker<'_>),
        progress: &|done, total| progress.set(done, total),
        unfinished: &crate::signals::unfinished,
    };
    let made = create_network(&args.out, &plan, &environment);
    progress.finish();
    let network = made?;
    tell(args, &network, slots);
    Ok(())
}

/// Says what was made, and what to do with it.
fn tell(args: &GenesisArgs, network: &CreatedNetwork, slots: u64) {
    let aggregators: Vec<&str> =
        network.nodes.iter().filter(|node| node.is_aggregator).map(|node| node.name.as_str()).collect();
    say(&format!(
        "made a network of {} nodes and {} validators in {}",
        network.nodes.len(),
        args.validators,
        args.out.display()
    ));
    say(&format!(
        "aggregators: {}",
        if aggregators.is_empty() { "none".into() } else { aggregators.join(", ") }
    ));
    say(&format!(
        "genesis in {} s, at Unix time {}; the keys last {} slots ({})",
        args.genesis_delay,
        network.genesis_time,
        slots,
        lasting(slots)
    ));
    let (first, dir) = (network.nodes.first().map_or("lathe_0", |node| &node.name), args.out.display());
    say(&format!("start a node: lathe node --network-dir {dir} --node-id {first}"));
    if args.fork_digest.is_some() {
        say("    with --aggregation-backend, which must be the proof system of the other clients");
    }
}

/// What names the network in its topics, by its genesis.
fn digest(
    args: &GenesisArgs,
    backend: &AggregationBackend,
) -> eyre::Result<impl Fn(&Genesis) -> Option<String>> {
    // A network of others is named already, and its proof system need not be here.
    let given = args.fork_digest.clone();
    let id = if given.is_some() { String::new() } else { backend.id()?.into_owned() };
    Ok(move |genesis: &Genesis| given.clone().or_else(|| Some(AggregationBackend::fork_digest(&id, genesis))))
}

/// The signed record of a node.
pub(crate) fn node_record(key: &lathe_config::NodeKey, ip: IpAddr, port: u16) -> Result<String, String> {
    let key = lathe_network::NodeKey::from_bytes(key.secret()).map_err(|error| error.to_string())?;
    NodeRecord::new(&key, ip, port).map(|record| record.to_string()).map_err(|error| error.to_string())
}
