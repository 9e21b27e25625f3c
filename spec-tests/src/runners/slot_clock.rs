//! `slot_clock` fixtures: from wall-clock time to slots and intervals, by the time that a node runs on.

use serde::Deserialize;

use lathe_driver::{Timeline, to_millis};
use lathe_engine::Millis;
use lathe_types::{INTERVALS_PER_SLOT, Interval, MILLISECONDS_PER_INTERVAL, SECONDS_PER_SLOT, Slot};

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
    Ok(match *operation {
        Operation::FromUnixTime { genesis_time, unix_seconds } => {
            Output::Interval(intervals(chain_time(genesis_time, unix_seconds * 1_000.0)?))
        }
        Operation::FromSlot { slot } => Output::Interval(intervals(Millis::of_slot(slot))),
        Operation::CurrentSlot { genesis_time, current_time_milliseconds } => {
            Output::Slot(chain_time(genesis_time, current_time_milliseconds)?.slot().0)
        }
        Operation::CurrentInterval { genesis_time, current_time_milliseconds } => {
            let total = intervals(chain_time(genesis_time, current_time_milliseconds)?);
            Output::Interval(total % INTERVALS_PER_SLOT)
        }
        Operation::TotalIntervals { genesis_time, current_time_milliseconds } => {
            Output::TotalIntervals(intervals(chain_time(genesis_time, current_time_milliseconds)?))
        }
    })
}

/// What the chain time of a node is whose system clock shows this many milliseconds of Unix time.
fn chain_time(genesis_time: u64, unix_ms: f64) -> Result<Millis, Failure> {
    let unix_us = micros(unix_ms)?;
    Ok(to_millis(Timeline::new(genesis_time, 1.0, unix_us, 0).advance(unix_us, 0)))
}

/// Whole intervals since genesis. A node does nothing before it, which the fixtures call interval 0.
fn intervals(at: Millis) -> u64 {
    at.interval().map_or(0, |Interval(interval)| interval)
}

/// The fixtures write times as floating-point numbers; clocks show whole microseconds.
fn micros(milliseconds: f64) -> Result<i64, Failure> {
    let micros = milliseconds * 1_000.0;
    let in_range = micros >= 0.0 && micros < i64::MAX as f64;
    if in_range { Ok(micros as i64) } else { Err(Failure::new("a Unix time", milliseconds)) }
}
