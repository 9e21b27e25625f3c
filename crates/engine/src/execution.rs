//! The execution client's part in the chain: what it is told, what it says, and what follows.
//!
//! Nothing waits for it. Blocks are imported before their payloads are judged; a verdict later validates them or makes
//! them leave. What the client misses while it is away, or refuses to judge because something before it is missing
//! there, is replayed from storage once it is back. A plain chain has none of this.

use std::collections::BTreeMap;

use lathe_forkchoice::PayloadStatus;
use lathe_types::{MILLISECONDS_PER_SLOT, Root, SignedBlock, Slot};

use crate::core::{Core, JobKind};
use crate::io::{
    Batch, Effect, Event, ExecutionHealth, ForkchoiceState, JobId, Millis, NewPayload, PayloadAttributes,
    PayloadVerdict,
};
use crate::time::Timer;

/// Payloads that may be with the execution client at a time: a range of blocks. What exceeds this is replayed later.
const MAX_OPEN_PAYLOADS: usize = 64;
/// Bytes of them: as many as one answer with blocks may have.
const MAX_OPEN_PAYLOAD_BYTES: usize = 32 << 20;
/// Pause after a first replay that did not help; doubles with every further one.
const REPLAY_PAUSE_MS: u64 = MILLISECONDS_PER_SLOT;
/// Longest pause: a client that is well again is helped within two slots.
const MAX_REPLAY_PAUSE_MS: u64 = 2 * MILLISECONDS_PER_SLOT;

/// What we know of the execution client.
#[derive(Default)]
pub(crate) struct Execution {
    health: ExecutionHealth,
    /// Payloads that it has not judged yet, with their sizes.
    open: BTreeMap<Root, usize>,
    open_bytes: usize,
    /// What it was told last.
    told: Option<ForkchoiceState>,
    /// It lacks payloads that lead to our head.
    lags: bool,
    replaying: Option<JobId>,
    /// Replays that did not help, one after the other.
    replays: u32,
    /// No replay before this.
    pause: Option<Timer>,
}

impl Execution {
    pub(crate) fn is_online(&self) -> bool {
        self.health == ExecutionHealth::Online
    }

    pub(crate) fn next_timeout(&self, now: Millis) -> Option<Millis> {
        let waits = self.is_online() && self.lags && self.replaying.is_none();
        self.pause.filter(|pause| waits && !pause.is_due(now)).map(Timer::at)
    }

    /// Notes a payload that is handed out; false if too many are.
    fn hand_out(&mut self, block: Root, bytes: usize) -> bool {
        let fits = self.open.len() < MAX_OPEN_PAYLOADS
            && self.open_bytes.saturating_add(bytes) <= MAX_OPEN_PAYLOAD_BYTES;
        if fits && self.open.insert(block, bytes).is_none() {
            self.open_bytes += bytes;
        }
        fits
    }

    fn judged(&mut self, block: &Root) {
        self.open_bytes -= self.open.remove(block).unwrap_or_default();
    }

    /// The execution client came or went.
    pub(crate) fn health_is(&mut self, core: &mut Core, health: ExecutionHealth) {
        if !core.is_paired() || self.health == health {
            return;
        }
        // Whatever it was told may be gone, and it owes no answers.
        let replaying = self.replaying.take();
        *self = Self { health, ..Self::default() };
        replaying.map(|job| core.close_job(job));
        core.view_is_stale();
        core.announce(Event::ExecutionHealth(health));
    }

    /// Has the payload of a block judged that is about to enter the store.
    pub(crate) fn submit_payload(&mut self, core: &mut Core, root: Root, block: &SignedBlock) {
        let Some(execution) = &block.block.body.execution else { return };
        if !self.is_online() {
            return;
        }
        if !self.hand_out(root, execution.bytes()) {
            self.lags = true;
            return;
        }
        core.push(Effect::NewPayload(NewPayload {
            block: root,
            parent_beacon_block_root: block.block.parent_root,
            execution: execution.clone(),
        }));
    }

    /// The execution client's word on a payload. Says which blocks have left the store for good.
    pub(crate) fn payload_status(
        &mut self,
        core: &mut Core,
        block: Root,
        verdict: PayloadVerdict,
    ) -> Vec<Root> {
        self.judged(&block);
        match verdict {
            PayloadVerdict::Valid => {
                if core.store.on_valid_payload(&block) {
                    core.view_is_stale();
                }
            }
            PayloadVerdict::Invalid { latest_valid_hash } => {
                return payload_is_invalid(core, block, latest_valid_hash);
            }
            // A replay brings it what it lacks; if it went away, its health will say so.
            PayloadVerdict::Syncing | PayloadVerdict::Unavailable => self.lags = true,
        }
        Vec::new()
    }

