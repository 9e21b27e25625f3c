//! No honest node builds on an invalid payload.
//!
//! *What.* Neither the parent of a block that an honest node proposes nor any block before it carries a payload that
//! honest execution clients refuse.
//!
//! *Why a single look misses it.* A node may well have such a block as its head, as long as its client has not judged
//! it; what counts is what it does then.
//!
//! *Boundary.* Importing a bad block is no fault, nor is building on the block before it.

use std::collections::BTreeSet;

use lathe_types::Root;

use super::{BlockTree, Fact, Invariant};

#[derive(Default)]
pub(super) struct ValidParent {
    bad: BTreeSet<Root>,
}

impl Invariant for ValidParent {
    fn name(&self) -> &'static str {
        "no block on an invalid payload"
    }

    fn observe(&mut self, tree: &BlockTree, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::BadPayload { block } => {
                self.bad.insert(*block);
            }
            Fact::Proposed { node, parent } => {
                if let Some(bad) = tree.ancestors(*parent).find(|root| self.bad.contains(root)) {
                    return Err(format!("node {node} builds on {parent}, and {bad} is invalid"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lathe_types::{Checkpoint, Slot};

    use super::*;

    #[test]
    fn the_block_before_a_bad_one_is_good_to_build_on_and_those_after_it_are_not() {
        let mut tree = BlockTree::default();
        for name in 1..=3 {
            let block = Checkpoint { root: Root::repeat_byte(name), slot: Slot(u64::from(name)) };
            tree.insert(block, Root::repeat_byte(name - 1));
        }
        let mut invariant = ValidParent::default();
        assert!(invariant.observe(&tree, &Fact::BadPayload { block: Root::repeat_byte(2) }).is_ok());
        let mut propose =
            |name| invariant.observe(&tree, &Fact::Proposed { node: 0, parent: Root::repeat_byte(name) });
        assert!(propose(1).is_ok());
        assert!(propose(2).is_err());
        assert!(propose(3).is_err());
    }
}
