//! Making a whole network directory.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use lathe_types::{Genesis, SignatureScheme};

use crate::directory::{
    ANNOTATED_FILE, CONFIG_FILE, KEYS_DIR, NODES_FILE, VALIDATOR_CONFIG_FILE, VALIDATORS_FILE,
};
use crate::error::ConfigError;
use crate::files::{Access, create, create_dir};
use crate::keys::{KeyMaker, Progress, generate_into};
use crate::manifest::Manifest;
use crate::network_config::{ValidatorKeys, genesis_of};
use crate::node_key::NodeKey;
use crate::plan::{NetworkPlan, PlannedNode};

/// What making a network takes from outside this crate.
pub struct Environment<'a> {
    /// Builds the signed record of a node from its key, address and QUIC port.
    pub node_record: &'a dyn Fn(&NodeKey, IpAddr, u16) -> Result<String, String>,
    /// The digest for the gossip topics of this genesis; `None` keeps the default one.
    pub fork_digest: &'a dyn Fn(&Genesis) -> Option<String>,
    /// Unix time of slot 0 in seconds. Asked for once, after the keys are made.
    pub genesis_time: &'a dyn Fn() -> u64,
    /// Makes keys of schemes that no signer of ours is built in for, if there is a worker that can.
    pub key_maker: Option<KeyMaker<'a>>,
    /// Hears of the progress of the keys.
    pub progress: Progress<'a>,
    /// Hears where unfinished files stand, and that they do no longer. If the process ends meanwhile they are to be
    /// removed.
    pub unfinished: &'a dyn Fn(Option<&Path>),
}

/// A network that was made.
#[derive(Clone, Debug)]
pub struct CreatedNetwork {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// Its nodes.
    pub nodes: Vec<PlannedNode>,
}

/// Whether `dir` holds a complete network.
pub fn is_network(dir: &Path) -> bool {
    dir.join(CONFIG_FILE).exists()
}

/// Makes the network of `plan` in `dir`, with new keys. Refuses to touch files that are there; on failure leaves
/// nothing behind.
pub fn create_network(
    dir: &Path,
    plan: &NetworkPlan,
    environment: &Environment<'_>,
) -> Result<CreatedNetwork, ConfigError> {
    plan.check()?;
    let nodes = plan.planned_nodes();
    // `config.yaml` comes last: it is what makes the directory a network.
    let node_keys = nodes.iter().map(|node| format!("{}.key", node.name));
    let names: Vec<String> = [KEYS_DIR, NODES_FILE, VALIDATORS_FILE, ANNOTATED_FILE, VALIDATOR_CONFIG_FILE]
        .into_iter()
        .map(str::to_owned)
        .chain(node_keys)
        .chain([CONFIG_FILE.to_owned()])
        .collect();
    refuse_existing(dir, &names)?;
    create_dir(dir)?;
    let partial = tempfile::Builder::new()
        .prefix(".genesis-")
        .tempdir_in(dir)
        .map_err(|error| ConfigError::write(dir, error))?;
    (environment.unfinished)(Some(partial.path()));
    let made = write_network(partial.path(), plan, &nodes, environment).and_then(|genesis_time| {
        refuse_existing(dir, &names)?;
        for name in &names {
            let target = dir.join(name);
            fs::rename(partial.path().join(name), &target)
                .map_err(|error| ConfigError::write(&target, error))?;
        }
        Ok(CreatedNetwork { genesis_time, nodes })
    });
    (environment.unfinished)(None);
    made
}

fn refuse_existing(dir: &Path, names: &[String]) -> Result<(), ConfigError> {
    if is_network(dir) {
        let advice =
            "this directory holds a network: start its nodes, or choose another directory for a new one";
        return Err(ConfigError::Exists { path: dir.join(CONFIG_FILE), advice });
    }
    match names.iter().map(|name| dir.join(name)).find(|path| path.exists()) {
        Some(path) => {
            let advice =
                "it belongs to another or unfinished network; choose another directory or move it away";
            Err(ConfigError::Exists { path, advice })
        }
        None => Ok(()),
    }
}

fn write_network(
    dir: &Path,
    plan: &NetworkPlan,
    nodes: &[PlannedNode],
    environment: &Environment<'_>,
) -> Result<u64, ConfigError> {
    let keys_dir = dir.join(KEYS_DIR);
    create_dir(&keys_dir)?;
    let manifest = generate_into(&keys_dir, &plan.keys(), environment.key_maker, environment.progress)?;
    let mut node_keys = Vec::with_capacity(nodes.len());
    let mut records = String::new();
    for node in nodes {
        let key = NodeKey::generate()?;
        let record = (environment.node_record)(&key, plan.ip, node.quic_port)
            .map_err(|detail| ConfigError::NodeRecord { node: node.name.clone(), detail })?;
        let _ = writeln!(records, "- {record}");
        create(&dir.join(format!("{}.key", node.name)), key.to_hex().as_bytes(), Access::OwnerOnly)?;
        node_keys.push(key);
    }
    let public = |name: &str, text: String| create(&dir.join(name), text.as_bytes(), Access::Everybody);
    public(NODES_FILE, records)?;
    public(VALIDATORS_FILE, validators_yaml(nodes))?;
    public(ANNOTATED_FILE, annotated_yaml(nodes, &manifest))?;
    let validator_config = validator_config_yaml(plan, nodes, &node_keys);
    // It repeats the nodes' secret identities.
    create(&dir.join(VALIDATOR_CONFIG_FILE), validator_config.as_bytes(), Access::OwnerOnly)?;
    let genesis_time = (environment.genesis_time)();
    let keys: Vec<ValidatorKeys> = manifest
        .validators
        .iter()
        .map(|entry| ValidatorKeys { attestation: entry.attestation, proposal: entry.proposal })
        .collect();
    let fork_digest = (environment.fork_digest)(&genesis_of(
        genesis_time,
        &keys,
        plan.execution_genesis,
        plan.signature_scheme,
    ));
    public(CONFIG_FILE, config_yaml(plan, genesis_time, fork_digest.as_deref(), &keys))?;
    Ok(genesis_time)
}

