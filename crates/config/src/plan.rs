//! What a new network shall look like: who runs which validator, who aggregates, and on which ports.

use std::net::{IpAddr, Ipv4Addr};

use lathe_keys::KeyFormat;
use lathe_types::{Root, SignatureScheme};

use crate::error::ConfigError;
use crate::keys::KeyPlan;

/// First QUIC port of a network on one machine.
pub const DEFAULT_QUIC_PORT: u16 = 9001;
/// First API port of a network on one machine.
pub const DEFAULT_API_PORT: u16 = 5051;
/// First metrics port of a network on one machine.
pub const DEFAULT_METRICS_PORT: u16 = 8081;
/// Aggregators per subnet: with one, a single failure would stop finality.
pub const DEFAULT_AGGREGATORS: usize = 2;
/// Longest name of a node.
const MAX_NAME_BYTES: usize = 64;
/// Nodes of a planned network. Ports of one kind run on from the first, so more would run into the next kind's.
pub const MAX_PLANNED_NODES: usize = 1024;

/// A network to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Nodes, named `lathe_0` and so on unless `names` says otherwise.
    pub nodes: usize,
    /// Names of the nodes, as many as there are; none for our own.
    pub names: Vec<String>,
    /// Validators, dealt to the nodes round robin.
    pub validators: u64,
    /// Attestation subnets.
    pub subnets: u64,
    /// Aggregators per subnet, as far as there are nodes with validators on it.
    pub aggregators: usize,
    /// Slots that the keys cover.
    pub slots: u64,
    /// Address of all nodes.
    pub ip: IpAddr,
    /// First QUIC port.
    pub quic_port: u16,
    /// First API port.
    pub api_port: u16,
    /// First metrics port.
    pub metrics_port: u16,
    /// Hash of the execution layer's genesis block, if the network is to be paired with one.
    pub execution_genesis: Option<Root>,
    /// How its validators sign.
    pub signature_scheme: SignatureScheme,
    /// How the secret keys are stored.
    pub key_format: KeyFormat,
}

impl Default for NetworkPlan {
    fn default() -> Self {
        Self {
            nodes: 4,
            names: Vec::new(),
            validators: 4,
            subnets: 1,
            aggregators: DEFAULT_AGGREGATORS,
            slots: 4096,
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            quic_port: DEFAULT_QUIC_PORT,
            api_port: DEFAULT_API_PORT,
            metrics_port: DEFAULT_METRICS_PORT,
            execution_genesis: None,
            signature_scheme: SignatureScheme::default(),
            key_format: KeyFormat::default(),
        }
    }
}

/// One node of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedNode {
    /// Its name.
    pub name: String,
    /// Indices of its validators.
    pub validators: Vec<u64>,
    /// Whether it aggregates.
    pub is_aggregator: bool,
    /// QUIC port.
    pub quic_port: u16,
    /// API port.
    pub api_port: u16,
    /// Metrics port.
    pub metrics_port: u16,
}

impl NetworkPlan {
    /// Whether such a network can exist.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |option, problem: String| Err(ConfigError::Plan { option, problem });
        if self.nodes == 0 || self.nodes > MAX_PLANNED_NODES {
            return refuse(
                "--nodes",
                format!("{}, but must be between 1 and {MAX_PLANNED_NODES}", self.nodes),
            );
        }
        if let Some(problem) = self.misnamed() {
            return refuse("--node-names", problem);
        }
        self.keys().check()?;
        if self.subnets == 0 || self.subnets > self.validators {
            let problem =
                format!("{}, but must be between 1 and the {} validators", self.subnets, self.validators);
            return refuse("--subnets", problem);
        }
        for (option, first) in [
            ("--base-port", self.quic_port),
            ("api port", self.api_port),
            ("metrics port", self.metrics_port),
        ] {
            if first == 0 || usize::from(u16::MAX - first) < self.nodes - 1 {
                let problem = format!("{first}, but {} consecutive ports from it must exist", self.nodes);
                return refuse(option, problem);
            }
        }
        if usize::from(self.api_port.abs_diff(self.metrics_port)) < self.nodes {
            let problem = format!(
                "{} nodes from {} on would run into the metrics ports from {} on",
                self.nodes, self.api_port, self.metrics_port
            );
            return refuse("api port", problem);
        }
        Ok(())
    }

    /// What is wrong with the names of the nodes. They are names of files, and keys in files of other tools.
    fn misnamed(&self) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !self.names.is_empty() && self.names.len() != self.nodes {
            return Some(format!("{} names for {} nodes", self.names.len(), self.nodes));
        }
        self.names.iter().enumerate().find_map(|(at, name)| {
            if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(fits) {
                let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
                return Some(format!(
                    "{shown:?}, but a name is 1 to {MAX_NAME_BYTES} letters, digits, _ and -"
                ));
            }
            self.names[..at].contains(name).then(|| format!("{name} stands twice"))
        })
    }

    /// The nodes of a plan that passed [`Self::check`].
    pub fn planned_nodes(&self) -> Vec<PlannedNode> {
        let mut nodes: Vec<PlannedNode> = (0..self.nodes)
            .map(|at| PlannedNode {
                name: self.names.get(at).cloned().unwrap_or_else(|| format!("lathe_{at}")),
                validators: (at as u64..self.validators).step_by(self.nodes).collect(),
                is_aggregator: false,
                quic_port: self.quic_port.saturating_add(at as u16),
                api_port: self.api_port.saturating_add(at as u16),
                metrics_port: self.metrics_port.saturating_add(at as u16),
            })
            .collect();
        for subnet in 0..self.subnets {
            self.appoint_aggregators(subnet, &mut nodes);
        }
        nodes
    }

    /// An aggregator serves every subnet that its validators are on, so those that already aggregate count first.
    fn appoint_aggregators(&self, subnet: u64, nodes: &mut [PlannedNode]) {
        let serves = |node: &PlannedNode| node.validators.iter().any(|index| index % self.subnets == subnet);
        let appointed = nodes.iter().filter(|node| node.is_aggregator && serves(node)).count();
        let candidates = nodes.iter_mut().filter(|node| !node.is_aggregator && serves(node));
        candidates
            .take(self.aggregators.saturating_sub(appointed))
            .for_each(|node| node.is_aggregator = true);
    }

    pub(crate) fn keys(&self) -> KeyPlan {
        KeyPlan {
            validators: self.validators,
            slots: self.slots,
            format: self.key_format,
            scheme: self.signature_scheme,
        }
    }
}
