//! How chain time follows the system clock, without reading it.

use lathe_engine::Millis;
use lathe_types::{MILLISECONDS_PER_INTERVAL, MILLISECONDS_PER_SLOT};

const MICROS_PER_MILLI: i64 = 1000;

/// A step back of the system clock by more than this many microseconds of real time is a correction of a clock that was
/// wrong, and followed at once: one slot. At half the pace, a day's error would take two days.
const MAX_SLEWED_US: i64 = MILLISECONDS_PER_SLOT as i64 * MICROS_PER_MILLI;

/// Chain time: microseconds since genesis that run backwards only when a wrong clock is corrected.
///
/// It follows the system clock, forward steps included. When the system clock steps back by up to a slot, chain time
/// goes on at half the pace of the monotonic clock until the system clock has caught up, so that no interval is entered
/// twice and no duty is done twice. A longer step back is followed at once: what was signed for slots that lie ahead
/// again is in the signing ledger.
#[derive(Clone, Debug)]
pub struct Timeline {
    genesis_unix_us: i64,
    speed: f64,
    /// The last answer, on the system clock's scale, and the monotonic time of it.
    unix_us: i64,
    monotonic_us: i64,
    corrections: u64,
}

impl Timeline {
    /// A timeline that starts at the readings `unix_us` and `monotonic_us`.
    pub fn new(genesis_unix_s: u64, speed: f64, unix_us: i64, monotonic_us: i64) -> Self {
        let genesis_unix_us = i64::try_from(genesis_unix_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Self { genesis_unix_us, speed, unix_us, monotonic_us, corrections: 0 }
    }

    /// Microseconds since genesis at these readings.
    pub fn advance(&mut self, unix_us: i64, monotonic_us: i64) -> i64 {
        let elapsed = (monotonic_us - self.monotonic_us).max(0);
        self.monotonic_us += elapsed;
        let slewed = self.unix_us.saturating_add(elapsed / 2);
        let is_corrected = slewed.saturating_sub(unix_us) > MAX_SLEWED_US;
        self.unix_us = if is_corrected { unix_us } else { unix_us.max(slewed) };
        self.corrections += u64::from(is_corrected);
        (self.unix_us.saturating_sub(self.genesis_unix_us) as f64 * self.speed) as i64
    }

    /// How far the system clock lies behind chain time, in microseconds of real time.
    pub fn ahead_us(&self, unix_us: i64) -> i64 {
        self.unix_us.saturating_sub(unix_us).max(0)
    }

    /// How often a wrong clock was set back, so that time ran backwards.
    pub fn corrections(&self) -> u64 {
        self.corrections
    }

    /// Chain time per real time.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Real microseconds from the last answer until `chain_us`.
    pub fn real_us_until(&self, chain_us: i64) -> u64 {
        let now = self.unix_us.saturating_sub(self.genesis_unix_us) as f64;
        (chain_us as f64 / self.speed - now).max(0.0).ceil() as u64
    }
}

/// Whole milliseconds, rounded down.
pub fn to_millis(chain_us: i64) -> Millis {
    Millis(chain_us.div_euclid(MICROS_PER_MILLI))
}

/// Microseconds of a time.
pub fn to_micros(at: Millis) -> i64 {
    at.0.saturating_mul(MICROS_PER_MILLI)
}

/// The first interval boundary after `now`; the first of all is genesis.
pub fn next_boundary(now: Millis) -> Millis {
    let interval = MILLISECONDS_PER_INTERVAL as i64;
    if now.0 < 0 { Millis(0) } else { Millis((now.0 / interval + 1) * interval) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENESIS_S: u64 = 1_000;
    const GENESIS_US: i64 = 1_000_000_000;

    #[test]
    fn time_is_counted_from_genesis_and_negative_before_it() {
        let mut timeline = Timeline::new(GENESIS_S, 1.0, GENESIS_US - 2_500, 0);
        assert_eq!(to_millis(timeline.advance(GENESIS_US - 2_500, 0)), Millis(-3));
        assert_eq!(to_millis(timeline.advance(GENESIS_US, 2_500)), Millis(0));
        assert_eq!(to_millis(timeline.advance(GENESIS_US + 1_999, 4_499)), Millis(1));
    }

    #[test]
    fn speed_scales_both_sides_of_genesis() {
        let mut timeline = Timeline::new(GENESIS_S, 8.0, GENESIS_US - 1_000, 0);
        assert_eq!(timeline.advance(GENESIS_US - 1_000, 0), -8_000);
        assert_eq!(timeline.real_us_until(0), 1_000);
        assert_eq!(timeline.advance(GENESIS_US + 100_000, 101_000), 800_000);
        assert_eq!(timeline.real_us_until(1_600_000), 100_000);
        assert_eq!(timeline.real_us_until(0), 0);
    }

    #[test]
    fn a_forward_step_is_followed_at_once() {
        let mut timeline = Timeline::new(GENESIS_S, 1.0, GENESIS_US, 0);
        assert_eq!(timeline.advance(GENESIS_US + 60_000_000, 1_000), 60_000_000);
    }

    #[test]
    fn after_a_backward_step_time_slows_down_until_the_system_clock_has_caught_up() {
        let mut timeline = Timeline::new(GENESIS_S, 1.0, GENESIS_US + 10_000, 0);
        assert_eq!(timeline.advance(GENESIS_US + 4_000, 1_000), 10_500, "half the pace");
        assert_eq!(timeline.ahead_us(GENESIS_US + 4_000), 6_500);
        assert_eq!(timeline.advance(GENESIS_US + 14_000, 11_000), 15_500);
        assert_eq!(timeline.advance(GENESIS_US + 20_000, 17_000), 20_000, "caught up");
        assert_eq!(timeline.ahead_us(GENESIS_US + 20_000), 0);
    }

    #[test]
    fn a_step_back_of_more_than_a_slot_is_followed_at_once() {
        let mut timeline = Timeline::new(GENESIS_S, 1.0, GENESIS_US, 0);
        assert_eq!(timeline.advance(GENESIS_US + 600_000_000, 1_000), 600_000_000);
        assert_eq!(timeline.corrections(), 0);
        assert_eq!(timeline.advance(GENESIS_US + 1_000_000, 1_000_000), 1_000_000);
        assert_eq!(timeline.corrections(), 1);
        assert_eq!(timeline.ahead_us(GENESIS_US + 1_000_000), 0);
        assert_eq!(timeline.advance(GENESIS_US + 2_000_000, 2_000_000), 2_000_000);
        let slewed = timeline.advance(GENESIS_US + 2_000_000 - MAX_SLEWED_US, 2_000_000);
        assert_eq!((slewed, timeline.corrections()), (2_000_000, 1), "one of a slot is waited for");
    }

    #[test]
    fn boundaries_are_aligned_to_genesis() {
        for (now, next) in [(-9_999, 0), (-1, 0), (0, 800), (799, 800), (800, 1600), (4_001, 4_800)] {
            assert_eq!(next_boundary(Millis(now)), Millis(next), "after {now}");
        }
    }
}
