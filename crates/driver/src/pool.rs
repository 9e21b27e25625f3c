//! The pool of workers without its threads: who is next, and who is refused.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lathe_engine::Millis;

use crate::task::{Kind, Urgency};

/// A job that is this close to its deadline goes before the verification of gossip: what is left of an interval when
/// a preparation has waited for half of it.
const HURRY_MS: i64 = 400;

/// What comes out of the pool.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// Run it.
    Run(Kind, T),
    /// Its deadline has passed.
    Late(Kind, T),
}

type Key = (Kind, Reverse<u64>, u64);

/// Jobs that wait for a worker, bounded per kind. Each is taken by [`Pool::next`] and given back by [`Pool::finish`].
#[derive(Debug)]
pub struct Pool<T> {
    waiting: BTreeMap<Key, (Option<Millis>, T)>,
    next: u64,
    /// Proving jobs under way, and how many there may be.
    proving: usize,
    max_proving: usize,
}

impl<T> Pool<T> {
    /// An empty pool that lets so many aggregations and splits be under way at a time.
    pub fn new(max_proving: usize) -> Self {
        Self { waiting: BTreeMap::new(), next: 0, proving: 0, max_proving }
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a job in, or hands it back when too many of its kind wait.
    pub fn push(&mut self, urgency: Urgency, job: T) -> Result<(), T> {
        if self.of_kind(urgency.kind).count() >= urgency.kind.capacity() {
            return Err(job);
        }
        let key = (urgency.kind, Reverse(urgency.freshness), self.next);
        self.next += 1;
        self.waiting.insert(key, (urgency.deadline, job));
        Ok(())
    }

    /// The job to run at `now` for a worker that has nothing to do.
    pub fn next(&mut self, now: Millis) -> Option<Next<T>> {
        let may_prove = self.proving < self.max_proving;
        let may_run = |kind: Kind| may_prove || !kind.is_proving();
        let first = *self.waiting.keys().find(|key| may_run(key.0))?;
        let key =
            if first.0 <= Kind::VerifyBlock { first } else { self.hurrying(now, may_run).unwrap_or(first) };
        let (deadline, job) = self.waiting.remove(&key)?;
        self.proving += usize::from(key.0.is_proving());
        let late = deadline.is_some_and(|deadline| deadline < now);
        Some(if late { Next::Late(key.0, job) } else { Next::Run(key.0, job) })
    }

    /// A worker is done with a job of that kind. True if one that waits may run now because of it.
    pub fn finish(&mut self, kind: Kind) -> bool {
        self.proving -= usize::from(kind.is_proving());
        kind.is_proving()
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
        self.waiting.range((kind, Reverse(u64::MAX), 0)..=(kind, Reverse(0), u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urgency(kind: Kind, freshness: u64, deadline: Option<i64>) -> Urgency {
        Urgency { kind, freshness, deadline: deadline.map(Millis) }
    }

    fn names(pool: &mut Pool<&'static str>, now: i64) -> Vec<&'static str> {
        std::iter::from_fn(|| pool.next(Millis(now)))
            .map(|next| match next {
                Next::Run(_, name) => name,
                Next::Late(_, _) => "late",
            })
            .collect()
    }

    #[test]
    fn blocks_go_first_and_fresh_votes_before_stale_ones() {
        let mut pool = Pool::new(usize::MAX);
        pool.push(urgency(Kind::Split, 9, None), "split").unwrap();
        pool.push(urgency(Kind::VerifyAttestations, 7, None), "votes of 7").unwrap();
        pool.push(urgency(Kind::VerifyAttestations, 8, None), "votes of 8").unwrap();
        pool.push(urgency(Kind::VerifyBlock, 0, None), "first block").unwrap();
        pool.push(urgency(Kind::VerifyBlock, 0, None), "second block").unwrap();
        pool.push(urgency(Kind::Seal, 0, None), "seal").unwrap();
        let expected = ["seal", "first block", "second block", "votes of 8", "votes of 7", "split"];
        assert_eq!(names(&mut pool, 0), expected);
    }

    #[test]
    fn a_preparation_waits_for_gossip_until_its_deadline_is_near_but_never_overtakes_a_block() {
        let fill = |pool: &mut Pool<&'static str>| {
            pool.push(urgency(Kind::VerifyAttestations, 1, None), "votes").unwrap();
            pool.push(urgency(Kind::Prepare, 2, Some(1_000)), "prepare").unwrap();
            pool.push(urgency(Kind::Aggregate, 2, Some(950)), "aggregate").unwrap();
        };
        let mut pool = Pool::new(usize::MAX);
        fill(&mut pool);
        assert_eq!(names(&mut pool, 500), ["votes", "prepare", "aggregate"]);
        fill(&mut pool);
        pool.push(urgency(Kind::VerifyBlock, 0, None), "block").unwrap();
        assert_eq!(names(&mut pool, 600), ["block", "aggregate", "prepare", "votes"]);
    }

    #[test]
    fn a_job_past_its_deadline_comes_out_late() {
        let mut pool = Pool::new(usize::MAX);
        pool.push(urgency(Kind::Aggregate, 1, Some(10)), "a").unwrap();
        assert_eq!(pool.next(Millis(11)), Some(Next::Late(Kind::Aggregate, "a")));
        pool.push(urgency(Kind::Aggregate, 1, Some(10)), "b").unwrap();
        assert_eq!(pool.next(Millis(10)), Some(Next::Run(Kind::Aggregate, "b")));
    }

    #[test]
    fn one_proof_at_a_time_where_they_are_costly_however_the_next_hurries() {
        let mut pool = Pool::new(1);
        pool.push(urgency(Kind::Aggregate, 2, Some(50)), "aggregate").unwrap();
        assert_eq!(pool.next(Millis(0)), Some(Next::Run(Kind::Aggregate, "aggregate")));
        pool.push(urgency(Kind::Aggregate, 3, Some(50)), "another").unwrap();
        pool.push(urgency(Kind::Split, 1, None), "split").unwrap();
        pool.push(urgency(Kind::Prepare, 1, Some(100)), "prepare").unwrap();
        pool.push(urgency(Kind::VerifyAttestations, 1, None), "votes").unwrap();
        pool.push(urgency(Kind::Background, 1, None), "background").unwrap();
        assert_eq!(names(&mut pool, 0), ["prepare", "votes", "background"]);
        assert!(!pool.finish(Kind::Prepare));
        assert_eq!(pool.next(Millis(0)), None);
        assert!(pool.finish(Kind::Aggregate));
        assert_eq!(names(&mut pool, 51), ["late"]);
        assert!(pool.finish(Kind::Aggregate), "a job that came out late counts as well");
        assert_eq!(names(&mut pool, 51), ["split"]);
    }

    #[test]
    fn each_kind_has_its_own_bound() {
        let mut pool = Pool::new(usize::MAX);
        for _ in 0..Kind::Prepare.capacity() {
            pool.push(urgency(Kind::Prepare, 1, None), "p").unwrap();
        }
        assert_eq!(pool.push(urgency(Kind::Prepare, 1, None), "refused"), Err("refused"));
        assert_eq!(pool.push(urgency(Kind::VerifyBlock, 1, None), "block"), Ok(()));
    }
}
