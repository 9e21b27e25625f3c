//! The votes that a block of ours may carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_forkchoice::{Store, ValidatorSet};
use lathe_types::{AttestationData, Root, SingleMessageAggregate, Slot};

/// Votes with the proofs at hand, by data root.
pub(super) type Candidates = BTreeMap<Root, (AttestationData, Vec<Arc<SingleMessageAggregate>>)>;

/// Votes at hand, pending ones included: they will have been promoted when the block is published.
pub(super) fn candidates(store: &Store) -> Candidates {
    let justified = store.head_state().latest_justified.slot;
    // A target that the head's chain has justified gains nothing; only a vote for genesis itself is still of use,
    // as the first blocks carry nothing else.
    let is_useful = |data: &AttestationData| {
        let at_genesis = data.source.slot == Slot(0) && data.target.slot == Slot(0);
        (data.target.slot > justified || at_genesis && justified == Slot(0))
            && store.contains(&data.head.root)
    };
    let pools = [store.latest_known_aggregated_payloads(), store.latest_new_aggregated_payloads()];
    let mut candidates = Candidates::new();
    for (root, data, proofs) in pools.into_iter().flat_map(|pool| pool.iter()) {
        if !proofs.is_empty() && is_useful(&data) {
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
