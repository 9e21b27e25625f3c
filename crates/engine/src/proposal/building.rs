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

use super::timing::too_late_to_sign;
use crate::core::Core;
use crate::execution::Execution;
use crate::io::{Effect, JobId, Millis, PayloadFailure, PreparedBlock};

/// How long before the start of its slot a payload is fetched: late, so that many transactions are in it, and early
/// enough that a slow answer still leaves time to sign.
const FETCH_LEAD_MS: u64 = 300;
/// What a build is given at least, when it had to start late.
const MIN_BUILD_MS: u64 = 50;

/// Longest payload that we propose. A gossip message holds 10 MiB, of which the proof takes half a MiB at most and the
/// votes a few KiB; a longer block would reach nobody.
const MAX_PAYLOAD_BYTES: usize = 9 << 20;

/// A payload under way; nothing before the head allows to start.
#[derive(Default)]
pub(super) struct Payload(Option<Building>);

/// One build.
struct Building {
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

impl Payload {
    /// When it is to be fetched.
    pub(super) fn next_timeout(&self) -> Option<Millis> {
        match self.0.as_ref()?.stage {
            Stage::Building { fetch_at } => Some(fetch_at),
            _ => None,
        }
    }

    /// Why there is no payload, if there is none.
    pub(super) fn failure(&self) -> Option<PayloadFailure> {
        match self.0.as_ref().map(|building| &building.stage) {
            Some(Stage::Ready(_)) => None,
            Some(Stage::Failed(failure)) => Some(*failure),
            Some(Stage::Building { .. } | Stage::Fetching) => Some(PayloadFailure::Timeout),
            None => Some(PayloadFailure::NotBuilding),
        }
    }

    /// Moves the payload of the block for `slot` on: started when the head allows, fetched when it is time.
    pub(super) fn drive(
        &mut self,
        core: &mut Core,
        execution: &mut Execution,
        slot: Slot,
        head: Root,
        merge_ms: u64,
    ) {
        if !core.is_paired() {
            return;
        }
        if let Some(stale) = self.0.take_if(|building| building.parent != head) {
            core.close_job(stale.job);
        }
        let fetch_due = self.next_timeout().is_some_and(|at| core.now >= at);
        match &mut self.0 {
            // An optimistic head is not built on, and a client that is away builds nothing.
            None if core.store.head_is_valid() => {
                if let Some(job) = execution.start_building(core, slot) {
                    let usual = Millis::of_slot(slot).minus(FETCH_LEAD_MS + merge_ms);
                    let fetch_at = usual.max(core.now.plus(MIN_BUILD_MS));
                    self.0 = Some(Building { parent: head, job, stage: Stage::Building { fetch_at } });
                }
            }
            Some(building) if fetch_due => {
                building.stage = Stage::Fetching;
                core.push(Effect::GetPayload { job: building.job, deadline: too_late_to_sign(slot) });
            }
            _ => {}
        }
    }

    /// The execution client's answer to a fetch for the block of `slot`.
    pub(super) fn built(
        &mut self,
        core: &Core,
        job: JobId,
        slot: Slot,
        answer: Result<Arc<ExecutionBody>, PayloadFailure>,
    ) {
        let Some(building) = self.0.as_mut().filter(|building| building.job == job) else { return };
        let checked = answer.and_then(|execution| check_payload(core, slot, &execution).map(|()| execution));
        building.stage = checked.map_or_else(Stage::Failed, Stage::Ready);
    }

    /// The block as it will be signed; `None` as long as it may not be: on an execution-paired chain the head must be
    /// valid and the payload there.
    pub(super) fn complete(
        &mut self,
        core: &Core,
        prepared: &Arc<PreparedBlock>,
    ) -> Option<Arc<PreparedBlock>> {
        if !core.is_paired() {
            return Some(prepared.clone());
        }
        let building = self.0.as_mut().filter(|_| core.store.head_is_valid())?;
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

    /// The proposal is over: an answer would find nothing.
    pub(super) fn give_up(&self, core: &mut Core) {
        if let Some(building) = &self.0 {
            core.close_job(building.job);
        }
    }
}

/// What keeps a block on the head from carrying the payload. Hashes it on the way, before the time gets short.
fn check_payload(core: &Core, slot: Slot, execution: &ExecutionBody) -> Result<(), PayloadFailure> {
    if execution.bytes() > MAX_PAYLOAD_BYTES {
        return Err(PayloadFailure::TooLarge);
    }
    execution.header();
    lathe_transition::check_execution_payload(core.store.head_state(), slot, execution)
        .map_err(|_| PayloadFailure::Mismatch)
}
