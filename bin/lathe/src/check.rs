//! `lathe node --check`: reads all that a node would read, and says what it would do and what is wrong.

use std::fmt::Display;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use eyre::bail;
use lathe_config::{Duties, NetworkConfig, NetworkPaths, NodeKey, ValidatorConfig, read_nodes};
use lathe_leansig::Prod;
use lathe_node::NodeOptions;
use lathe_signer::{KeyAssignment, KeyStore, inspect_ledger};
use lathe_storage::{Database as _, StorageError};

use crate::node::NodeArgs;
use crate::output::{one_line, say};

/// Says line by line what was found.
#[derive(Default)]
struct Findings {
    wrong: usize,
}

impl Findings {
    fn good(&self, what: impl Display, text: impl Display) {
        say(&format!("ok     {what}: {text}"));
    }

    fn bad(&mut self, text: impl Display) {
        self.wrong += 1;
        say(&format!("WRONG  {text}"));
    }

    /// The value, if there is one; errors name their file themselves.
    fn take<T>(&mut self, read: Result<T, impl Into<eyre::Report>>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                let report: eyre::Report = error.into();
                self.bad(one_line(report.chain()));
                None
            }
        }
    }
}

/// Checks, and fails if anything is wrong.
pub(crate) fn run(args: NodeArgs) -> eyre::Result<()> {
    let mut findings = Findings::default();
    if let Some(paths) = findings.take(args.paths()) {
        files(&mut findings, &paths, &args.node_id);
    }
    findings.take(args.access.options());
    findings.take(args.execution.options());
    // What is wrong with files has been said; what is wrong with options is said here.
    if findings.wrong == 0
        && let Some(options) = findings.take(args.into_options())
    {
        plan(&mut findings, &options);
        keys(&mut findings, &options);
        chain(&mut findings, &options);
        ports(&mut findings, &options);
    }
    match findings.wrong {
        0 => say("all is well: the node would start"),
        1 => bail!("one thing is wrong; it is told above"),
        count => bail!("{count} things are wrong; they are told above"),
    }
    Ok(())
}

/// Each file by itself, so that several mistakes are found at once.
fn files(findings: &mut Findings, paths: &NetworkPaths, node: &str) {
    let config = findings.take(NetworkConfig::read(&paths.config));
    if let Some(config) = &config {
        let (validators, time) = (config.validators.len(), config.genesis_time);
        findings
            .good(paths.config.display(), format!("{validators} validators, genesis at Unix time {time}"));
        config.warnings.iter().for_each(|warning| say(&format!("note   {warning}")));
    }
    match (&paths.validators, &config) {
        (Some(path), Some(config)) => {
            if let Some(duties) = findings.take(Duties::read(path, &paths.keys_dir, node, config)) {
                match duties.keys.len() {
                    0 => {
                        say(&format!("note   {}: no validators for {node}; it only observes", path.display()))
                    }
                    count => findings.good(path.display(), format!("{count} keys for {node}")),
                }
            }
        }
        (None, _) => say("note   no annotated_validators.yaml or validators.yaml: the node only observes"),
        _ => {}
    }
    if let Some(path) = &paths.validator_config
        && let Some(list) = findings.take(ValidatorConfig::read(path))
    {
        match list.node(node) {
            Some(_) => {
                findings.good(path.display(), format!("{} nodes, {node} among them", list.nodes.len()))
            }
            None => {
                say(&format!("note   {}: does not list {node}; its ports are the usual ones", path.display()))
            }
        }
    }
    if let Some(path) = &paths.nodes
        && let Some(nodes) = findings.take(read_nodes(path))
    {
        findings.good(path.display(), format!("{} records", nodes.len()));
    }
    if findings.take(NodeKey::read(&paths.node_key)).is_some() {
        findings.good(paths.node_key.display(), "a secp256k1 key");
    }
}

