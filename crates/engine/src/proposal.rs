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
//! earlier.
//!
//! On an execution-paired chain the payload is added when the block is signed ([`crate::building`]).
//!
//! Preparing leaves the store alone: neither its clock nor its pools move. A block whose parent is no longer the head
//! is prepared again for as long as it is unsigned, even late; once signed it is published whatever the head has
//! become, because it is valid, it may still win, and its leaf is spent anyway.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_types::{
    AttestationData, Checkpoint, MILLISECONDS_PER_INTERVAL, MultiMessageAggregate, Root, Signature,
    SignedBlock, SingleMessageAggregate, Slot, ValidatorIndex,
};

use crate::Engine;
use crate::building::Building;
use crate::config::EngineConfig;
use crate::event::{Duty, Event, MissReason};
use crate::io::{
    Effect, JobFailure, JobId, KeyRole, Millis, PayloadFailure, PrepareRequest, PreparedBlock, Publication,
    SignFailure, SignRequest,
};
use crate::jobs::Job;

/// Votes alone are no reason to prepare again this shortly before signing: a second preparation that comes late would
/// cost more than the votes bring, and they will be in the next block.
const LAST_VOTES_BEFORE_SIGNING_MS: u64 = 100;
/// Time for a preparation that has to begin before interval 4.
const PREPARE_MS: u64 = 100;
/// What a final merge can take without the block being late. Then the block is prepared 1.24 s into the slot before,
/// when everybody there has voted: whichever block these votes are for is the one to build on.
const MAX_MERGE_MS: u64 = 2_600;
/// Failed preparations after which a slot is given up.
const MAX_PREPARE_FAILURES: u32 = 3;

/// A block that is not signed by then is not worth signing: interval 1 has begun, and the votes go elsewhere.
pub(crate) fn too_late_to_sign(slot: Slot) -> Millis {
    Millis::of_slot(slot).plus(MILLISECONDS_PER_INTERVAL)
}

/// What a block is made from; another basis gives another block.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Basis {
    parent: Root,
    /// Voters for every data that may be included, by data root.
    votes: BTreeMap<Root, usize>,
    /// Proofs of ours among the candidates.
    proofs: usize,
}

pub(crate) type Candidates = BTreeMap<Root, (AttestationData, Vec<Arc<SingleMessageAggregate>>)>;

enum Stage {
    Unsigned,
    Signing(Arc<PreparedBlock>),
    Sealing(Arc<PreparedBlock>),
    /// Ready for the boundary.
    Sealed(Arc<PreparedBlock>, Arc<SignedBlock>),
}

/// One proposal under way.
pub(crate) struct Proposal {
    pub(crate) slot: Slot,
    proposer: ValidatorIndex,
    stage: Stage,
    /// The newest block that a worker prepared.
    ready: Option<(Basis, Arc<PreparedBlock>)>,
    /// The preparation under way; answers of earlier ones are not waited for any more.
    preparing: Option<(JobId, Basis)>,
    /// The payload, on an execution-paired chain.
    pub(crate) building: Option<Building>,
    /// Version of the store that the basis was last compared with.
    compared: Option<u64>,
    failures: u32,
    failure: Option<JobFailure>,
}

/// At most one proposal is under way.
#[derive(Default)]
pub(crate) struct Proposing {
    current: Option<Proposal>,
    /// Slots up to this one are over or signed for, and never taken up again.
    done: Option<Slot>,
    /// What the final merge takes, as the newest prepared block said.
    merge_ms: Option<u64>,
}

impl Proposing {
    /// When something is due without any further input.
    pub(crate) fn next_timeout(&self, now: Millis, config: &EngineConfig) -> Option<Millis> {
        let Some(proposal) = self.current.as_ref() else {
            return self.early_take_up(now.slot(), config).filter(|at| now < *at);
        };
        let start = Millis::of_slot(proposal.slot);
        match proposal.stage {
            Stage::Unsigned => {
                let sign_at = start.minus(self.sign_lead_ms(config));
                let sign_at = if now < sign_at { sign_at } else { too_late_to_sign(proposal.slot) };
                // One that has passed was not fetched because the gate is closed: time alone does not open it.
                let fetch_at =
                    proposal.building.as_ref().and_then(Building::next_timeout).filter(|at| now < *at);
                Some(fetch_at.map_or(sign_at, |fetch_at| fetch_at.min(sign_at)))
            }
            Stage::Sealed(..) => Some(start),
            Stage::Signing(_) | Stage::Sealing(_) => None,
        }
    }

