//! One turn of the engine: the clock, the input, what follows. Here the rooms meet: what one of them hands back is
//! taken to the others.

use lathe_types::{Checkpoint, MILLISECONDS_PER_SLOT, Root, Signature, Slot};

use crate::blocks::{ArrivedBlock, Lead};
use crate::core::JobKind;
use crate::engine::Engine;
use crate::gate::{ChainLag, HYSTERESIS_BAND, SYNC_LAG_THRESHOLD};
use crate::io::{
    Effect, Event, Input, JobFailure, JobId, Millis, Offence, Origin, PayloadFailure, PayloadVerdict,
    SignFailure, VerifyAnswer,
};
use crate::sync::{Situation, Sync};
use crate::votes::{Counted, PendingAggregate, PendingVote, Vote};

/// A step back of the clock by more than this, in milliseconds, is a correction: time goes on from there. A smaller one
/// is waited for, so that nothing is done twice.
const MAX_STEP_BACK_MS: i64 = MILLISECONDS_PER_SLOT as i64;

impl Engine {
    /// Takes in what happened at `now`. What is to be done about it comes out of [`Self::poll_effect`].
    pub fn handle(&mut self, now: Millis, input: Input) {
        let before = std::mem::replace(&mut self.core.now, now);
        if before.since(now) > MAX_STEP_BACK_MS && self.timeline.has_started() {
            self.clock_corrected();
        }
        // A block that is due goes out before anything else of its slot is looked at.
        if self.timeline.has_started() {
            self.drive_proposal();
        }
        self.advance_clock();
        self.take(input);
        self.follow_up();
    }

    /// When to call [`Self::handle`] with [`Input::Tick`] at the latest.
    pub fn next_timeout(&self) -> Option<Millis> {
        let (now, config) = (self.core.now, &self.core.config);
        let timeouts = [
            Some(self.timeline.next_boundary()),
            self.core.next_verdict(),
            self.votes.next_timeout(),
            self.blocks.next_timeout(),
            self.attesting.next_timeout(),
            self.aggregation.next_timeout(),
            self.proposing.next_timeout(now, config),
            self.sync.next_timeout(),
            self.execution.next_timeout(now),
        ];
        timeouts.into_iter().flatten().min()
    }

    fn take(&mut self, input: Input) {
        let now = self.core.now;
        match input {
            Input::Tick => {}
            Input::Block { block, origin } => {
                if self.core.may_judge(origin)
                    && let Some(arrived) = self.blocks.arrived(&mut self.core, block, origin)
                    && self.is_wanted(&arrived, origin)
                {
                    self.consider_block(arrived);
                }
            }
            Input::Attestation { attestation, origin } => {
                self.consider_vote(origin, Vote::Single(PendingVote { attestation, origin }));
            }
            Input::Aggregate { aggregate, origin } => {
                self.consider_vote(origin, Vote::Aggregate(PendingAggregate { aggregate, origin }));
            }
            Input::Durable { sequence } => self.core.durable(sequence),
            Input::PeerConnected { peer, group } => {
                self.core.connected(peer, group);
                let effect = self.sync.connected(now, self.core.sender(peer));
                effect.into_iter().for_each(|effect| self.core.push(effect));
            }
            Input::PeerStatus { peer, status } => self.sync.status(now, self.core.sender(peer), status),
            Input::PeerDisconnected { peer } => {
                self.core.disconnected(peer);
                self.sync.disconnected(peer);
                self.blocks.forget(peer);
            }
            Input::FetchEnded { request, outcome } => {
                let effect = self.sync.ended(now, request, outcome);
                effect.into_iter().for_each(|effect| self.core.push(effect));
            }
            Input::SetAggregator { enabled } => {
                self.core.is_aggregator = enabled;
                self.core.view_is_stale();
            }
            Input::ExecutionHealth(health) => self.execution.health_is(&mut self.core, health),
            Input::PayloadStatus { block, verdict } => self.payload_judged(block, verdict),
            Input::Verified { .. }
            | Input::Aggregated { .. }
            | Input::Proved { .. }
            | Input::Prepared { .. }
            | Input::Signed { .. }
            | Input::Sealed { .. }
            | Input::Split { .. }
            | Input::PayloadReady { .. }
            | Input::PayloadFailed { .. }
            | Input::ReplayEnded { .. }
            | Input::JobFailed { .. } => self.take_answer(input),
        }
    }

