//! Makes the network that `lathe devnet` runs, or takes up one that is there.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eyre::{WrapErr as _, bail, eyre};
use lathe_config::{
    DEFAULT_API_PORT, DEFAULT_METRICS_PORT, DEFAULT_QUIC_PORT, Environment, KEYS_DIR, KeyMaker,
    MANIFEST_FILE, Manifest, NetworkConfig, NetworkPaths, NetworkPlan, ValidatorConfig, create_network,
    is_network,
};

use lathe_node::AggregationBackend;

use crate::nodes::Endpoint;
use crate::output::say;
use crate::progress::KeyProgress;

/// From the end of key generation to genesis: every node has to start and to join its meshes, which takes about two
/// heartbeats of 700 ms.
const GENESIS_DELAY: Duration = Duration::from_secs(6);
/// Processes of an external proof system that a node waits for: one that verifies and one that proves.
const PROCESSES_PER_NODE: u32 = 2;
/// Attempts at finding a run of free ports, and the distance between them.
const PORT_ATTEMPTS: u16 = 40;
const PORT_STRIDE: u16 = 100;

/// A network that is ready to be started.
pub(super) struct Network {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// Validators.
    pub validators: u64,
    /// The first slot that the keys cannot sign, if known.
    pub keys_end: Option<u64>,
    /// The nodes.
    pub endpoints: Vec<Endpoint>,
}

/// Makes the network of `plan` in `dir` unless one is there, which is then taken up as it is.
pub(super) fn prepare(dir: &Path, plan: NetworkPlan, backend: &AggregationBackend) -> eyre::Result<Network> {
    if is_network(dir) {
        say(&format!("resuming the network in {}", dir.display()));
        return open(dir);
    }
    backend.check(plan.signature_scheme)?;
    let plan = with_free_ports(plan)?;
    let delay = GENESIS_DELAY + set_up_time(backend, plan.nodes)?;
    let service = backend.key_service(plan.signature_scheme, |_| {})?;
    let maker = service.as_ref().map(|service| |seed: &[u8; 32], slots| service.make(seed, slots));
    let backend = backend.id()?;
    let making = Instant::now();
    let progress = KeyProgress::new();
    let environment = Environment {
        node_record: &crate::genesis::node_record,
        fork_digest: &|genesis| Some(AggregationBackend::fork_digest(&backend, genesis)),
        genesis_time: &|| {
            // A worker needs about as long again to load the keys that it made, and to prepare each for its first
            // slots.
            let loading = if service.is_some() { making.elapsed() * 2 } else { Duration::ZERO };
            (SystemTime::now() + delay + loading).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
        },
        key_maker: maker.as_ref().map(|maker| maker as KeyMaker<'_>),
        progress: &|done, total| progress.set(done, total),
        unfinished: &crate::signals::unfinished,
    };
    create_network(dir, &plan, &environment)?;
    progress.finish();
    open(dir)
}

/// Time that the proof systems of so many nodes need to be ready, all on this machine.
fn set_up_time(backend: &AggregationBackend, nodes: usize) -> eyre::Result<Duration> {
    let each = backend.set_up_time()?;
    let processes = PROCESSES_PER_NODE * u32::try_from(nodes).wrap_err("--nodes: too many")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(each * processes.div_ceil(u32::try_from(cores).unwrap_or(1).max(1)))
}

fn open(dir: &Path) -> eyre::Result<Network> {
    let paths = NetworkPaths::in_directory(dir, "");
    let config = NetworkConfig::read(&paths.config)?;
    let file = paths.validator_config.ok_or_else(|| {
        eyre!(
            "{}: there is no validator-config.yaml; choose another --dir to make a new network",
            dir.display()
        )
    })?;
    let nodes = ValidatorConfig::read(&file)?.nodes;
    let endpoints = nodes.iter().map(|node| {
        let url = |port: Option<u16>, default| {
            format!("http://{}:{}", Ipv4Addr::LOCALHOST, port.unwrap_or(default))
        };
        Endpoint {
            name: node.name.clone(),
            api: url(node.api_port, DEFAULT_API_PORT),
            metrics: Some(url(node.metrics_port, DEFAULT_METRICS_PORT)),
        }
    });
    let manifest = dir.join(KEYS_DIR).join(MANIFEST_FILE);
    let keys_end = manifest.exists().then(|| Manifest::read(&manifest)).transpose()?;
    Ok(Network {
        genesis_time: config.genesis_time,
        validators: config.validators.len() as u64,
        keys_end: keys_end.and_then(|manifest| manifest.slots).map(|slots| slots.end),
        endpoints: endpoints.collect(),
    })
}

/// Moves the plan to ports that are free now.
fn with_free_ports(mut plan: NetworkPlan) -> eyre::Result<NetworkPlan> {
    let nodes = u16::try_from(plan.nodes).wrap_err("--nodes: too many")?;
    plan.quic_port = free_run(DEFAULT_QUIC_PORT, nodes, |ip, port| UdpSocket::bind((ip, port)).is_ok())?;
    let tcp = |ip: IpAddr, port: u16| TcpListener::bind((ip, port)).is_ok();
    plan.api_port = free_run(DEFAULT_API_PORT, nodes, tcp)?;
    plan.metrics_port = free_run(DEFAULT_METRICS_PORT, nodes, tcp)?;
    Ok(plan)
}

fn free_run(first: u16, count: u16, is_free: impl Fn(IpAddr, u16) -> bool) -> eyre::Result<u16> {
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let candidates = (0..PORT_ATTEMPTS).map(|attempt| first.saturating_add(attempt * PORT_STRIDE));
    for base in candidates.filter(|base| base.checked_add(count).is_some()) {
        if (base..base + count).all(|port| is_free(loopback, port)) {
            return Ok(base);
        }
    }
    bail!("no {count} consecutive free ports from {first} on; stop what uses them")
}
