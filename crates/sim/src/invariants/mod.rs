//! What must hold in every run, one property per file.

mod agreement;
mod liveness;
mod monotonic;
mod sign_once;

use std::collections::BTreeMap;

use lathe_engine::KeyRole;
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
    /// A node's head or finalized checkpoint moved, or it started again.
    Chain {
        /// The node.
        node: NodeId,
        /// Its head.
        head: Checkpoint,
        /// Its finalized checkpoint.
        finalized: Checkpoint,
        /// Whether this is its first word after a start.
        restarted: bool,
    },
    /// A node's disk said that this finalized checkpoint survives a power loss.
    Durable {
        /// The node.
        node: NodeId,
        /// The checkpoint.
        finalized: Checkpoint,
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
    /// All faults are over.
    Healed {
        /// Slot by the clock.
        slot: Slot,
    },
    /// The run is over.
    End {
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
pub fn all(demands_liveness: bool) -> Vec<Box<dyn Invariant>> {
    let mut invariants: Vec<Box<dyn Invariant>> = vec![
        Box::<agreement::Agreement>::default(),
        Box::<monotonic::Monotonic>::default(),
        Box::<sign_once::SignOnce>::default(),
    ];
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
