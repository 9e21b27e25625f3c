//! The files of a network directory, edited by hand or written by other tools.

use std::path::Path;
use std::sync::LazyLock;

use lathe_config::{Duties, Manifest, NetworkConfig, ValidatorConfig, parse_nodes};
use lathe_types::VALIDATOR_REGISTRY_LIMIT;

/// The files in the order of the bytes that choose them.
pub(crate) const FILES: [&str; 5] =
    ["config.yaml", "validator-config.yaml", "nodes.yaml", "annotated_validators.yaml", "manifest.yaml"];

/// The node whose duties are read.
const NODE: &str = "lathe_0";

/// A network of two validators, whose keys are all zero.
static NETWORK: LazyLock<Option<NetworkConfig>> = LazyLock::new(|| {
    let key = "0".repeat(104);
    let validator = format!("  - attestation_pubkey: {key}\n    proposal_pubkey: {key}\n");
    let text = format!("GENESIS_TIME: 1\nGENESIS_VALIDATORS:\n{}", validator.repeat(2));
    NetworkConfig::parse(Path::new(FILES[0]), &text).ok()
});

/// Whatever is accepted is within the limits of a network.
pub fn yaml(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let choice = usize::from(*choice) % FILES.len();
    let path = Path::new(FILES[choice]);
    let limit = VALIDATOR_REGISTRY_LIMIT as usize;
    match choice {
        0 => {
            let Ok(config) = NetworkConfig::parse(path, text) else { return };
            assert!((1..=limit).contains(&config.validators.len()));
            assert_eq!(config.genesis().validators.len(), config.validators.len());
            assert!(config.fork_digest().len() == 8 && config.fork_digest().bytes().all(is_lowercase_hex));
            assert!(config.attestation_committee_count.is_none_or(|count| count > 0));
        }
        1 => {
            let Ok(config) = ValidatorConfig::parse(path, text) else { return };
            assert!(config.nodes.len() <= limit);
            assert!(config.nodes.iter().all(|node| !node.name.is_empty() && node.quic != Some(0)));
        }
        2 => {
            let Ok(records) = parse_nodes(path, text) else { return };
            assert!(records.len() <= limit && records.iter().all(|record| !record.is_empty()));
        }
        3 => {
            let Some(network) = &*NETWORK else { return };
            let Ok(duties) = Duties::parse(path, text, Path::new("no-such-directory"), NODE, network) else {
                return;
            };
            // Two keys each, and nobody whom the network does not have.
            assert_eq!(duties.keys.len(), 2 * duties.validators().len());
            assert!(duties.keys.iter().all(|key| network.validator(key.validator).is_some()));
        }
        _ => {
            let Ok(manifest) = Manifest::parse(path, text) else { return };
            assert!(manifest.validators.len() <= limit);
            assert!(manifest.slots.is_none_or(|slots| slots.start <= slots.end));
        }
    }
}

fn is_lowercase_hex(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'a'..=b'f')
}
