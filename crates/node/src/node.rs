//! Putting a node together and taking it down.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lathe_actor::{Failure, Probe, Reason, Shutdown, Supervisor};
use lathe_aggregation::SchemeVerifier;
use lathe_driver::Kit;
use lathe_engine::{DEFAULT_SIGN_LEAD_MS, EngineConfig, View};
use lathe_http::{Identity, NetworkInfo};
use lathe_storage::Database;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backfill::Backfill;
use crate::chain::{Actors, Chain};
use crate::clock::{self, Time};
use crate::description::Description;
use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::options::NodeOptions;
use crate::workers::Workers;
use crate::{chain, execution, http, network, opening, signer, store, workers};

/// What a signature by a worker takes longer than one of ours: leanVM needs a quarter of a second.
const OUTSIDE_SIGNATURE_MS: u64 = 300;

/// Worker threads at most: the largest burst, a block of eight attestations, keeps no more busy.
const MAX_WORKERS: usize = 8;

/// A running node.
pub struct Node {
    stopper: Stopper,
    running: JoinHandle<Result<(), Failure>>,
    description: Description,
    time: Time,
    view: watch::Receiver<Arc<View>>,
    metrics: Arc<Metrics>,
}

/// Stops a node.
#[derive(Clone, Debug)]
pub struct Stopper(Shutdown);

impl Stopper {
    /// Stops the node in good order.
    pub fn stop(&self, why: impl Into<String>) {
        self.0.trigger(Reason::Requested(why.into()));
    }
}

/// How a node ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It was told to and did.
    Orderly,
    /// An actor ended, or did not end.
    Failed(Failure),
}

impl Node {
    /// Starts a node on the current tokio runtime. When this returns, its sockets are open and its files locked.
    #[expect(clippy::too_many_lines, reason = "everything is put together here, in the order that matters")]
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let execution = execution::prepare(&options).await?;
        let metrics = describe(&options)?;
        let time = Time::new(options.genesis.genesis_time, options.clock_speed);
        let scheme = options.genesis.signature_scheme;
        options.backend.check(scheme)?;
        let (backend, verifier) = options.backend.open(scheme, options.max_raw_bytes, &metrics)?;
        let kit = Kit { pace: time.speed(), ..Kit::new(backend, verifier) };

        // Files first, then sockets: whatever is taken by another process is found before anything is spawned.
        create_dirs(&options)?;
        let locked = signer::lock(&options, &metrics)?;
        let (database, engine, newest_block) = {
            let config = || engine_config(&options, &kit, &time);
            opening::open_chain(&options, &kit.backend, &time, &metrics, config).await?
        };
        let signer = signer::load(locked, &options, &metrics, time.now(), newest_block)?;
        let (service, quic, listening) = network::listen(&options).await?;

        let shutdown = Shutdown::new();
        let mut supervisor = supervisor(&options, &shutdown);
        let (chain_mailbox, chain_inbox) = chain::open();
        let (store, store_inbox) = store::open();
        let (network_mailbox, network_inbox) = network::open();
        let (signer_mailbox, signer_inbox) = signer::open();
        let probes =
            vec![chain_mailbox.probe(), network_mailbox.probe(), signer_mailbox.probe(), store.probe()];
        watch_resources(&metrics, probes, &options);
        let backend = kit.backend.clone();
        let pool = Workers::new(kit, time.clone(), metrics.clone());
        let actors = Actors {
            workers: pool.clone(),
            answers: chain_mailbox.clone(),
            signer: signer_mailbox.clone(),
            store,
            network: network_mailbox.clone(),
            execution: execution.as_ref().map(execution::PairedClient::mailbox),
        };
        let (pulse, records) = (chain::Pulse::new(), chain::Records::default());
        let (chain, view) = Chain::new(
            engine,
            time.clone(),
            actors,
            metrics.clone(),
            options.committee_count,
            pulse.clone(),
            records.clone(),
        );
        let reader = store::Reader::new(database.clone());
        let (network, peers) = Network::new(
            service,
            &options,
            chain_mailbox.clone(),
            reader.clone(),
            time.clone(),
            view.clone(),
            metrics.clone(),
        );
        let api = http::NodeApi {
            view: view.clone(),
            peers,
            reader: reader.clone(),
            chain: chain_mailbox.clone(),
            pulse: pulse.clone(),
            records,
            local_validators: options.validators(),
            name: options.name.clone(),
            time: time.clone(),
            metrics: metrics.clone(),
            identity: identity(&options),
            network: network_info(&options),
            is_paired: execution.is_some(),
            log: options.process.log.clone(),
            is_aggregator: options.is_aggregator.into(),
        };
        let server = http::bind(&options, api).await?;
        let sockets = (quic, listening.as_slice(), server.api_address(), server.metrics_address());
        let chain_now = (view.borrow().head, view.borrow().finalized);
        let known_peers = network::known_peers(&options).len();
        let description = Description::new(&options, &signer, sockets, known_peers, chain_now)?;

