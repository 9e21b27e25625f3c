//! The jobs that are open with workers, the signer and the execution client: each is answered at most once, whatever
//! the drivers do.

use std::collections::BTreeMap;

use lathe_types::{AttestationData, Slot, ValidatorIndex};

use crate::blocks::BlockInCheck;
use crate::io::JobId;
use crate::votes::{PendingAggregate, PendingVote};

/// Open checks of votes and aggregates. Each batch holds at most 64 votes of 2.5 KiB, each aggregate at most 512 KiB,
/// so this bounds what waits for workers at 32 MiB in the worst case; beyond it votes are ignored, not queued.
pub(crate) const MAX_OPEN_VOTE_CHECKS: usize = 64;

/// What to do with an answer.
pub(crate) enum Job {
    CheckVotes(Vec<PendingVote>),
    CheckAggregate(PendingAggregate),
    CheckBlock(BlockInCheck),
    Aggregate { data: AttestationData },
    Prove { slot: Slot },
    Prepare { slot: Slot },
    SignVotes { data: AttestationData, validators: Vec<ValidatorIndex> },
    SignBlock { slot: Slot },
    Seal { slot: Slot },
    Split { wanted: Vec<AttestationData> },
    Payload { slot: Slot },
    Replay,
}

/// The table of open jobs.
#[derive(Default)]
pub(crate) struct Jobs {
    next: u64,
    open: BTreeMap<JobId, Job>,
    vote_checks: usize,
}

impl Jobs {
    pub(crate) fn open(&mut self, job: Job) -> JobId {
        let id = JobId(self.next);
        self.next += 1;
        self.vote_checks += usize::from(is_vote_check(&job));
        self.open.insert(id, job);
        id
    }

    /// The job, which is closed by this: a second answer finds nothing.
    pub(crate) fn close(&mut self, id: JobId) -> Option<Job> {
        let job = self.open.remove(&id)?;
        self.vote_checks -= usize::from(is_vote_check(&job));
        Some(job)
    }

    /// Closes the requests to sign votes of slots before `slot`: an answer would come too late to be of use.
    pub(crate) fn close_stale_votes(&mut self, slot: Slot) -> Vec<(Slot, Vec<ValidatorIndex>)> {
        let is_stale = |job: &mut Job| matches!(job, Job::SignVotes { data, .. } if data.slot < slot);
        let stale = self.open.extract_if(.., |_, job| is_stale(job));
        let duty = |(_, job)| match job {
            Job::SignVotes { data, validators } => Some((data.slot, validators)),
            _ => None,
        };
        stale.filter_map(duty).collect()
    }

    pub(crate) fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.open.get_mut(&id)
    }

    pub(crate) fn may_check_votes(&self) -> bool {
        self.vote_checks < MAX_OPEN_VOTE_CHECKS
    }
}

fn is_vote_check(job: &Job) -> bool {
    matches!(job, Job::CheckVotes(_) | Job::CheckAggregate(_))
}
