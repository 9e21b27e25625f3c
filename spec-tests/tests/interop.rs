//! What a real peer put on the wire and served: it decodes, encodes back, hashes to the roots that the peer states, and
//! its chain is what our transition makes of its genesis.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lathe_aggregation::block_statements;
use lathe_config::NetworkConfig;
use lathe_transition::{generate_genesis, genesis_block, state_transition};
use lathe_types::{
    Checkpoint, Decode, Encode, Participation as _, Root, SignedAggregatedAttestation, SignedAttestation,
    SignedBlock, Slot, State, TreeHash, ValidatorIndex,
};
use serde_json::Value;

/// The vectors beside the workspace, unless they are not there.
fn vectors() -> Option<PathBuf> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/interop-vectors"));
    if !dir.is_dir() {
        eprintln!("no interop vectors at {}: nothing was compared", dir.display());
    }
    dir.is_dir().then(|| dir.to_owned())
}

/// Decodes a file and sees that it encodes back to the same bytes.
fn read<T: Decode + Encode>(path: &Path) -> T {
    let bytes = fs::read(path).unwrap();
    let value = T::from_ssz_bytes(&bytes).unwrap();
    assert!(value.as_ssz_bytes() == bytes, "{} encodes back", path.display());
    value
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn checkpoint(value: &Value) -> Checkpoint {
    serde_json::from_value(value.clone()).unwrap()
}

/// The recorded messages of one kind, by the number in their names.
fn recorded<T: Decode + Encode>(dir: &Path, kind: &str) -> Vec<T> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.to_str().unwrap().ends_with(&format!("_{kind}.ssz")));
    paths.iter().map(|path| read(path)).collect()
}

/// What one node served of its finalized chain.
struct Served {
    state: State,
    block: SignedBlock,
    fork_choice: Value,
}

impl Served {
    /// Reads it, and sees that its parts agree with each other.
    fn read(dir: &Path, config: &Path) -> Self {
        let state: State = read(&dir.join("n0.state_finalized.ssz"));
        let block: SignedBlock = read(&dir.join("n0.block_finalized.ssz"));
        let fork_choice = read_json(&dir.join("n0.fc.json"));
        assert_eq!(state.tree_hash_root(), block.block.state_root);
        let finalized = checkpoint(&fork_choice["finalized"]);
        let root = block.block.tree_hash_root();
        assert_eq!(finalized, Checkpoint { root, slot: block.block.slot });
        assert_eq!(
            checkpoint(&read_json(&dir.join("n0.justified.json"))),
            checkpoint(&fork_choice["justified"])
        );

        let genesis = read_json(&dir.join("n0.genesis.json"));
        assert_eq!(genesis["genesis_time"], state.config.genesis_time);
        assert_eq!(genesis["validator_count"], state.validators.len());
        assert_eq!(fork_choice["validator_count"], state.validators.len());
        let config = NetworkConfig::read(config).unwrap();
        assert_eq!(config.genesis_time, state.config.genesis_time);
        assert_eq!(config.genesis().validators, state.validators);
        Self { state, block, fork_choice }
    }

    /// The blocks of the fork choice tree.
    fn nodes(&self) -> impl Iterator<Item = (Root, Slot, Root, ValidatorIndex)> {
        let nodes = self.fork_choice["nodes"].as_array().unwrap().clone();
        nodes.into_iter().map(|node| {
            let Checkpoint { root, slot } =
                checkpoint(&serde_json::json!({ "root": node["root"], "slot": node["slot"] }));
            let parent: Root = serde_json::from_value(node["parent_root"].clone()).unwrap();
            (root, slot, parent, ValidatorIndex(node["proposer_index"].as_u64().unwrap()))
        })
    }
}

#[test]
fn a_served_chain_agrees_with_itself() {
    let Some(dir) = vectors() else { return };
    for (served, config) in
        [("finalized-4", "finalized-4/config.yaml"), ("wire-net/fin1", "wire-net/config.yaml")]
    {
        let served = Served::read(&dir.join(served), &dir.join(config));
        let block = &served.block.block;
        let node = served.nodes().find(|(_, slot, ..)| *slot == block.slot).unwrap();
        assert_eq!(node, (block.tree_hash_root(), block.slot, block.parent_root, block.proposer_index));
    }
}

#[test]
fn recorded_messages_name_each_other_by_our_roots() {
    let Some(dir) = vectors() else { return };
    let ssz = dir.join("wire-net/ssz");
    let blocks: Vec<SignedBlock> = recorded(&ssz, "block");
    let votes: Vec<SignedAttestation> = recorded(&ssz, "attestation");
    let aggregates: Vec<SignedAggregatedAttestation> = recorded(&ssz, "aggregation");
    assert_eq!((blocks.len(), votes.len(), aggregates.len()), (8, 24, 5));

    let genesis = genesis_block(&generate_genesis(
        &NetworkConfig::read(&dir.join("wire-net/config.yaml")).unwrap().genesis(),
    ));
    let mut known = BTreeMap::from([(genesis.tree_hash_root(), Slot(0))]);
    known.extend(blocks.iter().map(|signed| (signed.block.tree_hash_root(), signed.block.slot)));
    let is_known = |checkpoint: &Checkpoint| known.get(&checkpoint.root) == Some(&checkpoint.slot);
    let data = votes.iter().map(|vote| vote.data).chain(aggregates.iter().map(|aggregate| aggregate.data));
    for data in data {
        assert!(is_known(&data.head) && is_known(&data.target), "{data:?}");
        // Before anything is justified, a source is the state's empty checkpoint.
        assert!(is_known(&data.source) || data.source == Checkpoint::default(), "{data:?}");
    }
    // Each aggregate speaks of votes that were on the wire, for validators that exist.
    for aggregate in &aggregates {
        assert!(votes.iter().any(|vote| vote.data == aggregate.data));
        assert!(aggregate.proof.participants.indices().all(|index| index.0 < 4));
    }
    let served = Served::read(&dir.join("wire-net/fin1"), &dir.join("wire-net/config.yaml"));
    let seen = served.nodes().filter(|(root, slot, ..)| known.get(root) == Some(slot)).count();
    assert!(seen > 0, "the tree that was served holds recorded blocks");
}

#[test]
fn the_recorded_chain_is_what_our_transition_makes_of_its_genesis() {
    let Some(dir) = vectors() else { return };
    let config = NetworkConfig::read(&dir.join("wire-net/config.yaml")).unwrap();
    let mut state = generate_genesis(&config.genesis());
    let mut parent = genesis_block(&state).tree_hash_root();
    let served = Served::read(&dir.join("wire-net/fin1"), &dir.join("wire-net/config.yaml"));
    let mut blocks: Vec<SignedBlock> = recorded(&dir.join("wire-net/ssz"), "block");
    blocks.sort_by_key(|signed| signed.block.slot);
    blocks.dedup();
    let mut applied = Vec::new();
    let mut seen = false;
    for SignedBlock { block, .. } in &blocks {
        assert_eq!(block.parent_root, parent, "slot {}", block.slot);
        // The last component is the proposer's; before it each attestation of the body has one.
        let statements = block_statements(block, block.tree_hash_root(), &state.validators).unwrap();
        assert_eq!(statements.len(), block.body.attestations.len() + 1);
        state = state_transition(&state, block).unwrap();
        parent = block.tree_hash_root();
        applied.push(block.slot);
        if block.slot == served.state.slot {
            assert!(state == served.state, "the state that the peer served");
            seen = true;
        }
    }
    assert!(seen, "slots {applied:?}, and the served state is of {}", served.state.slot);
}
