//! Whether the clock can be right: what others sign says what time it is for them.
//!
//! Blocks that come by gossip for the first time, one slot after the other, and all of them far behind our clock, say
//! that it is our clock that is ahead: votes and blocks for slots that are not there yet spend one-time leaves, and
//! reach nobody. Only blocks count that have just been imported: whoever replays what we know proves nothing, and old
//! blocks that are new to us are as scarce as the keys that sign them. A single block in time outweighs them all.
//!
//! Where no blocks come, votes say the same, if more than a third of the validators sign them for a slot after that of
//! our head. So a minority cannot turn a stall into a halt, and a stranger who repeats votes has no more of them than
//! there were slots without a block. Such votes in time outweigh late ones.

use std::collections::VecDeque;

use lathe_forkchoice::ValidatorSet;
use lathe_types::{MILLISECONDS_PER_SLOT, Slot};

use crate::io::{Event, Millis};
use crate::time::Timer;

/// Slots that a block may be late and still be in time.
const TIMELY_SLOTS: u64 = 2;
/// Slots behind the clock from which on a block says that the clock is wrong. No gossip is under way for that long.
pub(crate) const FAR_SLOTS: u64 = 8;
/// Slots whose blocks have to say so, over more than one slot of time: a node that was suspended reads its whole
/// mailbox at once.
const WITNESSES: usize = 2;
/// Duties rest for this long after the last such block. Then nothing speaks against the clock any more.
const REST_FOR_MS: u64 = FAR_SLOTS * MILLISECONDS_PER_SLOT;
/// Slots whose votes are added up at a time. Those of one slot come within it.
const COUNTED_SLOTS: usize = 16;

/// What speaks against the clock.
#[derive(Default)]
pub(crate) struct Plausibility {
    blocks: Evidence,
    votes: Evidence,
    /// Who has voted in the slots that were heard of last.
    voters: VecDeque<(Slot, ValidatorSet)>,
    rests: bool,
}

/// Blocks, or votes, that are far behind the clock.
#[derive(Default)]
struct Evidence {
    /// Slots of late ones, ascending, as many as are needed.
    late: Vec<Slot>,
    first_at: Option<Millis>,
    until: Option<Timer>,
    slots_ahead: u64,
}

/// How something that others have signed stands to the clock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Timely,
    Late,
    Far { slots: u64 },
}

impl Arrival {
    fn of(now: Millis, slot: Slot) -> Self {
        match now.slot().0.saturating_sub(slot.0) {
            0..=TIMELY_SLOTS => Self::Timely,
            slots if slots < FAR_SLOTS => Self::Late,
            slots => Self::Far { slots },
        }
    }
}

impl Evidence {
    fn add(&mut self, now: Millis, slot: Slot, slots_ahead: u64) {
        if self.late.len() < WITNESSES && self.late.last().is_none_or(|last| *last < slot) {
            self.late.push(slot);
        }
        self.first_at.get_or_insert(now);
        self.until = Some(Timer::after(now, REST_FOR_MS));
        self.slots_ahead = slots_ahead;
    }

    fn expire(&mut self, now: Millis) {
        if self.until.is_some_and(|until| until.is_due(now)) {
            *self = Self::default();
        }
    }

    fn suffices(&self, now: Millis) -> bool {
        let lasted = self.first_at.is_some_and(|first| now.since(first) >= MILLISECONDS_PER_SLOT as i64);
        self.late.len() >= WITNESSES && lasted
    }
}

impl Plausibility {
    /// A block of `slot` came by gossip and was imported. Whether it speaks against the clock.
    pub(crate) fn block_came(&mut self, now: Millis, slot: Slot) -> bool {
        match Arrival::of(now, slot) {
            Arrival::Timely => self.clock_corrected(),
            Arrival::Late => {}
            Arrival::Far { slots } => {
                self.blocks.add(now, slot, slots);
                return true;
            }
        }
        false
    }

    /// `voters` have voted in `slot`, of `registered` validators; our head is of slot `head`. Whether the votes of the
    /// slot speak against the clock now, and did not before.
    pub(crate) fn votes_came(
        &mut self,
        now: Millis,
        (slot, voters): (Slot, &ValidatorSet),
        registered: usize,
        head: Slot,
    ) -> bool {
        if slot <= head || !self.are_enough(slot, voters, registered) {
            return false;
        }
        match Arrival::of(now, slot) {
            Arrival::Timely => self.votes = Evidence::default(),
            Arrival::Late => {}
            Arrival::Far { slots } => {
                self.votes.add(now, slot, slots);
                return true;
            }
        }
        false
    }

    /// Adds voters of a slot. True once, when they have become more than a third.
    fn are_enough(&mut self, slot: Slot, voters: &ValidatorSet, registered: usize) -> bool {
        let enough = |set: &ValidatorSet| 3 * set.len() > registered;
        if let Some((_, known)) = self.voters.iter_mut().find(|(known, _)| *known == slot) {
            let before = enough(known);
            known.extend(voters);
            return !before && enough(known);
        }
        if self.voters.len() == COUNTED_SLOTS {
            self.voters.pop_front();
        }
        self.voters.push_back((slot, voters.clone()));
        enough(voters)
    }

    /// The clock was set back: what spoke against it spoke against another time.
    pub(crate) fn clock_corrected(&mut self) {
        (self.blocks, self.votes) = Default::default();
    }