fn plan(findings: &mut Findings, options: &NodeOptions) {
    let Some(lines) = findings.take(options.describe()) else { return };
    lines.iter().for_each(|(name, text)| say(&format!("plan   {name:<9} {text}")));
    let bootnodes = options.bootnodes.len();
    let listen: Vec<String> = options.listen.iter().map(ToString::to_string).collect();
    say(&format!("plan   {:<9} {} (QUIC), {bootnodes} bootnodes", "listen", listen.join(", ")));
    let sockets = [("API", options.api), ("metrics", options.metrics)];
    let served: Vec<_> =
        sockets.iter().filter_map(|(name, at)| at.map(|at| format!("{name} {at}"))).collect();
    say(&format!("plan   {:<9} {}", "serve", served.join(", ")));
    for server in &options.checkpoint_servers {
        say(&format!(
            "plan   {:<9} a finalized state from {server}, if the stored chain is too old",
            "start"
        ));
    }
    if let Some(execution) = &options.execution {
        say(&format!("plan   {:<9} execution client at {}", "pair", execution.endpoint));
    }
}

fn keys(findings: &mut Findings, options: &NodeOptions) {
    if options.remote_signer.is_some() {
        return;
    }
    let assignments = options.keys.iter().map(|key| KeyAssignment {
        validator: key.validator,
        role: key.role,
        path: key.path.clone(),
        public_key: key.public_key,
    });
    let assignments: Vec<_> = assignments.collect();
    let loaded = KeyStore::<Prod>::load(options.genesis.signature_scheme, &assignments);
    if findings.take(loaded).is_some() && !assignments.is_empty() {
        findings.good("keys", format!("{} hold what config.yaml names", assignments.len()));
    }
    match inspect_ledger(&options.ledger_dir) {
        Ok(Some(ledger)) if ledger.genesis_time() != options.genesis.genesis_time => findings.bad(format!(
            "{}: the ledger is of genesis {}, the network's is {}; name another --ledger-dir",
            ledger.location(),
            ledger.genesis_time(),
            options.genesis.genesis_time
        )),
        Ok(Some(ledger)) => {
            findings.good(ledger.location(), format!("signs from slot {}", ledger.watermark()))
        }
        Ok(None) => {
            say(&format!("note   {}: no signing ledger yet; it will be made", options.ledger_dir.display()))
        }
        Err(error) => findings.bad(error),
    }
}

fn chain(findings: &mut Findings, options: &NodeOptions) {
    let path = options.data_dir.join(lathe_node::CHAIN_DIR);
    if !lathe_disk::is_at(&path) {
        return say(&format!("note   {}: no chain yet; it will be made", path.display()));
    }
    match lathe_disk::open_existing(&path) {
        Ok((database, network)) => {
            let Some(backend) = findings.take(options.backend.id()) else { return };
            let expected = lathe_node::network_of(&options.genesis, &backend);
            if network != expected {
                return findings.bad(format!(
                    "{}: of another network ({network}, this one is {expected}); choose another --data-dir",
                    path.display()
                ));
            }
            if let Some(Some(checkpoints)) = findings.take(database.checkpoints()) {
                let (head, finalized) = (checkpoints.head.slot, checkpoints.finalized.slot);
                findings
                    .good(path.display(), format!("head at slot {head}, finalized up to slot {finalized}"));
            }
        }
        Err(error @ StorageError::Locked { .. }) => findings.bad(error),
        Err(error) => findings.bad(format!("{}: {error}", path.display())),
    }
}

fn ports(findings: &mut Findings, options: &NodeOptions) {
    let mut tcp: Vec<(&str, SocketAddr)> = Vec::new();
    for (option, address) in [
        ("--api-port", options.api),
        ("--metrics-port", options.metrics),
        ("--admin-address", options.http.admin_address),
    ] {
        if let Some(address) = address.filter(|address| tcp.iter().all(|(_, other)| other != address)) {
            tcp.push((option, address));
        }
    }
    for address in &options.listen {
        if let Err(error) = UdpSocket::bind(address) {
            findings.bad(format!(
                "UDP {address}: {error}; choose another --gossipsub-port, or stop what uses it"
            ));
        }
    }
    for (option, address) in tcp {
        if let Err(error) = TcpListener::bind(address) {
            findings.bad(format!("TCP {address}: {error}; choose another {option}, or stop what uses it"));
        }
    }
}