    /// A replay came to its end. Whether it helped is what the client says of the head when it is told again.
    pub(crate) fn replay_ended(&mut self, core: &Core, job: JobId) {
        if self.replaying.take_if(|replaying| *replaying == job).is_none() {
            return;
        }
        self.lags = false;
        self.told = None;
        let pause = REPLAY_PAUSE_MS.checked_shl(self.replays).unwrap_or(MAX_REPLAY_PAUSE_MS);
        self.pause = Some(Timer::after(core.now, pause.min(MAX_REPLAY_PAUSE_MS)));
        self.replays = self.replays.saturating_add(1);
    }

    /// Tells the client the chain if it has changed, and has it helped along if it lags.
    pub(crate) fn drive(&mut self, core: &mut Core) {
        if !self.is_online() {
            return;
        }
        if let Some(state) = forkchoice_state(core)
            && self.told != Some(state)
        {
            self.tell_forkchoice(core, state, None);
        }
        if core.store.head_is_valid() {
            self.lags = false;
            self.replays = 0;
            return;
        }
        let may_replay = self.replaying.is_none()
            && self.open.is_empty()
            && self.pause.is_none_or(|pause| pause.is_due(core.now));
        if self.lags && may_replay {
            let job = core.open_job(JobKind::Replay);
            self.replaying = Some(job);
            core.push(Effect::ReplayPayloads { job, head: core.store.head() });
        }
    }

    /// Starts the building of a payload on the head; `None` if the client cannot.
    pub(crate) fn start_building(&mut self, core: &mut Core, slot: Slot) -> Option<JobId> {
        let state = forkchoice_state(core).filter(|_| self.is_online())?;
        let timestamp = lathe_transition::payload_timestamp(core.store.head_state(), slot)?;
        let job = core.open_job(JobKind::BuildPayload);
        let attributes = PayloadAttributes { timestamp, parent_beacon_block_root: state.block };
        self.tell_forkchoice(core, state, Some((job, attributes)));
        Some(job)
    }

    fn tell_forkchoice(
        &mut self,
        core: &mut Core,
        state: ForkchoiceState,
        build: Option<(JobId, PayloadAttributes)>,
    ) {
        self.told = Some(state);
        core.push(Effect::ForkchoiceUpdated { state, build });
    }
}

/// What the verdict condemns leaves the store, and the head moves away from it.
fn payload_is_invalid(core: &mut Core, block: Root, latest_valid_hash: Option<Root>) -> Vec<Root> {
    let before = core.snapshot();
    let chain: Vec<(Slot, Root)> =
        core.store.chain(&before.head.root).map(|block| (block.slot, block.root)).collect();
    let invalidated = core.store.on_invalid_payload(&block, latest_valid_hash);
    if let Some(finalized) = invalidated.finalized {
        core.view_is_stale();
        core.announce(Event::FinalizedPayloadInvalid { block: finalized });
    }
    if invalidated.removed.is_empty() {
        return Vec::new();
    }
    let drop_states: Vec<Root> = invalidated.removed.iter().map(|block| block.root).collect();
    core.newest_block = core.store.blocks().map(|block| block.slot).max().unwrap_or_default();
    core.announce(Event::InvalidPayload { block, removed: drop_states.len() });
    // The old chain is known here only up to where it was cut.
    let cut = chain.iter().take_while(|(_, root)| drop_states.contains(root)).count();
    let canonical = chain[..cut].iter().map(|(slot, _)| (*slot, None)).collect();
    let stem = chain.get(cut).map_or(before.head.root, |(_, root)| *root);
    let removed = drop_states.clone();
    core.store_changed_from(&before, stem, Batch { canonical, drop_states, ..Batch::default() });
    removed
}

/// The chain as the client is to see it; `None` if its head is known to be invalid.
fn forkchoice_state(core: &Core) -> Option<ForkchoiceState> {
    core.payload_of_head().filter(|payload| payload.status != PayloadStatus::Invalid)?;
    let hashes = core.store.execution_hashes()?;
    let block = core.store.head().root;
    Some(ForkchoiceState { block, head: hashes.head, safe: hashes.safe, finalized: hashes.finalized })
}
