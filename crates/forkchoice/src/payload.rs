//! The payload of a block, and how far the execution layer has judged it.

use lathe_types::{Root, Slot, State};

/// How far a payload has been judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadStatus {
    /// The execution layer has executed it.
    Valid,
    /// Not judged yet.
    Optimistic,
    /// The execution layer refuses it. Only the oldest block of the store can be in this state: all others leave.
    Invalid,
}

/// The payload of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Its hash, as the execution layer computes it.
    pub block_hash: Root,
    /// How far it has been judged.
    pub status: PayloadStatus,
}

impl Payload {
    pub(crate) fn unjudged(post_state: &State) -> Option<Self> {
        let header = post_state.latest_execution_payload_header.as_ref()?;
        Some(Self { block_hash: header.block_hash, status: PayloadStatus::Optimistic })
    }

    /// There is nothing to execute in a genesis. Any other anchor is as unjudged as its descendants.
    pub(crate) fn of_anchor(state: &State) -> Option<Self> {
        let payload = Self::unjudged(state)?;
        let is_genesis = state.slot == Slot(0);
        Some(if is_genesis { Self { status: PayloadStatus::Valid, ..payload } } else { payload })
    }
}
