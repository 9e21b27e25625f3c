//! What must hold in every run, one property per file.

mod agreement;
mod durable;
mod liveness;
mod monotonic;
mod sign_once;
mod undelayed;
mod valid_parent;
mod validated_votes;

use std::collections::BTreeMap;

use lathe_driver::Persist;
use lathe_engine::{KeyRole, Sequence};
use lathe_storage::Checkpoints;
use lathe_types::{Checkpoint, Root, Slot, ValidatorIndex};

use crate::network::NodeId;

/// Something that an observer of all nodes at once sees. Only what honest nodes do is told.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A node imported a block.
    Imported {
        /// The block.
        block: Checkpoint,
        /// Its parent.
        parent: Root,
    },
    /// A node's head or finalized checkpoint moved.
    Chain {
        /// The node.
        node: NodeId,
        /// Its head.
        head: Checkpoint,
        /// Its finalized checkpoint.
        finalized: Checkpoint,
    },
    /// A node handed a batch to its database.
    Handed {
        /// The node.
        node: NodeId,
        /// The batch.
        persist: Box<Persist>,
    },
    /// A node was told that this batch and all before it survive a power loss.
    Durable {
        /// The node.
        node: NodeId,
        /// The batch.
        sequence: Sequence,
    },
    /// A node started, and this is what its database held.
    Started {
        /// The node.
        node: NodeId,
        /// Where the stored chain stands.
        checkpoints: Checkpoints,
        /// The canonical blocks.
        canonical: Vec<(Slot, Root)>,
    },
    /// A node's signer gave out a signature.
    Signed {
        /// The validator.
        validator: ValidatorIndex,
        /// Which key.
        role: KeyRole,
        /// At which slot.
        slot: Slot,
        /// What.
        root: Root,
    },
    /// A node's execution client called the payload of a block valid.
    Validated {
        /// The node.
        node: NodeId,
        /// The block.
        block: Root,
    },
    /// A block with a payload that honest execution clients refuse was imported somewhere.
    BadPayload {
        /// The block.
        block: Root,
    },
    /// A node published a vote of its own.
    Voted {
        /// The node.
        node: NodeId,
        /// The head that it votes for.
        head: Checkpoint,
    },
    /// A node published a block of its own.
    Proposed {
        /// The node.
        node: NodeId,
        /// What it builds on.
        parent: Root,
    },
    /// A node missed a duty because it took itself for being behind.
    NotSynced {
        /// The node.
        node: NodeId,
        /// Slot of the duty.
        slot: Slot,
    },
    /// All faults are over.
    Healed {
        /// Slot by the clock.
        slot: Slot,
    },
    /// A network had time to recover.
    Settled {
        /// Honest nodes that run.
        nodes: Vec<NodeId>,
    },
}

/// A property that is watched during a run.
pub trait Invariant {
    /// What it is called in a report.
    fn name(&self) -> &'static str;
    /// Takes note of a fact; says what is wrong if the property does not hold any more.
    fn observe(&mut self, tree: &BlockTree, fact: &Fact) -> Result<(), String>;
}

/// Every invariant, at its beginning.
pub fn all(demands_liveness: bool, is_paired: bool) -> Vec<Box<dyn Invariant>> {
    let mut invariants: Vec<Box<dyn Invariant>> = vec![
        Box::<agreement::Agreement>::default(),
        Box::<durable::Durable>::default(),
        Box::<monotonic::Monotonic>::default(),
        Box::<sign_once::SignOnce>::default(),
        Box::<undelayed::Undelayed>::default(),
    ];
    if is_paired {
        invariants.push(Box::<valid_parent::ValidParent>::default());
        invariants.push(Box::<validated_votes::ValidatedVotes>::default());
    }
    if demands_liveness {
        invariants.push(Box::<liveness::Liveness>::default());
    }
    invariants
}

/// Every block that any honest node imported.
#[derive(Default)]
pub struct BlockTree {
    blocks: BTreeMap<Root, (Slot, Root)>,
}

impl BlockTree {
    /// Takes note of a block.
    pub fn insert(&mut self, block: Checkpoint, parent: Root) {
        self.blocks.insert(block.root, (block.slot, parent));
    }

    /// The block and its ancestors, as far as they are known, towards genesis.
    pub fn ancestors(&self, root: Root) -> impl Iterator<Item = Root> + '_ {
        std::iter::successors(Some(root), |root| self.blocks.get(root).map(|(_, parent)| *parent))
    }

    /// Whether `descendant` is, or descends from, `ancestor`.
    pub fn descends(&self, descendant: Root, ancestor: Checkpoint) -> bool {
        let mut root = descendant;
        while let Some((slot, parent)) = self.blocks.get(&root) {
            if *slot <= ancestor.slot {
                return root == ancestor.root;
            }
            root = *parent;
        }
        root == ancestor.root
    }
}
