//! Blocks that proposers signed, so that one who signs without end is not listened to without end.
//!
//! Two blocks of one proposer for one slot prove that it equivocates; a third proves nothing more, and is neither
//! checked nor relayed. One that a peer sent because we asked may still be what the chain builds on, so some more of
//! these are let in.

use std::collections::BTreeMap;

use lathe_types::{Root, Slot, ValidatorIndex};

/// Blocks of one proposer and slot that are checked and relayed.
const MAX_RELAYED: usize = 2;
/// Blocks of one proposer and slot that enter the store if they are asked for: honest nodes hold two each, and may hold
/// different ones; but whatever the chain builds on, its votes have chosen among few.
const MAX_ASKED_FOR: usize = 8;

/// What a verified block says of its proposer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The first for its slot.
    First,
    /// The second: the proposer equivocates.
    Second,
    /// A further one, or one that is known.
    Further,
}

/// Verified blocks, by slot and proposer.
#[derive(Default)]
pub(super) struct Proposed(BTreeMap<(Slot, ValidatorIndex), Vec<Root>>);

impl Proposed {
    /// Whether one more block of this proposer for this slot is looked at.
    pub(super) fn admits(&self, slot: Slot, proposer: ValidatorIndex, root: &Root, asked_for: bool) -> bool {
        let limit = if asked_for { MAX_ASKED_FOR } else { MAX_RELAYED };
        let known = self.0.get(&(slot, proposer)).map(Vec::as_slice).unwrap_or_default();
        known.len() < limit || known.contains(root)
    }

    /// Remembers a block whose proof verifies: what nobody signed must not shut out what somebody did.
    pub(super) fn insert(&mut self, slot: Slot, proposer: ValidatorIndex, root: Root) -> Standing {
        let known = self.0.entry((slot, proposer)).or_default();
        if known.contains(&root) || known.len() >= MAX_ASKED_FOR {
            return Standing::Further;
        }
        known.push(root);
        match known.len() {
            1 => Standing::First,
            2 => Standing::Second,
            _ => Standing::Further,
        }
    }

    /// Forgets what finality has overtaken.
    pub(super) fn prune(&mut self, finalized: Slot) {
        self.0 = self.0.split_off(&(Slot(finalized.0.saturating_add(1)), ValidatorIndex(0)));
    }
}
