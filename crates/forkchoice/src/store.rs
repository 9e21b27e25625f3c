//! The store: a node's local view of the chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_types::{
    AttestationData, Block, BlockHeader, Checkpoint, GenesisConfig, INTERVALS_PER_SLOT, Interval, Rejection,
    RejectionReason, Root, SingleMessageAggregate, Slot, State, TreeHash, ValidatorIndex,
};

use crate::payload::Payload;
use crate::pool::{MAX_KNOWN_DATA, MAX_NEW_DATA, PayloadPool};
use crate::signatures::SignaturePool;
use crate::tree::{Node, Tree};

/// A node's local view of the chain, and the pools of votes that decide its head.
///
/// Signatures and proofs are verified by the caller; what is handed in as verified is believed.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) time: Interval,
    pub(crate) config: GenesisConfig,
    pub(crate) tree: Tree,
    pub(crate) head: Checkpoint,
    pub(crate) safe_target: Checkpoint,
    pub(crate) latest_justified: Checkpoint,
    pub(crate) latest_finalized: Checkpoint,
    pub(crate) attestation_signatures: SignaturePool,
    pub(crate) latest_new_aggregated_payloads: PayloadPool,
    pub(crate) latest_known_aggregated_payloads: PayloadPool,
}

/// A block as the store remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Its root.
    pub root: Root,
    /// Its slot.
    pub slot: Slot,
    /// Its parent.
    pub parent_root: Root,
    /// Who proposed it.
    pub proposer_index: ValidatorIndex,
}

impl From<&Node> for BlockInfo {
    fn from(node: &Node) -> Self {
        Self {
            root: node.root,
            slot: node.slot,
            parent_root: node.parent_root,
            proposer_index: node.proposer_index,
        }
    }
}

impl Store {
    /// A store that starts from a trusted block and its post-state, both taken as justified and finalized.
    pub fn create_store(state: Arc<State>, anchor_block: &Block) -> Result<Self, Rejection> {
        Self::create_store_at(state, &anchor_block.header())
    }

    /// [`Self::create_store`] where the anchor block is known by its header alone, which has the block's root.
    pub fn create_store_at(state: Arc<State>, anchor: &BlockHeader) -> Result<Self, Rejection> {
        let computed_state_root = lathe_transition::state_root(&state);
        if anchor.state_root != computed_state_root {
            return Err(Rejection::new(
                RejectionReason::AnchorStateRootMismatch,
                format!("the state's root is {computed_state_root}, the block says {}", anchor.state_root),
            ));
        }
        let (parent_root, proposer_index) = (anchor.parent_root, anchor.proposer_index);
        let anchor = Checkpoint { root: anchor.tree_hash_root(), slot: anchor.slot };
        let config = state.config;
        let mut tree = Tree::default();
        let payload = Payload::of_anchor(&state);
        tree.insert(anchor, parent_root, proposer_index, Some(state), payload);
        Ok(Self {
            time: Interval::from_slot(anchor.slot),
            config,
            tree,
            head: anchor,
            safe_target: anchor,
            latest_justified: anchor,
            latest_finalized: anchor,
            attestation_signatures: SignaturePool::default(),
            latest_new_aggregated_payloads: PayloadPool::new(MAX_NEW_DATA),
            latest_known_aggregated_payloads: PayloadPool::new(MAX_KNOWN_DATA),
        })
    }

    /// Current time in intervals since genesis.
    pub fn time(&self) -> Interval {
        self.time
    }

    /// The slot that the current time is in.
    pub fn current_slot(&self) -> Slot {
        Slot(self.time.0 / INTERVALS_PER_SLOT)
    }

    /// The chain's configuration.
    pub fn config(&self) -> GenesisConfig {
        self.config
    }

    /// The block that fork choice selects.
    pub fn head(&self) -> Checkpoint {
        self.head
    }

    /// The block that is safe to attest to. It may lie behind the finalized one when it is stale.
    pub fn safe_target(&self) -> Checkpoint {
        self.safe_target
    }

