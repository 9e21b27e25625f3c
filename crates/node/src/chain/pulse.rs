//! Whether the chain moves, for those who ask and for those who would otherwise not notice.
//!
//! The chain takes a turn at every interval at least. Everything that is told about it comes from its last turn, so
//! whoever tells it asks here how old that is; and a thread of its own says so when turns stay away, and where the
//! chain stands.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use lathe_engine::{Input, Millis, Step};
use lathe_types::MILLISECONDS_PER_SLOT;
use parking_lot::Mutex;
use tracing::{error, info};

use crate::clock::Time;
use crate::metrics::Metrics;

/// Without a turn for this long the node is not healthy: three slots. A turn takes milliseconds.
pub(crate) const HEALTHY_AGE: Duration = Duration::from_millis(3 * MILLISECONDS_PER_SLOT);
/// Without a turn for this long the operator hears of it: five turns at least are missing.
const ALARM_AGE: Duration = Duration::from_millis(MILLISECONDS_PER_SLOT);
/// Pause between looks.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// What the chain does, and since when.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// What the turn is about; `None` between turns.
    turn: Option<&'static str>,
    /// Where in the turn.
    at: &'static str,
    /// When the last turn ended.
    last_end: Instant,
}

/// The chain's pulse. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Pulse(Arc<Mutex<Position>>);

impl Pulse {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Position { turn: None, at: "", last_end: Instant::now() })))
    }

    pub(super) fn turn_begins(&self, input: &Input) {
        let mut position = self.0.lock();
        (position.turn, position.at) = (Some(input_name(input)), "the engine");
    }

    /// Goes on to another part of the turn.
    pub(super) fn at(&self, part: &'static str) {
        self.0.lock().at = part;
    }

    pub(super) fn turn_ends(&self) {
        let mut position = self.0.lock();
        (position.turn, position.last_end) = (None, Instant::now());
    }

    /// How long ago the last turn ended. Before genesis nothing is due, so a chain that waits for it is not late.
    pub(crate) fn age(&self, now: Millis) -> Duration {
        self.age_at(now, Instant::now())
    }

    fn age_at(&self, now: Millis, instant: Instant) -> Duration {
        let position = *self.0.lock();
        let age = instant.saturating_duration_since(position.last_end);
        match position.turn {
            Some(_) => age,
            None => age.min(Duration::from_millis(now.0.max(0).unsigned_abs())),
        }
    }

    /// Where the chain stands, for a log line.
    fn whereabouts(&self) -> String {
        let position = *self.0.lock();
        match position.turn {
            Some(turn) => format!("in a turn on {turn}, at {}", position.at),
            None => "between turns, with nothing to read: the clock does not tick".into(),
        }
    }
}

/// Says when the chain stands still, and when it goes on, until the other end of `stop` is dropped.
pub(crate) fn watch(pulse: &Pulse, time: &Time, metrics: &Metrics, stop: &Receiver<()>) {
    let mut stalled_since: Option<Instant> = None;
    let mut looked = Instant::now();
    while stop.recv_timeout(LOOK_PERIOD) == Err(RecvTimeoutError::Timeout) {
        // A process that was itself stopped for a while has not missed anything yet.
        let was_stopped = looked.elapsed() > 2 * LOOK_PERIOD;
        looked = Instant::now();
        let age = pulse.age(time.now());
        match (age > ALARM_AGE, stalled_since) {
            (true, None) if !was_stopped => {
                stalled_since = Some(Instant::now() - age);
                metrics.chain.stalls.inc();
                error!(
                    seconds = age.as_secs(),
                    "the chain stands still {}: no duty is done; if this lasts, restart the node and report where it stood",
                    pulse.whereabouts()
                );
            }
            (false, Some(since)) => {
                stalled_since = None;
                info!(after_seconds = since.elapsed().as_secs(), "the chain goes on");
            }
            _ => {}
        }
    }
}

const fn input_name(input: &Input) -> &'static str {
    match input {
        Input::Tick => "a tick of the clock",
        Input::Block { .. } => "a block",
        Input::Attestation { .. } => "a vote",
        Input::Aggregate { .. } => "an aggregate",
        Input::Verified { .. } => "verdicts of a worker",
        Input::Signed { .. } => "signatures",
        Input::Durable { .. } => "a batch that is on disk",
        _ => "an answer",
    }
}

/// A step of the engine, in words.
pub(super) const fn step_name(step: Step) -> &'static str {
    match step {
        Step::TickInterval => "the work of an interval",
        Step::AggregationSelection => "the choice of what to aggregate",
        Step::BlockProcessing => "the processing of a block",
        Step::StateTransition => "the state transition",
        Step::SlotsProcessing => "the processing of slots",
        Step::BlockApplication => "the application of a block",
        Step::AttestationsProcessing => "the processing of a block's votes",
        Step::AttestationValidation => "the validation of a vote",
        Step::AttestationProduction => "the production of a vote",
        _ => "the engine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_counted_from_the_last_turn_and_from_genesis() {
        let pulse = Pulse::new();
        let start = pulse.0.lock().last_end;
        let minute = start + Duration::from_secs(60);
        let age = |now| pulse.age_at(Millis(now), minute);
        assert_eq!(age(1_000_000), Duration::from_secs(60));
        assert_eq!(age(-5_000), Duration::ZERO, "nothing is due before genesis");
        assert_eq!(age(2_000), Duration::from_secs(2), "nor was before it");
        pulse.turn_begins(&Input::Tick);
        assert_eq!(age(-5_000), Duration::from_secs(60), "but a turn that does not end is one");
        pulse.at("the store");
        assert_eq!(pulse.whereabouts(), "in a turn on a tick of the clock, at the store");
        pulse.turn_ends();
        assert!(age(1_000_000) < Duration::from_secs(60));
    }

    #[test]
    fn a_chain_that_stands_still_is_counted_once() {
        let (pulse, metrics) = (Pulse::new(), Metrics::new("lathe_0", 0.0).unwrap());
        pulse.0.lock().last_end = Instant::now() - ALARM_AGE - Duration::from_secs(1);
        let (stop, stopped) = std::sync::mpsc::channel();
        let time = Time::new(0, 1.0);
        std::thread::scope(|scope| {
            let watching = scope.spawn({
                let (pulse, time, metrics) = (&pulse, &time, &metrics);
                move || watch(pulse, time, metrics, &stopped)
            });
            while metrics.chain.stalls.get() == 0 && !watching.is_finished() {
                std::thread::sleep(Duration::from_millis(10));
            }
            drop(stop);
        });
        assert_eq!(metrics.chain.stalls.get(), 1);
    }
}
