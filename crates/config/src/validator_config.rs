//! `validator-config.yaml`: the list of nodes, edited by hand or written by a tool.

use std::path::Path;

use serde::Deserialize;

use crate::error::ConfigError;
use crate::files::{MAX_YAML_BYTES, parse_yaml, read_text};
use crate::network_config::read_committee_count;
use crate::node_key::NodeKey;
use crate::scalar::Field;

const ADVICE: &str = "it should list `validators:` with a name and an enrFields section each";
/// Nodes that a file may list; each has at least one line of YAML and usually a validator.
const MAX_NODES: usize = 4096;

/// A parsed `validator-config.yaml`.
#[derive(Clone, Debug, Default)]
pub struct ValidatorConfig {
    /// Number of attestation subnets, if the file says.
    pub attestation_committee_count: Option<u64>,
    /// The nodes.
    pub nodes: Vec<NodeEntry>,
}

/// One node of `validator-config.yaml`.
#[derive(Clone, Debug)]
pub struct NodeEntry {
    /// Name, such as `lathe_0`.
    pub name: String,
    /// Its secret identity.
    pub private_key: Option<NodeKey>,
    /// Address in its node record.
    pub ip: Option<String>,
    /// QUIC port.
    pub quic: Option<u16>,
    /// Port of the metrics.
    pub metrics_port: Option<u16>,
    /// Port of the API.
    pub api_port: Option<u16>,
    /// Whether it aggregates votes.
    pub is_aggregator: bool,
    /// How many validators it runs.
    pub count: Option<u64>,
    /// The subnet that it was put on.
    pub subnet: Option<u64>,
}

#[derive(Deserialize)]
struct Document {
    config: Option<Common>,
    validators: Option<Vec<Row>>,
}

#[derive(Deserialize)]
struct Common {
    #[serde(alias = "attestationCommitteeCount")]
    attestation_committee_count: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    name: Option<String>,
    privkey: Option<String>,
    #[serde(rename = "enrFields", alias = "enr_fields")]
    enr_fields: Option<EnrFields>,
    #[serde(rename = "metricsPort", alias = "metrics_port")]
    metrics_port: Option<String>,
    #[serde(rename = "apiPort", alias = "api_port")]
    api_port: Option<String>,
    // Separate from the API port, because a row may have both.
    #[serde(rename = "httpPort", alias = "http_port")]
    http_port: Option<String>,
    #[serde(rename = "isAggregator", alias = "is_aggregator")]
    is_aggregator: Option<String>,
    count: Option<String>,
    subnet: Option<String>,
}

#[derive(Default, Deserialize)]
struct EnrFields {
    ip: Option<String>,
    quic: Option<String>,
    udp: Option<String>,
}

impl ValidatorConfig {
    /// Reads `validator-config.yaml`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &read_text(path, MAX_YAML_BYTES, ADVICE)?)
    }

    /// Like [`Self::read`], from the text of the file; errors name it by `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let document: Document = parse_yaml(path, text, ADVICE)?;
        let rows = document.validators.unwrap_or_default();
        if rows.len() > MAX_NODES {
            let problem = format!("{} nodes", rows.len());
            return Err(ConfigError::field(
                path,
                "validators",
                problem,
                format!("at most {MAX_NODES} are allowed"),
            ));
        }
        let count = document.config.and_then(|config| config.attestation_committee_count);
        Ok(Self {
            attestation_committee_count: read_committee_count(
                path,
                "config.attestation_committee_count",
                count.as_ref(),
            )?,
            nodes: rows
                .into_iter()
                .enumerate()
                .map(|(at, row)| row.read(path, at))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&NodeEntry> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

impl Row {
    fn read(self, path: &Path, at: usize) -> Result<NodeEntry, ConfigError> {
        let field = |name: &str| Field::new(path, format!("validators[{at}].{name}"));
        let name =
            field("name").required(self.name.as_ref(), "every node has a name such as lathe_0")?.to_owned();
        let enr = self.enr_fields.unwrap_or_default();
        let api_port = field("apiPort").port(self.api_port.as_ref())?;
        Ok(NodeEntry {
            name,
            private_key: self.privkey.map(|key| NodeKey::parse(&field("privkey"), &key)).transpose()?,
            ip: enr.ip.map(|ip| ip.trim().to_owned()),
            quic: match field("enrFields.quic").port(enr.quic.as_ref())? {
                Some(port) => Some(port),
                None => field("enrFields.udp").port(enr.udp.as_ref())?,
            },
            metrics_port: field("metricsPort").port(self.metrics_port.as_ref())?,
            api_port: match api_port {
                Some(port) => Some(port),
                None => field("httpPort").port(self.http_port.as_ref())?,
            },
            is_aggregator: field("isAggregator").flag(self.is_aggregator.as_ref())?.unwrap_or(false),
            count: field("count").optional_number(self.count.as_ref())?,
            subnet: field("subnet").optional_number(self.subnet.as_ref())?,
        })
    }
}
