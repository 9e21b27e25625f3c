//! Numbers that the rules are made of.

use crate::{File, Flip};

pub(super) const FILES: &[File] = &[
    File {
        path: "crates/types/src/primitives.rs",
        flips: &[
            Flip {
                rule: "slots up to five after the finalized one are justifiable",
                old: "if delta <= IMMEDIATE_JUSTIFICATION_WINDOW {",
                new: "if delta < IMMEDIATE_JUSTIFICATION_WINDOW {",
            },
            Flip {
                rule: "slots at a square distance are justifiable",
                old: "root * root == delta || ",
                new: "",
            },
            Flip {
                rule: "slots at a pronic distance are justifiable",
                old: "root * root == delta || root.checked_mul(root + 1) == Some(delta)",
                new: "root * root == delta",
            },
            Flip {
                rule: "no slot before the finalized one is justifiable",
                old: "let Some(delta) = self.0.checked_sub(finalized.0) else {\n            return false;",
                new: "let Some(delta) = self.0.checked_sub(finalized.0) else {\n            return true;",
            },
            Flip {
                rule: "flags of justified slots begin one after the finalized slot",
                old: "usize::try_from(distance.checked_sub(1)?).ok()",
                new: "usize::try_from(distance).ok()",
            },
            Flip {
                rule: "validators propose in turn, the first one in slot 0",
                old: "slot.0.checked_rem(validator_count).map(Self)",
                new: "slot.0.wrapping_add(1).checked_rem(validator_count).map(Self)",
            },
        ],
    },
    File {
        path: "crates/types/src/constants.rs",
        flips: &[
            Flip {
                rule: "a vote may be one interval ahead of the clock, no more",
                old: "GOSSIP_DISPARITY_INTERVALS: u64 = 1;",
                new: "GOSSIP_DISPARITY_INTERVALS: u64 = 2;",
            },
            Flip {
                rule: "a vote may be one interval ahead of the clock",
                old: "GOSSIP_DISPARITY_INTERVALS: u64 = 1;",
                new: "GOSSIP_DISPARITY_INTERVALS: u64 = 0;",
            },
            Flip {
                rule: "the target is at most three blocks behind the head",
                old: "JUSTIFICATION_LOOKBACK_SLOTS: u64 = 3;",
                new: "JUSTIFICATION_LOOKBACK_SLOTS: u64 = 2;",
            },
            Flip {
                rule: "a block carries at most eight data",
                old: "MAX_ATTESTATIONS_DATA: usize = 8;",
                new: "MAX_ATTESTATIONS_DATA: usize = 9;",
            },
        ],
    },
];
