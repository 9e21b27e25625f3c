//! The jobs that are open with workers, the signer and the execution client: each is answered at most once, whatever
//! the drivers do. What a job is about is remembered by the room that asked for it.

use std::collections::BTreeMap;

use crate::io::JobId;

/// What was asked, and thereby who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobKind {
    CheckVotes,
    CheckAggregate,
    CheckBlock,
    Aggregate,
    Split,
    Prove,
    Prepare,
    SignVotes,
    SignBlock,
    Seal,
    BuildPayload,
    Replay,
}

/// The table of open jobs.
#[derive(Default)]
pub(super) struct Jobs {
    next: u64,
    open: BTreeMap<JobId, JobKind>,
}

impl Jobs {
    pub(super) fn open(&mut self, kind: JobKind) -> JobId {
        let id = JobId(self.next);
        self.next += 1;
        self.open.insert(id, kind);
        id
    }

    /// The job's kind. It is closed by this: a second answer finds nothing.
    pub(super) fn close(&mut self, id: JobId) -> Option<JobKind> {
        self.open.remove(&id)
    }
}