        // The chain stops first; those whom only it talks to end when it drops their mailboxes, so nothing that it
        // decided before is lost.
        chain_inbox.close_on(&shutdown);
        let closing = pool.clone();
        shutdown.on_trigger(move || closing.close());
        supervisor.spawn("chain", chain.run(chain_inbox));
        supervisor.spawn("network", network.run(network_inbox));
        let backfill = Backfill {
            database: database.clone(),
            network: network_mailbox.clone(),
            backend,
            registry: options.genesis.validators.clone(),
            metrics: metrics.clone(),
        };
        supervisor.spawn("backfill", backfill.run(shutdown.clone()));
        let history = (reader, network_mailbox);
        execution::spawn(execution, &mut supervisor, &options, &chain_mailbox, history, &time, &metrics);
        spawn_watchdog(&mut supervisor, pulse, &time, &metrics, &shutdown);
        let clock = time.clone();
        supervisor.spawn("countdown", clock::count_down(time.clone(), metrics.clone(), shutdown.clone()));
        let told = (chain_mailbox.clone(), signer_mailbox, view.clone());
        supervisor.spawn("clock", clock::run(time, told, metrics.clone(), shutdown.clone()));
        http::spawn(&mut supervisor, server, &shutdown);
        let threads = Threads { database, store: store_inbox, signer, inbox: signer_inbox, pool };
        spawn_threads(&mut supervisor, &chain_mailbox, &metrics, threads);
        let running = tokio::spawn(supervisor.run());
        Ok(Self { stopper: Stopper(shutdown), running, description, time: clock, view, metrics })
    }

    /// A handle that stops the node.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What an operator wants to see of the node that has just started, in lines.
    pub fn describe(&self) -> Vec<String> {
        self.description.lines(self.time.now())
    }

    /// Where QUIC listens.
    pub fn quic_address(&self) -> SocketAddr {
        self.description.quic
    }

    /// Where the API listens.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.description.api
    }

    /// Where the metrics listen.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.description.metrics
    }

    /// The newest view of the chain; changes can be awaited.
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// The node's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Ends the node at once and says good-bye to nobody, as a crash does.
    pub fn kill(self) {
        self.running.abort();
        // Its threads end with their mailboxes, and the workers when they are told.
        self.stopper.stop("killed");
    }

    /// Waits until the node has ended.
    pub async fn wait(self) -> Stopped {
        match self.running.await {
            Ok(Ok(())) => Stopped::Orderly,
            Ok(Err(failure)) => Stopped::Failed(failure),
            Err(error) => {
                Stopped::Failed(Failure::ActorEnded { actor: "supervisor", cause: error.to_string() })
            }
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("quic", &self.description.quic).finish_non_exhaustive()
    }
}

fn identity(options: &NodeOptions) -> Identity {
    // Program and version, as tools hear it.
    Identity {
        version: format!("lathe/{}", options.process.version),
        peer_id: options.node_key.peer_id().to_string(),
    }
}

fn network_info(options: &NodeOptions) -> NetworkInfo {
    NetworkInfo {
        genesis_time: options.genesis.genesis_time,
        validator_count: options.genesis.validators.len() as u64,
        fork_digest: options.fork_digest.clone(),
    }
}

