//! Whose votes of a slot were heard of, and by when. Nothing depends on it: it is announced for those who watch a
//! network's aggregation.
//!
//! ```text
//! slot S, interval 2      pending proofs as aggregation begins
//! slot S, interval 4      timely: pending proofs that are about to be promoted
//! until S+1, interval 4   late: proofs since then, also those that a proposal of ours promotes as S+1 begins;
//!                         block: voters in blocks imported since then
//! ```

use std::collections::BTreeMap;

use lathe_forkchoice::{PayloadView, ValidatorSet};
use lathe_types::{Block, Root, Slot, TreeHash};

use crate::Engine;
use crate::event::Event;

/// Data whose locally folded voters are remembered: some slots with a few forks each.
const MAX_FOLDED: usize = 32;

/// What is kept from one report to the next.
#[derive(Default)]
pub(crate) struct Coverage {
    /// Voters of a slot whose proofs were promoted in it.
    timely: Option<(Slot, ValidatorSet)>,
    /// Voters of that slot whose proofs were promoted as the next one began.
    early_in_next: ValidatorSet,
    /// Voters whom blocks of the slot after their vote carry, by the slot of the vote: of the current slot at most, and
    /// of the one before it at least.
    in_blocks: BTreeMap<Slot, ValidatorSet>,
    /// Voters whose single votes were folded here, by slot and data.
    folded: BTreeMap<(Slot, Root), ValidatorSet>,
}

impl Coverage {
    /// Single votes over one data went into a proof of ours.
    pub(crate) fn folded(&mut self, slot: Slot, data_root: Root, voters: &ValidatorSet) {
        self.folded.entry((slot, data_root)).or_default().extend(voters);
        if self.folded.len() > MAX_FOLDED {
            self.folded.pop_first();
        }
    }

    /// A block was imported while the clock shows `clock`.
    pub(crate) fn imported(&mut self, clock: Slot, block: &Block) {
        for attestation in &block.body.attestations {
            let slot = attestation.data.slot;
            if slot.0.saturating_add(1) == block.slot.0 && clock <= block.slot && slot <= clock {
                let voters = ValidatorSet::of(&attestation.aggregation_bits);
                self.in_blocks.entry(slot).or_default().extend(&voters);
            }
        }
    }
}

impl Engine {
    /// Interval 4 of `slot` is about to begin, and promotes pending votes.
    pub(crate) fn report_votes(&mut self, slot: Slot) {
        let timely = voters_at(self.store.latest_new_aggregated_payloads(), slot);
        let before = self.coverage.timely.replace((slot, timely));
        let mut late = std::mem::take(&mut self.coverage.early_in_next);
        let current = self.coverage.in_blocks.split_off(&slot);
        let mut past = std::mem::replace(&mut self.coverage.in_blocks, current);
        if let Some((reported, timely)) = before
            && reported.0 + 1 == slot.0
        {
            let block = past.remove(&reported).unwrap_or_default();
            late.extend(&voters_at(self.store.latest_new_aggregated_payloads(), reported));
            self.announce(Event::VotesHeard { slot: reported, timely, late, block });
        }
    }

    /// Interval 0 of `slot` is about to begin, and promotes pending votes because we propose in it.
    pub(crate) fn note_late_votes(&mut self, slot: Slot) {
        if let Some(before) = slot.0.checked_sub(1).map(Slot) {
            let pending = voters_at(self.store.latest_new_aggregated_payloads(), before);
            self.coverage.early_in_next.extend(&pending);
        }
    }

    /// The first aggregation round of `slot` begins.
    pub(crate) fn report_aggregation(&mut self, slot: Slot) {
        let pending = voters_at(self.store.latest_new_aggregated_payloads(), slot);
        self.announce(Event::AggregationBegun { slot, pending });
    }

    /// A block of ours leaves.
    pub(crate) fn report_proposal(&mut self, block: &Block) {
        let (mut folded, mut others) = (ValidatorSet::default(), ValidatorSet::default());
        for attestation in &block.body.attestations {
            let key = (attestation.data.slot, attestation.data.tree_hash_root());
            let mut ours = ValidatorSet::of(&attestation.aggregation_bits);
            others.extend(&ours);
            ours.intersect(self.coverage.folded.get(&key).unwrap_or(&ValidatorSet::default()));
            folded.extend(&ours);
        }
        others.subtract(&folded);
        self.announce(Event::VotesProposed { slot: block.slot, folded, others });
    }
}

/// Whom a pool's proofs over votes for `slot` cover.
fn voters_at(pool: PayloadView<'_>, slot: Slot) -> ValidatorSet {
    let proofs = pool.iter().filter(|(_, data, _)| data.slot == slot);
    ValidatorSet::covered_by(proofs.flat_map(|(_, _, proofs)| proofs))
}
