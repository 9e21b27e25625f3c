//! The votes that a block of ours may carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_forkchoice::{Store, ValidatorSet};
use lathe_types::{AttestationData, Root, SingleMessageAggregate, TreeHash};

use crate::core::{Singles, is_useful};

/// Votes with the proofs at hand, by data root.
pub(super) type Candidates = BTreeMap<Root, (AttestationData, Vec<Arc<SingleMessageAggregate>>)>;

/// Votes at hand, pending ones included: they will have been promoted when the block is published.
pub(super) fn candidates(store: &Store) -> Candidates {
    let pools = [store.latest_known_aggregated_payloads(), store.latest_new_aggregated_payloads()];
    let mut candidates = Candidates::new();
    for (root, data, proofs) in pools.into_iter().flat_map(|pool| pool.iter()) {
        if !proofs.is_empty() && is_useful(store, &data) {
            let held = &mut candidates.entry(root).or_insert((data, Vec::new())).1;
            held.extend(proofs.iter().filter(|proof| !held.contains(proof)).cloned().collect::<Vec<_>>());
        }
    }
    candidates
}

/// How many voters stand behind every data.
pub(super) fn voters(candidates: &Candidates) -> BTreeMap<Root, usize> {
    let covered = |proofs: &[_]| ValidatorSet::covered_by(proofs).len();
    candidates.iter().map(|(root, (_, proofs))| (*root, covered(proofs))).collect()
}

/// How many single votes are at hand for every data.
pub(super) fn counts(singles: &Singles) -> BTreeMap<Root, usize> {
    singles.iter().map(|(data, votes)| (data.tree_hash_root(), votes.len())).collect()
}
