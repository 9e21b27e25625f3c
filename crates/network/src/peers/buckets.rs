//! Token buckets: what each peer may still cost us.

use std::collections::HashMap;
use std::time::Instant;

use libp2p::PeerId;

/// Peers remembered, gone ones included, so that reconnecting does not fill a bucket.
const MAX_PEERS: usize = 1024;

/// One bucket per peer.
#[derive(Debug)]
pub(crate) struct Buckets {
    burst: f64,
    per_second: f64,
    buckets: HashMap<PeerId, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Buckets {
    /// Buckets that hold `burst` tokens and gain `per_second`.
    pub(crate) fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second, buckets: HashMap::new() }
    }

    /// Takes `price` from the peer's bucket; false if it does not hold that much.
    pub(crate) fn take(&mut self, peer: PeerId, price: f64, now: Instant) -> bool {
        if self.buckets.len() >= MAX_PEERS && !self.buckets.contains_key(&peer) {
            // A full bucket says the same as none.
            let (burst, per_second) = (self.burst, self.per_second);
            self.buckets.retain(|_, bucket| bucket.tokens_at(now, burst, per_second) < burst);
            if self.buckets.len() >= MAX_PEERS {
                return false;
            }
        }
        let bucket = self.buckets.entry(peer).or_insert(Bucket { tokens: self.burst, filled: now });
        bucket.tokens = bucket.tokens_at(now, self.burst, self.per_second);
        bucket.filled = now;
        let admitted = bucket.tokens >= price;
        if admitted {
            bucket.tokens -= price;
        }
        admitted
    }
}

impl Bucket {
    fn tokens_at(&self, now: Instant, burst: f64, per_second: f64) -> f64 {
        let elapsed = now.saturating_duration_since(self.filled);
        (self.tokens + elapsed.as_secs_f64() * per_second).min(burst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_refills_and_is_its_peers_own() {
        let (greedy, modest) = (PeerId::random(), PeerId::random());
        let mut buckets = Buckets::new(100.0, 10.0);
        let start = Instant::now();
        let admitted = (0..10).filter(|_| buckets.take(greedy, 30.0, start)).count();
        assert_eq!(admitted, 3);
        assert!(buckets.take(modest, 30.0, start));
        assert!(!buckets.take(greedy, 30.0, start + Duration::from_millis(1900)));
        assert!(buckets.take(greedy, 30.0, start + Duration::from_secs(2)));
        // It never holds more than a burst.
        assert!(!buckets.take(greedy, 101.0, start + Duration::from_secs(1000)));
        assert!(buckets.take(greedy, 100.0, start + Duration::from_secs(1000)));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_idle_peers() {
        let mut buckets = Buckets::new(100.0, 10.0);
        let start = Instant::now();
        for _ in 0..MAX_PEERS {
            assert!(buckets.take(PeerId::random(), 1.0, start));
        }
        assert!(!buckets.take(PeerId::random(), 1.0, start));
        assert!(buckets.take(PeerId::random(), 1.0, start + Duration::from_secs(1)));
        assert_eq!(buckets.buckets.len(), 1);
    }
}
