//! Checkpoints and the vote that links them.

use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use tree_hash_derive::TreeHash;

use crate::primitives::{Root, Slot};

/// A block named by its root and slot.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    TreeHash,
    Serialize,
    Deserialize,
)]
pub struct Checkpoint {
    /// Root of the block.
    pub root: Root,
    /// Slot of the block.
    pub slot: Slot,
}

/// What a validator attests to: the head it sees, and the link from a justified source to a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, TreeHash)]
pub struct AttestationData {
    /// Slot of the vote.
    pub slot: Slot,
    /// The head block as the voter sees it.
    pub head: Checkpoint,
    /// The checkpoint to be justified.
    pub target: Checkpoint,
    /// The justified checkpoint that the vote builds on.
    pub source: Checkpoint,
}