    /// How long before the start of its slot a block is signed.
    pub(crate) fn sign_lead_ms(&self, config: &EngineConfig) -> u64 {
        config.sign_lead_ms + self.merge_ms(config)
    }

    /// What the final merge is going to take, up to what can be allowed for.
    pub(crate) fn merge_ms(&self, config: &EngineConfig) -> u64 {
        self.merge_ms.unwrap_or(config.merge_ms).min(MAX_MERGE_MS)
    }

    /// When the proposal of the slot after `slot` has to be taken up, if interval 4 is too late for it.
    fn early_take_up(&self, slot: Slot, config: &EngineConfig) -> Option<Millis> {
        let lead = self.sign_lead_ms(config) + PREPARE_MS;
        let start = Millis::of_slot(Slot(slot.0.saturating_add(1)));
        (lead > MILLISECONDS_PER_INTERVAL).then(|| start.minus(lead))
    }

    pub(crate) fn current(&mut self, slot: Slot) -> Option<&mut Proposal> {
        self.current.as_mut().filter(|proposal| proposal.slot == slot)
    }
}

impl Engine {
    /// The slot's proposer is one of ours: takes up the proposal, once.
    pub(crate) fn take_up_proposal(&mut self, slot: Slot) {
        let taken =
            self.proposing.done.is_some_and(|done| slot <= done) || self.proposing.current(slot).is_some();
        // Slot 0 has the anchor, which nobody proposes.
        if slot == Slot(0) || taken {
            return;
        }
        let Some(proposer) = self.local_proposer(slot) else { return };
        if let Some(open) = self.proposing.current.take() {
            self.proposal_over(&open, Some(MissReason::OutOfTime));
        }
        self.proposing.current = Some(Proposal {
            slot,
            proposer,
            stage: Stage::Unsigned,
            ready: None,
            preparing: None,
            building: None,
            compared: None,
            failures: 0,
            failure: None,
        });
    }

    /// Takes up the next slot's proposal before interval 4 if its final merge takes that long, unless the one of the
    /// slot before is still under way. Whether it did.
    pub(crate) fn take_up_early(&mut self) -> bool {
        let clock = self.clock();
        let at = self.proposing.early_take_up(clock, &self.config);
        if self.proposing.current.is_some() || at.is_none_or(|at| self.now < at) {
            return false;
        }
        self.take_up_proposal(Slot(clock.0.saturating_add(1)));
        self.proposing.current.is_some()
    }

    /// Whether a proposal of ours for `slot` is under way or was made.
    pub(crate) fn has_proposal(&mut self, slot: Slot) -> bool {
        self.proposing.current(slot).is_some() || self.proposing.done == Some(slot)
    }

    /// Moves the proposal on as far as the time and the answers at hand allow.
    pub(crate) fn drive_proposal(&mut self) {
        let Some(mut proposal) = self.proposing.current.take() else {
            return;
        };
        let start = Millis::of_slot(proposal.slot);
        match &proposal.stage {
            Stage::Unsigned if self.now >= too_late_to_sign(proposal.slot) => {
                let reason = self.reason_unsigned(&proposal);
                return self.proposal_over(&proposal, Some(reason));
            }
            Stage::Unsigned => self.prepare_or_sign(&mut proposal),
            _ if self.now >= Millis::of_slot(Slot(proposal.slot.0 + 1)) => {
                return self.proposal_over(&proposal, Some(MissReason::OutOfTime));
            }
            Stage::Sealed(prepared, block) if self.now >= start => {
                let (prepared, block) = (prepared.clone(), block.clone());
                self.proposal_over(&proposal, None);
                return self.publish_block(&prepared, &block);
            }
            Stage::Signing(_) | Stage::Sealing(_) | Stage::Sealed(..) => {}
        }
        self.proposing.current = Some(proposal);
    }

    fn reason_unsigned(&self, proposal: &Proposal) -> MissReason {
        let payload = self.payload_missing(proposal);
        match (proposal.failure, &proposal.preparing) {
            _ if self.gate.is_closed() => MissReason::NotSynced,
            _ if self.store.head().slot >= proposal.slot => MissReason::HeadMoved,
            _ if !self.store.head_is_valid() => MissReason::OptimisticHead,
            (Some(failure), _) => MissReason::Worker(failure),
            (None, Some(_)) => MissReason::NotPrepared,
            (None, None) => payload.map_or(MissReason::OutOfTime, MissReason::Payload),
        }
    }

