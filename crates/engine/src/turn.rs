//! One turn of the engine: the clock, the input, what follows.

use lathe_types::{RejectionReason, Slot, ValidatorIndex};

use crate::Engine;
use crate::event::{Duty, Event, MissReason, ObjectKind};
use crate::io::{
    Effect, GossipVerdict, Input, JobFailure, JobId, Millis, Offence, Origin, PayloadFailure, SignFailure,
};
use crate::jobs::Job;
use crate::observer::Step;
use crate::sync::{Situation, Sync};
use crate::votes::{PendingAggregate, PendingVote, Vote};

impl Engine {
    /// Takes in what happened at `now`. What is to be done about it comes out of [`Self::poll_effect`].
    pub fn handle(&mut self, now: Millis, input: Input) {
        // A block that is due goes out before anything else of its slot is looked at.
        self.now = now;
        if self.started {
            self.drive_proposal();
        }
        self.advance_clock(now);
        self.take(input);
        self.follow_up();
    }

    /// When to call [`Self::handle`] with [`Input::Tick`] at the latest.
    pub fn next_timeout(&self) -> Option<Millis> {
        let timeouts = [
            Some(self.timeline.next_boundary()),
            self.verdicts.next_timeout(),
            self.votes.next_timeout(),
            self.blocks.next_timeout(),
            self.attesting.next_timeout(),
            self.aggregation.next_timeout(),
            self.proposing.next_timeout(self.now, &self.config),
            self.sync.next_timeout(),
            self.execution.next_timeout(self.now),
        ];
        timeouts.into_iter().flatten().min()
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Tick => {}
            Input::Block { block, origin } if self.may_judge(origin) => self.on_block(block, origin),
            Input::Attestation { attestation, origin } if self.may_judge(origin) => {
                self.on_vote(Vote::Single(PendingVote { attestation, origin }));
            }
            Input::Aggregate { aggregate, origin } if self.may_judge(origin) => {
                self.on_vote(Vote::Aggregate(PendingAggregate { aggregate, origin }));
            }
            Input::Block { .. } | Input::Attestation { .. } | Input::Aggregate { .. } => {}
            Input::Verified { job, verdicts } => self.verified(job, Some(&verdicts)),
            Input::Aggregated { job, proof } => {
                if let Some(Job::Aggregate { data }) = self.jobs.close(job) {
                    self.aggregated(job, data, Ok(proof));
                }
            }
            Input::Proved { job, proofs } => {
                if let Some(Job::Prove { slot }) = self.jobs.close(job) {
                    self.proved(job, slot, Ok(proofs));
                }
            }
            Input::Prepared { job, prepared } => {
                if let Some(Job::Prepare { slot }) = self.jobs.close(job) {
                    self.block_prepared(job, slot, Ok(prepared));
                }
            }
            Input::Signed { job, signatures } => self.signed(job, signatures),
            Input::Sealed { job, proof } => {
                if let Some(Job::Seal { slot }) = self.jobs.close(job) {
                    self.block_sealed(slot, Ok(proof));
                }
            }
            Input::Split { job, proofs } => {
                if let Some(Job::Split { wanted }) = self.jobs.close(job) {
                    self.votes_split(&wanted, proofs);
                }
            }
            Input::JobFailed { job, failure } => self.job_failed(job, failure),
            Input::Durable { sequence } => self.persistence.durable(sequence),
            Input::PeerConnected { peer } => {
                let effect = self.sync.connected(self.now, peer);
                self.effects.extend(effect);
            }
            Input::PeerStatus { peer, status } => self.sync.status(self.now, peer, status),
            Input::PeerDisconnected { peer } => self.sync.disconnected(peer),
            Input::FetchEnded { request, outcome } => {
                let effect = self.sync.ended(self.now, request, outcome);
                self.effects.extend(effect);
            }
            Input::SetAggregator { enabled } => {
                self.is_aggregator = enabled;
                self.view_is_stale();
            }
            Input::ExecutionHealth(health) => self.execution_health(health),
            Input::PayloadStatus { block, verdict } => self.payload_status(block, verdict),
            Input::PayloadReady { job, execution } => self.payload_built(job, Ok(execution)),
            Input::PayloadFailed { job, failure } => self.payload_built(job, Err(failure)),
            Input::ReplayEnded { job } => self.replay_ended(job),
        }
    }

    /// What the input and the time have made possible.
    fn follow_up(&mut self) {
        self.close_vote_batch();
        self.recheck_blocks();
        self.update_gate();
        self.attest_if_due();
        self.aggregate_late_votes();
        self.drive_proving();
        self.drive_proposal();
        if self.take_up_early() {
            self.drive_proposal();
        }
        self.drive_execution();
        if self.sync.is_due(self.now) {
            let effects = self.with_situation(Sync::drive);
            self.effects.extend(effects);
        }
        self.votes.held.expire(self.now);
        while let Some((id, peer)) = self.verdicts.expired(self.now) {
            self.push(Effect::GossipVerdict { id, peer, verdict: GossipVerdict::Ignore });
        }
    }

    /// Notes that a gossip message awaits its verdict. What came before genesis, twice, or in too great a number is
    /// ignored at once.
    fn may_judge(&mut self, origin: Origin) -> bool {
        let Origin::Gossip { id, peer } = origin else {
            return self.now >= Millis(0);
        };
        let may = self.now >= Millis(0) && self.verdicts.open(self.now, id, peer);
        if !may && !self.verdicts.is_open(id, peer) {
            self.push(Effect::GossipVerdict { id, peer, verdict: GossipVerdict::Ignore });
        }
        may
    }

    fn verified(&mut self, job: JobId, verdicts: Option<&[bool]>) {
        let first = verdicts.and_then(|verdicts| verdicts.first().copied());
        match self.jobs.close(job) {
            Some(Job::CheckVotes(votes)) => self.votes_checked(votes, verdicts.unwrap_or_default()),
            Some(Job::CheckAggregate(vote)) => self.aggregate_checked(&vote, first),
            Some(Job::CheckBlock(check)) => self.block_checked(check, first),
            _ => {}
        }
    }

    fn signed(&mut self, job: JobId, signatures: Vec<Result<lathe_types::Signature, SignFailure>>) {
        match self.jobs.close(job) {
            Some(Job::SignVotes { data, validators }) => self.votes_signed(data, &validators, signatures),
            Some(Job::SignBlock { slot }) => {
                let signature = signatures.into_iter().next().unwrap_or(Err(SignFailure::Overloaded));
                self.block_signed(slot, signature);
            }
            _ => {}
        }
    }

    fn job_failed(&mut self, job: JobId, failure: JobFailure) {
        match self.jobs.close(job) {
            Some(Job::CheckVotes(votes)) => self.votes_checked(votes, &[]),
            Some(Job::CheckAggregate(vote)) => self.aggregate_checked(&vote, None),
            Some(Job::CheckBlock(check)) => self.block_checked(check, None),
            Some(Job::Aggregate { data }) => self.aggregated(job, data, Err(failure)),
            Some(Job::Prove { slot }) => self.proved(job, slot, Err(failure)),
            Some(Job::Prepare { slot }) => self.block_prepared(job, slot, Err(failure)),
            Some(Job::Seal { slot }) => self.block_sealed(slot, Err(failure)),
            // Signing is answered by its own input, but a driver that fails it this way must not leave it open.
            Some(Job::SignVotes { data, validators }) => self.votes_signed(data, &validators, Vec::new()),
            Some(Job::SignBlock { slot }) => self.block_signed(slot, Err(SignFailure::Overloaded)),
            // Answered by inputs of their own, too.
            Some(Job::Payload { slot }) => self.payload_failed(job, slot, PayloadFailure::Refused),
            Some(Job::Replay) => self.execution.replay_ended(self.now),
            Some(Job::Split { .. }) | None => {}
        }
    }

    /// Answers for an object from outside: a verdict for gossip, blame for a bad answer to a request.
    pub(crate) fn settle(&mut self, origin: Origin, verdict: GossipVerdict) {
        match origin {
            Origin::Gossip { id, peer } => {
                if self.verdicts.close(id, peer) {
                    self.push(Effect::GossipVerdict { id, peer, verdict });
                }
            }
            Origin::Response { peer, .. } => {
                if verdict == GossipVerdict::Reject {
                    self.push(Effect::Penalise { peer, offence: Offence::Invalid });
                }
            }
        }
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn announce(&mut self, event: Event) {
        self.push(Effect::Announce(event));
    }

    pub(crate) fn rejected(&mut self, kind: ObjectKind, reason: RejectionReason) {
        self.announce(Event::Rejected { kind, reason: reason.name() });
    }

    pub(crate) fn missed(
        &mut self,
        duty: Duty,
        validator: Option<ValidatorIndex>,
        slot: Slot,
        reason: MissReason,
    ) {
        self.announce(Event::DutyMissed { duty, validator, slot, reason });
    }

    pub(crate) fn view_is_stale(&mut self) {
        self.store_version += 1;
    }

    pub(crate) fn enter(&mut self, step: Step) {
        if let Some(observer) = &mut self.observer {
            observer.enter(step);
        }
    }

    pub(crate) fn exit(&mut self, step: Step) {
        if let Some(observer) = &mut self.observer {
            observer.exit(step);
        }
    }

    pub(crate) fn timed<T>(&mut self, step: Step, work: impl FnOnce(&mut Self) -> T) -> T {
        self.enter(step);
        let result = work(self);
        self.exit(step);
        result
    }

    /// Lets `decide` look at where the chain stands.
    pub(crate) fn with_situation<T>(&mut self, decide: impl FnOnce(&mut Sync, &Situation<'_>) -> T) -> T {
        let (store, pending, blocks) = (&self.store, &self.pending, &self.blocks);
        let situation = Situation {
            now: self.now,
            clock: self.now.slot(),
            head: store.head().slot,
            finalized: store.latest_finalized().slot,
            waiting: pending.len() + blocks.in_check(),
            judged: &|root| store.contains(root) || blocks.is_refused(root),
            holds: &|root| pending.contains(root) || blocks.is_in_check(root),
        };
        decide(&mut self.sync, &situation)
    }
}
