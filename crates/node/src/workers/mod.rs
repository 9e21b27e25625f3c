//! The workers: a bounded pool of threads for everything that costs more than a moment.
//!
//! Each kind of job has its own bound; a job that finds no room or cannot finish in time is refused at the door, and
//! one that panics fails alone. Every job is answered exactly once.

mod actor;
mod execute;
mod prepare;
mod prover;
mod state;

use std::sync::Arc;
use std::time::Instant;

use lathe_aggregation::{Backend, Cancellation, Verifier};
use lathe_engine::{
    AggregateRequest, Input, JobFailure, JobId, Millis, PrepareRequest, PreparedBlock, ProveRequest,
    VerifyRequest,
};
use lathe_types::{AttestationData, Signature, SignedBlock, State};
use parking_lot::{Condvar, Mutex};

use crate::chain;
use crate::clock::Time;
use crate::metrics::Metrics;
pub(crate) use actor::run;
use prover::Prover;
use state::{Kind, Queue, Urgency};

/// What a worker does.
pub(crate) enum Task {
    /// Checks signatures or a proof.
    Verify(VerifyRequest),
    /// Folds signatures and proofs of one message.
    Aggregate(AggregateRequest, Millis),
    /// Builds a block.
    Prepare(Arc<PrepareRequest>, Millis),
    /// Merges a block's proof.
    Seal(Arc<PreparedBlock>, Signature),
    /// Takes votes out of a block's proof.
    Split { block: Arc<SignedBlock>, parent_state: Arc<State>, wanted: Vec<AttestationData> },
}

impl Task {
    fn urgency(&self) -> Urgency {
        let (kind, freshness, deadline) = match self {
            Self::Verify(VerifyRequest::Block { .. }) => (Kind::VerifyBlock, 0, None),
            Self::Verify(VerifyRequest::Aggregate { aggregate, .. }) => {
                (Kind::VerifyAggregate, aggregate.data.slot.0, None)
            }
            Self::Verify(VerifyRequest::Attestations(checks)) => {
                let newest = checks.iter().map(|check| check.slot.0).max().unwrap_or_default();
                (Kind::VerifyAttestations, newest, None)
            }
            Self::Aggregate(request, deadline) => (Kind::Aggregate, request.data.slot.0, Some(*deadline)),
            Self::Prepare(request, deadline) => (Kind::Prepare, request.slot.0, Some(*deadline)),
            Self::Seal(prepared, _) => (Kind::Seal, prepared.block.slot.0, None),
            Self::Split { block, .. } => (Kind::Split, block.block.slot.0, None),
        };
        Urgency { kind, freshness, deadline }
    }
}

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
    queue: Mutex<Lane>,
    arrived: Condvar,
    time: Time,
    metrics: Arc<Metrics>,
    backend: Arc<dyn Backend>,
    verifier: Arc<dyn Verifier>,
    cancellation: Cancellation,
    /// Proving jobs that may be under way at a time: all of them where proofs are cheap, else one, so that the other
    /// threads are there for gossip, and what is most urgent is proved next.
    max_proving: usize,
    prover: Prover,
}

struct Lane {
    waiting: Queue<Waiting>,
    /// Proving jobs under way.
    proving: usize,
    open: bool,
}

/// The door to the pool.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

impl Workers {
    /// A pool without threads; each [`run`] brings one.
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        verifier: Arc<dyn Verifier>,
        time: Time,
        metrics: Arc<Metrics>,
    ) -> Self {
        let max_proving = if backend.capabilities().merges_freely { usize::MAX } else { 1 };
        Self(Arc::new(Shared {
            queue: Mutex::new(Lane { waiting: Queue::new(), proving: 0, open: true }),
            prover: Prover::new(backend.clone(), time.clone(), metrics.clone()),
            arrived: Condvar::new(),
            time,
            metrics,
            backend,
            verifier,
            cancellation: Cancellation::default(),
            max_proving,
        }))
    }

    /// Takes a job in. When it is refused, the answer comes back at once.
    pub(crate) fn submit(&self, id: JobId, task: Task) -> Result<(), Box<Input>> {
        let urgency = task.urgency();
        if self.cannot_finish(&task) {
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

    /// Threads beyond those that the machine has work for: where proofs are dear, one waits for each of the jobs that
    /// may take seconds at a time, which are an aggregation, a preparation and a seal.
    pub(crate) fn waiting_threads(&self) -> usize {
        if self.0.max_proving == usize::MAX { 0 } else { self.0.max_proving + 2 }
    }

    /// Lets the threads end.
    pub(crate) fn close(&self) {
        self.0.queue.lock().open = false;
        self.0.cancellation.cancel();
        self.0.prover.close();
        self.0.arrived.notify_all();
    }

    fn push(&self, urgency: Urgency, job: Job) -> Result<(), ()> {
        let mut lane = self.0.queue.lock();
        lane.waiting.push(urgency, Waiting { job, since: Instant::now() }).map_err(|_| ())?;
        self.0.metrics.workers.queued.set(lane.waiting.len() as i64);
        self.0.arrived.notify_one();
        Ok(())
    }

    /// Whether the backend's own estimate lies beyond the deadline.
    fn cannot_finish(&self, task: &Task) -> bool {
        let Task::Aggregate(request, deadline) = task else { return false };
        let estimate = self.0.backend.estimate(request.signatures.len(), request.children.len());
        let estimate_ms = i64::try_from(estimate.as_millis()).unwrap_or(i64::MAX);
        self.0.time.now().0.saturating_add(estimate_ms) > deadline.0
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
