//! What each interval brings.
//!
//! ```text
//! 0  a proposer promotes votes; its block is out already      3  the safe target
//! 1  local validators vote                                    4  votes are promoted; the next block is prepared
//! 2  aggregators aggregate
//! ```

use lathe_types::{GOSSIP_DISPARITY_INTERVALS, Interval, Phase, Slot};

use crate::attesting::missed_by_all;
use crate::engine::Engine;
use crate::io::{Duty, Event, MissReason};
use crate::observer::Step;
use crate::plausibility::FAR_SLOTS;
use crate::timeline::Advance;

/// Slots for which missed duties are announced one by one after the clock jumped; a machine that slept for a day need
/// not tell of every slot.
const MAX_MISSED_SLOTS: u64 = 32;

impl Engine {
    /// Takes notice of the time: intervals that began are worked through, each once.
    pub(crate) fn advance_clock(&mut self) {
        if !self.timeline.has_started() {
            self.start();
        }
        if let Some(advance) = self.timeline.advance(self.core.now) {
            self.count_skipped(advance);
            let skipped = advance.skipped_from.map_or(0, |from| advance.last.slot().0 - from.slot().0);
            if skipped >= FAR_SLOTS {
                self.gate.clock_jumped(self.core.clock(), self.core.store.head().slot);
                self.update_gate();
            }
            let last = advance.last;
            for interval in (advance.first.0..=last.0).map(Interval) {
                self.begin_interval(interval, last);
            }
        }
    }

    /// The clock was ahead and was set back by more than a slot. Time goes on from there, from the next interval on;
    /// what was done for slots that lie ahead again stays done, and the signer's ledger sees to it that no key signs
    /// twice.
    pub(crate) fn clock_corrected(&mut self) {
        let clock = self.core.clock();
        self.timeline.start(self.core.now);
        self.core.store.rewind_time(self.timeline.current().unwrap_or_default());
        self.attesting.clock_corrected(clock);
        self.aggregation.clock_corrected(clock);
        self.proposing.clock_corrected(&mut self.core, clock);
        self.plausibility.clock_corrected();
        self.gate.clock_corrected();
        self.judge_clock();
        self.update_gate();
    }

    /// The first look at the clock. Duties of the interval that is under way are left alone: another run of this node
    /// may have done them.
    fn start(&mut self) {
        self.timeline.start(self.core.now);
        if let Some(current) = self.timeline.current() {
            self.core.store.on_tick(current, false, None);
            self.gate.start(self.core.clock(), self.core.store.head().slot);
            self.update_gate();
        }
    }

    /// One interval's work. Duties of slots that are over are missed, those of the current slot are done late.
    fn begin_interval(&mut self, interval: Interval, last: Interval) {
        let slot = interval.slot();
        let is_current = slot == last.slot();
        let phase = interval.phase();
        if phase == Phase::Propose {
            self.begin_slot(slot, is_current);
        }
        let has_proposal = phase == Phase::Propose && self.proposing.has_proposal(slot);
        match phase {
            Phase::Propose if has_proposal => self.core.note_late_votes(slot),
            Phase::AcceptVotes => self.core.report_votes(slot),
            _ => {}
        }
        let before = self.core.snapshot();
        self.core.timed(Step::TickInterval, |core| core.store.on_tick(interval, has_proposal, None));
        self.core.store_changed(&before, Vec::new());
        self.forget_finalized();
        self.core.announce(Event::Interval(interval));
        let horizon = Interval(interval.0.saturating_add(GOSSIP_DISPARITY_INTERVALS));
        self.votes.slot_has_begun(&mut self.core, horizon.slot());
        self.sync.nudge(self.core.now);
        match phase {
            Phase::Attest if is_current => self.attesting.begin(&self.core, slot),
            Phase::Attest => missed_by_all(&mut self.core, slot, MissReason::LateTick),
            Phase::Aggregate if is_current => self.aggregation.begin(&mut self.core, slot),
            Phase::Aggregate => self.aggregation_missed(slot),
            Phase::AcceptVotes => {
                self.core.view_is_stale();
                self.aggregation.look_for_aggregator(&mut self.core, slot);
                if interval == last {
                    self.proposing.take_up(&mut self.core, Slot(slot.0 + 1));
                }
            }
            Phase::Propose | Phase::UpdateSafeTarget => {}
        }
    }

    fn begin_slot(&mut self, slot: Slot, is_current: bool) {
        self.votes.prune(slot);
        self.attesting.give_up_before(&mut self.core, slot);
        self.core.view_is_stale();
        self.update_gate();
        if is_current {
            self.survey_peers();
        }
        // Normally taken up at interval 4 of the slot before; here if that was missed.
        if is_current {
            self.proposing.take_up(&mut self.core, slot);
        } else {
            self.proposal_missed(slot);
        }
    }

    /// Duties of intervals that the clock jumped over altogether.
    fn count_skipped(&mut self, advance: Advance) {
        let Some(from) = advance.skipped_from else {
            return;
        };
        let earliest = advance.first.slot().0.saturating_sub(MAX_MISSED_SLOTS);
        for interval in (from.0.max(Interval::from_slot(Slot(earliest)).0)..advance.first.0).map(Interval) {
            let slot = interval.slot();
            match interval.phase() {
                Phase::Propose => self.proposal_missed(slot),
                Phase::Attest => missed_by_all(&mut self.core, slot, MissReason::LateTick),
                Phase::Aggregate => self.aggregation_missed(slot),
                Phase::UpdateSafeTarget | Phase::AcceptVotes => {}
            }
        }
    }

    /// The clock jumped over the start of `slot`: a block of ours that was not on its way will never be.
    fn proposal_missed(&mut self, slot: Slot) {
        if slot > Slot(0)
            && !self.proposing.has_proposal(slot)
            && let Some(proposer) = self.core.local_proposer(slot)
        {
            self.core.missed(Duty::Proposal, Some(proposer), slot, MissReason::LateTick);
        }
    }

    fn aggregation_missed(&mut self, slot: Slot) {
        if self.core.is_aggregator {
            self.core.missed(Duty::Aggregation, None, slot, MissReason::LateTick);
        }
    }
}
