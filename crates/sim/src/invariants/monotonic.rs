//! On one chain, finality only moves forward.
//!
//! *What.* While a node's head moves along one chain, its finalized slot does not fall.
//!
//! *Why a single look misses it.* A finalized slot is never wrong by itself, only compared with the one before.
//!
//! *Boundary.* A head that leaves its chain may take a lower finalized checkpoint with it, as the
//! specification has it. A
//! restart may fall behind what was final in memory, but not behind what was durable, which is a property of its own.

use std::collections::BTreeMap;

use lathe_types::Checkpoint;

use super::{BlockTree, Fact, Invariant};
use crate::network::NodeId;

#[derive(Default)]
pub(super) struct Monotonic {
    last: BTreeMap<NodeId, (Checkpoint, Checkpoint)>,
}

impl Invariant for Monotonic {
    fn name(&self) -> &'static str {
        "finality is monotonic"
    }

    fn observe(&mut self, tree: &BlockTree, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Started { node, .. } => {
                self.last.remove(node);
            }
            Fact::Chain { node, finalized, head } => {
                if let Some((old_head, old)) = self.last.insert(*node, (*head, *finalized))
                    && finalized.slot < old.slot
                    && tree.descends(head.root, old_head)
                {
                    return Err(format!("node {node} has finalized {finalized:?} after {old:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lathe_types::{Root, Slot};

    use super::*;

    fn checkpoint(slot: u64, name: u8) -> Checkpoint {
        Checkpoint { root: Root::repeat_byte(name), slot: Slot(slot) }
    }

    #[test]
    fn falls_on_a_reorganisation_only() {
        let mut tree = BlockTree::default();
        tree.insert(checkpoint(1, 1), Root::ZERO);
        tree.insert(checkpoint(2, 2), Root::repeat_byte(1));
        tree.insert(checkpoint(3, 3), Root::repeat_byte(2));
        tree.insert(checkpoint(4, 4), Root::repeat_byte(1));
        let mut invariant = Monotonic::default();
        let mut chain = |head, finalized| invariant.observe(&tree, &Fact::Chain { node: 0, head, finalized });
        assert!(chain(checkpoint(2, 2), checkpoint(2, 2)).is_ok());
        assert!(chain(checkpoint(4, 4), checkpoint(1, 1)).is_ok(), "another chain");
        assert!(chain(checkpoint(2, 2), checkpoint(2, 2)).is_ok());
        assert!(chain(checkpoint(3, 3), checkpoint(1, 1)).is_err(), "the same chain");
    }
}
