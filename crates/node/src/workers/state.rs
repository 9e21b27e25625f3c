//! The queue of the worker pool: who is next, and who is refused.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lathe_engine::Millis;

/// Kinds of work, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// The final merge of our block: it is due at the boundary of its slot.
    Seal,
    /// A block's proof: nothing else moves before the block is in.
    VerifyBlock,
    /// An aggregate's proof.
    VerifyAggregate,
    /// Single votes.
    VerifyAttestations,
    /// The block that we propose next.
    Prepare,
    /// An aggregation.
    Aggregate,
    /// Votes taken out of a block.
    Split,
    /// The next window of a key: needed in hours, so it runs when nothing else waits.
    Background,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 8] = [
        Self::Seal,
        Self::VerifyBlock,
        Self::VerifyAggregate,
        Self::VerifyAttestations,
        Self::Prepare,
        Self::Aggregate,
        Self::Split,
        Self::Background,
    ];

    /// Label of the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::VerifyBlock => "verify_block",
            Self::VerifyAggregate => "verify_aggregate",
            Self::VerifyAttestations => "verify_attestations",
            Self::Prepare => "prepare",
            Self::Aggregate => "aggregate",
            Self::Split => "split",
            Self::Background => "background",
        }
    }

    /// Jobs of this kind that may wait. A slot needs a handful of each; the rest is room for a burst of gossip or for
    /// catching up. A block or an aggregate holds up to half a megabyte of proof.
    const fn capacity(self) -> usize {
        match self {
            Self::Seal | Self::Prepare => 8,
            Self::VerifyBlock | Self::VerifyAttestations => 64,
            Self::VerifyAggregate => 128,
            Self::Aggregate | Self::Split => 32,
            Self::Background => 16,
        }
    }

    /// Whether a backend with dear proofs keeps a job of this kind for seconds, and there may be many of them. At most
    /// one proposal is under way, so there is no crowd of the other kinds.
    pub(crate) const fn is_proving(self) -> bool {
        matches!(self, Self::Aggregate | Self::Split)
    }

    /// Whether a job that is about to miss its deadline goes before gossip.
    const fn hurries(self) -> bool {
        matches!(self, Self::Prepare | Self::Aggregate)
    }
}

/// A job that is this close to its deadline goes before the verification of gossip: what is left of an interval when
/// a preparation has waited for half of it.
const HURRY_MS: i64 = 400;

/// When a job should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Urgency {
    pub kind: Kind,
    /// Among jobs of one kind the freshest goes first, then the one that came first. Usually the slot.
    pub freshness: u64,
    pub deadline: Option<Millis>,
}

/// What comes out of the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<T> {
    /// Run it.
    Run(Kind, T),
    /// Its deadline has passed.
    Late(Kind, T),
}

type Key = (Kind, Reverse<u64>, u64);

