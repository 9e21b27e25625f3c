//! The node, as the HTTP server sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lathe_engine::{Input, View};
use lathe_http::{
    Api, ApiError, BlockId, ExecutionSync, Feed, ForkChoice, ForkChoiceNode, Identity, LogSwitch,
    NetworkInfo, Overview, PeerInfo, Syncing,
};
use lathe_storage::StorageError;
use lathe_types::{Checkpoint, Root, SignedBlock, Slot, State, ValidatorIndex};
use tokio::sync::watch;
use tracing::error;

use crate::clock::Time;
use crate::metrics::{Metrics, process};
use crate::{chain, store};

/// What the API answers from.
pub(crate) struct NodeApi {
    pub view: watch::Receiver<Arc<View>>,
    pub peers: watch::Receiver<Vec<PeerInfo>>,
    pub reader: store::Reader,
    pub chain: chain::Mailbox,
    pub pulse: chain::Pulse,
    pub records: chain::Records,
    pub local_validators: Vec<ValidatorIndex>,
    pub name: String,
    pub time: Time,
    pub metrics: Arc<Metrics>,
    pub identity: Identity,
    pub network: NetworkInfo,
    /// Whether the network has an execution layer.
    pub is_paired: bool,
    /// What changes how much is logged.
    pub log: Option<Arc<dyn LogSwitch>>,
    /// The aggregator role as it was asked for last; the view follows a moment later.
    pub is_aggregator: AtomicBool,
}

impl NodeApi {
    fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// The root of the block that is meant.
    fn root(&self, view: &View, id: BlockId) -> Result<Root, ApiError> {
        match id {
            BlockId::Head => Ok(view.head.root),
            BlockId::Justified => Ok(view.justified.root),
            BlockId::Finalized => Ok(view.finalized.root),
            BlockId::Root(root) => Ok(root),
            BlockId::Slot(slot) => found(self.reader.canonical_root(slot), "a slot"),
        }
    }
}

/// What a look into the database comes to.
fn found<T>(read: Result<Option<T>, StorageError>, what: &str) -> Result<T, ApiError> {
    match read {
        Ok(found) => found.ok_or(ApiError::NotFound),
        Err(error) => {
            error!(%error, "{what} cannot be read for the API");
            Err(ApiError::Internal)
        }
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

    fn state(&self, id: BlockId) -> Result<(Root, Arc<State>), ApiError> {
        let view = self.view();
        let root = self.root(&view, id)?;
        // What the view holds needs no disk.
        if root == view.finalized.root {
            return Ok((root, view.finalized_state.clone()));
        }
        if root == view.head.root {
            return Ok((root, view.head_state.clone()));
        }
        found(self.reader.state(root), "a state").map(|state| (root, state.into()))
    }

    fn block(&self, id: BlockId) -> Result<(Root, Arc<SignedBlock>), ApiError> {
        let root = self.root(&self.view(), id)?;
        found(self.reader.block(root), "a block").map(|block| (root, block.into()))
    }

    fn head(&self) -> Result<Checkpoint, ApiError> {
        Ok(self.view().head)
    }

    fn overview(&self) -> Result<Overview, ApiError> {
        let view = self.view();
        Ok(Overview {
            name: self.name.clone(),
            version: self.identity.version.clone(),
            peer_id: self.identity.peer_id.clone(),
            genesis_time: self.network.genesis_time,
            fork_digest: self.network.fork_digest.clone(),
            validator_count: view.validator_count,
            clock_ms: self.time.now().0,
            syncing: self.syncing()?,
            head: view.head,
            justified: view.justified,
            finalized: view.finalized,
            safe_target: view.safe_target,
            is_aggregator: self.is_aggregator()?,
            local_validators: self.local_validators.clone(),
            peers: self.peers()?,
            duties: self.records.duties.lock().clone(),
            process: process::usage(),
            slots: self.records.slots.lock().since(Slot(0)),
        })
    }

    fn feed(&self) -> Feed {
        self.records.feed.clone()
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

    fn log(&self) -> Option<&dyn LogSwitch> {
        self.log.as_deref()
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