fn config_yaml(
    plan: &NetworkPlan,
    genesis_time: u64,
    fork_digest: Option<&str>,
    keys: &[ValidatorKeys],
) -> String {
    let mut out = String::from("# Genesis. Every node of the network needs the same copy of this file.\n");
    let _ = writeln!(out, "GENESIS_TIME: {genesis_time}\nATTESTATION_COMMITTEE_COUNT: {}", plan.subnets);
    let _ = writeln!(out, "ACTIVE_EPOCH: {}", active_epoch(plan));
    let _ = writeln!(out, "VALIDATOR_COUNT: {}", keys.len());
    if let Some(digest) = fork_digest {
        let _ = writeln!(out, "FORK_DIGEST: \"{digest}\"");
    }
    if let Some(hash) = plan.execution_genesis {
        let _ = writeln!(out, "EXECUTION_GENESIS_BLOCK_HASH: \"{hash}\"");
    }
    // The specification's scheme needs no name; its networks' files stay what other tools write.
    if plan.signature_scheme != SignatureScheme::default() {
        let _ = writeln!(out, "SIGNATURE_SCHEME: \"{}\"", plan.signature_scheme);
    }
    out.push_str("GENESIS_VALIDATORS:\n");
    for pair in keys {
        let _ = writeln!(out, "  - attestation_pubkey: \"{}\"", hex::encode(pair.attestation.as_bytes()));
        let _ = writeln!(out, "    proposal_pubkey: \"{}\"", hex::encode(pair.proposal.as_bytes()));
    }
    out
}

fn validators_yaml(nodes: &[PlannedNode]) -> String {
    let mut out = String::new();
    for node in nodes {
        if node.validators.is_empty() {
            let _ = writeln!(out, "{}: []", node.name);
            continue;
        }
        let _ = writeln!(out, "{}:", node.name);
        node.validators.iter().for_each(|index| _ = writeln!(out, "  - {index}"));
    }
    out
}

fn annotated_yaml(nodes: &[PlannedNode], manifest: &Manifest) -> String {
    let mut out = String::new();
    for node in nodes {
        if node.validators.is_empty() {
            let _ = writeln!(out, "{}: []", node.name);
            continue;
        }
        let _ = writeln!(out, "{}:", node.name);
        let entries = manifest.validators.iter().filter(|entry| node.validators.contains(&entry.index.0));
        for entry in entries {
            for (key, file) in
                [(entry.attestation, &entry.attestation_file), (entry.proposal, &entry.proposal_file)]
            {
                let _ = writeln!(out, "  - index: {}", entry.index);
                let _ = writeln!(out, "    pubkey_hex: \"{}\"", hex::encode(key.as_bytes()));
                let _ = writeln!(out, "    privkey_file: \"{file}\"");
            }
        }
    }
    out
}

fn validator_config_yaml(plan: &NetworkPlan, nodes: &[PlannedNode], keys: &[NodeKey]) -> String {
    let mut out = String::from("# The nodes. Secret: every privkey is the identity of a node.\n");
    out.push_str("shuffle: roundrobin\ndeployment_mode: local\nconfig:\n");
    let _ = writeln!(out, "  activeEpoch: {}\n  keyType: \"hash-sig\"", active_epoch(plan));
    let _ = writeln!(out, "  attestation_committee_count: {}\nvalidators:", plan.subnets);
    for (node, key) in nodes.iter().zip(keys) {
        let _ = writeln!(out, "  - name: \"{}\"\n    privkey: \"{}\"", node.name, *key.to_hex());
        let _ = writeln!(out, "    enrFields:\n      ip: \"{}\"\n      quic: {}", plan.ip, node.quic_port);
        let _ = writeln!(out, "    metricsPort: {}\n    apiPort: {}", node.metrics_port, node.api_port);
        let _ =
            writeln!(out, "    isAggregator: {}\n    count: {}", node.is_aggregator, node.validators.len());
    }
    out
}

/// The logarithm that other tools expect; the manifest states the true range.
fn active_epoch(plan: &NetworkPlan) -> u32 {
    plan.slots.max(1).next_power_of_two().ilog2()
}
