//! Votes that the fixtures' maker left in the store without delivering them.
//!
//! To build a block, the maker gossips the votes that the block's author asked for inside a copy of the store, builds
//! from what that copy counts, and keeps the counted proofs. Those votes that made it into the block stand in its body;
//! of the others a fixture shows only the root of their data, in the snapshot. They move weights all the same, so their
//! data is searched for among the votes that the store's blocks admit.

use std::sync::Arc;

use lathe_forkchoice::{Store, ValidatorSet};
use lathe_types::{AggregationBits, AttestationData, Block, Checkpoint, Participation, Root, Slot, TreeHash};

use super::proofs;
use super::snapshot::ProofCoverage;
use crate::outcome::Failure;

/// Votes tried for one data root at most; the chains in fixtures are short.
const MAX_SEARCH: usize = 2_000_000;

/// Puts into the counted pool what building `block` left there, given what the pool is going to hold.
pub(super) fn insert(store: &mut Store, block: &Block, expected: &[ProofCoverage]) -> Result<(), Failure> {
    // What went into the block, unless it was built from proofs at hand.
    for attestation in &block.body.attestations {
        let data_root = attestation.data.tree_hash_root();
        let mut covered =
            ValidatorSet::covered_by(store.latest_known_aggregated_payloads().proofs(&data_root));
        covered.extend(&ValidatorSet::covered_by(store.latest_new_aggregated_payloads().proofs(&data_root)));
        let voters = ValidatorSet::of(&attestation.aggregation_bits);
        if !voters.is_subset_of(&covered) {
            insert_known(store, attestation.data, &voters);
        }
    }

    // What did not.
    for ProofCoverage { data_root, participant_sets } in expected {
        let is_known = store.latest_known_aggregated_payloads().iter().any(|(root, ..)| root == *data_root)
            || store.latest_new_aggregated_payloads().iter().any(|(root, ..)| root == *data_root);
        if is_known || participant_sets.is_empty() {
            continue;
        }
        let data = find_data(store, block, data_root).ok_or_else(|| {
            Failure::new("a vote that the store's blocks admit", format!("data root {data_root}"))
        })?;
        for participants in participant_sets {
            insert_known(store, data, &participants.iter().copied().collect());
        }
    }
    Ok(())
}

fn insert_known(store: &mut Store, data: AttestationData, voters: &ValidatorSet) {
    if let Some(participants) = AggregationBits::from_indices(voters.iter()) {
        let proof = proofs::mock_proof(&data.tree_hash_root(), voters);
        store.insert_known_aggregate(data, Arc::new(proofs::single(participants, proof)));
    }
}

/// The vote with that data root: its slot is at most the block's, its checkpoints are known blocks or what the parent's
/// state has justified. Votes whose head is their target come first.
fn find_data(store: &Store, block: &Block, data_root: &Root) -> Option<AttestationData> {
    let blocks: Vec<Checkpoint> =
        store.blocks().map(|block| Checkpoint { root: block.root, slot: block.slot }).collect();
    let mut sources: Vec<Checkpoint> =
        store.state(&block.parent_root).map(|state| state.latest_justified).into_iter().collect();
    sources.extend(&blocks);
    let slots = || (0..=block.slot.0).rev().map(Slot);
    let links = || sources.iter().flat_map(|source| blocks.iter().map(move |target| (*source, *target)));
    let direct = links().map(|(source, target)| (source, target, target));
    let distant = links().flat_map(|(source, target)| blocks.iter().map(move |head| (source, target, *head)));
    direct
        .chain(distant)
        .flat_map(|(source, target, head)| {
            slots().map(move |slot| AttestationData { slot, head, target, source })
        })
        .take(MAX_SEARCH)
        .find(|data| data.tree_hash_root() == *data_root)
}