    /// Why an execution-paired chain has no payload for the block.
    fn payload_missing(&self, proposal: &Proposal) -> Option<PayloadFailure> {
        if !self.is_paired() {
            return None;
        }
        let failure = proposal.building.as_ref().map_or(Some(PayloadFailure::NotBuilding), Building::failure);
        failure.map(|failure| if self.execution.is_online() { failure } else { PayloadFailure::Offline })
    }

    fn prepare_or_sign(&mut self, proposal: &mut Proposal) {
        if self.gate.is_closed() {
            return;
        }
        let sign_at = Millis::of_slot(proposal.slot).minus(self.proposing.sign_lead_ms(&self.config));
        let Checkpoint { root: head, slot: head_slot } = self.store.head();
        // The slot has a block already: our own, from before a restart, or that of somebody with the same keys.
        if head_slot >= proposal.slot {
            return;
        }
        proposal.ready = proposal.ready.take().filter(|(basis, _)| basis.parent == head);
        self.drive_building(proposal, head);
        if self.now >= sign_at
            && let Some((_, prepared)) = proposal.ready.clone()
            && let Some(complete) = self.complete_block(proposal, &prepared)
        {
            return self.sign_block(proposal, complete);
        }
        if proposal.compared == Some(self.store_version) {
            return;
        }
        proposal.compared = Some(self.store_version);
        let mut candidates = self.candidates();
        let proofs = self.proving.add_to(proposal.slot, &mut candidates);
        let basis = Basis { parent: head, votes: voters(&candidates), proofs };
        let newest = proposal.preparing.as_ref().map(|(_, basis)| basis);
        let newest = newest.or(proposal.ready.as_ref().map(|(basis, _)| basis));
        let votes_matter = self.now.plus(LAST_VOTES_BEFORE_SIGNING_MS) < sign_at;
        let wanted = match newest {
            // While a worker is busy with the same parent, new votes wait for it to finish.
            Some(newest) if newest.parent == head => {
                votes_matter && proposal.preparing.is_none() && *newest != basis
            }
            _ => true,
        };
        if wanted && proposal.failures < MAX_PREPARE_FAILURES {
            self.prepare(proposal, basis, candidates);
        }
    }

    /// Votes at hand, pending ones included: they will have been promoted when the block is published.
    pub(crate) fn candidates(&self) -> Candidates {
        let justified = self.store.head_state().latest_justified.slot;
        // A target that the head's chain has justified gains nothing; only a vote for genesis itself is still of use,
        // as the first blocks carry nothing else.
        let is_useful = |data: &AttestationData| {
            let at_genesis = data.source.slot == Slot(0) && data.target.slot == Slot(0);
            (data.target.slot > justified || at_genesis && justified == Slot(0))
                && self.store.contains(&data.head.root)
        };
        let pools =
            [self.store.latest_known_aggregated_payloads(), self.store.latest_new_aggregated_payloads()];
        let mut candidates = Candidates::new();
        for (root, data, proofs) in pools.into_iter().flat_map(|pool| pool.iter()) {
            if !proofs.is_empty() && is_useful(&data) {
                let held = &mut candidates.entry(root).or_insert((data, Vec::new())).1;
                held.extend(proofs.iter().filter(|proof| !held.contains(proof)).cloned().collect::<Vec<_>>());
            }
        }
        candidates
    }

    /// There is something new to build the block of `slot` from that the store does not know of.
    pub(crate) fn reconsider_proposal(&mut self, slot: Slot) {
        if let Some(proposal) = self.proposing.current(slot) {
            proposal.compared = None;
        }
    }

    fn prepare(&mut self, proposal: &mut Proposal, basis: Basis, candidates: Candidates) {
        let request = PrepareRequest {
            slot: proposal.slot,
            proposer_index: proposal.proposer,
            parent_root: basis.parent,
            parent_state: self.store.head_state().clone(),
            known_block_roots: candidates.values().map(|(data, _)| data.head.root).collect(),
            candidates: candidates.into_values().collect(),
        };
        let job = self.jobs.open(Job::Prepare { slot: proposal.slot });
        proposal.preparing = Some((job, basis));
        let deadline = too_late_to_sign(proposal.slot);
        self.push(Effect::Prepare { job, request: Arc::new(request), deadline });
    }