/// A bounded priority queue.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    jobs: BTreeMap<Key, (Option<Millis>, T)>,
    next: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { jobs: BTreeMap::new(), next: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Takes a job in, or hands it back when too many of its kind wait.
    pub(crate) fn push(&mut self, urgency: Urgency, job: T) -> Result<(), T> {
        if self.of_kind(urgency.kind).count() >= urgency.kind.capacity() {
            return Err(job);
        }
        let key = (urgency.kind, Reverse(urgency.freshness), self.next);
        self.next += 1;
        self.jobs.insert(key, (urgency.deadline, job));
        Ok(())
    }

    /// The next job to run at `now`; no proving one unless `may_prove`.
    pub(crate) fn pop(&mut self, now: Millis, may_prove: bool) -> Option<Next<T>> {
        let may_run = |kind: Kind| may_prove || !kind.is_proving();
        let first = *self.jobs.keys().find(|key| may_run(key.0))?;
        let key =
            if first.0 <= Kind::VerifyBlock { first } else { self.hurrying(now, may_run).unwrap_or(first) };
        let (deadline, job) = self.jobs.remove(&key)?;
        let late = deadline.is_some_and(|deadline| deadline < now);
        Some(if late { Next::Late(key.0, job) } else { Next::Run(key.0, job) })
    }

    /// The job with the nearest deadline among those that are about to miss it and may run.
    fn hurrying(&self, now: Millis, may_run: impl Fn(Kind) -> bool) -> Option<Key> {
        Kind::ALL
            .into_iter()
            .filter(|kind| kind.hurries() && may_run(*kind))
            .flat_map(|kind| self.of_kind(kind))
            .filter_map(|(key, (deadline, _))| Some((deadline.filter(|at| at.0 - now.0 <= HURRY_MS)?, *key)))
            .min_by_key(|(deadline, _)| *deadline)
            .map(|(_, key)| key)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&Key, &(Option<Millis>, T))> {
        self.jobs.range((kind, Reverse(u64::MAX), 0)..=(kind, Reverse(0), u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urgency(kind: Kind, freshness: u64, deadline: Option<i64>) -> Urgency {
        Urgency { kind, freshness, deadline: deadline.map(Millis) }
    }

    fn names(queue: &mut Queue<&'static str>, now: i64) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop(Millis(now), true))
            .map(|next| match next {
                Next::Run(_, name) => name,
                Next::Late(_, _) => "late",
            })
            .collect()
    }

    #[test]
    fn blocks_go_first_and_fresh_votes_before_stale_ones() {
        let mut queue = Queue::new();
        queue.push(urgency(Kind::Split, 9, None), "split").unwrap();
        queue.push(urgency(Kind::VerifyAttestations, 7, None), "votes of 7").unwrap();
        queue.push(urgency(Kind::VerifyAttestations, 8, None), "votes of 8").unwrap();
        queue.push(urgency(Kind::VerifyBlock, 0, None), "first block").unwrap();
        queue.push(urgency(Kind::VerifyBlock, 0, None), "second block").unwrap();
        queue.push(urgency(Kind::Seal, 0, None), "seal").unwrap();
        let expected = ["seal", "first block", "second block", "votes of 8", "votes of 7", "split"];
        assert_eq!(names(&mut queue, 0), expected);
    }

    #[test]
    fn a_preparation_waits_for_gossip_until_its_deadline_is_near_but_never_overtakes_a_block() {
        let fill = |queue: &mut Queue<&'static str>| {
            queue.push(urgency(Kind::VerifyAttestations, 1, None), "votes").unwrap();
            queue.push(urgency(Kind::Prepare, 2, Some(1_000)), "prepare").unwrap();
            queue.push(urgency(Kind::Aggregate, 2, Some(950)), "aggregate").unwrap();
        };
        let mut queue = Queue::new();
        fill(&mut queue);
        assert_eq!(names(&mut queue, 500), ["votes", "prepare", "aggregate"]);
        fill(&mut queue);
        queue.push(urgency(Kind::VerifyBlock, 0, None), "block").unwrap();
        assert_eq!(names(&mut queue, 600), ["block", "aggregate", "prepare", "votes"]);
    }

    #[test]
    fn a_job_past_its_deadline_comes_out_late() {
        let mut queue = Queue::new();
        queue.push(urgency(Kind::Aggregate, 1, Some(10)), "a").unwrap();
        assert_eq!(queue.pop(Millis(11), true), Some(Next::Late(Kind::Aggregate, "a")));
        queue.push(urgency(Kind::Aggregate, 1, Some(10)), "b").unwrap();
        assert_eq!(queue.pop(Millis(10), true), Some(Next::Run(Kind::Aggregate, "b")));
    }

    #[test]
    fn nothing_is_proved_while_it_may_not_be_however_it_hurries() {
        let mut queue = Queue::new();
        queue.push(urgency(Kind::Aggregate, 2, Some(50)), "aggregate").unwrap();
        queue.push(urgency(Kind::Split, 1, None), "split").unwrap();
        queue.push(urgency(Kind::Prepare, 1, Some(100)), "prepare").unwrap();
        queue.push(urgency(Kind::VerifyAttestations, 1, None), "votes").unwrap();
        queue.push(urgency(Kind::Background, 1, None), "background").unwrap();
        assert_eq!(queue.pop(Millis(0), false), Some(Next::Run(Kind::Prepare, "prepare")));
        assert_eq!(queue.pop(Millis(0), false), Some(Next::Run(Kind::VerifyAttestations, "votes")));
        assert_eq!(queue.pop(Millis(0), false), Some(Next::Run(Kind::Background, "background")));
        assert_eq!(queue.pop(Millis(0), false), None);
        assert_eq!(names(&mut queue, 0), ["aggregate", "split"]);
    }

    #[test]
    fn each_kind_has_its_own_bound() {
        let mut queue = Queue::new();
        for _ in 0..Kind::Prepare.capacity() {
            queue.push(urgency(Kind::Prepare, 1, None), "p").unwrap();
        }
        assert_eq!(queue.push(urgency(Kind::Prepare, 1, None), "refused"), Err("refused"));
        assert_eq!(queue.push(urgency(Kind::VerifyBlock, 1, None), "block"), Ok(()));
    }
}
