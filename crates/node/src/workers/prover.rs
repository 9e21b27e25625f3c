//! The prover: makes proofs for blocks of ours, out of everybody's way.
//!
//! A proof keeps all cores busy for a second, so the pool, which verifies blocks, is no place for it. It has threads of
//! its own that give way to all others. One proof is made at a time; a request that finds the prover busy, or that
//! cannot be done in time, is refused at once, and what comes too late is dropped. Nobody waits for it, not even a stop
//! of the node: its threads are not supervised and end with the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lathe_aggregation::{AggregationError, Backend, Cancellation, Message, ProofRequest, Prover as Proofs};
use lathe_engine::{Input, JobFailure, JobId, Millis, ProveRequest};
use lathe_types::{AttestationData, SingleMessageAggregate, TreeHash as _};
use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tracing::{debug, error};

use crate::chain;
use crate::clock::Time;
use crate::metrics::Metrics;

/// Threads of one proof at most: more gain little at the sizes that fit in a slot, and each takes memory.
const MAX_THREADS: usize = 8;
/// How much the threads give way: a third of the weight of any other, so that votes and blocks go first and a proof
/// still gets on beside other work on the machine.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

type Proved = Vec<(AttestationData, SingleMessageAggregate)>;

/// The door to the prover.
#[derive(Clone)]
pub(crate) struct Prover(Arc<Shared>);

struct Shared {
    backend: Arc<dyn Backend>,
    time: Time,
    metrics: Arc<Metrics>,
    /// Started with the first proof: most networks never need one.
    threads: Mutex<Option<Arc<ThreadPool>>>,
    busy: AtomicBool,
    cancellation: Cancellation,
}

impl Prover {
    pub(crate) fn new(backend: Arc<dyn Backend>, time: Time, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            backend,
            time,
            metrics,
            threads: Mutex::default(),
            busy: AtomicBool::new(false),
            cancellation: Cancellation::default(),
        }))
    }

    /// Takes a request in; the answer goes to `chain`. When it is refused, the answer comes back at once.
    pub(crate) fn prove(
        &self,
        job: JobId,
        request: Arc<ProveRequest>,
        deadline: Millis,
        chain: &chain::Mailbox,
    ) -> Result<(), Box<Input>> {
        let refused = Box::new(Input::JobFailed { job, failure: JobFailure::Refused });
        if self.0.busy.swap(true, Ordering::AcqRel) {
            self.0.count(Outcome::Busy);
            return Err(refused);
        }
        let Some(threads) = self.0.threads() else {
            self.0.busy.store(false, Ordering::Release);
            return Err(refused);
        };
        let (shared, chain) = (self.0.clone(), chain.clone());
        threads.spawn(move || {
            let answer = shared.perform(&request, deadline);
            drop(request);
            shared.busy.store(false, Ordering::Release);
            chain.answer(match answer {
                Ok(proofs) => Input::Proved { job, proofs },
                Err(failure) => Input::JobFailed { job, failure },
            });
        });
        Ok(())
    }

    /// Starts nothing more.
    pub(crate) fn close(&self) {
        self.0.cancellation.cancel();
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Made,
    /// Made, but too late to be of use.
    Late,
    /// There was not enough time, or nothing to gain.
    Declined,
    /// Another proof was under way.
    Busy,
    Failed,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Late => "late",
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

impl Shared {
    fn threads(&self) -> Option<Arc<ThreadPool>> {
        let mut threads = self.threads.lock();
        if threads.is_none() {
            let count = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
            let pool = ThreadPoolBuilder::new()
                .num_threads(count)
                .thread_name(|_| "prover".into())
                .start_handler(|_| give_way())
                .build();
            *threads = pool
                .inspect_err(|error| error!(%error, "the threads of the prover do not start"))
                .ok()
                .map(Arc::new);
        }
        threads.clone()
    }

    fn perform(&self, request: &ProveRequest, deadline: Millis) -> Result<Proved, JobFailure> {
        let proofs = self.backend.prover().ok_or(JobFailure::Refused)?;
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.prove(proofs, request, deadline)));
        let (outcome, answer) = match outcome {
            Ok(Ok(made)) => {
                let took = started.elapsed();
                let is_late = self.time.now() > deadline;
                self.learn(proofs, &made, took, is_late);
                if is_late { (Outcome::Late, Err(JobFailure::Deadline)) } else { (Outcome::Made, Ok(made)) }
            }
            Ok(Err(AggregationError::NotWorthwhile | AggregationError::Cancelled)) => {
                (Outcome::Declined, Err(JobFailure::Refused))
            }
            Ok(Err(reason)) => {
                error!(%reason, "votes could not be proved");
                (Outcome::Failed, Err(JobFailure::Backend))
            }
            Err(_) => {
                error!("the prover panicked; the panic was contained");
                (Outcome::Failed, Err(JobFailure::Panicked))
            }
        };
        self.count(outcome);
        answer
    }

    fn prove(
        &self,
        proofs: &dyn Proofs,
        request: &ProveRequest,
        deadline: Millis,
    ) -> Result<Proved, AggregationError> {
        let votes = request.votes.iter().map(|(data, held)| {
            let message = Message { root: data.tree_hash_root(), slot: data.slot };
            (message, held.iter().map(|proof| &**proof).collect())
        });
        let within = Duration::from_millis(deadline.since(self.time.now()).try_into().unwrap_or(0));
        let asked = ProofRequest { votes: votes.collect(), expected: request.expected, within };
        let made = proofs.prove(&request.state.validators, &asked, &self.cancellation)?;
        let data_of = |message: Message| {
            let position = asked.votes.iter().position(|(asked, _)| *asked == message)?;
            request.votes.get(position).map(|(data, _)| *data)
        };
        Ok(made.into_iter().filter_map(|(message, proof)| Some((data_of(message)?, proof))).collect())
    }

    fn learn(&self, proofs: &dyn Proofs, made: &Proved, took: Duration, is_late: bool) {
        let signatures = made.iter().map(|(_, proof)| proof.participants.num_set_bits()).sum();
        proofs.learn(signatures, took);
        self.metrics.proofs.seconds.observe(took.as_secs_f64());
        self.metrics.proofs.signatures.inc_by(signatures as u64);
        let bytes = made.first().map_or(0, |(_, proof)| proof.proof.len());
        let (data, took_ms) = (made.len(), took.as_millis());
        debug!(signatures, data, bytes, took_ms, is_late, "proved votes for a block of ours");
    }

    fn count(&self, outcome: Outcome) {
        self.metrics.proofs.asked.with_label_values(&[outcome.name()]).inc();
    }
}

/// Lowers the priority of the thread that calls this, where a thread has one of its own.
fn give_way() {
    // Without the right to do so the thread is as good as any other.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}
