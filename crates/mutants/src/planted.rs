//! Bugs for the simulator to find.

use crate::Flip;

/// A bug in what a node writes down or signs, and how far the simulator has to look for it.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// The file, relative to the workspace.
    pub path: &'static str,
    /// The rule, and how the bug breaks it.
    pub flip: Flip,
    /// Seeds, from 0 on, one of which finds it.
    pub seeds: u64,
}

/// Slots of each run: one round of faults, and time to heal.
pub const PLANTED_SLOTS: u64 = 60;

/// Every bug.
pub const PLANTED: &[Planted] = &[
    Planted {
        path: "crates/driver/src/batch.rs",
        flip: Flip {
            rule: "of two batches in one write the earlier one's checkpoint counts where the later one has none",
            old: "justified: second.justified.or(first.justified),",
            new: "justified: second.justified,",
        },
        seeds: 40,
    },
    Planted {
        path: "crates/storage/src/chain.rs",
        flip: Flip {
            rule: "a slot that is not canonical any more leaves the index",
            old: "None => Op::Delete(Column::Canonical, key),",
            new: "None => continue,",
        },
        seeds: 20,
    },
    Planted {
        path: "crates/aggregation/src/block.rs",
        flip: Flip {
            rule: "a block's votes are merged in the order of its body",
            old: "    let proposer: [(ValidatorIndex, Signature); 1] =",
            new: "    components.sort_by_key(|component| component.message.slot);\n    let proposer: [(ValidatorIndex, Signature); 1] =",
        },
        seeds: 20,
    },
    Planted {
        path: "crates/ledger/src/opening.rs",
        flip: Flip {
            rule: "a ledger that was lost signs from after clock and marks",
            old: "let known = after(slots.chain(terms.proven_slot).chain(lost).max());\n            \
                  self.history.raise_watermark(known);\n            \
                  self.history.set_by_clock(after(terms.current_slot));",
            new: "drop((slots, lost));\n            \
                  let known = after(self.history.newest());\n            \
                  self.history.raise_watermark(known);",
        },
        seeds: 20,
    },
];
