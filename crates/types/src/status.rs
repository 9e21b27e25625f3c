//! Messages of the request/response protocols.

use ssz_derive::{Decode, Encode};
use ssz_types::VariableList;
use tree_hash_derive::TreeHash;
use typenum::U1024;

use crate::checkpoint::Checkpoint;
use crate::primitives::{Root, Slot};

/// What a peer says of its chain (`status/1`, 80 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct Status {
    /// Its finalized checkpoint.
    pub finalized: Checkpoint,
    /// Its head.
    pub head: Checkpoint,
}

/// Asks for blocks by their roots (`blocks_by_root/1`): a container with one list, so a 4-byte offset comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct BlocksByRootRequest {
    /// The roots, at most 1,024; unknown ones are skipped in the answer.
    pub roots: VariableList<Root, U1024>,
}

/// Asks for canonical blocks of a range of slots (`blocks_by_range/1`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct BlocksByRangeRequest {
    /// First slot.
    pub start_slot: Slot,
    /// Number of slots, 1 to 1,024.
    pub count: u64,
}
