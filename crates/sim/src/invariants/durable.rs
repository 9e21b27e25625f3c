//! What a disk called durable is there after a start.
//!
//! *What.* A database holds the checkpoints and the canonical blocks that it was handed, up to the last batch that it
//! called durable, or up to a later one.
//!
//! *Why a single look misses it.* What a database holds is not wrong by itself, only compared with
//! all that was handed to
//! it, batch by batch and over all starts.
//!
//! *Boundary.* A batch that was handed over but not called durable may be there or not; then so is
//! every one before it.

use std::collections::{BTreeMap, VecDeque};

use lathe_driver::Persist;
use lathe_storage::{Batch, Checkpoints};
use lathe_types::{Root, Slot};

use super::{BlockTree, Fact, Invariant};
use crate::network::NodeId;

#[derive(Clone, Debug, PartialEq)]
struct Kept {
    checkpoints: Checkpoints,
    canonical: BTreeMap<Slot, Root>,
}

impl Kept {
    fn apply(&mut self, batch: &Batch) {
        let Checkpoints { head, justified, finalized } = &mut self.checkpoints;
        *head = batch.head.unwrap_or(*head);
        *justified = batch.justified.unwrap_or(*justified);
        *finalized = batch.finalized.filter(|new| new.slot > finalized.slot).unwrap_or(*finalized);
        for (slot, root) in &batch.canonical {
            match root {
                Some(root) => self.canonical.insert(*slot, *root),
                None => self.canonical.remove(slot),
            };
        }
    }
}

#[derive(Default)]
pub(super) struct Durable {
    durable: BTreeMap<NodeId, Kept>,
    handed: BTreeMap<NodeId, VecDeque<Box<Persist>>>,
}

impl Invariant for Durable {
    fn name(&self) -> &'static str {
        "what was durable is there after a start"
    }

    fn observe(&mut self, _: &BlockTree, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Handed { node, persist } => {
                self.handed.entry(*node).or_default().push_back(persist.clone());
            }
            Fact::Durable { node, sequence } => {
                let handed = self.handed.entry(*node).or_default();
                while let Some(persist) = handed.pop_front_if(|first| first.sequence <= *sequence) {
                    self.durable.entry(*node).and_modify(|kept| kept.apply(&persist.batch));
                }
            }
            Fact::Started { node, checkpoints, canonical } => {
                let found =
                    Kept { checkpoints: *checkpoints, canonical: canonical.iter().copied().collect() };
                let handed = self.handed.remove(node).unwrap_or_default();
                let Some(mut kept) = self.durable.insert(*node, found.clone()) else { return Ok(()) };
                let durable = kept.checkpoints;
                let mut later = handed.into_iter();
                while kept != found {
                    let Some(persist) = later.next() else {
                        return Err(format!("node {node} holds {checkpoints:?}, called durable {durable:?}"));
                    };
                    kept.apply(&persist.batch);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lathe_engine::Sequence;
    use lathe_types::Checkpoint;

    use super::*;

    fn checkpoint(slot: u64) -> Checkpoint {
        Checkpoint { root: Root::repeat_byte(slot as u8), slot: Slot(slot) }
    }

    fn started(head: u64, canonical: &[u64]) -> Fact {
        let checkpoints =
            Checkpoints { head: checkpoint(head), justified: checkpoint(0), finalized: checkpoint(0) };
        let canonical = canonical.iter().map(|slot| (Slot(*slot), checkpoint(*slot).root)).collect();
        Fact::Started { node: 0, checkpoints, canonical }
    }

    /// A node that was handed the blocks of slots 1 and 2, the first of which is durable, starts and finds this.
    fn finds(fact: &Fact) -> bool {
        let (mut invariant, tree) = (Durable::default(), BlockTree::default());
        let handed = |slot: u64| {
            let head = Some(checkpoint(slot));
            let batch = Batch {
                head,
                canonical: vec![(Slot(slot), Some(checkpoint(slot).root))],
                ..Batch::default()
            };
            Fact::Handed { node: 0, persist: Box::new(Persist { sequence: Sequence(slot), batch }) }
        };
        let durable = Fact::Durable { node: 0, sequence: Sequence(1) };
        for fact in [started(0, &[0]), handed(1), handed(2), durable] {
            invariant.observe(&tree, &fact).unwrap();
        }
        invariant.observe(&tree, fact).is_ok()
    }

    #[test]
    fn what_was_not_durable_may_be_there_or_not() {
        assert!(finds(&started(1, &[0, 1])));
        assert!(finds(&started(2, &[0, 1, 2])));
        assert!(!finds(&started(0, &[0])), "the durable one is lost");
        assert!(!finds(&started(2, &[0, 2])), "half of the first one is lost");
        assert!(!finds(&started(2, &[0, 1])), "half of the second one is there");
    }
}
