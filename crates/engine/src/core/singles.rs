//! Single votes that are kept for blocks of ours, where the backend can prove them together with the block.
//!
//! An aggregator's pool loses a vote once it is folded, and others keep none. A proposer whose backend proves
//! signatures faster than it merges proofs needs the signatures themselves.

use std::collections::BTreeMap;

use lathe_forkchoice::Store;
use lathe_types::{
    AttestationData, Root, Signature, SignedAttestation, Slot, TreeHash, VALIDATOR_REGISTRY_LIMIT,
    ValidatorIndex,
};

/// Slots whose votes are kept: the one before the block, and two more for votes whose block did not come.
const KEPT_SLOTS: u64 = 3;
/// Votes that are kept: one per validator and slot. Only verified ones get here, and of a validator and slot one, so a
/// validator that signs without end takes nobody's room. About 30 MB of the largest signatures.
const MAX_KEPT: usize = KEPT_SLOTS as usize * VALIDATOR_REGISTRY_LIMIT as usize;

/// Votes by data, each list ascending by validator.
pub type Singles = Vec<(AttestationData, Vec<(ValidatorIndex, Signature)>)>;

/// The votes that are kept.
#[derive(Default)]
pub(crate) struct KeptVotes(BTreeMap<(Slot, ValidatorIndex), (Root, AttestationData, Signature)>);

impl KeptVotes {
    /// Keeps a verified vote, unless the validator's vote for the slot is here.
    pub(crate) fn keep(&mut self, clock: Slot, vote: &SignedAttestation) {
        let oldest = Slot(clock.0.saturating_sub(KEPT_SLOTS - 1));
        self.0 = self.0.split_off(&(oldest, ValidatorIndex(0)));
        if vote.data.slot < oldest || self.0.len() >= MAX_KEPT {
            return;
        }
        let value = || (vote.data.tree_hash_root(), vote.data, vote.signature.clone());
        self.0.entry((vote.data.slot, vote.validator_index)).or_insert_with(value);
    }

    /// Those that a block on the head could carry.
    pub(crate) fn useful(&self, store: &Store) -> Singles {
        let mut by_data: BTreeMap<Root, (AttestationData, Vec<(ValidatorIndex, Signature)>)> =
            BTreeMap::new();
        for ((_, validator), (root, data, signature)) in &self.0 {
            if by_data.contains_key(root) || is_useful(store, data) {
                let (_, votes) = by_data.entry(*root).or_insert_with(|| (*data, Vec::new()));
                votes.push((*validator, signature.clone()));
            }
        }
        by_data.into_values().collect()
    }
}

/// Whether a block on the head gains by a vote. A target that the head's chain has justified gains nothing; only a vote
/// for genesis itself is still of use, as the first blocks carry nothing else.
pub(crate) fn is_useful(store: &Store, data: &AttestationData) -> bool {
    let justified = store.head_state().latest_justified.slot;
    let at_genesis = data.source.slot == Slot(0) && data.target.slot == Slot(0);
    (data.target.slot > justified || at_genesis && justified == Slot(0)) && store.contains(&data.head.root)
}
