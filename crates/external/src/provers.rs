//! The workers that prove, as many as the library says are of use, and who gets the next one that is free.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lathe_aggregation::Cancellation;

use crate::error::ExternalError;
use crate::supervised::Supervised;

/// Processes that prove at most, whatever the library says: each may take gigabytes.
pub(crate) const MAX_PROVERS: usize = 8;
/// Pause between looks at whether a proof is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// Who waits for a prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A block that is signed: its leaf is spent, and everybody waits for it.
    Block,
    /// Anything else; it lets blocks go first.
    Votes,
}

/// The workers.
pub(crate) struct Provers {
    workers: Vec<Supervised>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    free: Vec<usize>,
    /// Blocks that wait.
    blocks: usize,
}

impl Provers {
    pub(crate) fn new(workers: Vec<Supervised>) -> Self {
        let queue = Queue { free: (0..workers.len()).rev().collect(), blocks: 0 };
        Self { workers, queue: Mutex::new(queue), changed: Condvar::new() }
    }

    pub(crate) fn count(&self) -> usize {
        self.workers.len()
    }

    /// A worker that is free, waited for as long as `patience`.
    pub(crate) fn lease(
        &self,
        urgency: Urgency,
        patience: Duration,
        cancellation: &Cancellation,
    ) -> Result<Lease<'_>, ExternalError> {
        let deadline = Instant::now() + patience;
        let is_block = urgency == Urgency::Block;
        let mut queue = self.lock();
        queue.blocks += usize::from(is_block);
        let leased = loop {
            let may = is_block || queue.blocks == 0;
            if let Some(worker) = Some(&mut queue).filter(|_| may).and_then(|queue| self.choose(queue)) {
                break Ok(Lease { provers: self, worker });
            }
            if cancellation.check().is_err() {
                break Err(ExternalError::Cancelled);
            }
            if Instant::now() >= deadline {
                break Err(ExternalError::Unready("every prover is busy"));
            }
            queue = self.changed.wait_timeout(queue, POLL).unwrap_or_else(PoisonError::into_inner).0;
        };
        queue.blocks -= usize::from(is_block);
        drop(queue);
        self.changed.notify_all();
        leased
    }

    /// Takes a worker that is free, one that is not being started again if there is one.
    fn choose(&self, queue: &mut Queue) -> Option<usize> {
        let ready = queue.free.iter().rposition(|worker| self.workers[*worker].is_ready());
        let chosen = ready.or(queue.free.len().checked_sub(1))?;
        Some(queue.free.remove(chosen))
    }

    /// A thread that panicked cannot have left the queue half made.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one worker.
pub(crate) struct Lease<'a> {
    provers: &'a Provers,
    worker: usize,
}

impl std::ops::Deref for Lease<'_> {
    type Target = Supervised;

    fn deref(&self) -> &Supervised {
        &self.provers.workers[self.worker]
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.provers.lock().free.push(self.worker);
        self.provers.changed.notify_all();
    }
}
