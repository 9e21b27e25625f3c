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

use lathe_forkchoice::ValidatorSet;
use lathe_types::{Block, Root, Slot};

/// Data whose locally folded voters are remembered: some slots with a few forks each.
const MAX_FOLDED: usize = 32;

/// What is kept from one report to the next.
#[derive(Default)]
pub(super) struct Coverage {
    /// Voters of a slot whose proofs were promoted in it.
    pub(super) timely: Option<(Slot, ValidatorSet)>,
    /// Voters of that slot whose proofs were promoted as the next one began.
    pub(super) early_in_next: ValidatorSet,
    /// Voters whom blocks of the slot after their vote carry, by the slot of the vote: of the current slot at most, and
    /// of the one before it at least.
    pub(super) in_blocks: BTreeMap<Slot, ValidatorSet>,
    /// Voters whose single votes were folded here, by slot and data.
    pub(super) folded: BTreeMap<(Slot, Root), ValidatorSet>,
}

impl Coverage {
    pub(super) fn folded(&mut self, slot: Slot, data_root: Root, voters: &ValidatorSet) {
        self.folded.entry((slot, data_root)).or_default().extend(voters);
        if self.folded.len() > MAX_FOLDED {
            self.folded.pop_first();
        }
    }

    pub(super) fn imported(&mut self, clock: Slot, block: &Block) {
        for attestation in &block.body.attestations {
            let slot = attestation.data.slot;
            if slot.0.saturating_add(1) == block.slot.0 && clock <= block.slot && slot <= clock {
                let voters = ValidatorSet::of(&attestation.aggregation_bits);
                self.in_blocks.entry(slot).or_default().extend(&voters);
            }
        }
    }
}
