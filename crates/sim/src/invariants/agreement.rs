//! No two honest nodes finalize conflicting blocks.
//!
//! *What.* All finalized checkpoints of all honest nodes at all times lie on one chain.
//!
//! *Why a single look misses it.* A node may finalize one branch, crash or reorganise, and later finalize another; at
//! every single moment all nodes would agree. So every checkpoint that was ever finalized is kept.
//!
//! *Boundary.* Finalizing an ancestor of what another node has finalized is no conflict, nor is
//! the same slot with the
//! same root. The same slot with another root is.

use std::collections::BTreeSet;

use lathe_types::{Checkpoint, Root, Slot};

use super::{BlockTree, Fact, Invariant};

#[derive(Default)]
pub(super) struct Agreement {
    /// By slot; all on one chain as long as the property holds, so a newcomer need only be compared with its
    /// neighbours.
    finalized: BTreeSet<(Slot, Root)>,
}

impl Invariant for Agreement {
    fn name(&self) -> &'static str {
        "no conflicting finalization"
    }

    fn observe(&mut self, tree: &BlockTree, fact: &Fact) -> Result<(), String> {
        let Fact::Chain { node, finalized, .. } = fact else {
            return Ok(());
        };
        let new = (finalized.slot, finalized.root);
        let older = self.finalized.range(..new).next_back().copied();
        let newer = self.finalized.range(new..).next().copied();
        self.finalized.insert(new);
        for (older, newer) in
            older.map(|older| (older, new)).into_iter().chain(newer.map(|newer| (new, newer)))
        {
            if !tree.descends(newer.1, Checkpoint { slot: older.0, root: older.1 }) {
                return Err(format!(
                    "node {node} finalized {finalized:?}, but {older:?} and {newer:?} conflict"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(slot: u64, name: u8) -> Checkpoint {
        Checkpoint { root: Root::repeat_byte(name), slot: Slot(slot) }
    }

    fn finalize(invariant: &mut Agreement, tree: &BlockTree, finalized: Checkpoint) -> Result<(), String> {
        invariant.observe(tree, &Fact::Chain { node: 0, head: finalized, finalized })
    }

    #[test]
    fn ancestors_agree_and_siblings_do_not() {
        let mut tree = BlockTree::default();
        tree.insert(checkpoint(1, 1), Root::ZERO);
        tree.insert(checkpoint(2, 2), Root::repeat_byte(1));
        tree.insert(checkpoint(2, 3), Root::repeat_byte(1));
        let mut invariant = Agreement::default();
        assert!(finalize(&mut invariant, &tree, checkpoint(2, 2)).is_ok());
        assert!(finalize(&mut invariant, &tree, checkpoint(1, 1)).is_ok());
        assert!(finalize(&mut invariant, &tree, checkpoint(2, 2)).is_ok());
        assert!(finalize(&mut invariant, &tree, checkpoint(2, 3)).is_err());
    }
}
