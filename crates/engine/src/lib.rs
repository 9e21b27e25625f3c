//! The sans-IO consensus engine: what a Lean Ethereum node decides, without anything that it does.
//!
//! [`Engine::handle`] takes what happened and the time, [`Engine::poll_effect`] gives what is to be done about it, and
//! [`Engine::next_timeout`] says when to come back if nothing happens. There is no socket, disk, clock, thread or
//! randomness inside, so the same engine runs in a node, in a simulator with a thousand crashes, and under the
//! specification's fixtures. The same inputs give the same effects, byte for byte.
//!
//! One call takes one turn: the clock first (intervals that began, proposals that are due), then the input, then
//! whatever has become possible. Cryptography and proofs are asked of workers; the state transition runs inline.
//! On an execution-paired chain an execution client judges payloads, and blocks are imported before it has.
//! Nothing from outside makes it panic or grow without bound: what does not fit is refused and, where it matters,
//! announced. A driver that answers late, twice or never costs the duty concerned and nothing else.

mod aggregation;
mod attesting;
mod blocks;
mod building;
mod chain;
mod clock;
mod config;
mod coverage;
mod event;
mod execution;
mod gate;
mod io;
mod jobs;
mod observer;
mod pending;
mod proposal;
mod proving;
mod sync;
mod time;
mod timeline;
mod turn;
mod verdicts;
mod view;
mod votes;

use std::collections::VecDeque;
use std::sync::Arc;

use lathe_forkchoice::Store;
use lathe_types::{ChainVariant, Shaped, Slot, TreeHash};

pub use config::{Anchor, DEFAULT_AGGREGATE_CAPACITY, DEFAULT_SIGN_LEAD_MS, EngineConfig, EngineError};
pub use event::{Duty, Event, MissReason, ObjectKind};
pub use io::*;
pub use observer::{Observer, Step};
pub use view::{PoolSizes, SyncView, View, ViewNode};

/// The engine.
pub struct Engine {
    config: EngineConfig,
    variant: ChainVariant,
    is_aggregator: bool,
    now: Millis,
    started: bool,
    store: Store,
    /// Rises with every change of the store that a view or a proposal could show.
    store_version: u64,
    /// Slot of the newest block in the store.
    newest_block: Slot,
    effects: VecDeque<Effect>,
    jobs: jobs::Jobs,
    timeline: timeline::Timeline,
    verdicts: verdicts::Verdicts,
    blocks: blocks::Blocks,
    pending: pending::PendingBlocks,
    votes: votes::Votes,
    attesting: attesting::Attesting,
    aggregation: aggregation::Aggregation,
    coverage: coverage::Coverage,
    proposing: proposal::Proposing,
    proving: proving::Proving,
    sync: sync::Sync,
    gate: gate::Gate,
    persistence: chain::Persistence,
    execution: execution::Execution,
    view: Option<(u64, Arc<View>)>,
    observer: Option<Box<dyn Observer>>,
}

impl Engine {
    /// An engine whose chain starts at `anchor`. Blocks after the anchor are taken as verified.
    pub fn new(config: EngineConfig, anchor: Anchor) -> Result<Self, EngineError> {
        let Anchor { header, state, later, head } = anchor;
        let variant = state.variant();
        let mut store = Store::create_store_at(state, &header).map_err(EngineError::Anchor)?;
        let mut newest_block = header.slot;
        for (block, post_state) in later {
            let source = variant.admits(&*block).and(variant.admits(&*post_state));
            source.map_err(|source| EngineError::Variant { source })?;
            let refused = |source| EngineError::Resume { root: block.block.tree_hash_root(), source };
            store.on_block(&block.block, post_state).map_err(refused)?;
            newest_block = newest_block.max(block.block.slot);
        }
        let mut engine = Self {
            variant,
            is_aggregator: config.is_aggregator,
            config,
            now: Millis(i64::MIN),
            started: false,
            store,
            store_version: 0,
            newest_block,
            effects: VecDeque::new(),
            jobs: jobs::Jobs::default(),
            timeline: timeline::Timeline::default(),
            verdicts: verdicts::Verdicts::default(),
            blocks: blocks::Blocks::default(),
            pending: pending::PendingBlocks::default(),
            votes: votes::Votes::default(),
            attesting: attesting::Attesting::default(),
            aggregation: aggregation::Aggregation::default(),
            coverage: coverage::Coverage::default(),
            proposing: proposal::Proposing::default(),
            proving: proving::Proving::default(),
            sync: sync::Sync::default(),
            gate: gate::Gate::default(),
            persistence: chain::Persistence::default(),
            execution: execution::Execution::default(),
            view: None,
            observer: None,
        };
        engine.resume_head(head);
        Ok(engine)
    }

    /// Lets `observer` time the engine's steps.
    pub fn set_observer(&mut self, observer: Box<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }
}
