//! The chain: the one actor that owns the engine and writes consensus state.
//!
//! It never waits for cryptography, a disk or a timer: whatever takes time is somebody else's, and comes back as a
//! message. Whoever wants to know how the chain stands reads the newest view, which is immutable.

mod actor;
mod mailbox;
mod observer;
mod pulse;
mod recorder;
mod report;
mod slot_line;
mod state;

use std::collections::VecDeque;
use std::sync::Arc;

use lathe_engine::{Engine, View};
use tokio::sync::watch;

pub(crate) use actor::{Actors, Chain};
pub(crate) use mailbox::{Mailbox, NoRoom, open};
pub(crate) use pulse::{HEALTHY_AGE, Pulse, watch};
pub(crate) use recorder::Records;

use crate::clock::Time;
use crate::metrics::Metrics;

impl Chain {
    /// A chain around `engine` in a network of `committee_count` subnets, and the view that it keeps current.
    pub(crate) fn new(
        mut engine: Engine,
        time: Time,
        actors: Actors,
        metrics: Arc<Metrics>,
        committee_count: u64,
        pulse: Pulse,
        records: Records,
    ) -> (Self, watch::Receiver<Arc<View>>) {
        engine.set_observer(Box::new(observer::StepTimer::new(metrics.clone(), pulse.clone())));
        let (view, watched) = watch::channel(engine.view());
        let chain = Self {
            engine,
            time,
            actors,
            view,
            reporter: report::Reporter { metrics: metrics.clone(), committee_count },
            metrics,
            arrivals: state::Arrivals::default(),
            immediate: VecDeque::new(),
            pulse,
            recorder: recorder::Recorder::new(records),
            slot_lines: slot_line::SlotLines::default(),
        };
        (chain, watched)
    }
}
