//! Single votes are verified in batches: a worker's hand-over costs more than one check in a batch.

use super::vote::PendingVote;
use crate::io::{Millis, SignatureCheck};
use crate::time::Timer;

/// Votes in one batch. At 1.4 ms per check a batch occupies one worker for less than 100 ms.
const MAX_BATCH: usize = 64;
/// How long the first vote of a batch waits for company.
const BATCH_WITHIN_MS: u64 = 5;

/// The batch that is being filled.
#[derive(Default)]
pub(super) struct VoteBatch {
    votes: Vec<PendingVote>,
    checks: Vec<SignatureCheck>,
    timer: Option<Timer>,
}

impl VoteBatch {
    pub(super) fn push(&mut self, now: Millis, vote: PendingVote, check: SignatureCheck) {
        if self.votes.is_empty() {
            self.timer = Some(Timer::after(now, BATCH_WITHIN_MS));
        }
        self.votes.push(vote);
        self.checks.push(check);
    }

    /// The batch, if it is full or has waited for long enough.
    pub(super) fn take_if_closed(&mut self, now: Millis) -> Option<(Vec<PendingVote>, Vec<SignatureCheck>)> {
        let timer = self.timer?;
        if self.votes.len() < MAX_BATCH && !timer.is_due(now) {
            return None;
        }
        self.timer = None;
        Some((std::mem::take(&mut self.votes), std::mem::take(&mut self.checks)))
    }

    pub(super) fn next_timeout(&self) -> Option<Millis> {
        self.timer.map(Timer::at)
    }
}
