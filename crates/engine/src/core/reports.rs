//! What is announced of votes and blocks for those who watch a network. Nothing depends on it.

use lathe_forkchoice::{PayloadView, ValidatorSet};
use lathe_types::{Block, Checkpoint, Root, SignedBlock, Slot, TreeHash};

use super::state::Core;
use crate::io::{Event, Millis};

impl Core {
    /// Single votes over one data went into a proof of ours.
    pub(crate) fn note_folded(&mut self, slot: Slot, data_root: Root, voters: &ValidatorSet) {
        self.coverage.folded(slot, data_root, voters);
    }

    /// A block entered the store.
    pub(crate) fn note_votes_in(&mut self, block: &Block) {
        let clock = self.clock();
        self.coverage.imported(clock, block);
    }

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

    /// Tells of a block that entered the store. `arrival` is when it came by gossip.
    pub(crate) fn announce_import(
        &mut self,
        block: &SignedBlock,
        checkpoint: Checkpoint,
        arrival: Option<Millis>,
    ) {
        let attestations = &block.block.body.attestations;
        let votes = attestations.iter().map(|attestation| attestation.aggregation_bits.num_set_bits()).sum();
        let previous = Slot(checkpoint.slot.0.saturating_sub(1));
        let of_previous = attestations.iter().filter(|attestation| attestation.data.slot == previous);
        let mut voters = ValidatorSet::default();
        of_previous.for_each(|attestation| voters.extend(&ValidatorSet::of(&attestation.aggregation_bits)));
        self.announce(Event::BlockImported {
            block: checkpoint,
            proposer: block.block.proposer_index,
            arrival_ms: arrival.map(|at| at.since(Millis::of_slot(checkpoint.slot))),
            votes,
            previous_slot_votes: voters.len(),
        });
    }
}

/// Whom a pool's proofs over votes for `slot` cover.
fn voters_at(pool: PayloadView<'_>, slot: Slot) -> ValidatorSet {
    let proofs = pool.iter().filter(|(_, data, _)| data.slot == slot);
    ValidatorSet::covered_by(proofs.flat_map(|(_, _, proofs)| proofs))
}
