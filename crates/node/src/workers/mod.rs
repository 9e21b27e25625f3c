//! The workers: a bounded pool of threads for everything that costs more than a moment.
//!
//! Each kind of job has its own bound; a job that finds no room or cannot finish in time is refused at the door, and
//! one that panics fails alone. Every job is answered exactly once.

mod actor;
mod prover;
mod report;

use std::sync::Arc;
use std::time::Instant;

use lathe_driver::{Kind, Kit, Pool, Task, Urgency};
use lathe_engine::{Input, JobFailure, JobId, Millis, ProveRequest};
use parking_lot::{Condvar, Mutex};

use crate::chain;
use crate::clock::Time;
use crate::metrics::Metrics;
pub(crate) use actor::run;
use prover::Prover;

type Background = Box<dyn FnOnce() + Send>;

enum Job {
    Task(JobId, Task),
    Background(Background),
}

struct Waiting {
    job: Job,
    since: Instant,
}

struct Shared {
    lane: Mutex<Lane>,
    arrived: Condvar,
    time: Time,
    metrics: Arc<Metrics>,
    kit: Kit,
    prover: Prover,
}

struct Lane {
    pool: Pool<Waiting>,
    open: bool,
}

/// The door to the pool.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

impl Workers {
    /// A pool without threads; each [`run`] brings one.
    pub(crate) fn new(kit: Kit, time: Time, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            lane: Mutex::new(Lane { pool: Pool::new(kit.max_proving()), open: true }),
            prover: Prover::new(kit.clone(), time.clone(), metrics.clone()),
            arrived: Condvar::new(),
            time,
            metrics,
            kit,
        }))
    }

    /// Takes a job in. When it is refused, the answer comes back at once.
    pub(crate) fn submit(&self, id: JobId, task: Task) -> Result<(), Box<Input>> {
        let urgency = task.urgency();
        if self.0.kit.cannot_finish(&task, self.0.time.now()) {
            return Err(self.refuse(id, urgency.kind));
        }
        self.push(urgency, Job::Task(id, task)).map_err(|()| self.refuse(id, urgency.kind))
    }

    /// Has votes proved, apart from the pool; the answer goes to `chain`. When it is refused, the answer comes back at
    /// once.
    pub(crate) fn prove(
        &self,
        job: JobId,
        request: Arc<ProveRequest>,
        deadline: Millis,
        chain: &chain::Mailbox,
    ) -> Result<(), Box<Input>> {
        self.0.prover.prove(job, request, deadline, chain)
    }

    /// Runs `work` when nothing else waits; false if too much of that kind waits already.
    pub(crate) fn in_background(&self, work: impl FnOnce() + Send + 'static) -> bool {
        let urgency = Urgency { kind: Kind::Background, freshness: 0, deadline: None };
        self.push(urgency, Job::Background(Box::new(work))).is_ok()
    }

    /// Threads beyond those that the machine has work for: where proofs are costly, one waits for each of the jobs that
    /// may take seconds at a time, which are an aggregation, a preparation and a seal.
    pub(crate) fn waiting_threads(&self) -> usize {
        let max_proving = self.0.kit.max_proving();
        if max_proving == usize::MAX { 0 } else { max_proving + 2 }
    }

    /// Lets the threads end.
    pub(crate) fn close(&self) {
        self.0.lane.lock().open = false;
        self.0.kit.cancellation.cancel();
        self.0.arrived.notify_all();
    }

    fn push(&self, urgency: Urgency, job: Job) -> Result<(), ()> {
        let mut lane = self.0.lane.lock();
        lane.pool.push(urgency, Waiting { job, since: Instant::now() }).map_err(|_| ())?;
        self.0.metrics.workers.queued.set(lane.pool.waiting() as i64);
        self.0.arrived.notify_one();
        Ok(())
    }

    fn refuse(&self, job: JobId, kind: Kind) -> Box<Input> {
        self.0.count_failure(kind, JobFailure::Refused);
        Box::new(Input::JobFailed { job, failure: JobFailure::Refused })
    }
}

impl Shared {
    fn count_failure(&self, kind: Kind, failure: JobFailure) {
        self.metrics.workers.failed.with_label_values(&[kind.name(), failure_name(failure)]).inc();
    }
}

/// Label of the metrics.
pub(crate) const fn failure_name(failure: JobFailure) -> &'static str {
    match failure {
        JobFailure::Refused => "refused",
        JobFailure::Deadline => "deadline",
        JobFailure::Backend => "backend",
        JobFailure::Panicked => "panicked",
    }
}
