//! The network directory: every file under its standard name, each replaceable by another path.

use std::path::{Path, PathBuf};

use crate::duties::Duties;
use crate::error::ConfigError;
use crate::network_config::NetworkConfig;
use crate::node_key::NodeKey;
use crate::nodes::read_nodes;
use crate::validator_config::ValidatorConfig;

/// Directory of the validators' keys inside a network directory.
pub const KEYS_DIR: &str = "hash-sig-keys";
pub(crate) const CONFIG_FILE: &str = "config.yaml";
pub(crate) const ANNOTATED_FILE: &str = "annotated_validators.yaml";
pub(crate) const VALIDATORS_FILE: &str = "validators.yaml";
pub(crate) const NODES_FILE: &str = "nodes.yaml";
pub(crate) const VALIDATOR_CONFIG_FILE: &str = "validator-config.yaml";

/// Where the files of a network are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPaths {
    /// `config.yaml`.
    pub config: PathBuf,
    /// `annotated_validators.yaml`, or `validators.yaml`; `None` for an observer.
    pub validators: Option<PathBuf>,
    /// `nodes.yaml`; `None` if there is no such file.
    pub nodes: Option<PathBuf>,
    /// `validator-config.yaml`; `None` if there is no such file.
    pub validator_config: Option<PathBuf>,
    /// `hash-sig-keys/`.
    pub keys_dir: PathBuf,
    /// `<node>.key`.
    pub node_key: PathBuf,
}

/// Everything that a network directory tells one node.
#[derive(Clone, Debug)]
pub struct NetworkDirectory {
    /// Genesis and the network's parameters.
    pub config: NetworkConfig,
    /// The node's validators and their keys.
    pub duties: Duties,
    /// Node records of the network, our own included.
    pub nodes: Vec<String>,
    /// The list of nodes, empty if there is no such file.
    pub validator_config: ValidatorConfig,
    /// The node's identity.
    pub node_key: NodeKey,
}

impl NetworkPaths {
    /// The standard names in `dir`, as far as there are such files. A link that leads nowhere is there: whoever put it
    /// there meant a file, and reading it says what is wrong.
    pub fn in_directory(dir: &Path, node: &str) -> Self {
        let existing = |name: &str| Some(dir.join(name)).filter(|path| path.symlink_metadata().is_ok());
        Self {
            config: dir.join(CONFIG_FILE),
            validators: existing(ANNOTATED_FILE).or_else(|| existing(VALIDATORS_FILE)),
            nodes: existing(NODES_FILE),
            validator_config: existing(VALIDATOR_CONFIG_FILE),
            keys_dir: dir.join(KEYS_DIR),
            node_key: dir.join(format!("{node}.key")),
        }
    }
}

impl NetworkDirectory {
    /// Reads all files for `node`.
    pub fn read(paths: &NetworkPaths, node: &str) -> Result<Self, ConfigError> {
        let config = NetworkConfig::read(&paths.config)?;
        let duties = match &paths.validators {
            Some(path) => Duties::read(path, &paths.keys_dir, node, &config)?,
            None => Duties::default(),
        };
        let validator_config = paths.validator_config.as_deref().map(ValidatorConfig::read).transpose()?;
        Ok(Self {
            duties,
            nodes: paths.nodes.as_deref().map(read_nodes).transpose()?.unwrap_or_default(),
            validator_config: validator_config.unwrap_or_default(),
            node_key: NodeKey::read(&paths.node_key)?,
            config,
        })
    }
}
