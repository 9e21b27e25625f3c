//! The loop that ticks the chain.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_actor::Shutdown;
use lathe_driver::next_boundary;
use lathe_engine::View;
use lathe_types::Phase;
use tokio::sync::watch;
use tracing::warn;

use super::Time;
use crate::metrics::Metrics;
use crate::{chain, signer};

/// Interval of a slot at which keys are looked after: nothing else is due in it.
const KEY_PHASE: Phase = Phase::UpdateSafeTarget;
/// A system clock that is this far behind chain time is worth a warning.
const STEP_WARNING: Duration = Duration::from_millis(500);

/// Ticks the chain at every interval boundary until `shutdown`, and has the signer look after its keys once a slot. A
/// tick that finds its predecessor unread replaces it: the engine sees from the time how many intervals have passed.
/// The signer is also told when a wrong clock was set back, and of the newest block, which proves more than a clock.
pub(crate) async fn run(
    time: Time,
    (chain, signer, view): (chain::Mailbox, signer::Mailbox, watch::Receiver<Arc<View>>),
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) -> Result<(), Infallible> {
    let mut last_tick: Option<Instant> = None;
    let mut corrections = 0;
    loop {
        let boundary = next_boundary(time.now());
        tokio::select! {
            () = shutdown.wait() => return Ok(()),
            () = time.sleep_until(boundary) => {}
        }
        let corrected = time.corrections();
        if std::mem::replace(&mut corrections, corrected) != corrected {
            let newest_block = view.borrow().nodes.iter().map(|node| node.slot).max();
            signer.clock_corrected(signer::slot_at(time.now()), newest_block.unwrap_or_default());
        }
        let ticked = Instant::now();
        if let Some(last) = last_tick.replace(ticked) {
            metrics.fork_choice.tick_interval.observe(ticked.duration_since(last).as_secs_f64());
        }
        let ahead = time.ahead();
        if ahead > STEP_WARNING {
            warn!(
                ahead_ms = ahead.as_millis() as u64,
                "the system clock stepped back; waiting for it at half the pace"
            );
        }
        chain.tick();
        if boundary.interval().is_some_and(|interval| interval.phase() == KEY_PHASE) {
            signer.look_ahead(boundary.slot());
        }
    }
}
