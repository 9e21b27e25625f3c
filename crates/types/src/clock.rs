//! From wall-clock time to slots and intervals (leanSpec `node/chain/clock.py`).
//!
//! Pure arithmetic on a time that the caller has read: nothing here knows a clock. Before genesis everything is zero,
//! and a genesis beyond the range of milliseconds is never reached instead of overflowing.

use crate::constants::{MILLISECONDS_PER_INTERVAL, MILLISECONDS_PER_SLOT};
use crate::primitives::{Interval, Slot};

/// The timeline that starts at a genesis time. Times are Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotClock {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
}

impl SlotClock {
    /// Unix time of slot 0.
    pub const fn genesis_ms(self) -> u64 {
        self.genesis_time.saturating_mul(1000)
    }

    /// Time since genesis; zero before it.
    pub const fn milliseconds_since_genesis(self, unix_ms: u64) -> u64 {
        unix_ms.saturating_sub(self.genesis_ms())
    }

    /// The slot at that time.
    pub const fn current_slot(self, unix_ms: u64) -> Slot {
        Slot(self.milliseconds_since_genesis(unix_ms) / MILLISECONDS_PER_SLOT)
    }

    /// The interval within the slot at that time, 0 to 4.
    pub const fn current_interval(self, unix_ms: u64) -> u64 {
        self.milliseconds_since_genesis(unix_ms) % MILLISECONDS_PER_SLOT / MILLISECONDS_PER_INTERVAL
    }

    /// Whole intervals since genesis at that time.
    pub const fn total_intervals(self, unix_ms: u64) -> Interval {
        Interval(self.milliseconds_since_genesis(unix_ms) / MILLISECONDS_PER_INTERVAL)
    }

    /// Time until the next boundary: genesis itself before genesis, and a whole interval (never zero) on a boundary.
    pub const fn milliseconds_until_next_interval(self, unix_ms: u64) -> u64 {
        if unix_ms < self.genesis_ms() {
            return self.genesis_ms() - unix_ms;
        }
        MILLISECONDS_PER_INTERVAL - self.milliseconds_since_genesis(unix_ms) % MILLISECONDS_PER_INTERVAL
    }

    /// Unix time at which `slot` starts.
    pub const fn slot_start_ms(self, slot: Slot) -> u64 {
        self.genesis_ms().saturating_add(slot.0.saturating_mul(MILLISECONDS_PER_SLOT))
    }
}
