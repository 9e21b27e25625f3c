//! Nobody's claims keep honest nodes from their duties for long.
//!
//! *What.* Once a network has healed, an honest node misses duties for want of sync in at most [`MAX_SLOTS`] slots,
//! however many peers claim newer heads that nobody has, and under however many names.
//!
//! *Why a single look misses it.* Waiting for a claimed block is right by itself; only all the slots together show that
//! it never ends.
//!
//! *Boundary.* The slots do not have to follow each other. A node that is really behind counts as well.

use std::collections::{BTreeMap, BTreeSet};

use lathe_types::Slot;

use super::{BlockTree, Fact, Invariant};
use crate::network::NodeId;

/// The engine holds claims against its head for eight slots while that does not move, whoever makes them; a node that
/// was away needs four more to catch up with what there is, during which its head moves.
pub(super) const MAX_SLOTS: usize = 12;

#[derive(Default)]
pub(super) struct Undelayed {
    is_healed: bool,
    delayed: BTreeMap<NodeId, BTreeSet<Slot>>,
}

impl Invariant for Undelayed {
    fn name(&self) -> &'static str {
        "claims delay no duties for long"
    }

    fn observe(&mut self, _: &BlockTree, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Healed { .. } => self.is_healed = true,
            Fact::Settled { .. } => *self = Self::default(),
            Fact::NotSynced { node, slot } if self.is_healed => {
                let slots = self.delayed.entry(*node).or_default();
                slots.insert(*slot);
                if slots.len() > MAX_SLOTS {
                    return Err(format!("node {node} rested in the slots {slots:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_of_a_healed_network_count_and_each_once() {
        let (mut invariant, tree) = (Undelayed::default(), BlockTree::default());
        let rests = |invariant: &mut Undelayed, slot| {
            invariant.observe(&tree, &Fact::NotSynced { node: 0, slot: Slot(slot) }).is_ok()
        };
        assert!((0..100).all(|slot| rests(&mut invariant, slot)));
        assert!(invariant.observe(&tree, &Fact::Healed { slot: Slot(100) }).is_ok());
        let slots = 100..100 + MAX_SLOTS as u64;
        assert!(slots.clone().chain(slots.clone()).all(|slot| rests(&mut invariant, slot)));
        assert!(!rests(&mut invariant, slots.end));
        assert!(invariant.observe(&tree, &Fact::Settled { nodes: Vec::new() }).is_ok());
        assert!(rests(&mut invariant, slots.end + 1));
    }
}