fn watch_resources(metrics: &Metrics, probes: Vec<Probe>, options: &NodeOptions) {
    let chain = lathe_disk::file(&options.data_dir.join(opening::CHAIN_DIR));
    let ledger = options.ledger_dir.join(lathe_signer::LEDGER_FILE);
    metrics.resources.watch(probes, vec![("chain", chain), ("ledger", ledger)]);
}

/// What the threads of a node own.
struct Threads {
    database: Arc<dyn Database>,
    store: lathe_actor::Inbox<store::Write>,
    signer: signer::Hand,
    inbox: lathe_actor::Inbox<signer::SignerTask>,
    pool: Workers,
}

fn spawn_watchdog(
    supervisor: &mut Supervisor,
    pulse: chain::Pulse,
    time: &Time,
    metrics: &Arc<Metrics>,
    shutdown: &Shutdown,
) {
    let (running, stop) = std::sync::mpsc::channel();
    shutdown.on_trigger(move || drop(running));
    let (time, metrics) = (time.clone(), metrics.clone());
    supervisor.spawn_thread("watchdog", move || {
        chain::watch(&pulse, &time, &metrics, &stop);
        Ok::<_, Infallible>(())
    });
}

fn spawn_threads(
    supervisor: &mut Supervisor,
    chain: &chain::Mailbox,
    metrics: &Arc<Metrics>,
    threads: Threads,
) {
    let Threads { database, store, signer, inbox, pool } = threads;
    let (to_chain, numbers) = (chain.clone(), metrics.clone());
    supervisor.spawn_thread("store", move || store::run(&database, store, &to_chain, &numbers));
    let (to_chain, numbers, background) = (chain.clone(), metrics.clone(), pool.clone());
    supervisor.spawn_thread("signer", move || signer::run(&signer, inbox, &to_chain, &background, &numbers));
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    for _ in 0..count + pool.waiting_threads() {
        let (pool, to_chain) = (pool.clone(), chain.clone());
        supervisor.spawn_thread("worker", move || workers::run(&pool, &to_chain));
    }
}

fn engine_config(options: &NodeOptions, kit: &Kit, time: &Time) -> EngineConfig {
    kit.configure(EngineConfig {
        local_validators: options.validators(),
        is_aggregator: options.is_aggregator,
        committee_count: options.committee_count,
        subnets: options.subnets(),
        sign_lead_ms: (sign_lead_ms(options) as f64 * time.speed()) as u64,
        is_foreign_proof: options.backend.foreign_proofs(&options.genesis, &options.fork_digest),
        ..EngineConfig::default()
    })
}

/// How long before its slot a block is signed, the merge aside.
fn sign_lead_ms(options: &NodeOptions) -> u64 {
    let is_built_in = SchemeVerifier::of(options.genesis.signature_scheme).is_some();
    if is_built_in { DEFAULT_SIGN_LEAD_MS } else { DEFAULT_SIGN_LEAD_MS + OUTSIDE_SIGNATURE_MS }
}

fn supervisor(options: &NodeOptions, shutdown: &Shutdown) -> Supervisor {
    let supervisor = Supervisor::new(shutdown.clone());
    match options.last_resort {
        Some(last_resort) => supervisor.with_last_resort(last_resort),
        None => supervisor,
    }
}

/// Metrics with those gauges set that stay as they are.
fn describe(options: &NodeOptions) -> Result<Arc<Metrics>, NodeError> {
    let mut metrics = Metrics::new(&options.name, clock::unix_seconds())?;
    metrics.describe_process(&options.name, &options.process);
    metrics.log_lines_lost = options.process.log_lines_lost.clone();
    metrics.validator.count.set(options.validators().len() as i64);
    metrics.network.committee_count.set(options.committee_count as i64);
    if let Some(subnet) = options.subnets().first() {
        metrics.network.committee_subnet.set(subnet.0 as i64);
    }
    Ok(Arc::new(metrics))
}

fn create_dirs(options: &NodeOptions) -> Result<(), NodeError> {
    let create = |path: &PathBuf| {
        std::fs::create_dir_all(path).map_err(|source| NodeError::Directory { path: path.clone(), source })
    };
    create(&options.data_dir)?;
    if options.remote_signer.is_none() {
        create(&options.ledger_dir)?;
    }
    Ok(())
}
