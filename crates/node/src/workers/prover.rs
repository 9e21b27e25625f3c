//! The prover: makes proofs for blocks of ours, out of everybody's way.
//!
//! A proof keeps all cores busy for a second, so the pool, which verifies blocks, is no place for it. It has threads of
//! its own that give way to all others. One proof is made at a time; a request that finds the prover busy, or that
//! cannot be done in time, is refused at once, and what comes too late is dropped. Nobody waits for it, not even a stop
//! of the node: its threads are not supervised and end with the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use lathe_driver::{Kit, ProofOutcome, Proved, conclude, prove, signatures};
use lathe_engine::{Input, JobFailure, JobId, Millis, ProveRequest};
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

/// The door to the prover.
#[derive(Clone)]
pub(crate) struct Prover(Arc<Shared>);

struct Shared {
    kit: Kit,
    time: Time,
    metrics: Arc<Metrics>,
    /// Started with the first proof: most networks never need one.
    threads: Mutex<Option<Arc<ThreadPool>>>,
    busy: AtomicBool,
}

impl Prover {
    pub(crate) fn new(kit: Kit, time: Time, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared { kit, time, metrics, threads: Mutex::default(), busy: AtomicBool::new(false) }))
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
            self.0.count(&ProofOutcome::Busy);
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
        let started = Instant::now();
        let made = prove(&self.kit, request, self.time.now(), deadline);
        let outcome = match &made {
            Ok(made) => {
                let took = started.elapsed();
                let outcome = conclude(&self.kit, made, took, self.time.now(), deadline);
                self.metrics.proofs.seconds.observe(took.as_secs_f64());
                self.metrics.proofs.signatures.inc_by(signatures(made) as u64);
                let bytes = made.first().map_or(0, |(_, proof)| proof.proof.len());
                let (data, took_ms, outcome_name) = (made.len(), took.as_millis(), outcome.name());
                debug!(
                    signatures = signatures(made),
                    data,
                    bytes,
                    took_ms,
                    outcome = outcome_name,
                    "proved votes for a block of ours"
                );
                outcome
            }
            Err(outcome) => outcome.clone(),
        };
        match &outcome {
            ProofOutcome::Failed(reason) => error!(%reason, "votes could not be proved"),
            ProofOutcome::Panicked => error!("the prover panicked; the panic was contained"),
            _ => {}
        }
        self.count(&outcome);
        made.ok().filter(|_| outcome == ProofOutcome::Made).ok_or(outcome.failure())
    }

    fn count(&self, outcome: &ProofOutcome) {
        self.metrics.proofs.asked.with_label_values(&[outcome.name()]).inc();
    }
}

/// Lowers the priority of the thread that calls this, where a thread has one of its own.
fn give_way() {
    // Without the right to do so the thread is as good as any other.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}
