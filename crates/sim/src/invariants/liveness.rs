//! A healed network finalizes.
//!
//! *What.* When all faults are over, every honest node finalizes a block of a slot after that moment, before the run
//! ends.
//!
//! *Why a single look misses it.* No finality yet is a normal state; only the whole healed phase
//! without any is wrong.
//!
//! *Boundary.* A block of the healing slot itself may have been proposed under faults, so it does not count.

use std::collections::BTreeMap;

use lathe_types::Slot;

use super::{BlockTree, Fact, Invariant};
use crate::network::NodeId;

#[derive(Default)]
pub(super) struct Liveness {
    healed: Option<Slot>,
    finalized: BTreeMap<NodeId, Slot>,
}

impl Invariant for Liveness {
    fn name(&self) -> &'static str {
        "a healed network finalizes"
    }

    fn observe(&mut self, _: &BlockTree, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Healed { slot } => self.healed = Some(*slot),
            Fact::Chain { node, finalized, .. } => {
                self.finalized.insert(*node, finalized.slot);
            }
            Fact::Settled { nodes } => {
                let healed = self.healed.unwrap_or_default();
                let behind =
                    nodes.iter().find(|node| self.finalized.get(node).is_none_or(|slot| *slot <= healed));
                if let Some(node) = behind {
                    let finalized = self.finalized.get(node);
                    return Err(format!(
                        "node {node} has finalized {finalized:?} only; healed at slot {healed}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lathe_types::Checkpoint;

    use super::*;

    #[test]
    fn the_healing_slot_itself_does_not_count() {
        for (slot, lives) in [(10, false), (11, true)] {
            let mut invariant = Liveness::default();
            let tree = BlockTree::default();
            let finalized = Checkpoint { slot: Slot(slot), ..Checkpoint::default() };
            let facts =
                [Fact::Healed { slot: Slot(10) }, Fact::Chain { node: 0, head: finalized, finalized }];
            for fact in &facts {
                assert!(invariant.observe(&tree, fact).is_ok());
            }
            assert_eq!(invariant.observe(&tree, &Fact::Settled { nodes: vec![0] }).is_ok(), lives);
        }
    }
}