    /// The answer to a job. One that is not open is answered already, and one of another kind answers nothing.
    fn take_answer(&mut self, input: Input) {
        let Some(job) = input.job() else { return };
        let Some(kind) = self.core.close_job(job) else { return };
        match (kind, input) {
            (kind, Input::JobFailed { failure, .. }) => self.job_failed(job, kind, failure),
            (
                JobKind::CheckVotes | JobKind::CheckAggregate | JobKind::CheckBlock,
                Input::Verified { answer, .. },
            ) => {
                self.verified(job, kind, answer);
            }
            (JobKind::Aggregate, Input::Aggregated { proof, .. }) => {
                self.aggregation.aggregated(&mut self.core, job, Ok(proof));
            }
            (JobKind::Split, Input::Split { proofs, .. }) => {
                self.aggregation.votes_split(&mut self.core, job, proofs);
            }
            (JobKind::Prove, Input::Proved { proofs, .. }) => self.proposing.proved(job, Ok(proofs)),
            (JobKind::Prepare, Input::Prepared { prepared, .. }) => {
                self.proposing.prepared(job, Ok(prepared));
            }
            (JobKind::SignVotes, Input::Signed { signatures, .. }) => self.votes_signed(job, signatures),
            (JobKind::SignBlock, Input::Signed { signatures, .. }) => {
                let signature = signatures.into_iter().next().unwrap_or(Err(SignFailure::Overloaded));
                self.proposing.signed(&mut self.core, job, signature);
            }
            (JobKind::Seal, Input::Sealed { proof, .. }) => {
                self.proposing.sealed(&mut self.core, job, Ok(proof));
            }
            (JobKind::BuildPayload, Input::PayloadReady { execution, .. }) => {
                self.proposing.payload_built(&self.core, job, Ok(execution));
            }
            (JobKind::BuildPayload, Input::PayloadFailed { failure, .. }) => {
                self.proposing.payload_built(&self.core, job, Err(failure));
            }
            (JobKind::Replay, Input::ReplayEnded { .. }) => self.execution.replay_ended(&self.core, job),
            _ => self.job_failed(job, kind, JobFailure::Backend),
        }
    }

    fn job_failed(&mut self, job: JobId, kind: JobKind, failure: JobFailure) {
        match kind {
            JobKind::CheckVotes | JobKind::CheckAggregate => self.votes_checked(job, kind, &[]),
            JobKind::CheckBlock => self.block_checked(job, None),
            JobKind::Aggregate => self.aggregation.aggregated(&mut self.core, job, Err(failure)),
            JobKind::Split => self.aggregation.votes_split(&mut self.core, job, Vec::new()),
            JobKind::Prove => self.proposing.proved(job, Err(failure)),
            JobKind::Prepare => self.proposing.prepared(job, Err(failure)),
            JobKind::Seal => self.proposing.sealed(&mut self.core, job, Err(failure)),
            // Signing and what follows are answered by inputs of their own, but a driver that fails them this way must
            // not leave them open.
            JobKind::SignVotes => self.votes_signed(job, Vec::new()),
            JobKind::SignBlock => {
                self.proposing.signed(&mut self.core, job, Err(SignFailure::Overloaded));
            }
            JobKind::BuildPayload => {
                self.proposing.payload_built(&self.core, job, Err(PayloadFailure::Refused));
            }
            JobKind::Replay => self.execution.replay_ended(&self.core, job),
        }
    }

