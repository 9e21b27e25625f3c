//! The sync gate.

use crate::{File, Flip};

pub(super) const FILES: &[File] = &[File {
    path: "crates/engine/src/gate.rs",
    flips: &[
        Flip {
            rule: "duties are withheld past a lag of four slots",
            old: "SYNC_LAG_THRESHOLD: u64 = 4;",
            new: "SYNC_LAG_THRESHOLD: u64 = 5;",
        },
        Flip {
            rule: "duties are resumed at a lag of two slots",
            old: "HYSTERESIS_BAND: u64 = 2;",
            new: "HYSTERESIS_BAND: u64 = 1;",
        },
        Flip {
            rule: "a network that stalls for eight slots is not waited for",
            old: "NETWORK_STALL_THRESHOLD: u64 = 8;",
            new: "NETWORK_STALL_THRESHOLD: u64 = 9;",
        },
        Flip {
            rule: "only a head newer than ours is caught up with",
            old: ".filter(|newest| *newest > chain.head)",
            new: "",
        },
    ],
}];
