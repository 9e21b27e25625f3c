//! Votes that were verified, so that nothing is verified twice and nobody votes without end.

use std::collections::BTreeMap;

use lathe_types::{Root, Slot, ValidatorIndex};

/// Slots for which verified single votes are remembered, and at the same time the age past which a single vote is of
/// no use: aggregates and blocks carry it, or nobody does.
pub(super) const VOTE_HORIZON_SLOTS: u64 = 32;
/// Votes of one validator for one slot that are verified and relayed: the second proves that it equivocates, a third
/// adds nothing.
const MAX_VOTES_PER_SLOT: usize = 2;

/// Roots of verified attestation data, by slot and voter.
#[derive(Default)]
pub(super) struct SeenVotes {
    by_slot: BTreeMap<Slot, BTreeMap<ValidatorIndex, Vec<Root>>>,
}

impl SeenVotes {
    /// Whether verifying this vote would add anything.
    pub(super) fn is_news(&self, slot: Slot, voter: ValidatorIndex, data_root: &Root) -> bool {
        let seen = self.by_slot.get(&slot).and_then(|voters| voters.get(&voter));
        seen.is_none_or(|roots| roots.len() < MAX_VOTES_PER_SLOT && !roots.contains(data_root))
    }

    /// Remembers a *verified* vote: what a stranger can forge must not shut out the true one.
    /// Says whether it is the second for its slot: then the validator equivocates.
    pub(super) fn insert(&mut self, slot: Slot, voter: ValidatorIndex, data_root: Root) -> bool {
        let roots = self.by_slot.entry(slot).or_default().entry(voter).or_default();
        if roots.len() >= MAX_VOTES_PER_SLOT || roots.contains(&data_root) {
            return false;
        }
        roots.push(data_root);
        roots.len() == MAX_VOTES_PER_SLOT
    }

    pub(super) fn prune(&mut self, clock: Slot) {
        let horizon = Slot(clock.0.saturating_sub(VOTE_HORIZON_SLOTS));
        self.by_slot = self.by_slot.split_off(&horizon);
    }
}
