//! The files that describe a network: reading them from any tool, and making them.
//!
//! A network directory holds genesis, the nodes, their identities and the validators' keys, in the layout that the
//! tools of the ecosystem share. Reading is tolerant of their differences and strict about meaning; every error names
//! the file, the field and what to do. Writing never overwrites and appears all at once.

mod directory;
mod duties;
mod error;
mod files;
mod keys;
mod manifest;
mod names;
mod network_config;
mod node_key;
mod nodes;
mod plan;
mod quickstart;
mod scalar;
mod validator_config;

#[cfg(test)]
mod tests;

pub use directory::{KEYS_DIR, NetworkDirectory, NetworkPaths};
pub use duties::{Duties, KeyFile};
pub use error::ConfigError;
pub use files::{MAX_NODE_KEY_BYTES, MAX_YAML_BYTES};
pub use keys::{KeyMaker, KeyPlan, MadeKey, Progress, generate_keys, write_secret_key};
pub use lathe_keys::KeyFormat;
pub use manifest::{MANIFEST_FILE, Manifest, ManifestEntry, public_key_file, secret_key_file};
pub use network_config::{DEFAULT_FORK_DIGEST, NetworkConfig, ValidatorKeys, committee_count, fork_digest};
pub use node_key::NodeKey;
pub use nodes::{parse_nodes, read_nodes};
pub use plan::{
    DEFAULT_AGGREGATORS, DEFAULT_API_PORT, DEFAULT_METRICS_PORT, DEFAULT_QUIC_PORT, MAX_PLANNED_NODES,
    NetworkPlan, PlannedNode,
};
pub use quickstart::{CreatedNetwork, Environment, create_network, is_network};
pub use validator_config::{NodeEntry, ValidatorConfig};
