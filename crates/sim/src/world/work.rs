//! Workers and provers of the simulated nodes: the jobs of real ones, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use lathe_aggregation::Cancellation;
use lathe_driver::{
    Done, Kind, Kit, Next, ProofOutcome, Proved, Remark, Task, conclude, perform, prove, signatures,
};
use lathe_engine::{Effect, Input, JobFailure, JobId, Millis, ProveRequest};
use rand::RngExt;

use super::{Arrival, NodeId, Violation, World};
use crate::faults::Fault;
use crate::machine::Machine;

/// How long a job takes that takes far too long and has no deadline.
const SLOW_MS: std::ops::RangeInclusive<i64> = 500..=SLOWEST_MS;
/// The longest time that is doubled: some deadlines lie far ahead, and a thread that never comes
/// back is another matter.
const SLOWEST_MS: i64 = 4_000;

impl World<'_> {
    /// Hands a job to a node's workers.
    pub(super) fn submit(&mut self, id: NodeId, clock: Millis, effect: Effect) -> Result<(), Violation> {
        let Some((job, task)) = Task::of(effect) else { return Ok(()) };
        let refused = self.strikes(Fault::JobRefused, self.scenario.drivers.refused);
        let node = &mut self.nodes[id];
        if let Task::Seal(prepared, _) = &task {
            node.prepared = Some(prepared.clone());
        }
        let Some(running) = &mut node.running else { return Ok(()) };
        let urgency = task.urgency();
        if refused || node.kit.cannot_finish(&task, clock) || running.pool.push(urgency, (job, task)).is_err()
        {
            running.immediate.push_back(Input::JobFailed { job, failure: JobFailure::Refused });
            return Ok(());
        }
        self.dispatch(id, clock)
    }

    /// Gives jobs to idle threads.
    fn dispatch(&mut self, id: NodeId, clock: Millis) -> Result<(), Violation> {
        loop {
            let Some(running) = self.running(id).filter(|running| running.idle_threads > 0) else {
                return Ok(());
            };
            let Some(next) = running.pool.next(clock) else { return Ok(()) };
            running.idle_threads -= 1;
            let (kind, delay, answer) = match next {
                Next::Late(kind, (job, _)) => {
                    self.note(Fault::JobLate);
                    (kind, 0, Input::JobFailed { job, failure: JobFailure::Deadline })
                }
                Next::Run(kind, (job, task)) => {
                    let delay = self.cost(&task, clock) + self.proving(id, &task);
                    (kind, delay, self.work(id, job, &task)?)
                }
            };
            self.schedule(id, delay, Arrival::Worked { kind, answer: Box::new(answer) });
        }
    }

    /// How long a job takes.
    fn cost(&mut self, task: &Task, clock: Millis) -> i64 {
        if self.strikes(Fault::JobSlow, self.scenario.drivers.slow) {
            let deadline = task.urgency().deadline;
            return deadline.map_or_else(
                || self.rng.random_range(SLOW_MS),
                |deadline| 2 * deadline.since(clock).clamp(1, SLOWEST_MS),
            );
        }
        self.rng.random_range(match task {
            Task::Verify(_) => 1..=6,
            Task::Aggregate(..) => 1..=20,
            Task::Prepare(..) => 2..=30,
            Task::Seal(..) => 1..=10,
            Task::Split { .. } => 1..=5,
        })
    }

    /// How long the job keeps its thread because of an external proof system: until a prover is free and done.
    fn proving(&mut self, id: NodeId, task: &Task) -> i64 {
        let cost = self.scenario.proofs.and_then(|costs| costs.of(task));
        let (Some(cost), now) = (cost, self.now) else { return 0 };
        let Some(running) = self.running(id) else { return 0 };
        let Some(free_at) = running.provers_free_at.iter_mut().min() else { return 0 };
        *free_at = now.max(*free_at) + cost;
        *free_at - now
    }

    fn work(&mut self, id: NodeId, job: JobId, task: &Task) -> Result<Input, Violation> {
        let panics = self.strikes(Fault::JobPanicked, self.scenario.drivers.panicked);
        // Where the proof system could be asked to stop, it can fail.
        let may_fail = matches!(task, Task::Aggregate(..) | Task::Prepare(..) | Task::Seal(..));
        let fails = may_fail && self.strikes(Fault::JobFailed, self.scenario.drivers.failed);
        let node = &self.nodes[id];
        let cancellation = Cancellation::default();
        let Done { answer, remarks } = if panics {
            node.scheme.while_broken(|| perform(&node.kit, job, task))
        } else if fails {
            cancellation.cancel();
            perform(&Kit { cancellation, ..node.kit.clone() }, job, task)
        } else {
            perform(&node.kit, job, task)
        };
        let failed = |remark: &&Remark| !matches!(remark, Remark::DoesNotVerify(_));
        match remarks.iter().find(failed) {
            Some(remark) if !panics && !fails => {
                Err(self.violation("no job fails by itself", format!("node {id}, {task:?}: {remark}")))
            }
            _ => Ok(answer),
        }
    }

    pub(super) fn worked(&mut self, id: NodeId, kind: Kind, answer: Input) -> Result<(), Violation> {
        if let Some(running) = self.running(id) {
            running.idle_threads += 1;
            running.pool.finish(kind);
        }
        let clock = self.nodes[id].clock(self.now);
        self.dispatch(id, clock)?;
        self.turn(id, answer)
    }

    /// Hands a request for proofs to a node's prover.
    pub(super) fn prove(
        &mut self,
        id: NodeId,
        clock: Millis,
        job: JobId,
        request: &Arc<ProveRequest>,
        deadline: Millis,
    ) {
        let node = &mut self.nodes[id];
        let Some(running) = &mut node.running else { return };
        if std::mem::replace(&mut running.is_proving, true) {
            running.immediate.push_back(Input::JobFailed { job, failure: ProofOutcome::Busy.failure() });
            return self.note(Fault::ProverBusy);
        }
        let panics = self.strikes(Fault::JobPanicked, self.scenario.drivers.panicked);
        let Machine { kit, scheme, .. } = &self.nodes[id];
        let make = || prove(kit, request, clock, deadline);
        let made = if panics { scheme.while_broken(make) } else { make() };
        let proved = made.as_ref().map_or(0, signatures) as i64;
        let costs = self.scenario.proving.as_ref().map_or(&[0][..], |plan| &plan.ms_per_signature);
        let took_ms = 1 + proved * costs[id % costs.len()] * self.rng.random_range(50..=200) / 100;
        self.schedule(id, took_ms, Arrival::Proved { job, made, took_ms, deadline });
    }

    pub(super) fn proved(
        &mut self,
        id: NodeId,
        job: JobId,
        made: Result<Proved, ProofOutcome>,
        took_ms: i64,
        deadline: Millis,
    ) -> Result<(), Violation> {
        let clock = self.nodes[id].clock(self.now);
        self.running(id).into_iter().for_each(|running| running.is_proving = false);
        let took = Duration::from_millis(took_ms.unsigned_abs());
        let (outcome, made) = match made {
            Ok(made) => (conclude(&self.nodes[id].kit, &made, took, clock, deadline), made),
            Err(outcome) => (outcome, Proved::new()),
        };
        match outcome {
            ProofOutcome::Made => {
                self.note(Fault::ProofMade);
                return self.turn(id, Input::Proved { job, proofs: made });
            }
            ProofOutcome::Late => self.note(Fault::ProofLate),
            _ => self.note(Fault::ProofDeclined),
        }
        self.turn(id, Input::JobFailed { job, failure: outcome.failure() })
    }
}
