//! Arithmetic on the engine's time: slots, intervals and timers in milliseconds since genesis.

use lathe_types::{Interval, MILLISECONDS_PER_INTERVAL, MILLISECONDS_PER_SLOT, Slot};

use crate::io::Millis;

impl Millis {
    /// When `slot` begins; saturates far beyond any reachable time.
    pub fn of_slot(slot: Slot) -> Self {
        Self(i64::try_from(slot.0.saturating_mul(MILLISECONDS_PER_SLOT)).unwrap_or(i64::MAX))
    }

    /// When `interval` begins; saturates far beyond any reachable time.
    pub fn of_interval(interval: Interval) -> Self {
        Self(i64::try_from(interval.0.saturating_mul(MILLISECONDS_PER_INTERVAL)).unwrap_or(i64::MAX))
    }

    /// The interval that this moment belongs to; `None` before genesis.
    pub fn interval(self) -> Option<Interval> {
        u64::try_from(self.0).ok().map(|millis| Interval(millis / MILLISECONDS_PER_INTERVAL))
    }

    /// The slot that this moment belongs to; slot 0 before genesis.
    pub fn slot(self) -> Slot {
        Slot(u64::try_from(self.0).unwrap_or(0) / MILLISECONDS_PER_SLOT)
    }

    /// This moment and `millis` more.
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add_unsigned(millis))
    }

    /// This moment less `millis`.
    pub fn minus(self, millis: u64) -> Self {
        Self(self.0.saturating_sub_unsigned(millis))
    }

    /// Milliseconds from `earlier` to this moment; negative if it is the other way round.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A moment to wait for, which survives a clock that steps back: a timer that lies further ahead than it was ever set
/// for is due as well, so that nothing waits for the clock to make up for the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    at: Millis,
    span: u64,
}

impl Timer {
    /// A timer due `span` milliseconds after `now`.
    pub(crate) fn after(now: Millis, span: u64) -> Self {
        Self { at: now.plus(span), span }
    }

    /// Whether it is due.
    pub(crate) fn is_due(self, now: Millis) -> bool {
        now >= self.at || now < self.at.minus(self.span)
    }

    /// When it is due at the latest.
    pub(crate) fn at(self) -> Millis {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_every_boundary() {
        assert_eq!(Millis(-1).interval(), None);
        assert_eq!(Millis(0).interval(), Some(Interval(0)));
        assert_eq!(Millis(799).interval(), Some(Interval(0)));
        assert_eq!(Millis(800).interval(), Some(Interval(1)));
        assert_eq!(Millis(3999).slot(), Slot(0));
        assert_eq!(Millis(4000).slot(), Slot(1));
        assert_eq!(Millis(-5000).slot(), Slot(0));
        assert_eq!(Millis::of_slot(Slot(u64::MAX)), Millis(i64::MAX));
        assert_eq!(Millis::of_interval(Interval(3)), Millis(2400));
    }

    #[test]
    fn a_timer_is_due_at_its_time_and_after_a_step_back() {
        let timer = Timer::after(Millis(1000), 5);
        assert!(!timer.is_due(Millis(1000)));
        assert!(!timer.is_due(Millis(1004)));
        assert!(timer.is_due(Millis(1005)));
        assert!(timer.is_due(Millis(999)), "the clock stepped back");
    }
}