    /// Highest justified checkpoint seen on any chain.
    pub fn latest_justified(&self) -> Checkpoint {
        self.latest_justified
    }

    /// Finalized checkpoint of the head's chain; a reorg can lower it.
    pub fn latest_finalized(&self) -> Checkpoint {
        self.latest_finalized
    }

    /// Post-state of the head.
    pub fn head_state(&self) -> &Arc<State> {
        // The head is at or after the finalized block, and states are only dropped before it.
        let state = self.state(&self.head.root);
        state.unwrap_or_else(|| unreachable!("the head {} has its state", self.head.root))
    }

    /// Post-state of a block, unless the block is unknown or an ancestor of the finalized one.
    pub fn state(&self, root: &Root) -> Option<&Arc<State>> {
        self.tree.get(root)?.state.as_ref()
    }

    /// Whether the block is known.
    pub fn contains(&self, root: &Root) -> bool {
        self.tree.id(root).is_some()
    }

    /// A known block.
    pub fn block(&self, root: &Root) -> Option<BlockInfo> {
        self.tree.get(root).map(BlockInfo::from)
    }

    /// Every known block, parents before their children.
    pub fn blocks(&self) -> impl Iterator<Item = BlockInfo> + '_ {
        self.tree.nodes().iter().map(BlockInfo::from)
    }

    /// The block and its known ancestors, towards genesis.
    pub fn chain(&self, root: &Root) -> impl Iterator<Item = BlockInfo> + '_ {
        std::iter::successors(self.tree.get(root), |node| node.parent.map(|parent| self.tree.node(parent)))
            .map(BlockInfo::from)
    }

    /// What the pools hold.
    pub fn pool_sizes(&self) -> PoolSizes {
        let proofs = |pool: &PayloadPool| pool.entries().values().map(|entry| entry.proofs.len()).sum();
        PoolSizes {
            attestation_signatures: self.attestation_signatures.len(),
            new_aggregated_payloads: proofs(&self.latest_new_aggregated_payloads),
            known_aggregated_payloads: proofs(&self.latest_known_aggregated_payloads),
        }
    }

    /// Single votes held, by data root: the data and its signers, ascending.
    pub fn attestation_signatures(&self) -> BTreeMap<Root, (AttestationData, Vec<ValidatorIndex>)> {
        let signers = |entry: &crate::signatures::SignatureEntry| entry.signatures.keys().copied().collect();
        let entries = self.attestation_signatures.entries().iter();
        entries.map(|(root, entry)| (*root, (entry.data, signers(entry)))).collect()
    }

    /// Aggregates that do not count yet.
    pub fn latest_new_aggregated_payloads(&self) -> PayloadView<'_> {
        PayloadView(&self.latest_new_aggregated_payloads)
    }

    /// Aggregates that count.
    pub fn latest_known_aggregated_payloads(&self) -> PayloadView<'_> {
        PayloadView(&self.latest_known_aggregated_payloads)
    }
}

/// How many objects the pools hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSizes {
    /// Single votes.
    pub attestation_signatures: usize,
    /// Proofs that do not count yet.
    pub new_aggregated_payloads: usize,
    /// Proofs that count.
    pub known_aggregated_payloads: usize,
}

/// A look into a pool of aggregates.
#[derive(Clone, Copy, Debug)]
pub struct PayloadView<'a>(&'a PayloadPool);

impl<'a> PayloadView<'a> {
    /// Data with the proofs held for it, ascending by data root. Data that only a block named has no proofs.
    pub fn iter(self) -> impl Iterator<Item = (Root, AttestationData, &'a [Arc<SingleMessageAggregate>])> {
        self.0.entries().iter().map(|(root, entry)| (*root, entry.data, entry.proofs.as_slice()))
    }

    /// The proofs held for one data.
    pub fn proofs(self, data_root: &Root) -> &'a [Arc<SingleMessageAggregate>] {
        self.0.proofs(data_root)
    }
}