    /// What the input and the time have made possible.
    fn follow_up(&mut self) {
        self.votes.close_batch(&mut self.core);
        let leads = self.blocks.recheck(&mut self.core);
        self.follow(leads);
        self.update_gate();
        self.judge_clock();
        self.attesting.vote_if_due(&mut self.core);
        self.forget_finalized();
        self.aggregation.fold_late_votes(&mut self.core);
        self.proposing.drive_proving(&mut self.core);
        self.drive_proposal();
        if self.proposing.take_up_early(&mut self.core) {
            self.drive_proposal();
        }
        self.execution.drive(&mut self.core);
        if self.sync.is_due(self.core.now) {
            let effects = self.with_situation(Sync::drive);
            effects.into_iter().for_each(|effect| self.core.push(effect));
        }
        self.votes.expire(self.core.now);
        self.blocks.expire(self.core.now);
        self.core.expire_verdicts();
    }

    fn drive_proposal(&mut self) {
        while let Some(finished) = self.proposing.drive(&mut self.core, &mut self.execution) {
            self.publish_block(&finished);
        }
    }

    /// Whether a block came as one that we asked for, or by gossip. Nobody sends us anything else.
    fn is_wanted(&mut self, arrived: &ArrivedBlock, origin: Origin) -> bool {
        let Origin::Response { request, peer } = origin else { return true };
        let wanted = self.sync.received(request, peer, arrived.root, arrived.slot());
        if !wanted {
            self.core.push(Effect::Penalise { peer, offence: Offence::Unrequested });
        }
        wanted
    }

    pub(crate) fn consider_block(&mut self, arrived: ArrivedBlock) {
        let leads = self.blocks.consider(&mut self.core, arrived);
        self.follow(leads);
    }

    fn consider_vote(&mut self, origin: Origin, vote: Vote) {
        if self.core.may_judge(origin) {
            self.votes.consider(&mut self.core, vote);
        }
    }

    /// Tells the search for missing blocks what the blocks at hand say.
    pub(crate) fn follow(&mut self, leads: Vec<Lead>) {
        for lead in leads {
            match lead {
                Lead::Found(root) => self.sync.not_missing(&root),
                Lead::Parent { root, child, from } => {
                    let from = from.map(|peer| self.core.sender(peer));
                    self.with_situation(|sync, situation| sync.want_parent(situation, root, child, from));
                }
            }
        }
    }

    fn verified(&mut self, job: JobId, kind: JobKind, answer: VerifyAnswer) {
        match (kind, answer) {
            (JobKind::CheckVotes, VerifyAnswer::Attestations(verdicts)) => {
                self.votes_checked(job, kind, &verdicts)
            }
            (JobKind::CheckAggregate, VerifyAnswer::Aggregate(verdict)) => {
                self.votes_checked(job, kind, &[verdict]);
            }
            (JobKind::CheckBlock, VerifyAnswer::Block(verdict)) => self.block_checked(job, Some(verdict)),
            _ => self.job_failed(job, kind, JobFailure::Backend),
        }
    }

    fn votes_checked(&mut self, job: JobId, kind: JobKind, verdicts: &[bool]) {
        match self.votes.checked(&mut self.core, job, verdicts) {
            Counted::Nothing => {}
            Counted::Votes => self.aggregation.vote_seen(),
            Counted::Aggregate => self.aggregation.aggregate_seen(&self.core),
        }
        let (registered, head) = (self.core.store.head_state().validators.len(), self.core.store.head().slot);
        for (slot, voters) in self.votes.take_heard() {
            if self.plausibility.votes_came(self.core.now, (slot, &voters), registered, head) {
                self.gate.clock_contradicted(self.core.clock());
            }
        }
        if kind == JobKind::CheckVotes {
            self.aggregation.begin_if_complete(&mut self.core);
        }
    }

    fn votes_signed(&mut self, job: JobId, signatures: Vec<Result<Signature, SignFailure>>) {
        for attestation in self.attesting.signed(&mut self.core, job, signatures) {
            self.votes.count(&mut self.core, &attestation);
            self.aggregation.vote_seen();
        }
        self.aggregation.begin_if_complete(&mut self.core);
    }

    fn block_checked(&mut self, job: JobId, verifies: Option<bool>) {
        let (verified, leads) = self.blocks.checked(&mut self.core, job, verifies);
        self.follow(leads);
        if let Some(arrived) = verified {
            self.core.witness_block(&arrived.block.block, arrived.root);
            self.import_verified(&arrived);
        }
    }

