//! What is said to the execution client, and what it says. Only an execution-paired chain speaks of these.

use std::sync::Arc;

use lathe_types::{ExecutionBody, Root};

/// Whether the execution client can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecutionHealth {
    /// It answers. Whether it has caught up is what its verdicts tell.
    Online,
    /// It does not answer, or not as it should: nothing is asked of it.
    #[default]
    Offline,
}

/// A payload to be judged.
#[derive(Clone, Debug)]
pub struct NewPayload {
    /// Root of the block that carries it; names it in the answer.
    pub block: Root,
    /// Root of the block's parent: `parentBeaconBlockRoot`.
    pub parent_beacon_block_root: Root,
    /// The payload and its requests. There are no blobs.
    pub execution: Arc<ExecutionBody>,
}

/// What the execution client says of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadVerdict {
    /// It and all before it are valid.
    Valid,
    /// It breaks a rule of the execution layer.
    Invalid {
        /// Hash of the newest payload before it that is valid, if the client says so: everything after that one is
        /// invalid as well. Without it only this payload is, and what builds on it.
        latest_valid_hash: Option<Root>,
    },
    /// It cannot be judged yet, as something before it is missing there (`SYNCING`, `ACCEPTED`).
    Syncing,
    /// There was no answer, or none that makes sense.
    Unavailable,
}

/// The chain as the execution client is to see it. Every hash is that of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkchoiceState {
    /// Root of the head block; names it in the answer.
    pub block: Root,
    /// Hash of the head's payload.
    pub head: Root,
    /// Hash of the justified block's payload; zero before any block but genesis is justified.
    pub safe: Root,
    /// Hash of the finalized block's payload; zero before any block but genesis is finalized.
    pub finalized: Root,
}

/// What a payload is to be built with. Randomness is zero, withdrawals are none, and who earns the fees is the driver's
/// to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadAttributes {
    /// Unix time in seconds: the start of the block's slot.
    pub timestamp: u64,
    /// Root of the block that it is built on.
    pub parent_beacon_block_root: Root,
}

/// Why there is no payload for a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadFailure {
    /// The execution client cannot be reached.
    Offline,
    /// It did not start building: it lacks the head, or knows nothing of the build any more.
    NotBuilding,
    /// It did not answer in time.
    Timeout,
    /// It answered with an error.
    Refused,
    /// It answered with a payload that does not fit the block.
    Mismatch,
    /// It answered with a payload that no gossip message has room for.
    TooLarge,
}
