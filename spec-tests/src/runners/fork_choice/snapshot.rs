//! The picture of the store that every step ends with.

use std::collections::BTreeMap;

use serde::Deserialize;

use lathe_forkchoice::{PayloadView, Store};
use lathe_types::{Checkpoint, Interval, Participation, Root, ValidatorIndex};

use crate::json::Json;
use crate::outcome::{Failure, expect_eq};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Snapshot {
    time: Json<Interval>,
    head_root: Root,
    safe_target_root: Root,
    latest_justified: Json<Checkpoint>,
    latest_finalized: Json<Checkpoint>,
    block_roots: Vec<Root>,
    block_weights: Vec<BlockWeight>,
    attestation_signatures: Vec<SignatureCoverage>,
    new_aggregated_payloads: Vec<ProofCoverage>,
    pub known_aggregated_payloads: Vec<ProofCoverage>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BlockWeight {
    root: Root,
    weight: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignatureCoverage {
    data_root: Root,
    validator_indices: Vec<ValidatorIndex>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProofCoverage {
    pub data_root: Root,
    pub participant_sets: Vec<Vec<ValidatorIndex>>,
}

impl Snapshot {
    /// Whether these are the weights; a block without an entry has none.
    pub(super) fn has_weights(&self, weights: &BTreeMap<Root, u64>) -> bool {
        self.block_weights
            .iter()
            .all(|block| block.weight == weights.get(&block.root).copied().unwrap_or_default())
    }
}

/// Compares every field.
pub(super) fn compare(expected: &Snapshot, store: &Store) -> Result<(), Failure> {
    expect_eq("time", &expected.time.0, &store.time())?;
    expect_eq("head root", &expected.head_root, &store.head().root)?;
    expect_eq("safe target root", &expected.safe_target_root, &store.safe_target().root)?;
    expect_eq("latest justified", &expected.latest_justified.0, &store.latest_justified())?;
    expect_eq("latest finalized", &expected.latest_finalized.0, &store.latest_finalized())?;

    let mut block_roots: Vec<Root> = store.blocks().map(|block| block.root).collect();
    block_roots.sort_unstable();
    expect_eq("block roots", &expected.block_roots, &block_roots)?;

    let weights = store.compute_block_weights();
    let finalized_slot = store.latest_finalized().slot;
    let is_open = |root: &Root| store.block(root).is_some_and(|block| block.slot > finalized_slot);
    let weigh = |root: Root| BlockWeight { root, weight: weights.get(&root).copied().unwrap_or_default() };
    let block_weights: Vec<BlockWeight> = block_roots.into_iter().filter(is_open).map(weigh).collect();
    expect_eq("block weights", &expected.block_weights, &block_weights)?;

    let signatures: Vec<SignatureCoverage> = store
        .attestation_signatures()
        .into_iter()
        .map(|(data_root, (_, validator_indices))| SignatureCoverage { data_root, validator_indices })
        .collect();
    expect_eq("attestation signatures", &expected.attestation_signatures, &signatures)?;
    let new = coverage(store.latest_new_aggregated_payloads());
    expect_eq("new aggregated payloads", &expected.new_aggregated_payloads, &new)?;
    let known = coverage(store.latest_known_aggregated_payloads());
    expect_eq("known aggregated payloads", &expected.known_aggregated_payloads, &known)
}

fn coverage(pool: PayloadView<'_>) -> Vec<ProofCoverage> {
    pool.iter()
        .map(|(data_root, _, proofs)| {
            let mut participant_sets: Vec<Vec<ValidatorIndex>> =
                proofs.iter().map(|proof| proof.participants.indices().collect()).collect();
            participant_sets.sort_unstable();
            ProofCoverage { data_root, participant_sets }
        })
        .collect()
}
