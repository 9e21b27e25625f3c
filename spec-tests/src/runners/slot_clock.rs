//! `slot_clock` fixtures: from wall-clock time to slots and intervals.

use serde::Deserialize;

use lathe_types::{
    INTERVALS_PER_SLOT, Interval, MILLISECONDS_PER_INTERVAL, SECONDS_PER_SLOT, Slot, SlotClock,
};

use crate::fixtures::Case;
use crate::outcome::{Failure, Outcome, expect_eq};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    operation: Operation,
    config: Config,
    output: Output,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase", tag = "kind", deny_unknown_fields)]
enum Operation {
    FromUnixTime { genesis_time: u64, unix_seconds: f64 },
    FromSlot { slot: Slot },
    CurrentSlot { genesis_time: u64, current_time_milliseconds: f64 },
    CurrentInterval { genesis_time: u64, current_time_milliseconds: f64 },
    TotalIntervals { genesis_time: u64, current_time_milliseconds: f64 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    seconds_per_slot: u64,
    intervals_per_slot: u64,
    milliseconds_per_interval: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Output {
    Slot(u64),
    Interval(u64),
    TotalIntervals(u64),
}

pub(super) fn run(case: &Case) -> Outcome {
    let Body { operation, config, output } = case.body()?;
    let ours = Config {
        seconds_per_slot: SECONDS_PER_SLOT,
        intervals_per_slot: INTERVALS_PER_SLOT,
        milliseconds_per_interval: MILLISECONDS_PER_INTERVAL,
    };
    expect_eq("config", &config, &ours)?;
    expect_eq("output", &output, &perform(&operation)?)?;
    case.expect_rejection(None)
}

fn perform(operation: &Operation) -> Result<Output, Failure> {
    let at = |genesis_time| SlotClock { genesis_time };
    Ok(match *operation {
        Operation::FromUnixTime { genesis_time, unix_seconds } => {
            Output::Interval(at(genesis_time).total_intervals(whole(unix_seconds * 1000.0)?).0)
        }
        Operation::FromSlot { slot } => Output::Interval(Interval::from_slot(slot).0),
        Operation::CurrentSlot { genesis_time, current_time_milliseconds } => {
            Output::Slot(at(genesis_time).current_slot(whole(current_time_milliseconds)?).0)
        }
        Operation::CurrentInterval { genesis_time, current_time_milliseconds } => {
            Output::Interval(at(genesis_time).current_interval(whole(current_time_milliseconds)?))
        }
        Operation::TotalIntervals { genesis_time, current_time_milliseconds } => {
            Output::TotalIntervals(at(genesis_time).total_intervals(whole(current_time_milliseconds)?).0)
        }
    })
}

/// The fixtures write times as floating-point numbers; ours are whole milliseconds.
fn whole(milliseconds: f64) -> Result<u64, Failure> {
    let in_range = milliseconds >= 0.0 && milliseconds < u64::MAX as f64;
    if in_range { Ok(milliseconds as u64) } else { Err(Failure::new("a Unix time", milliseconds)) }
}
