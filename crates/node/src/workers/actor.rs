//! The loop of one worker thread.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use lathe_engine::{Input, JobFailure, JobId};
use tracing::error;

use super::state::{Kind, Next};
use super::{Job, Shared, Task, Waiting, Workers, execute};
use crate::chain;

/// Works until the pool is closed.
pub(crate) fn run(workers: &Workers, chain: &chain::Mailbox) -> Result<(), Infallible> {
    let shared = &*workers.0;
    while let Some(next) = wait(shared) {
        let (kind, waiting, late) = match next {
            Next::Run(kind, waiting) => (kind, waiting, false),
            Next::Late(kind, waiting) => (kind, waiting, true),
        };
        let metrics = &shared.metrics.workers;
        metrics.waiting.with_label_values(&[kind.name()]).observe(waiting.since.elapsed().as_secs_f64());
        let started = Instant::now();
        match waiting.job {
            Job::Background(work) => {
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    shared.count_failure(kind, JobFailure::Panicked);
                    error!("background work panicked");
                }
            }
            Job::Task(job, _) if late => {
                shared.count_failure(kind, JobFailure::Deadline);
                chain.answer(Input::JobFailed { job, failure: JobFailure::Deadline });
            }
            Job::Task(job, task) => chain.answer(perform(shared, kind, job, task)),
        }
        metrics.running.with_label_values(&[kind.name()]).observe(started.elapsed().as_secs_f64());
        finish(shared, kind);
    }
    Ok(())
}

fn wait(shared: &Shared) -> Option<Next<Waiting>> {
    let mut lane = shared.queue.lock();
    while lane.open {
        let may_prove = lane.proving < shared.max_proving;
        if let Some(next) = lane.waiting.pop(shared.time.now(), may_prove) {
            let (Next::Run(kind, _) | Next::Late(kind, _)) = &next;
            lane.proving += usize::from(kind.is_proving());
            shared.metrics.workers.queued.set(lane.waiting.len() as i64);
            return Some(next);
        }
        shared.arrived.wait(&mut lane);
    }
    None
}

/// Makes room for the next proof, if this was one.
fn finish(shared: &Shared, kind: Kind) {
    if kind.is_proving() {
        shared.queue.lock().proving -= 1;
        shared.arrived.notify_one();
    }
}

fn perform(shared: &Shared, kind: Kind, job: JobId, task: Task) -> Input {
    let outcome = catch_unwind(AssertUnwindSafe(|| execute::execute(shared, job, task)));
    let failure = match outcome {
        Ok(Ok(answer)) => return answer,
        Ok(Err(reason)) => {
            error!(kind = kind.name(), %reason, "a worker could not do its job");
            JobFailure::Backend
        }
        Err(_) => {
            error!(kind = kind.name(), "a worker panicked; the panic was contained");
            JobFailure::Panicked
        }
    };
    shared.count_failure(kind, failure);
    Input::JobFailed { job, failure }
}
