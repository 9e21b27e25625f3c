//! The Engine API client: how a node talks to the execution client beside it.
//!
//! It is a driver that knows no actor: calls with a time limit each, answers of bounded size, errors with a name. What
//! the execution client's answers mean for a chain is decided elsewhere; [`Health`] decides when it is worth asking.
//! Facts: the Engine API of `ethereum/execution-apis` from Cancun to Osaka.

mod answer;
mod capabilities;
mod client;
pub mod dev;
mod error;
mod fork;
mod health;
mod jwt;
mod transport;

pub use answer::{BuiltPayload, ClientVersion, ForkchoiceAnswer, Header, PayloadStatus};
pub use capabilities::Capabilities;
pub use client::{EngineClient, Limits, NewPayload, Peer, Question, read_answer};
pub use error::{ExecutionError, Fault};
pub use fork::Fork;
pub use health::{Condition, Health};
pub use jwt::{JwtSecret, SecretError};
pub use transport::Endpoint;

/// The payload, layer by layer, as the Engine API writes it.
pub mod wire {
    pub use alloy_primitives::Bloom;
    pub use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3};
}

pub use alloy_primitives::{Address, B256, Bytes};
pub use alloy_rpc_types_engine::{ExecutionPayloadV3, ForkchoiceState, PayloadAttributes, PayloadId};
