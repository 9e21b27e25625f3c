//! The execution client's answers, read with tolerance: clients add fields, leave optional ones out, or write null.

use alloy_primitives::{B256, Bytes, U256};
use alloy_rpc_types_engine::{ExecutionPayloadV3, PayloadId};
use serde::Deserialize;

/// Longest text of the execution client that is kept for logs, in characters.
const MAX_TEXT: usize = 200;

/// Text of the execution client on one line and no longer than a log line.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(MAX_TEXT).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// What the execution client thinks of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadStatus {
    /// Executed, with every ancestor.
    Valid,
    /// Breaks a rule, or descends from one that does.
    Invalid {
        /// The newest valid ancestor: every payload after it is invalid. `None` if the client does not know; zero if
        /// none since the genesis block is valid.
        latest_valid_hash: Option<B256>,
        /// The client's reason, shortened.
        reason: String,
    },
    /// Not known yet: it lacks an ancestor.
    Syncing,
    /// Kept without being executed.
    Accepted,
}

impl PayloadStatus {
    /// A word for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid { .. } => "invalid",
            Self::Syncing => "syncing",
            Self::Accepted => "accepted",
        }
    }
}

/// The answer to a forkchoice update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkchoiceAnswer {
    /// What is thought of the head.
    pub status: PayloadStatus,
    /// The payload that is being built, if attributes were given and the head is valid.
    pub payload_id: Option<PayloadId>,
}

/// A payload that the execution client built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltPayload {
    /// The payload.
    pub payload: ExecutionPayloadV3,
    /// Requests of the execution layer to the consensus layer, each a type byte and its data; empty before Prague.
    pub execution_requests: Vec<Bytes>,
    /// What the block earns its proposer, in wei.
    pub block_value: U256,
}

/// Which program the execution client is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClientVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The part of a block that tells where a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Header {
    /// Hash of the block.
    pub hash: B256,
    /// Its number.
    #[serde(deserialize_with = "quantity")]
    pub number: u64,
}

fn quantity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    alloy_primitives::U64::deserialize(deserializer).map(|number| number.to())
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum WireStatus {
    Valid,
    Invalid,
    Syncing,
    Accepted,
    // Retired by Cancun, and an invalid payload all the same.
    InvalidBlockHash,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WirePayloadStatus {
    status: WireStatus,
    #[serde(default)]
    latest_valid_hash: Option<B256>,
    #[serde(default)]
    validation_error: Option<String>,
}

impl From<WirePayloadStatus> for PayloadStatus {
    fn from(wire: WirePayloadStatus) -> Self {
        match wire.status {
            WireStatus::Valid => Self::Valid,
            WireStatus::Syncing => Self::Syncing,
            WireStatus::Accepted => Self::Accepted,
            WireStatus::Invalid | WireStatus::InvalidBlockHash => Self::Invalid {
                latest_valid_hash: wire.latest_valid_hash,
                reason: shorten(&wire.validation_error.unwrap_or_default()),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireForkchoiceAnswer {
    payload_status: WirePayloadStatus,
    #[serde(default)]
    payload_id: Option<PayloadId>,
}

impl From<WireForkchoiceAnswer> for ForkchoiceAnswer {
    fn from(wire: WireForkchoiceAnswer) -> Self {
        Self { status: wire.payload_status.into(), payload_id: wire.payload_id }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireBuiltPayload {
    execution_payload: ExecutionPayloadV3,
    #[serde(default)]
    execution_requests: Option<Vec<Bytes>>,
    #[serde(default)]
    block_value: U256,
    #[serde(default)]
    blobs_bundle: Option<WireBlobs>,
}

#[derive(Deserialize)]
struct WireBlobs {
    #[serde(default)]
    commitments: Vec<serde::de::IgnoredAny>,
}

impl WireBuiltPayload {
    /// Number of blobs that the payload's transactions carry.
    pub(crate) fn blobs(&self) -> usize {
        self.blobs_bundle.as_ref().map_or(0, |bundle| bundle.commitments.len())
    }
}

impl From<WireBuiltPayload> for BuiltPayload {
    fn from(wire: WireBuiltPayload) -> Self {
        Self {
            payload: wire.execution_payload,
            execution_requests: wire.execution_requests.unwrap_or_default(),
            block_value: wire.block_value,
        }
    }
}
