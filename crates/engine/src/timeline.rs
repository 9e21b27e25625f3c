//! Which intervals have begun. Every interval is handed out once, in order, whatever the clock does.

use lathe_types::{INTERVALS_PER_SLOT, Interval};

use crate::io::Millis;

/// Intervals that are worked through one by one when the clock jumps: one slot, which is enough for every action on
/// the store. Earlier ones are skipped, so that a suspended machine does not replay its sleep.
pub(crate) const MAX_CATCH_UP_INTERVALS: u64 = INTERVALS_PER_SLOT;

/// What a look at the clock revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advance {
    /// First interval that was skipped altogether, if any: up to, but not including, `first`.
    pub(crate) skipped_from: Option<Interval>,
    /// First interval to work through.
    pub(crate) first: Interval,
    /// Last interval to work through: the one that the clock shows.
    pub(crate) last: Interval,
}

/// The last interval that was handed out.
#[derive(Default)]
pub(crate) struct Timeline {
    has_started: bool,
    last: Option<Interval>,
}

impl Timeline {
    /// The intervals that began since the last look. None before genesis, within an interval, and after a step back.
    pub(crate) fn advance(&mut self, now: Millis) -> Option<Advance> {
        let current = now.interval()?;
        let next = self.last.map_or(Interval(0), |last| Interval(last.0 + 1));
        if current < next {
            return None;
        }
        let first = next.max(Interval((current.0 + 1).saturating_sub(MAX_CATCH_UP_INTERVALS)));
        self.last = Some(current);
        Some(Advance { skipped_from: (first > next).then_some(next), first, last: current })
    }

    /// Starts in the middle of things: what began before is not ours to do.
    pub(crate) fn start(&mut self, now: Millis) {
        self.has_started = true;
        self.last = now.interval();
    }

    /// Whether anybody has looked at the clock yet.
    pub(crate) fn has_started(&self) -> bool {
        self.has_started
    }

    /// When the next interval begins.
    pub(crate) fn next_boundary(&self) -> Millis {
        Millis::of_interval(self.last.map_or(Interval(0), |last| Interval(last.0 + 1)))
    }

    /// The interval that was handed out last; `None` before genesis.
    pub(crate) fn current(&self) -> Option<Interval> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advance(skipped_from: Option<u64>, first: u64, last: u64) -> Option<Advance> {
        Some(Advance {
            skipped_from: skipped_from.map(Interval),
            first: Interval(first),
            last: Interval(last),
        })
    }

    #[test]
    fn each_interval_once() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.advance(Millis(-1)), None);
        assert_eq!(timeline.next_boundary(), Millis(0));
        assert_eq!(timeline.advance(Millis(0)), advance(None, 0, 0));
        assert_eq!(timeline.advance(Millis(799)), None);
        assert_eq!(timeline.advance(Millis(800)), advance(None, 1, 1));
        assert_eq!(timeline.next_boundary(), Millis(1600));
    }

    #[test]
    fn a_step_back_repeats_nothing() {
        let mut timeline = Timeline::default();
        timeline.start(Millis(8000));
        assert_eq!(timeline.advance(Millis(3000)), None);
        assert_eq!(timeline.advance(Millis(8799)), None);
        assert_eq!(timeline.advance(Millis(8800)), advance(None, 11, 11));
    }

    #[test]
    fn a_jump_works_through_one_slot_only() {
        let mut timeline = Timeline::default();
        timeline.start(Millis(0));
        assert_eq!(timeline.advance(Millis(4000)), advance(None, 1, 5));
        assert_eq!(timeline.advance(Millis(8800)), advance(Some(6), 7, 11));
        assert_eq!(timeline.advance(Millis(4_000_000)), advance(Some(12), 4996, 5000));
    }
}
