//! The clock: the only reader of the system clock, and what wakes the chain at every interval.
//!
//! It fails only with the process: a clock that steps back by up to a slot is slowed down, any other step is followed.

mod actor;
mod countdown;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lathe_driver::{Timeline, to_micros, to_millis};
use lathe_engine::Millis;
use parking_lot::Mutex;

pub(crate) use actor::run;
pub(crate) use countdown::count_down;

/// Chain time for one node. Clones share it.
#[derive(Clone)]
pub(crate) struct Time(Arc<Inner>);

struct Inner {
    started: Instant,
    timeline: Mutex<Timeline>,
}

/// How long a wait lasts at most without a look at the system clock, which may be set meanwhile.
const CLOCK_LOOK_EVERY: Duration = Duration::from_secs(1);

impl Time {
    /// Time since `genesis_time`, running `speed` times as fast as the system clock. Only tests run it faster.
    pub(crate) fn new(genesis_time: u64, speed: f64) -> Self {
        let timeline = Timeline::new(genesis_time, speed, unix_us(), 0);
        Self(Arc::new(Inner { started: Instant::now(), timeline: Mutex::new(timeline) }))
    }

    fn now_us(&self) -> i64 {
        let monotonic_us = i64::try_from(self.0.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.0.timeline.lock().advance(unix_us(), monotonic_us)
    }

    /// Milliseconds since genesis.
    pub(crate) fn now(&self) -> Millis {
        to_millis(self.now_us())
    }

    /// Waits until `at`, or until the clock is found to have been set back: then whoever waits looks at the time anew.
    /// Safe to cancel.
    pub(crate) async fn sleep_until(&self, at: Millis) {
        let target = to_micros(at);
        let mut now = self.now_us();
        while now < target {
            let real_us = Duration::from_micros(self.0.timeline.lock().real_us_until(target));
            tokio::time::sleep(real_us.min(CLOCK_LOOK_EVERY)).await;
            let before = std::mem::replace(&mut now, self.now_us());
            if now < before {
                return;
            }
        }
    }

    /// Chain time per real time.
    pub(crate) fn speed(&self) -> f64 {
        self.0.timeline.lock().speed()
    }

    /// How often a wrong clock was set back, so that time ran backwards.
    fn corrections(&self) -> u64 {
        self.0.timeline.lock().corrections()
    }

    /// How far the system clock has stepped back behind chain time.
    fn ahead(&self) -> Duration {
        Duration::from_micros(self.0.timeline.lock().ahead_us(unix_us()).unsigned_abs())
    }
}

/// Unix time in seconds, for labels and logs.
pub(crate) fn unix_seconds() -> f64 {
    unix_us() as f64 / 1e6
}

/// A system clock before 1970 counts as 1970.
fn unix_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
