//! The engine: the core and the rooms around it.

use std::sync::Arc;

use lathe_forkchoice::Store;
use lathe_types::{Shaped, TreeHash};

use crate::aggregation::Aggregation;
use crate::attesting::Attesting;
use crate::blocks::Blocks;
use crate::concerns::Concerns;
use crate::config::{Anchor, EngineConfig, EngineError};
use crate::core::Core;
use crate::execution::Execution;
use crate::gate::Gate;
use crate::io::Effect;
use crate::observer::Observer;
use crate::plausibility::Plausibility;
use crate::proposal::Proposing;
use crate::sync::Sync;
use crate::timeline::Timeline;
use crate::view::View;
use crate::votes::Votes;

/// The engine.
pub struct Engine {
    pub(crate) core: Core,
    pub(crate) blocks: Blocks,
    pub(crate) votes: Votes,
    pub(crate) attesting: Attesting,
    pub(crate) aggregation: Aggregation,
    pub(crate) proposing: Proposing,
    pub(crate) execution: Execution,
    pub(crate) sync: Sync,
    pub(crate) gate: Gate,
    pub(crate) concerns: Concerns,
    pub(crate) plausibility: Plausibility,
    pub(crate) timeline: Timeline,
    view: Option<(u64, Arc<View>)>,
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
        let mut core = Core::new(config, variant, store, newest_block);
        core.resume_head(head);
        Ok(Self {
            core,
            blocks: Blocks::default(),
            votes: Votes::default(),
            attesting: Attesting::default(),
            aggregation: Aggregation::default(),
            proposing: Proposing::default(),
            execution: Execution::default(),
            sync: Sync::default(),
            gate: Gate::default(),
            concerns: Concerns::default(),
            plausibility: Plausibility::default(),
            timeline: Timeline::default(),
            view: None,
        })
    }

    /// Lets `observer` time the engine's steps.
    pub fn set_observer(&mut self, observer: Box<dyn Observer>) {
        self.core.set_observer(observer);
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.core.poll_effect()
    }

    /// The current picture. It is drawn anew only when something in it changed.
    pub fn view(&mut self) -> Arc<View> {
        match &self.view {
            Some((version, view)) if *version == self.core.store_version => view.clone(),
            _ => {
                let view = View::draw(&self.core, &self.blocks, &self.votes, &self.execution);
                let view = Arc::new(view);
                self.view = Some((self.core.store_version, view.clone()));
                view
            }
        }
    }
}
