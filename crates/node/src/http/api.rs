//! The node, as the HTTP server sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lathe_engine::{Input, View};
use lathe_http::{
    Api, ApiError, ExecutionSync, ForkChoice, ForkChoiceNode, Identity, NetworkInfo, PeerInfo, Syncing,
};
use lathe_types::{Checkpoint, SignedBlock, State};
use tokio::sync::watch;
use tracing::error;

use crate::clock::Time;
use crate::metrics::Metrics;
use crate::{chain, store};

/// What the API answers from.
pub(crate) struct NodeApi {
    pub view: watch::Receiver<Arc<View>>,
    pub peers: watch::Receiver<Vec<PeerInfo>>,
    pub reader: store::Reader,
    pub chain: chain::Mailbox,
    pub pulse: chain::Pulse,
    pub time: Time,
    pub metrics: Arc<Metrics>,
    pub identity: Identity,
    pub network: NetworkInfo,
    /// Whether the network has an execution layer.
    pub is_paired: bool,
    /// The aggregator role as it was asked for last; the view follows a moment later.
    pub is_aggregator: AtomicBool,
}

impl NodeApi {
    fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }
}

impl Api for NodeApi {
    fn health(&self) -> Result<(), String> {
        let age = self.pulse.age(self.time.now());
        match age > chain::HEALTHY_AGE {
            true => Err(format!("the chain has stood still for {} s", age.as_secs())),
            false => Ok(()),
        }
    }

    fn finalized_state(&self) -> Result<Arc<State>, ApiError> {
        Ok(self.view().finalized_state.clone())
    }

    fn finalized_block(&self) -> Result<Arc<SignedBlock>, ApiError> {
        match self.reader.block(self.view().finalized.root) {
            Ok(Some(block)) => Ok(block.into()),
            Ok(None) => Err(ApiError::NotFound),
            Err(error) => {
                error!(%error, "the finalized block cannot be read");
                Err(ApiError::Internal)
            }
        }
    }

    fn justified_checkpoint(&self) -> Result<Checkpoint, ApiError> {
        Ok(self.view().justified)
    }

    fn fork_choice(&self) -> Result<ForkChoice, ApiError> {
        let view = self.view();
        let nodes = view.nodes.iter().map(|node| ForkChoiceNode {
            root: node.root,
            slot: node.slot,
            parent_root: node.parent_root,
            proposer_index: node.proposer_index,
            weight: node.weight,
        });
        Ok(ForkChoice {
            nodes: nodes.collect(),
            head: view.head.root,
            justified: view.justified,
            finalized: view.finalized,
            safe_target: view.safe_target.root,
            validator_count: Some(view.validator_count),
        })
    }

    fn syncing(&self) -> Result<Syncing, ApiError> {
        let view = self.view();
        let (sync, now) = (view.sync, self.time.now());
        let age = self.pulse.age(now);
        let execution = self
            .is_paired
            .then_some(ExecutionSync { is_optimistic: sync.is_optimistic, el_offline: sync.el_offline });
        Ok(Syncing {
            is_syncing: sync.is_syncing || age > chain::HEALTHY_AGE,
            head_slot: sync.head_slot,
            sync_distance: now.slot().0.saturating_sub(sync.head_slot.0),
            finalized_slot: sync.finalized_slot,
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            execution,
        })
    }

    fn is_aggregator(&self) -> Result<bool, ApiError> {
        Ok(self.is_aggregator.load(Ordering::Acquire))
    }

    fn set_aggregator(&self, enabled: bool) -> Result<bool, ApiError> {
        let previous = self.is_aggregator.swap(enabled, Ordering::AcqRel);
        self.chain.answer(Input::SetAggregator { enabled });
        Ok(previous)
    }

    fn metrics(&self) -> Result<String, ApiError> {
        let now = self.time.now();
        self.metrics.observe_view(&self.view(), now, self.pulse.age(now));
        self.metrics.render().map_err(|error| {
            error!(%error, "the metrics cannot be written");
            ApiError::Internal
        })
    }

    fn identity(&self) -> Result<Identity, ApiError> {
        Ok(self.identity.clone())
    }

    fn peers(&self) -> Result<Vec<PeerInfo>, ApiError> {
        Ok(self.peers.borrow().clone())
    }

    fn network(&self) -> Result<NetworkInfo, ApiError> {
        Ok(self.network.clone())
    }
}
