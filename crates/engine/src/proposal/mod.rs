//! The duty to propose: prepare early, sign last, sign once, publish at the boundary.
//!
//! ```text
//! slot S-1, interval 4      prepare on a worker; again whenever the head or the useful votes change
//! start of S - sign lead    sign: the leaf of S is spent, and there is no other block for S from here on
//!                           seal on a worker
//! start of S                publish, then import
//! ```
//!
//! The sign lead grows by what the final merge is going to take. Where that is longer than interval 4, all of it begins
//! earlier; where it is longer than there is time, the block leaves late ([`signed`]).
//!
//! On an execution-paired chain the payload is added when the block is signed ([`building`]).
//!
//! Preparing leaves the store alone: neither its clock nor its pools move. A block whose parent is no longer the head
//! is prepared again for as long as it is unsigned, even late; once signed it is published whatever the head has
//! become, because it is valid, it may still win, and its leaf is spent anyway.

mod building;
mod candidates;
mod proving;
mod signed;
mod timing;

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_types::{
    AttestationData, ExecutionBody, MultiMessageAggregate, Root, Signature, SingleMessageAggregate, Slot,
    ValidatorIndex,
};

use crate::config::EngineConfig;
use crate::core::{Core, JobKind, Singles};
use crate::execution::Execution;
use crate::io::{
    Duty, Effect, JobFailure, JobId, Millis, MissReason, PayloadFailure, PrepareRequest, PreparedBlock,
    SignFailure,
};
use building::Payload;
use candidates::{Candidates, candidates, counts, voters};
use proving::Proving;
pub(crate) use signed::FinishedBlock;
use signed::SignedProposals;
use timing::{MergeTime, merge_within_ms, too_late_to_sign};

/// Votes alone are no reason to prepare again this shortly before signing: a second preparation that comes late would
/// cost more than the votes bring, and they will be in the next block.
const LAST_VOTES_BEFORE_SIGNING_MS: u64 = 100;
/// Failed preparations after which a slot is given up.
const MAX_PREPARE_FAILURES: u32 = 3;

/// What a block is made from; another basis gives another block.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Basis {
    parent: Root,
    /// Voters for every data that may be included, by data root.
    votes: BTreeMap<Root, usize>,
    /// Single votes at hand for every such data.
    singles: BTreeMap<Root, usize>,
    /// Proofs of ours among the candidates.
    proofs: usize,
}

/// One proposal that is not signed yet.
struct Proposal {
    slot: Slot,
    proposer: ValidatorIndex,
    /// The newest block that a worker prepared.
    ready: Option<(Basis, Arc<PreparedBlock>)>,
    /// The preparation under way; answers of earlier ones are not waited for any more.
    preparing: Option<(JobId, Basis)>,
    /// The payload, on an execution-paired chain.
    payload: Payload,
    /// Version of the store that the basis was last compared with.
    compared: Option<u64>,
    failures: u32,
    failure: Option<JobFailure>,
}

/// At most one proposal is prepared at a time. Those that are signed leave when they are finished.
#[derive(Default)]
pub(crate) struct Proposing {
    current: Option<Proposal>,
    signed: SignedProposals,
    /// Slots up to this one are over or signed for, and never taken up again.
    done: Option<Slot>,
    merge_time: MergeTime,
    proving: Proving,
}

impl Proposing {
    /// When something is due without any further input.
    pub(crate) fn next_timeout(&self, now: Millis, config: &EngineConfig) -> Option<Millis> {
        let finished_at = self.signed.next_timeout();
        let unsigned_at = match &self.current {
            None => self.merge_time.early_take_up(now.slot(), config).filter(|at| now < *at),
            Some(proposal) => {
                let start = Millis::of_slot(proposal.slot);
                let sign_at = start.minus(self.merge_time.sign_lead_ms(config));
                let sign_at = if now < sign_at { sign_at } else { too_late_to_sign(proposal.slot) };
                // One that has passed was not fetched because the gate is closed: time alone does not open it.
                let fetch_at = proposal.payload.next_timeout().filter(|at| now < *at);
                Some(fetch_at.map_or(sign_at, |fetch_at| fetch_at.min(sign_at)))
            }
        };
        [finished_at, unsigned_at].into_iter().flatten().min()
    }

    fn is_under_way(&self, slot: Slot) -> bool {
        self.current.as_ref().is_some_and(|proposal| proposal.slot == slot) || self.signed.is_under_way(slot)
    }

    /// The slot's proposer is one of ours: takes up the proposal, once.
    pub(crate) fn take_up(&mut self, core: &mut Core, slot: Slot) {
        let taken = self.done.is_some_and(|done| slot <= done) || self.is_under_way(slot);
        // Slot 0 has the anchor, which nobody proposes.
        if slot == Slot(0) || taken {
            return;
        }
        let Some(proposer) = core.local_proposer(slot) else { return };
        if let Some(open) = self.current.take() {
            self.over(core, &open, Some(MissReason::OutOfTime));
        }
        self.current = Some(Proposal {
            slot,
            proposer,
            ready: None,
            preparing: None,
            payload: Payload::default(),
            compared: None,
            failures: 0,
            failure: None,
        });
    }

