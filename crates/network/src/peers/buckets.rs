//! Token buckets: what each peer, or each place that peers come from, may still cost us.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

/// Holders remembered, gone ones included, so that reconnecting does not fill a bucket.
const MAX_HOLDERS: usize = 1024;

/// One bucket per holder.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    burst: f64,
    per_second: f64,
    buckets: HashMap<K, Bucket>,
}

/// A bucket of tokens that fills up again with time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// Buckets that hold `burst` tokens and gain `per_second`.
    pub(crate) fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second, buckets: HashMap::new() }
    }

    /// Takes `price` from the holder's bucket; false if it does not hold that much.
    pub(crate) fn take(&mut self, holder: K, price: f64, now: Instant) -> bool {
        if self.buckets.len() >= MAX_HOLDERS && !self.buckets.contains_key(&holder) {
            self.make_room(now);
        }
        let bucket = self.buckets.entry(holder).or_insert(Bucket { tokens: self.burst, filled: now });
        bucket.tokens = bucket.tokens_at(now, self.burst, self.per_second);
        bucket.filled = now;
        let admitted = bucket.tokens >= price;
        if admitted {
            bucket.tokens -= price;
        }
        admitted
    }

    /// Forgets the buckets that are full, which say the same as none; if there is none, the fullest. So nobody who
    /// holds the table full of nearly empty buckets keeps others out or gets a bucket filled.
    fn make_room(&mut self, now: Instant) {
        let (burst, per_second) = (self.burst, self.per_second);
        let tokens = |bucket: &Bucket| bucket.tokens_at(now, burst, per_second);
        self.buckets.retain(|_, bucket| tokens(bucket) < burst);
        if self.buckets.len() >= MAX_HOLDERS {
            let fullest = self.buckets.iter().max_by(|a, b| tokens(a.1).total_cmp(&tokens(b.1)));
            fullest.map(|(holder, _)| *holder).map(|holder| self.buckets.remove(&holder));
        }
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
    fn a_bucket_empties_refills_and_is_its_holders_own() {
        let (greedy, modest) = (1, 2);
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
    fn the_table_is_bounded_and_forgets_who_says_least() {
        let mut buckets = Buckets::new(100.0, 10.0);
        let start = Instant::now();
        assert!(buckets.take(0, 100.0, start));
        for holder in 1..MAX_HOLDERS {
            assert!(buckets.take(holder, 1.0, start));
        }
        // A newcomer gets in, and the one whose bucket is empty is not forgotten for it.
        assert!(buckets.take(MAX_HOLDERS, 1.0, start));
        assert_eq!(buckets.buckets.len(), MAX_HOLDERS);
        assert!(!buckets.take(0, 1.0, start));
        assert!(buckets.take(MAX_HOLDERS + 1, 1.0, start + Duration::from_secs(1)));
        assert_eq!(buckets.buckets.len(), 2);
    }
}