    /// A worker's answer to a preparation. Only the newest one counts.
    pub(crate) fn block_prepared(
        &mut self,
        job: JobId,
        slot: Slot,
        answer: Result<Arc<PreparedBlock>, JobFailure>,
    ) {
        let Some(proposal) = self.proposing.current(slot) else {
            return;
        };
        let Some((_, basis)) = proposal.preparing.take_if(|(preparing, _)| *preparing == job) else {
            return;
        };
        // Whatever changed meanwhile is looked at again.
        proposal.compared = None;
        match answer {
            Ok(prepared) if prepared.block.slot == slot && prepared.block.parent_root == basis.parent => {
                proposal.failure = None;
                let merge_ms = prepared.merge_ms;
                proposal.ready = Some((basis, prepared));
                self.proposing.merge_ms = Some(merge_ms);
            }
            Ok(_) => proposal.failures = MAX_PREPARE_FAILURES,
            Err(failure) => {
                proposal.failures += 1;
                proposal.failure = Some(failure);
            }
        }
    }

    fn sign_block(&mut self, proposal: &mut Proposal, prepared: Arc<PreparedBlock>) {
        self.proposing.done = Some(proposal.slot);
        let request = SignRequest {
            validator: proposal.proposer,
            role: KeyRole::Proposal,
            slot: proposal.slot,
            message: prepared.root,
        };
        let job = self.jobs.open(Job::SignBlock { slot: proposal.slot });
        proposal.stage = Stage::Signing(prepared);
        self.push(Effect::Sign { job, requests: vec![request] });
    }

    /// The signer's answer for a block.
    pub(crate) fn block_signed(&mut self, slot: Slot, signature: Result<Signature, SignFailure>) {
        let Some(mut proposal) = self.proposing.current.take_if(|proposal| proposal.slot == slot) else {
            return;
        };
        let Stage::Signing(prepared) = proposal.stage else {
            self.proposing.current = Some(proposal);
            return;
        };
        match signature {
            Ok(signature) => {
                let job = self.jobs.open(Job::Seal { slot });
                proposal.stage = Stage::Sealing(prepared.clone());
                self.proposing.current = Some(proposal);
                self.push(Effect::Seal { job, prepared, signature });
            }
            Err(failure) => {
                proposal.stage = Stage::Unsigned;
                self.proposal_over(&proposal, Some(MissReason::Signer(failure)));
            }
        }
    }

    /// A worker's answer to the final merge.
    pub(crate) fn block_sealed(&mut self, slot: Slot, answer: Result<MultiMessageAggregate, JobFailure>) {
        let Some(proposal) = self.proposing.current(slot) else {
            return;
        };
        let Stage::Sealing(prepared) = &proposal.stage else {
            return;
        };
        match answer {
            Ok(proof) => {
                let block = Arc::new(SignedBlock { block: prepared.block.clone(), proof });
                proposal.stage = Stage::Sealed(prepared.clone(), block);
            }
            Err(failure) => {
                if let Some(proposal) = self.proposing.current.take() {
                    self.proposal_over(&proposal, Some(MissReason::Worker(failure)));
                }
            }
        }
    }

    /// Out it goes; importing it comes second, and needs neither verification nor transition.
    fn publish_block(&mut self, prepared: &PreparedBlock, block: &Arc<SignedBlock>) {
        let slot = block.block.slot;
        self.push(Effect::Publish { message: Publication::Block(block.clone()), after: None });
        let at_ms = self.now.since(Millis::of_slot(slot));
        self.announce(Event::Proposed { block: Checkpoint { root: prepared.root, slot }, at_ms });
        self.report_proposal(&block.block);
        if self.import(block, prepared.root, prepared.post_state.clone(), None) {
            self.after_import(block, prepared.root);
        }
    }

    fn proposal_over(&mut self, proposal: &Proposal, missed: Option<MissReason>) {
        self.proposing.done = self.proposing.done.max(Some(proposal.slot));
        if let Some(building) = &proposal.building {
            self.jobs.close(building.job());
        }
        if let Some(reason) = missed {
            self.missed(Duty::Proposal, Some(proposal.proposer), proposal.slot, reason);
        }
    }
}

fn voters(candidates: &Candidates) -> BTreeMap<Root, usize> {
    let covered = |proofs: &[_]| lathe_forkchoice::ValidatorSet::covered_by(proofs).len();
    candidates.iter().map(|(root, (_, proofs))| (*root, covered(proofs))).collect()
}
