//! What proofs cost, in time and in room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Rows of the tallest table per signature. Tables are padded to a power of two, so time and size go in steps.
const ROWS_PER_SIGNATURE: usize = 122;
/// Proving one row on two idle cores, until something was measured.
const ROW_COST: Duration = Duration::from_micros(45);
/// What a proof costs however few signatures it has: grinding, and tables of the least height.
const BASE_COST: Duration = Duration::from_millis(60);
/// Of a time that is longer than the mean so much is taken over, and of a shorter one half of that: a proof that comes
/// too late is lost, one that was not started only costs the votes that did not fit.
const LEARNED_FROM_SLOWER: u64 = 2;
const LEARNED_FROM_FASTER: u64 = 4;
/// Each proof that was not started takes that part off the mean, so that one bad time is not believed for ever.
const FORGOTTEN: u64 = 32;
/// Bytes of the shortest proofs, those of one padded signature, and what each doubling of the rows adds; measured, and
/// rounded up.
const LEAST_BYTES: usize = 144 * 1024;
const DOUBLING_BYTES: usize = 9 * 1024;

/// Estimates that follow the times measured.
#[derive(Debug)]
pub(crate) struct Cost {
    /// A moving mean of what a row costs, in nanoseconds.
    row_nanos: AtomicU64,
}

impl Default for Cost {
    fn default() -> Self {
        Self { row_nanos: AtomicU64::new(ROW_COST.as_nanos() as u64) }
    }
}

impl Cost {
    /// How long proving that many signatures takes: a quarter more than on average, for times vary.
    pub(crate) fn time(&self, signatures: usize) -> Duration {
        let each = Duration::from_nanos(self.row_nanos.load(Ordering::Relaxed));
        let mean = BASE_COST.saturating_add(each.saturating_mul(rows(signatures)));
        mean.saturating_add(mean / 4)
    }

    pub(crate) fn learn(&self, signatures: usize, took: Duration) {
        let each = took.saturating_sub(BASE_COST).as_nanos() as u64 / u64::from(rows(signatures));
        let mean = self.row_nanos.load(Ordering::Relaxed);
        let learned = if each > mean {
            mean + (each - mean) / LEARNED_FROM_SLOWER
        } else {
            mean - (mean - each) / LEARNED_FROM_FASTER
        };
        self.row_nanos.store(learned, Ordering::Relaxed);
    }

    /// A proof was not started, because it would have taken too long.
    pub(crate) fn forget(&self) {
        let mean = self.row_nanos.load(Ordering::Relaxed);
        self.row_nanos.store(mean - mean / FORGOTTEN, Ordering::Relaxed);
    }
}

/// Bytes that a proof of that many signatures has at most.
pub(crate) fn bytes(signatures: usize) -> usize {
    let doublings = rows(signatures).ilog2() - rows(1).ilog2();
    LEAST_BYTES + doublings as usize * DOUBLING_BYTES
}

fn rows(signatures: usize) -> u32 {
    let rows = signatures.max(1).saturating_mul(ROWS_PER_SIGNATURE);
    u32::try_from(rows).ok().and_then(u32::checked_next_power_of_two).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(signatures: usize, row_micros: u64) -> Duration {
        BASE_COST + Duration::from_micros(row_micros) * rows(signatures)
    }

    #[test]
    fn times_and_sizes_go_in_steps() {
        let cost = Cost::default();
        assert_eq!(rows(1), 128);
        assert_eq!([67, 68, 134, 135, 268, 269].map(rows), [8192, 16384, 16384, 32768, 32768, 65536]);
        assert_eq!(cost.time(134), took(134, 45) * 5 / 4);
        assert!(cost.time(135) > cost.time(134));
        assert_eq!(bytes(67), LEAST_BYTES + 6 * DOUBLING_BYTES);
        assert_eq!(bytes(68), bytes(67) + DOUBLING_BYTES);
        assert_eq!(cost.time(usize::MAX), cost.time(usize::MAX - 1), "no overflow");
    }

    #[test]
    fn estimates_follow_what_was_measured_faster_up_than_down() {
        let cost = Cost::default();
        cost.learn(134, took(134, 85));
        assert_eq!(cost.time(134), took(134, 65) * 5 / 4);
        cost.learn(134, took(134, 25));
        assert_eq!(cost.time(134), took(134, 55) * 5 / 4);
        cost.learn(134, Duration::ZERO);
        assert!(cost.time(134) < took(134, 42) * 5 / 4);
        let before = cost.time(134);
        cost.forget();
        assert!(cost.time(134) < before);
    }
}
