//! How many signatures to prove: as few as make room for everybody.

use std::cmp::Reverse;
use std::time::Duration;

use lathe_stark::MAX_SIGNATURES;

/// A lone signature is smaller than any proof of it.
const LEAST_SIGNATURES: usize = 2;

/// What there is to choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// Signatures at hand.
    pub(crate) available: usize,
    /// Votes that will have to stay raw.
    pub(crate) expected: usize,
    /// Votes that a block has room for while they are raw.
    pub(crate) room: usize,
    /// Raw votes that it should have at most.
    pub(crate) raw: usize,
    /// The time that there is.
    pub(crate) within: Duration,
}

/// The number of signatures to prove, or `None` if the block is no better for any proof that can be had in time.
///
/// The best proof makes room for the most votes; of those, one is preferred that leaves no more raw than there should
/// be, and then the cheapest. `time` and `votes` say what proving a number of signatures takes, and the votes whose
/// room it needs.
pub(crate) fn signatures_to_prove(
    choice: Choice,
    time: impl Fn(usize) -> Duration,
    votes: impl Fn(usize) -> usize,
) -> Option<usize> {
    let Choice { available, expected, room, raw, within } = choice;
    let total = available + expected;
    if total <= raw {
        return None;
    }
    let without = (total.min(room), false);
    (LEAST_SIGNATURES..=available.min(MAX_SIGNATURES))
        .filter(|proved| time(*proved) <= within)
        .filter_map(|proved| {
            let beside = (total - proved).min(room.checked_sub(votes(proved))?);
            let is_as_it_should_be = beside <= raw;
            Some((proved + beside, is_as_it_should_be, Reverse(time(proved)), Reverse(proved)))
        })
        .max()
        .filter(|(carried, is_as_it_should_be, ..)| (*carried, *is_as_it_should_be) > without)
        .map(|(.., Reverse(proved))| proved)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten milliseconds each; the room of 80 votes, and of one more per 16 signatures.
    fn plan(available: usize, expected: usize, raw: usize, within_ms: u64) -> Option<usize> {
        let choice = Choice { available, expected, room: 205, raw, within: Duration::from_millis(within_ms) };
        signatures_to_prove(
            choice,
            |signatures| Duration::from_millis(10 * signatures as u64),
            |signatures| 80 + signatures / 16,
        )
    }

    #[test]
    fn as_few_are_proved_as_make_room_for_all() {
        assert_eq!(plan(205, 0, 205, 10_000), None, "they fit");
        // 256 - 139 = 117 raw ones beside a proof of 88.
        assert_eq!(plan(256, 0, 205, 10_000), Some(139));
        assert_eq!(plan(206, 50, 205, 10_000), Some(139), "those who are expected stay raw");
        assert_eq!(plan(60, 196, 205, 10_000), None, "with these alone the block carries no more");
        assert_eq!(plan(130, 126, 205, 10_000), Some(130), "not all, but more than without");
        assert_eq!(plan(2000, 0, 205, 20_000), Some(1023), "a proof holds 1024, which would carry as many");
    }

    #[test]
    fn raw_votes_are_kept_to_what_there_should_be() {
        assert_eq!(plan(256, 0, 50, 10_000), Some(206));
        assert_eq!(plan(128, 0, 50, 10_000), Some(78), "even if all of them would fit");
        assert_eq!(plan(4, 0, 0, 10_000), Some(4));
        assert_eq!(plan(1, 0, 0, 10_000), None, "never one");
        assert_eq!(plan(50, 0, 50, 10_000), None);
    }

    #[test]
    fn what_cannot_be_had_in_time_is_done_without() {
        assert_eq!(plan(256, 0, 50, 2_060), Some(206));
        assert_eq!(
            plan(256, 0, 50, 2_059),
            Some(139),
            "more raw votes than there should be, and room for all"
        );
        assert_eq!(plan(256, 0, 50, 1_389), Some(138), "and not quite for all");
        assert_eq!(plan(256, 0, 205, 800), None, "a proof that takes the room of those that it covers");
        assert_eq!(plan(128, 0, 50, 779), None);
    }
}