    /// The clock was set back: what was taken up for slots that lie ahead again is given up, and they may be proposed
    /// in. The signer refuses what it has signed for.
    pub(crate) fn clock_corrected(&mut self, core: &mut Core, clock: Slot) {
        if self.current.as_ref().is_some_and(|proposal| proposal.slot > Slot(clock.0.saturating_add(1))) {
            self.give_up(core, MissReason::ClockImplausible);
        }
        self.done = self.done.map(|done| done.min(clock));
    }

    /// Takes up the next slot's proposal before interval 4 if its final merge takes that long, unless the one of the
    /// slot before is not signed yet. Whether it did.
    pub(crate) fn take_up_early(&mut self, core: &mut Core) -> bool {
        let clock = core.clock();
        let at = self.merge_time.early_take_up(clock, &core.config);
        if self.current.is_some() || at.is_none_or(|at| core.now < at) {
            return false;
        }
        self.take_up(core, Slot(clock.0.saturating_add(1)));
        self.current.is_some()
    }

    /// Whether a proposal of ours for `slot` is under way or was made.
    pub(crate) fn has_proposal(&self, slot: Slot) -> bool {
        self.is_under_way(slot) || self.done == Some(slot)
    }

    /// Asks for a proof when the next block is ours and its votes are too many to be carried one by one.
    pub(crate) fn drive_proving(&mut self, core: &mut Core) {
        let sign_lead_ms = self.merge_time.sign_lead_ms(&core.config);
        self.proving.drive(core, sign_lead_ms);
    }

    /// Moves the proposal on as far as the time and the answers at hand allow. A block that is finished comes back when
    /// it is time to publish it; there may be another one behind it.
    pub(crate) fn drive(&mut self, core: &mut Core, execution: &mut Execution) -> Option<FinishedBlock> {
        // What leaves now may become the head that the next block is built on.
        if let Some(finished) = self.signed.finished(core) {
            return Some(finished);
        }
        if let Some(mut proposal) = self.current.take() {
            if core.now >= too_late_to_sign(proposal.slot) {
                let reason = self.reason_unsigned(core, execution, &proposal);
                self.over(core, &proposal, Some(reason));
            } else if !self.prepare_or_sign(core, execution, &mut proposal) {
                self.current = Some(proposal);
            }
        }
        None
    }

    /// Whether it was signed.
    fn prepare_or_sign(
        &mut self,
        core: &mut Core,
        execution: &mut Execution,
        proposal: &mut Proposal,
    ) -> bool {
        if core.rests().is_some() {
            return false;
        }
        let (slot, head) = (proposal.slot, core.store.head());
        let sign_at = Millis::of_slot(slot).minus(self.merge_time.sign_lead_ms(&core.config));
        // The slot has a block already: our own, from before a restart, or that of somebody with the same keys.
        if head.slot >= slot {
            return false;
        }
        proposal.ready = proposal.ready.take().filter(|(basis, _)| basis.parent == head.root);
        let merge_ms = self.merge_time.merge_ms(&core.config);
        proposal.payload.drive(core, execution, slot, head.root, merge_ms);
        if core.now >= sign_at
            && self.signed.has_room(core.config.merges_at_a_time)
            && let Some((_, prepared)) = &proposal.ready
            && let Some(complete) = proposal.payload.complete(core, prepared)
        {
            self.over(core, proposal, None);
            self.signed.sign(core, slot, proposal.proposer, complete);
            return true;
        }
        if proposal.compared == Some(core.store_version) {
            return false;
        }
        proposal.compared = Some(core.store_version);
        let mut candidates = candidates(&core.store);
        let proofs = self.proving.add_to(slot, &mut candidates);
        let singles = core.singles.useful(&core.store);
        let basis =
            Basis { parent: head.root, votes: voters(&candidates), singles: counts(&singles), proofs };
        let votes_matter = core.now.plus(LAST_VOTES_BEFORE_SIGNING_MS) < sign_at;
        if proposal.wants(&basis, votes_matter) {
            proposal.prepare(core, basis, candidates, singles);
        }
        false
    }

    /// There is something new to build the block of `slot` from that the store does not know of.
    fn reconsider(&mut self, slot: Slot) {
        if let Some(proposal) = self.current.as_mut().filter(|proposal| proposal.slot == slot) {
            proposal.compared = None;
        }
    }

    /// A worker's answer to a request for a proof.
    pub(crate) fn proved(
        &mut self,
        job: JobId,
        answer: Result<Vec<(AttestationData, SingleMessageAggregate)>, JobFailure>,
    ) {
        if let Some(slot) = self.proving.proved(job, answer) {
            self.reconsider(slot);
        }
    }

