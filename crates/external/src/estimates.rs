//! How long things take, learned from how long they took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What one child costs in signatures: folding two proofs took leanVM twice as long as sixty-four signatures.
const CHILD_IN_SIGNATURES: usize = 64;
/// What is assumed of anything before it was seen once; provers in use take from half a second to two.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Weight of a new measurement that is below the estimate, as a divisor: it follows a load that eases within a few
/// proofs. One that is above it counts at once, because what comes too late is worse than what comes too early.
const WEIGHT: u32 = 4;
/// Time in which an estimate that nothing renews loses half of itself. One that forbids a duty is never renewed,
/// because nothing is done any more: this way the duty is tried again after a minute or two.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Signatures and children folded.
    Aggregate { raw: usize, children: usize },
    /// Components merged.
    Merge { components: usize },
    /// So many signatures over several messages, merged as they are.
    Flat { signatures: usize },
    /// A component taken out.
    Split,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Aggregate,
    Merge,
    Flat,
    Split,
}

/// Estimates by kind and size; there are a few dozen sizes.
#[derive(Debug, Default)]
pub(crate) struct Estimates(BTreeMap<(Kind, usize), Estimate>);

#[derive(Clone, Copy, Debug)]
struct Estimate {
    value: Duration,
    since: Instant,
}

impl Estimates {
    /// Learns from one success. A failure teaches nothing: how long it would have taken is not known.
    pub(crate) fn learn(&mut self, work: Work, took: Duration, now: Instant) {
        let estimate = self.0.entry(work.size()).or_insert(Estimate { value: took, since: now });
        let eased = (estimate.value * (WEIGHT - 1) + took) / WEIGHT;
        *estimate = Estimate { value: eased.max(took), since: now };
    }

    /// How long it is going to take, if anything like it was ever done: as the nearest larger size did, else as the
    /// nearest smaller, a merge longer in proportion.
    pub(crate) fn known(&self, work: Work, now: Instant) -> Option<Duration> {
        let (kind, size) = work.size();
        let larger = self.0.range((kind, size)..=(kind, usize::MAX)).next();
        let (estimate, of_size) = match larger {
            Some((_, estimate)) => (estimate, size),
            None => {
                let ((_, smaller), estimate) = self.0.range((kind, 0)..(kind, size)).next_back()?;
                (estimate, *smaller)
            }
        };
        Some(match kind {
            // No merge is forbidden because of its estimate, so it has no reason to fade. Each component costs.
            Kind::Merge => estimate.value.mul_f64(size as f64 / of_size.max(1) as f64),
            // Signatures are cheap beside what any proof costs.
            Kind::Flat => estimate.value,
            Kind::Aggregate | Kind::Split => estimate.faded(now),
        })
    }

    /// As [`Self::known`], with a guess for what is not.
    pub(crate) fn expected(&self, work: Work, now: Instant) -> Duration {
        self.known(work, now).unwrap_or(UNKNOWN)
    }
}

impl Work {
    /// Folding in powers of two of signatures, as proofs take steps of that kind; merging by components.
    fn size(self) -> (Kind, usize) {
        match self {
            Self::Aggregate { raw, children } => {
                let signatures = children.saturating_mul(CHILD_IN_SIGNATURES).saturating_add(raw);
                (Kind::Aggregate, signatures.checked_next_power_of_two().unwrap_or(usize::MAX))
            }
            Self::Merge { components } => (Kind::Merge, components),
            Self::Flat { signatures } => {
                (Kind::Flat, signatures.checked_next_power_of_two().unwrap_or(usize::MAX))
            }
            Self::Split => (Kind::Split, 1),
        }
    }
}

impl Estimate {
    fn faded(&self, now: Instant) -> Duration {
        let halvings = now.saturating_duration_since(self.since).as_secs() / HALF_LIFE.as_secs();
        let halvings = u32::try_from(halvings).unwrap_or(u32::MAX);
        self.value / 2u32.checked_pow(halvings).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn raw(raw: usize) -> Work {
        Work::Aggregate { raw, children: 0 }
    }

    #[test]
    fn what_was_never_done_takes_a_second() {
        let (estimates, now) = (Estimates::default(), Instant::now());
        for work in [raw(1), Work::Merge { components: 2 }, Work::Split] {
            assert_eq!(estimates.known(work, now), None);
            assert_eq!(estimates.expected(work, now), ms(1_000));
        }
    }

    #[test]
    fn the_nearest_larger_size_counts_else_the_nearest_smaller() {
        let (mut estimates, now) = (Estimates::default(), Instant::now());
        estimates.learn(raw(16), ms(200), now);
        estimates.learn(raw(100), ms(900), now);
        let expected = |work| estimates.expected(work, now);
        assert_eq!([expected(raw(1)), expected(raw(16)), expected(raw(17))], [ms(200), ms(200), ms(900)]);
        assert_eq!(expected(raw(4_096)), ms(900));
        assert_eq!(
            expected(Work::Aggregate { raw: 10, children: 1 }),
            ms(900),
            "a child is as 64 signatures"
        );
        estimates.learn(Work::Merge { components: 3 }, ms(700), now);
        assert_eq!(estimates.expected(Work::Merge { components: 9 }, now), ms(2_100));
        assert_eq!(estimates.expected(Work::Merge { components: 1 }, now), ms(700));
        assert_eq!(estimates.known(Work::Split, now), None, "each kind for itself");
    }

    #[test]
    fn estimates_rise_at_once_and_fall_by_a_quarter() {
        let (mut estimates, now) = (Estimates::default(), Instant::now());
        for work in [raw(4), Work::Merge { components: 2 }, Work::Split] {
            estimates.learn(work, ms(100), now);
            estimates.learn(work, ms(500), now);
            assert_eq!(estimates.expected(work, now), ms(500));
            estimates.learn(work, ms(100), now);
            assert_eq!(estimates.expected(work, now), ms(400));
        }
    }

    #[test]
    fn an_estimate_that_forbids_a_duty_fades_and_one_that_only_hastens_it_stays() {
        let (mut estimates, start) = (Estimates::default(), Instant::now());
        let merge = Work::Merge { components: 2 };
        for work in [raw(4), merge] {
            estimates.learn(work, ms(4_000), start);
        }
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(estimates.expected(raw(4), after(59)), ms(4_000));
        assert_eq!(estimates.expected(raw(4), after(60)), ms(2_000));
        assert_eq!(estimates.expected(raw(4), after(180)), ms(500));
        assert!(estimates.expected(raw(4), after(1_000_000)) < ms(1));
        assert_eq!(estimates.expected(merge, after(1_000_000)), ms(4_000));
    }
}
