//! The payload of a proposal on an execution-paired chain: built elsewhere while the votes are folded, fetched once,
//! late.
//!
//! ```text
//! slot S-1, interval 4      building starts on the head's payload; again whenever the head moves
//! start of S - 300 ms       the payload is fetched, once per build
//! start of S - sign lead    body and state root, then the signature
//! ```
//!
//! All of it as much earlier as the final merge of the block's proof takes.
//!
//! Without a payload there is no block: the duty is missed, with its reason, and the chain is none the worse.

use std::sync::Arc;

use lathe_forkchoice::attach_payload;
use lathe_types::{ExecutionBody, Root, Slot, TreeHash};

use crate::Engine;
use crate::io::{Effect, JobId, Millis, PayloadFailure, PreparedBlock};
use crate::jobs::Job;
use crate::proposal::{Proposal, too_late_to_sign};

/// How long before the start of its slot a payload is fetched: late, so that many transactions are in it, and early
/// enough that a slow answer still leaves time to sign.
const FETCH_LEAD_MS: u64 = 300;
/// What a build is given at least, when it had to start late.
const MIN_BUILD_MS: u64 = 50;

/// Longest payload that we propose. A gossip message holds 10 MiB, of which the proof takes half a MiB at most and the
/// votes a few KiB; a longer block would reach nobody.
const MAX_PAYLOAD_BYTES: usize = 9 << 20;

/// A payload under way.
pub(crate) struct Building {
    /// The block that it builds on.
    parent: Root,
    job: JobId,
    stage: Stage,
}

enum Stage {
    Building { fetch_at: Millis },
    Fetching,
    Ready(Arc<ExecutionBody>),
    Failed(PayloadFailure),
}

impl Building {
    pub(crate) fn job(&self) -> JobId {
        self.job
    }

    /// When it is to be fetched.
    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        match self.stage {
            Stage::Building { fetch_at } => Some(fetch_at),
            _ => None,
        }
    }

    /// Why there is no payload, if there is none.
    pub(crate) fn failure(&self) -> Option<PayloadFailure> {
        match self.stage {
            Stage::Ready(_) => None,
            Stage::Failed(failure) => Some(failure),
            Stage::Building { .. } | Stage::Fetching => Some(PayloadFailure::Timeout),
        }
    }
}

impl Engine {
    /// Moves the payload of a proposal on: started when the head allows, fetched when it is time.
    pub(crate) fn drive_building(&mut self, proposal: &mut Proposal, head: Root) {
        if !self.is_paired() {
            return;
        }
        if let Some(stale) = proposal.building.take_if(|building| building.parent != head) {
            self.jobs.close(stale.job);
        }
        match &mut proposal.building {
            // An optimistic head is not built on, and a client that is away builds nothing.
            None if self.store.head_is_valid() => {
                if let Some(job) = self.start_building(proposal.slot) {
                    let lead = FETCH_LEAD_MS + self.proposing.merge_ms(&self.config);
                    let usual = Millis::of_slot(proposal.slot).minus(lead);
                    let fetch_at = usual.max(self.now.plus(MIN_BUILD_MS));
                    proposal.building =
                        Some(Building { parent: head, job, stage: Stage::Building { fetch_at } });
                }
            }
            Some(building) if building.next_timeout().is_some_and(|at| self.now >= at) => {
                building.stage = Stage::Fetching;
                let job = building.job;
                self.push(Effect::GetPayload { job, deadline: too_late_to_sign(proposal.slot) });
            }
            _ => {}
        }
    }

    /// The execution client's answer to a fetch.
    pub(crate) fn payload_built(&mut self, job: JobId, answer: Result<Arc<ExecutionBody>, PayloadFailure>) {
        let Some(Job::Payload { slot }) = self.jobs.close(job) else { return };
        match answer {
            Ok(execution) => {
                let stage = match self.check_payload(slot, &execution) {
                    Ok(()) => Stage::Ready(execution),
                    Err(failure) => Stage::Failed(failure),
                };
                self.building_is(job, slot, stage);
            }
            Err(failure) => self.payload_failed(job, slot, failure),
        }
    }

    pub(crate) fn payload_failed(&mut self, job: JobId, slot: Slot, failure: PayloadFailure) {
        self.building_is(job, slot, Stage::Failed(failure));
    }

    fn building_is(&mut self, job: JobId, slot: Slot, stage: Stage) {
        if let Some(proposal) = self.proposing.current(slot)
            && let Some(building) = proposal.building.as_mut().filter(|building| building.job == job)
        {
            building.stage = stage;
        }
    }

    /// What keeps a block on the head from carrying the payload. Hashes it on the way, before the time gets short.
    fn check_payload(&self, slot: Slot, execution: &ExecutionBody) -> Result<(), PayloadFailure> {
        if execution.bytes() > MAX_PAYLOAD_BYTES {
            return Err(PayloadFailure::TooLarge);
        }
        execution.header();
        lathe_transition::check_execution_payload(self.store.head_state(), slot, execution)
            .map_err(|_| PayloadFailure::Mismatch)
    }

    /// The block as it will be signed; `None` as long as it may not be: on an execution-paired chain the head must be
    /// valid and the payload there.
    pub(crate) fn complete_block(
        &mut self,
        proposal: &mut Proposal,
        prepared: &Arc<PreparedBlock>,
    ) -> Option<Arc<PreparedBlock>> {
        if !self.is_paired() {
            return Some(prepared.clone());
        }
        let building = proposal.building.as_mut().filter(|_| self.store.head_is_valid())?;
        let Stage::Ready(execution) = &building.stage else { return None };
        let attached = attach_payload(&prepared.parent_state, prepared.block.clone(), execution.clone());
        let Ok((block, post_state)) = attached else {
            building.stage = Stage::Failed(PayloadFailure::Mismatch);
            return None;
        };
        Some(Arc::new(PreparedBlock {
            root: block.tree_hash_root(),
            block,
            parent_state: prepared.parent_state.clone(),
            post_state: Arc::new(post_state),
            components: prepared.components.clone(),
            merge_ms: prepared.merge_ms,
        }))
    }
}