    /// The execution client's answer to a fetch.
    pub(crate) fn payload_built(
        &mut self,
        core: &Core,
        job: JobId,
        answer: Result<Arc<ExecutionBody>, PayloadFailure>,
    ) {
        if let Some(proposal) = &mut self.current {
            proposal.payload.built(core, job, proposal.slot, answer);
        }
    }

    /// A worker's answer to a preparation. Only the newest one counts.
    pub(crate) fn prepared(&mut self, job: JobId, answer: Result<Arc<PreparedBlock>, JobFailure>) {
        let Some(proposal) = &mut self.current else { return };
        let Some((_, basis)) = proposal.preparing.take_if(|(preparing, _)| *preparing == job) else {
            return;
        };
        // Whatever changed meanwhile is looked at again.
        proposal.compared = None;
        match answer {
            Ok(prepared)
                if prepared.block.slot == proposal.slot && prepared.block.parent_root == basis.parent =>
            {
                proposal.failure = None;
                self.merge_time.is(prepared.merge_ms);
                proposal.ready = Some((basis, prepared));
            }
            Ok(_) => proposal.failures = MAX_PREPARE_FAILURES,
            Err(failure) => {
                proposal.failures += 1;
                proposal.failure = Some(failure);
            }
        }
    }

    /// The signer's answer for a block.
    pub(crate) fn signed(&mut self, core: &mut Core, job: JobId, signature: Result<Signature, SignFailure>) {
        self.signed.signed(core, job, signature);
    }

    /// A worker's answer to the final merge.
    pub(crate) fn sealed(
        &mut self,
        core: &mut Core,
        job: JobId,
        answer: Result<MultiMessageAggregate, JobFailure>,
    ) {
        self.signed.sealed(core, job, answer);
    }

    fn reason_unsigned(&self, core: &Core, execution: &Execution, proposal: &Proposal) -> MissReason {
        let payload = proposal.payload_missing(core, execution);
        if let Some(reason) = core.rests() {
            return reason;
        }
        match (proposal.failure, &proposal.preparing) {
            _ if core.store.head().slot >= proposal.slot => MissReason::HeadMoved,
            _ if !core.store.head_is_valid() => MissReason::OptimisticHead,
            (Some(failure), _) => MissReason::Worker(failure),
            (None, Some(_)) => MissReason::NotPrepared,
            (None, None) if !self.signed.has_room(core.config.merges_at_a_time) => MissReason::ProverBusy,
            (None, None) => payload.map_or(MissReason::OutOfTime, MissReason::Payload),
        }
    }

    fn give_up(&mut self, core: &mut Core, reason: MissReason) {
        if let Some(proposal) = self.current.take() {
            self.over(core, &proposal, Some(reason));
        }
    }

    fn over(&mut self, core: &mut Core, proposal: &Proposal, missed: Option<MissReason>) {
        self.done = self.done.max(Some(proposal.slot));
        proposal.payload.give_up(core);
        if let Some(reason) = missed {
            core.missed(Duty::Proposal, Some(proposal.proposer), proposal.slot, reason);
        }
    }
}

impl Proposal {
    /// Whether the block is to be prepared from `basis`, anew or for the first time.
    fn wants(&self, basis: &Basis, votes_matter: bool) -> bool {
        let newest = self.preparing.as_ref().map(|(_, basis)| basis);
        let newest = newest.or(self.ready.as_ref().map(|(basis, _)| basis));
        let wanted = match newest {
            // While a worker is busy with the same parent, new votes wait for it to finish.
            Some(newest) if newest.parent == basis.parent => {
                votes_matter && self.preparing.is_none() && newest != basis
            }
            _ => true,
        };
        wanted && self.failures < MAX_PREPARE_FAILURES
    }

    fn prepare(&mut self, core: &mut Core, basis: Basis, candidates: Candidates, singles: Singles) {
        let request = PrepareRequest {
            slot: self.slot,
            proposer_index: self.proposer,
            parent_root: basis.parent,
            parent_state: core.store.head_state().clone(),
            known_block_roots: candidates
                .values()
                .map(|(data, _)| data.head.root)
                .chain(singles.iter().map(|(data, _)| data.head.root))
                .collect(),
            candidates: candidates.into_values().collect(),
            singles,
            merge_within_ms: merge_within_ms(core.now, self.slot, &core.config),
        };
        let job = core.open_job(JobKind::Prepare);
        self.preparing = Some((job, basis));
        let deadline = too_late_to_sign(self.slot);
        core.push(Effect::Prepare { job, request: Arc::new(request), deadline });
    }

    /// Why an execution-paired chain has no payload for the block.
    fn payload_missing(&self, core: &Core, execution: &Execution) -> Option<PayloadFailure> {
        if !core.is_paired() {
            return None;
        }
        let failure = self.payload.failure()?;
        Some(if execution.is_online() { failure } else { PayloadFailure::Offline })
    }
}