    fn payload_judged(&mut self, block: Root, verdict: PayloadVerdict) {
        let removed = self.execution.payload_status(&mut self.core, block, verdict);
        self.blocks.payloads_are_bad(&removed);
        self.forget_finalized();
    }

    /// Blocks that finality has overtaken need not wait any more.
    pub(crate) fn forget_finalized(&mut self) {
        self.blocks.prune(self.core.finalized_slot());
    }

    fn newest_unheld_claim(&mut self) -> Option<Slot> {
        // Asked for in every turn, so nothing is looked up while the head is near the clock.
        let near = self.core.clock().0.saturating_sub(self.core.store.head().slot.0) <= HYSTERESIS_BAND;
        if near { None } else { self.with_situation(|sync, situation| sync.newest_claim(situation)) }
    }

    /// Judges anew whether we are in sync. Before genesis everybody is.
    pub(crate) fn update_gate(&mut self) {
        if self.core.now < Millis(0) {
            return;
        }
        let lag = ChainLag {
            clock: self.core.clock(),
            head: self.core.store.head().slot,
            newest_unheld: self.newest_unheld_claim(),
            heard_of_peers: self.sync.heard_of_peers(),
        };
        if self.gate.update(lag) {
            self.core.view_is_stale();
            self.core.announce(Event::Syncing(self.gate.is_closed()));
        }
        self.core.is_syncing = self.gate.is_closed();
        let is_behind = self.is_behind();
        if self.core.is_behind != is_behind {
            self.core.is_behind = is_behind;
            self.core.view_is_stale();
        }
    }

    /// Duties rest while others' blocks say that the clock is ahead.
    pub(crate) fn judge_clock(&mut self) {
        let (is_implausible, event) = self.plausibility.judge(self.core.now);
        self.core.clock_is_implausible = is_implausible;
        if let Some(event) = event {
            self.core.view_is_stale();
            self.core.announce(event);
        }
    }

    /// Whether the chain is far behind the clock and some peer says that it has more. Duties go on if nobody delivers
    /// it; but whoever asks is to know.
    fn is_behind(&mut self) -> bool {
        let lag = self.core.clock().0.saturating_sub(self.core.store.head().slot.0);
        lag > SYNC_LAG_THRESHOLD && self.with_situation(|sync, situation| sync.is_outrun(situation))
    }

    /// Once a slot: looks at what peers say of their chains, and tells the operator where it is not ours.
    pub(crate) fn survey_peers(&mut self) {
        let (store, blocks, clock) = (&self.core.store, &self.blocks, self.core.clock());
        let (finalized, state) = (store.latest_finalized(), store.head_state());
        let is_known = |root: &Root| store.contains(root) || blocks.holds(root) || blocks.is_refused(root);
        let heads = self.sync.addresses(|status| {
            let may_be = status.head.slot > finalized.slot && status.head.slot.0 <= clock.0.saturating_add(1);
            may_be && !is_known(&status.head.root)
        });
        let conflicts = self.sync.addresses(|status| {
            let Checkpoint { root, slot } = status.finalized;
            let ours = usize::try_from(slot.0).ok().and_then(|slot| state.historical_block_hashes.get(slot));
            slot <= finalized.slot && slot > Slot(0) && ours.is_some_and(|ours| *ours != root)
        });
        for event in self.concerns.judge(clock, heads, conflicts, finalized) {
            self.core.announce(event);
        }
    }

    /// Lets `decide` look at where the chain stands.
    fn with_situation<T>(&mut self, decide: impl FnOnce(&mut Sync, &Situation<'_>) -> T) -> T {
        let (store, blocks) = (&self.core.store, &self.blocks);
        let situation = Situation {
            now: self.core.now,
            clock: self.core.clock(),
            head: store.head().slot,
            finalized: store.latest_finalized().slot,
            waiting: blocks.waiting(),
            judged: &|root| store.contains(root) || blocks.is_refused(root),
            holds: &|root| blocks.holds(root),
        };
        decide(&mut self.sync, &situation)
    }
}