    /// Whether duties rest, and what is to be told if that has changed.
    pub(crate) fn judge(&mut self, now: Millis) -> (bool, Option<Event>) {
        self.blocks.expire(now);
        self.votes.expire(now);
        let speaks = [&self.blocks, &self.votes].into_iter().find(|evidence| evidence.suffices(now));
        let slots_ahead = speaks.map(|evidence| evidence.slots_ahead);
        let rests = slots_ahead.is_some();
        let told = (rests != self.rests)
            .then_some(Event::ClockImplausible { slots_ahead: slots_ahead.unwrap_or_default() });
        self.rests = rests;
        (rests, told)
    }
}

#[cfg(test)]
mod tests {
    use lathe_types::ValidatorIndex;

    use super::*;

    /// Blocks as `(now, slot)`; what was told after each.
    fn told(blocks: &[(i64, u64)]) -> Vec<Option<u64>> {
        let mut plausibility = Plausibility::default();
        let tell = |(now, slot): &(i64, u64)| {
            plausibility.block_came(Millis(*now), Slot(*slot));
            match plausibility.judge(Millis(*now)).1 {
                Some(Event::ClockImplausible { slots_ahead }) => Some(slots_ahead),
                _ => None,
            }
        };
        blocks.iter().map(tell).collect()
    }

    #[test]
    fn two_slots_of_late_blocks_say_so_and_one_in_time_outweighs_them() {
        assert_eq!(told(&[(600_000, 1), (604_000, 2), (608_000, 3)]), [None, Some(149), None]);
        assert_eq!(told(&[(600_000, 1), (604_000, 2), (608_000, 151)]), [None, Some(149), Some(0)]);
        assert_eq!(told(&[(600_000, 1), (602_000, 149), (604_000, 2)]), [None, None, None]);
    }

    #[test]
    fn one_slot_a_burst_and_what_is_a_little_late_say_nothing() {
        assert_eq!(told(&[(600_000, 1), (604_000, 1), (608_000, 1)]), [None, None, None]);
        assert_eq!(told(&[(600_000, 1), (600_100, 2), (600_200, 3)]), [None, None, None]);
        assert_eq!(told(&[(600_000, 143), (604_000, 144), (608_000, 145)]), [None, None, None]);
    }

    #[test]
    fn silence_and_a_correction_end_it() {
        for corrected in [true, false] {
            let mut plausibility = Plausibility::default();
            plausibility.block_came(Millis(600_000), Slot(1));
            plausibility.block_came(Millis(604_000), Slot(2));
            assert!(plausibility.judge(Millis(604_000)).0);
            if corrected {
                plausibility.clock_corrected();
                assert!(!plausibility.judge(Millis(604_000)).0);
            } else {
                assert!(plausibility.judge(Millis(604_000).plus(REST_FOR_MS - 1)).0);
                assert!(!plausibility.judge(Millis(604_000).plus(REST_FOR_MS)).0);
            }
        }
    }

    /// Votes of one slot after the other, each with these voters of four, when no block comes; whether duties rest.
    fn rests_for_votes(voters: &[u64], head: u64, at: impl Fn(u64) -> i64) -> bool {
        let mut plausibility = Plausibility::default();
        let mut set = ValidatorSet::default();
        voters.iter().for_each(|voter| set.insert(ValidatorIndex(*voter)));
        let rest = |slot: u64| {
            let now = Millis(at(slot));
            plausibility.votes_came(now, (Slot(slot), &set), 4, Slot(head));
            plausibility.judge(now).0
        };
        (1..=3).map(rest).last().unwrap_or_default()
    }

    #[test]
    fn late_votes_of_more_than_a_third_say_so_where_no_block_comes() {
        let at_pace = |slot: u64| 600_000 + 4_000 * slot as i64;
        assert!(rests_for_votes(&[0, 3], 0, at_pace));
        assert!(!rests_for_votes(&[3], 0, at_pace), "a quarter of the validators stops nobody");
        assert!(!rests_for_votes(&[0, 3], 3, at_pace), "votes that our chain has overtaken are old");
        assert!(!rests_for_votes(&[0, 3], 0, |_| 600_000), "in one go");
        assert!(!rests_for_votes(&[0, 3], 0, |slot| 4_000 * slot as i64 + 5_000), "in time");
    }

    #[test]
    fn voters_of_a_slot_are_added_up_and_count_once() {
        let mut plausibility = Plausibility::default();
        let mut came = |slot: u64, voter: u64| {
            let mut set = ValidatorSet::default();
            set.insert(ValidatorIndex(voter));
            plausibility.votes_came(Millis(600_000), (Slot(slot), &set), 4, Slot(0))
        };
        assert_eq!(
            [came(5, 0), came(5, 0), came(6, 1), came(5, 1), came(5, 2)],
            [false, false, false, true, false]
        );
    }

    #[test]
    fn votes_in_time_outweigh_late_ones_and_a_block_in_time_outweighs_all() {
        for is_block in [true, false] {
            let mut plausibility = Plausibility::default();
            let all: ValidatorSet = {
                let mut set = ValidatorSet::default();
                (0..4).for_each(|voter| set.insert(ValidatorIndex(voter)));
                set
            };
            for slot in 1..3 {
                let now = Millis(600_000 + 4_000 * slot as i64);
                assert!(plausibility.votes_came(now, (Slot(slot), &all), 4, Slot(0)));
            }
            let now = Millis(608_000);
            assert!(plausibility.judge(now).0);
            if is_block {
                plausibility.block_came(now, now.slot());
            } else {
                plausibility.votes_came(now, (now.slot(), &all), 4, Slot(0));
            }
            assert!(!plausibility.judge(now).0);
        }
    }
}
