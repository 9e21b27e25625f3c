//! The sans-IO consensus engine: inputs in, effects out.

mod config;
mod io;
mod observer;
mod view;

use std::sync::Arc;

pub use config::{Anchor, DEFAULT_AGGREGATE_CAPACITY, DEFAULT_SIGN_LEAD_MS, EngineConfig, EngineError};
pub use io::*;
pub use observer::{Observer, Step};
pub use view::{PoolSizes, SyncView, View, ViewNode};

/// The engine.
pub struct Engine {
    effects: std::collections::VecDeque<Effect>,
    view: Arc<View>,
    observer: Option<Box<dyn Observer>>,
}

impl Engine {
    /// An engine whose chain starts at `anchor`.
    pub fn new(config: EngineConfig, anchor: Anchor) -> Result<Self, EngineError> {
        let _ = config;
        let root = lathe_types::TreeHash::tree_hash_root(&anchor.block.block);
        let head = lathe_types::Checkpoint { root, slot: anchor.block.block.slot };
        let view = View {
            head,
            justified: head,
            finalized: head,
            safe_target: head,
            head_justified: anchor.state.latest_justified,
            head_finalized: anchor.state.latest_finalized,
            finalized_state: anchor.state.clone(),
            head_state: anchor.state.clone(),
            nodes: Vec::new(),
            validator_count: anchor.state.validators.len() as u64,
            sync: SyncView { is_syncing: false, head_slot: head.slot, sync_distance: 0, finalized_slot: head.slot },
            pools: PoolSizes::default(),
            status: lathe_types::Status { finalized: head, head },
            is_aggregator: false,
        };
        Ok(Self { effects: std::collections::VecDeque::new(), view: Arc::new(view), observer: None })
    }

    /// Lets `observer` time the engine's steps.
    pub fn set_observer(&mut self, observer: Box<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// Takes in what happened at `now`. What is to be done about it comes out of [`Self::poll_effect`].
    pub fn handle(&mut self, now: Millis, input: Input) {
        let _ = (now, input);
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Self::handle`] with [`Input::Tick`] at the latest.
    pub fn next_timeout(&self) -> Option<Millis> {
        None
    }

    /// The current picture.
    pub fn view(&mut self) -> Arc<View> {
        self.view.clone()
    }
}
