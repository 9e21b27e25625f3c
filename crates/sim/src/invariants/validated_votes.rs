//! No honest node votes for a head that its execution client has not validated.
//!
//! *What.* When a node publishes a vote, its client has called the payload of the vote's head valid, or that of a
//! descendant.
//!
//! *Why a single look misses it.* A vote looks the same either way; only the history of what the client said tells.
//!
//! *Boundary.* Genesis has nothing to validate. What the client said before a restart of the node still holds.

use std::collections::{BTreeMap, BTreeSet};

use lathe_types::{Checkpoint, Root, Slot};

use super::{BlockTree, Fact, Invariant};
use crate::network::NodeId;

#[derive(Default)]
pub(super) struct ValidatedVotes {
    validated: BTreeMap<NodeId, BTreeSet<Root>>,
}

impl Invariant for ValidatedVotes {
    fn name(&self) -> &'static str {
        "no vote for an optimistic head"
    }

    fn observe(&mut self, tree: &BlockTree, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Validated { node, block } => {
                let validated = self.validated.entry(*node).or_default();
                for root in tree.ancestors(*block) {
                    if !validated.insert(root) {
                        break;
                    }
                }
            }
            Fact::Voted { node, head: Checkpoint { root, slot } } => {
                let known = self.validated.get(node).is_some_and(|validated| validated.contains(root));
                if *slot > Slot(0) && !known {
                    return Err(format!(
                        "node {node} votes for {root} at slot {slot}, which is not validated"
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
    use super::*;

    fn block(name: u8) -> Checkpoint {
        Checkpoint { root: Root::repeat_byte(name), slot: Slot(u64::from(name)) }
    }

    #[test]
    fn a_verdict_holds_for_the_ancestors_and_for_its_own_node() {
        let mut tree = BlockTree::default();
        for name in 1..=3 {
            tree.insert(block(name), Root::repeat_byte(name - 1));
        }
        let mut invariant = ValidatedVotes::default();
        let validated = Fact::Validated { node: 0, block: block(2).root };
        assert!(invariant.observe(&tree, &validated).is_ok());
        let mut vote = |node, name| invariant.observe(&tree, &Fact::Voted { node, head: block(name) });
        assert!(vote(0, 0).is_ok());
        assert!(vote(0, 1).is_ok());
        assert!(vote(0, 2).is_ok());
        assert!(vote(0, 3).is_err());
        assert!(vote(1, 1).is_err());
    }
}
