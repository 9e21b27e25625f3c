//! A network directory that another client wrote.

use std::path::PathBuf;

use lathe_types::{KeyRole, ValidatorIndex};

use crate::{DEFAULT_FORK_DIGEST, NetworkDirectory, NetworkPaths, committee_count};

/// Files of a real peer, if they are at hand.
fn vectors() -> Option<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/interop-vectors"));
    let found = dir.is_dir();
    if !found {
        eprintln!("no interop vectors at {}: nothing was compared", dir.display());
    }
    found.then_some(dir)
}

#[test]
fn the_directory_of_another_client_loads() {
    let Some(dir) = vectors() else { return };
    let paths = NetworkPaths {
        config: dir.join("finalized-4/config.yaml"),
        ..NetworkPaths::in_directory(&dir, "ethlambda_0")
    };
    let network = NetworkDirectory::read(&paths, "ethlambda_0").unwrap();
    assert_eq!(network.config.validators.len(), 4);
    assert_eq!(network.config.fork_digest(), DEFAULT_FORK_DIGEST);
    assert_eq!(network.duties.validators(), [0, 1, 2, 3].map(ValidatorIndex));
    assert_eq!(network.duties.keys.len(), 8);
    let first = &network.duties.keys[0];
    assert_eq!(first.role, KeyRole::Attestation);
    assert_eq!(first.public_key, network.config.validators[0].attestation);
    assert_eq!(network.nodes.len(), 1);
    let entry = network.validator_config.node("ethlambda_0").unwrap();
    assert_eq!((entry.quic, entry.api_port, entry.metrics_port), (Some(19500), Some(19600), Some(19700)));
    assert_eq!(entry.private_key.as_ref().unwrap().secret(), network.node_key.secret());
    let count = network.validator_config.attestation_committee_count;
    assert_eq!(committee_count(None, &network.config, count), 1);
    assert!(network.config.genesis_time > 0);
}

/// The network whose messages were recorded: two nodes, one of them without validators.
#[test]
fn the_directory_of_the_recorded_network_loads() {
    let Some(dir) = vectors() else { return };
    let wire = dir.join("wire-net");
    for (node, validators) in [("ethlambda_0", 4), ("ethlambda_1", 0)] {
        let paths = NetworkPaths {
            node_key: dir.join("ethlambda_0.key"),
            validator_config: None,
            ..NetworkPaths::in_directory(&wire, node)
        };
        let network = NetworkDirectory::read(&paths, node).unwrap();
        assert_eq!(network.config.validators.len(), 4);
        assert_eq!((network.duties.is_listed, network.duties.validators().len()), (true, validators));
        assert_eq!(network.duties.keys.len(), 2 * validators);
        assert_eq!(network.nodes.len(), 2);
    }
}
