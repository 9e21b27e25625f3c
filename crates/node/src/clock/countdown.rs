//! Says how long it is until genesis, less and less often the longer it is.

use std::convert::Infallible;
use std::sync::Arc;

use lathe_actor::Shutdown;
use lathe_engine::Millis;
use tracing::info;

use super::Time;
use crate::description::duration;
use crate::metrics::Metrics;

/// Seconds before genesis at which it is said; further away every hour.
const MARKS: [u64; 9] = [3600, 1800, 600, 300, 120, 60, 30, 10, 5];

/// Counts down to genesis, then ends.
pub(crate) async fn count_down(
    time: Time,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) -> Result<(), Infallible> {
    // A node that starts later has nothing to wait for.
    let mut is_over = time.now().0 >= 0;
    loop {
        if is_over {
            // An actor that ends takes the node with it.
            shutdown.wait().await;
            return Ok(());
        }
        let left_ms = time.now().0.min(0).unsigned_abs();
        let mark = next_mark(left_ms);
        tokio::select! {
            () = shutdown.wait() => return Ok(()),
            () = time.sleep_until(Millis(-(mark as i64) * 1000)) => {}
        }
        let Some(mark) = mark_at(time.now()) else { continue };
        let peers = metrics.network.peers();
        let peers = format!("{peers} peer{}", if peers == 1 { "" } else { "s" });
        if mark == 0 {
            info!("genesis: slot 0 begins; {peers}");
            is_over = true;
            continue;
        }
        info!("genesis in {}; {peers}", duration(mark));
    }
}

/// The next mark when that many milliseconds are left, in seconds before genesis.
fn next_mark(left_ms: u64) -> u64 {
    let before = left_ms.saturating_sub(1) / 1000;
    let hours = before / 3600 * 3600;
    MARKS.into_iter().find(|mark| *mark <= before).unwrap_or(0).max(hours)
}

/// The mark that was just reached; none if the clock was set back meanwhile.
fn mark_at(now: Millis) -> Option<u64> {
    let left_ms = now.0.min(0).unsigned_abs();
    let left = left_ms.div_ceil(1000);
    (left == 0 || MARKS.contains(&left) || left.is_multiple_of(3600)).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_closer_together() {
        let marks =
            [10_800_001, 10_800_000, 7_000_000, 3_600_000, 61_000, 60_000, 5_001, 5_000, 1, 0].map(next_mark);
        assert_eq!(marks, [10_800, 7_200, 3_600, 1_800, 60, 30, 5, 0, 0, 0]);
        assert_eq!(mark_at(Millis(-59_999)), Some(60));
        assert_eq!((mark_at(Millis(-59_000)), mark_at(Millis(3))), (None, Some(0)));
    }
}
