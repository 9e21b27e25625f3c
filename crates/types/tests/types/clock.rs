//! The timeline at its boundaries.

use lathe_types::{Interval, Slot, SlotClock};

const CLOCK: SlotClock = SlotClock { genesis_time: 1_700_000_000 };
const GENESIS_MS: u64 = 1_700_000_000_000;

#[test]
fn before_genesis_everything_is_zero() {
    for unix_ms in [0, GENESIS_MS - 1] {
        assert_eq!(CLOCK.current_slot(unix_ms), Slot(0));
        assert_eq!(CLOCK.current_interval(unix_ms), 0);
        assert_eq!(CLOCK.total_intervals(unix_ms), Interval(0));
    }
    assert_eq!(CLOCK.milliseconds_until_next_interval(GENESIS_MS - 1), 1);
    assert_eq!(CLOCK.milliseconds_until_next_interval(GENESIS_MS - 5_000), 5_000);
}

#[test]
fn boundaries_belong_to_what_they_begin() {
    let at = |since| {
        let unix_ms = GENESIS_MS + since;
        (CLOCK.current_slot(unix_ms).0, CLOCK.current_interval(unix_ms), CLOCK.total_intervals(unix_ms).0)
    };
    assert_eq!(at(0), (0, 0, 0));
    assert_eq!(at(799), (0, 0, 0));
    assert_eq!(at(800), (0, 1, 1));
    assert_eq!(at(3_999), (0, 4, 4));
    assert_eq!(at(4_000), (1, 0, 5));
}

#[test]
fn the_next_boundary_is_never_now() {
    assert_eq!(CLOCK.milliseconds_until_next_interval(GENESIS_MS), 800);
    assert_eq!(CLOCK.milliseconds_until_next_interval(GENESIS_MS + 1), 799);
    assert_eq!(CLOCK.milliseconds_until_next_interval(GENESIS_MS + 799), 1);
    assert_eq!(CLOCK.milliseconds_until_next_interval(GENESIS_MS + 800), 800);
}

#[test]
fn slots_start_where_they_begin() {
    assert_eq!(CLOCK.slot_start_ms(Slot(0)), GENESIS_MS);
    assert_eq!(CLOCK.slot_start_ms(Slot(2)), GENESIS_MS + 8_000);
    assert_eq!(CLOCK.slot_start_ms(Slot(u64::MAX)), u64::MAX);
}

#[test]
fn a_genesis_beyond_all_time_is_never_reached() {
    let clock = SlotClock { genesis_time: u64::MAX };
    assert_eq!(clock.current_slot(u64::MAX), Slot(0));
    assert_eq!(clock.milliseconds_until_next_interval(0), u64::MAX);
}
