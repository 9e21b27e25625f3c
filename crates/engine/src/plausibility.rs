//! Whether the clock can be right: what others sign says what time it is for them.
//!
//! Blocks that come by gossip for the first time, one slot after the other, and all of them far behind our clock, say
//! that it is our clock that is ahead: votes and blocks for slots that are not there yet spend one-time leaves, and
//! reach nobody. Only blocks count that have just been imported: whoever replays what we know proves nothing, and old
//! blocks that are new to us are as scarce as the keys that sign them. A single block in time outweighs them all.

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

/// What speaks against the clock.
#[derive(Default)]
pub(crate) struct Plausibility {
    /// Slots of late blocks, ascending, as many as are needed.
    late: Vec<Slot>,
    first_at: Option<Millis>,
    until: Option<Timer>,
    slots_ahead: u64,
    rests: bool,
}

impl Plausibility {
    /// A block of `slot` came by gossip and was imported. Whether it speaks against the clock.
    pub(crate) fn block_came(&mut self, now: Millis, slot: Slot) -> bool {
        let lag = now.slot().0.saturating_sub(slot.0);
        if lag <= TIMELY_SLOTS {
            *self = Self { rests: self.rests, ..Self::default() };
        } else if lag >= FAR_SLOTS {
            if self.late.len() < WITNESSES && self.late.last().is_none_or(|last| *last < slot) {
                self.late.push(slot);
            }
            self.first_at.get_or_insert(now);
            self.until = Some(Timer::after(now, REST_FOR_MS));
            self.slots_ahead = lag;
        }
        lag >= FAR_SLOTS
    }

    /// The clock was set back: what spoke against it spoke against another time.
    pub(crate) fn clock_corrected(&mut self) {
        *self = Self { rests: self.rests, ..Self::default() };
    }

    /// Whether duties rest, and what is to be told if that has changed.
    pub(crate) fn judge(&mut self, now: Millis) -> (bool, Option<Event>) {
        if self.until.is_some_and(|until| until.is_due(now)) {
            *self = Self { rests: self.rests, ..Self::default() };
        }
        let lasted = self.first_at.is_some_and(|first| now.since(first) >= MILLISECONDS_PER_SLOT as i64);
        let rests = self.late.len() >= WITNESSES && lasted;
        let told = (rests != self.rests)
            .then_some(Event::ClockImplausible { slots_ahead: if rests { self.slots_ahead } else { 0 } });
        self.rests = rests;
        (rests, told)
    }
}

#[cfg(test)]
mod tests {
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
}
