//! The loop of one worker thread.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use lathe_driver::{Next, perform};
use lathe_engine::{Input, JobFailure};
use tracing::error;

use super::{Job, Shared, Waiting, Workers, report};
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
            Job::Task(job, task) => {
                let done = perform(&shared.kit, job, &task);
                report::report(shared, &task, &done, started.elapsed().as_secs_f64());
                chain.answer(done.answer);
            }
        }
        metrics.running.with_label_values(&[kind.name()]).observe(started.elapsed().as_secs_f64());
        if shared.lane.lock().pool.finish(kind) {
            shared.arrived.notify_one();
        }
    }
    Ok(())
}

fn wait(shared: &Shared) -> Option<Next<Waiting>> {
    let mut lane = shared.lane.lock();
    while lane.open {
        if let Some(next) = lane.pool.next(shared.time.now()) {
            shared.metrics.workers.queued.set(lane.pool.waiting() as i64);
            return Some(next);
        }
        shared.arrived.wait(&mut lane);
    }
    None
}
