//! Token buckets for what peers ask of us.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::protocol::{MAX_REQUEST_BLOCKS, Request};

/// Blocks that a peer may ask for in a burst: four requests of the largest size.
const BURST_BLOCKS: f64 = 4.0 * MAX_REQUEST_BLOCKS as f64;
/// Blocks per second after that. A peer that catches up imports fewer.
const BLOCKS_PER_SECOND: f64 = 256.0;
/// Price of a request in blocks, so that empty requests are not free.
const REQUEST_PRICE: f64 = 8.0;
/// Peers remembered, gone ones included, so that reconnecting does not fill a bucket.
const MAX_PEERS: usize = 1024;

/// What each peer may still ask for.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    buckets: HashMap<PeerId, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Quotas {
    /// Takes the price of `request` from the peer's bucket; false if it does not hold that much.
    pub(crate) fn admit(&mut self, peer: PeerId, request: &Request, now: Instant) -> bool {
        if self.buckets.len() >= MAX_PEERS && !self.buckets.contains_key(&peer) {
            self.forget_full(now);
            if self.buckets.len() >= MAX_PEERS {
                return false;
            }
        }
        let bucket = self.buckets.entry(peer).or_insert(Bucket { tokens: BURST_BLOCKS, filled: now });
        bucket.tokens = bucket.tokens_at(now);
        bucket.filled = now;
        let price = REQUEST_PRICE + request.max_blocks() as f64;
        let admitted = bucket.tokens >= price;
        if admitted {
            bucket.tokens -= price;
        }
        admitted
    }

    /// A full bucket says the same as none.
    fn forget_full(&mut self, now: Instant) {
        self.buckets.retain(|_, bucket| bucket.tokens_at(now) < BURST_BLOCKS);
    }
}

impl Bucket {
    fn tokens_at(&self, now: Instant) -> f64 {
        let elapsed: Duration = now.saturating_duration_since(self.filled);
        (self.tokens + elapsed.as_secs_f64() * BLOCKS_PER_SECOND).min(BURST_BLOCKS)
    }
}

#[cfg(test)]
mod tests {
    use lathe_types::Slot;

    use super::*;

    #[test]
    fn a_bucket_empties_refills_and_is_its_peers_own() {
        let (greedy, modest) = (PeerId::random(), PeerId::random());
        let largest = Request::BlocksByRange { start_slot: Slot(0), count: MAX_REQUEST_BLOCKS };
        let mut quotas = Quotas::default();
        let start = Instant::now();
        let admitted = (0..10).filter(|_| quotas.admit(greedy, &largest, start)).count();
        assert_eq!(admitted, 3);
        assert!(quotas.admit(modest, &largest, start));
        assert!(!quotas.admit(greedy, &largest, start));
        assert!(quotas.admit(greedy, &largest, start + Duration::from_secs(5)));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_idle_peers() {
        let mut quotas = Quotas::default();
        let request = Request::BlocksByRoot(vec![]);
        let start = Instant::now();
        for _ in 0..MAX_PEERS {
            assert!(quotas.admit(PeerId::random(), &request, start));
        }
        assert!(!quotas.admit(PeerId::random(), &request, start));
        assert!(quotas.admit(PeerId::random(), &request, start + Duration::from_secs(1)));
        assert_eq!(quotas.buckets.len(), 1);
    }
}
