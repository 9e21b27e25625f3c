//! What each interval brings.
//!
//! ```text
//! 0  a proposer promotes votes; its block is out already      3  the safe target
//! 1  local validators vote                                    4  votes are promoted; the next block is prepared
//! 2  aggregators aggregate
//! ```

use lathe_types::{GOSSIP_DISPARITY_INTERVALS, Interval, Slot, ValidatorIndex};

use crate::Engine;
use crate::event::{Duty, Event, MissReason};
use crate::gate::{ChainLag, HYSTERESIS_BAND};
use crate::io::Millis;
use crate::observer::Step;
use crate::timeline::Advance;

/// Slots for which missed duties are announced one by one after the clock jumped; a machine that slept for a day need
/// not tell of every slot.
const MAX_MISSED_SLOTS: u64 = 32;

impl Engine {
    /// The slot that the clock shows; slot 0 before genesis.
    pub(crate) fn clock(&self) -> Slot {
        self.now.slot()
    }

    /// Takes notice of the time: intervals that began are worked through, each once.
    pub(crate) fn advance_clock(&mut self, now: Millis) {
        self.now = now;
        if !self.started {
            self.start();
        }
        if let Some(advance) = self.timeline.advance(now) {
            self.count_skipped(advance);
            let last = advance.last;
            for interval in (advance.first.0..=last.0).map(Interval) {
                self.begin_interval(interval, last);
            }
        }
    }

    /// The first look at the clock. Duties of the interval that is under way are left alone: another run of this node
    /// may have done them.
    fn start(&mut self) {
        self.started = true;
        self.timeline.start(self.now);
        if let Some(current) = self.timeline.current() {
            self.store.on_tick(current, false, None);
            self.gate.start(self.clock(), self.store.head().slot);
            self.update_gate();
        }
    }

    /// One interval's work. Duties of slots that are over are missed, those of the current slot are done late.
    fn begin_interval(&mut self, interval: Interval, last: Interval) {
        let slot = interval.slot();
        let is_current = slot == last.slot();
        if interval.within_slot() == 0 {
            self.begin_slot(slot, is_current);
        }
        let has_proposal = interval.within_slot() == 0 && self.has_proposal(slot);
        match interval.within_slot() {
            0 if has_proposal => self.note_late_votes(slot),
            4 => self.report_votes(slot),
            _ => {}
        }
        let before = self.snapshot();
        self.timed(Step::TickInterval, |engine| engine.store.on_tick(interval, has_proposal, None));
        self.store_changed(&before, Vec::new());
        self.announce(Event::Interval(interval));
        let horizon = Interval(interval.0.saturating_add(GOSSIP_DISPARITY_INTERVALS));
        self.release_votes_for_slot(horizon.slot());
        self.sync.nudge(self.now);
        match interval.within_slot() {
            1 if is_current => self.begin_attesting(slot),
            1 => self.attestations_missed(slot, MissReason::LateTick),
            2 if is_current => self.begin_aggregating(slot),
            2 if self.is_aggregator => self.missed(Duty::Aggregation, None, slot, MissReason::LateTick),
            4 => {
                self.store_version += 1;
                self.look_for_aggregator(slot);
                if interval == last {
                    self.take_up_proposal(Slot(slot.0 + 1));
                }
            }
            _ => {}
        }
    }

    fn begin_slot(&mut self, slot: Slot, is_current: bool) {
        self.votes.seen.prune(slot);
        self.give_up_stale_votes(slot);
        self.store_version += 1;
        self.update_gate();
        // Normally taken up at interval 4 of the slot before; here if that was missed.
        if is_current {
            self.take_up_proposal(slot);
        } else if !self.has_proposal(slot) {
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
            match interval.within_slot() {
                0 if !self.has_proposal(slot) => self.proposal_missed(slot),
                1 => self.attestations_missed(slot, MissReason::LateTick),
                2 if self.is_aggregator => self.missed(Duty::Aggregation, None, slot, MissReason::LateTick),
                _ => {}
            }
        }
    }

    fn proposal_missed(&mut self, slot: Slot) {
        let registered = self.store.head_state().validators.len() as u64;
        if let Some(proposer) = ValidatorIndex::proposer_for_slot(slot, registered)
            && slot > Slot(0)
            && self.config.local_validators.contains(&proposer)
        {
            self.missed(Duty::Proposal, Some(proposer), slot, MissReason::LateTick);
        }
    }

    fn newest_unheld_claim(&mut self) -> Option<Slot> {
        // Asked for in every turn, so nothing is looked up while the head is near the clock.
        let near = self.clock().0.saturating_sub(self.store.head().slot.0) <= HYSTERESIS_BAND;
        if near { None } else { self.with_situation(|sync, situation| sync.newest_claim(situation)) }
    }

    /// Judges anew whether we are in sync. Before genesis everybody is.
    pub(crate) fn update_gate(&mut self) {
        if self.now < Millis(0) {
            return;
        }
        let lag = ChainLag {
            clock: self.clock(),
            head: self.store.head().slot,
            newest_unheld: self.newest_unheld_claim(),
            heard_of_peers: self.sync.heard_of_peers(),
        };
        if self.gate.update(lag) {
            self.view_is_stale();
            self.announce(Event::Syncing(self.gate.is_closed()));
        }
    }
}
