//! Interval ticks and the passing of time.

use lathe_types::{INTERVALS_PER_SLOT, Interval, Phase, SignedAggregatedAttestation};

use crate::aggregation::Prove;
use crate::store::Store;

impl Store {
    /// Advances time by one interval and does what is due there. With `prove`, the store aggregates in place at
    /// interval 2, as the specification does; a node aggregates on its own terms and passes none.
    ///
    /// - Interval 0: takes in pending votes if a proposal is due.
    /// - Interval 2: aggregators fold the slot's votes.
    /// - Interval 3: advances the safe target from the pending votes.
    /// - Interval 4: takes in the votes that came in during the slot.
    pub fn tick_interval(
        &mut self,
        has_proposal: bool,
        prove: Option<&mut Prove<'_>>,
    ) -> Vec<SignedAggregatedAttestation> {
        self.time = Interval(self.time.0.saturating_add(1));
        match (self.time.phase(), prove) {
            (Phase::Propose, _) if has_proposal => self.accept_new_attestations(),
            (Phase::Aggregate, Some(prove)) => return self.aggregate(prove),
            (Phase::UpdateSafeTarget, _) => self.update_safe_target(),
            (Phase::AcceptVotes, _) => self.accept_new_attestations(),
            (Phase::Propose | Phase::Attest | Phase::Aggregate, _) => {}
        }
        Vec::new()
    }

    /// The clock that drives this store was ahead and was set back: time goes on from `interval`. What ticks have done
    /// stays done, as they only take in votes that are there.
    pub fn rewind_time(&mut self, interval: Interval) {
        self.time = self.time.min(interval);
    }

    /// Advances time to `target_interval`, one interval after the other. A proposal is due in the last one only.
    ///
    /// Nothing arrives between two ticks, so after two whole slots without a tick the pools and what is derived from
    /// them no longer change, and the slots in between are skipped: catching up costs the same after a day as after a
    /// minute.
    pub fn on_tick(
        &mut self,
        target_interval: Interval,
        has_proposal: bool,
        mut prove: Option<&mut Prove<'_>>,
    ) -> Vec<SignedAggregatedAttestation> {
        const SETTLED: u64 = 2 * INTERVALS_PER_SLOT;
        let mut new_aggregates = Vec::new();
        let mut ticks = 0;
        while self.time < target_interval {
            if ticks == SETTLED {
                let slots = (target_interval.0 - self.time.0 - 1) / INTERVALS_PER_SLOT;
                self.time = Interval(self.time.0 + slots * INTERVALS_PER_SLOT);
            }
            let should_signal_proposal = has_proposal && self.time.0 + 1 == target_interval.0;
            let prove: Option<&mut Prove<'_>> = match &mut prove {
                Some(prove) => Some(&mut **prove),
                None => None,
            };
            new_aggregates.extend(self.tick_interval(should_signal_proposal, prove));
            ticks += 1;
        }
        new_aggregates
    }
}
