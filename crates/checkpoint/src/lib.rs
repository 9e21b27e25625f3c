//! Checkpoint sync: fetches a finalized state from a running node, so that a new one need not replay the chain.
//!
//! The servers that the operator names are trusted to tell which chain is final, and with nothing else: what they send
//! is bounded before it is read, must belong to this network and lie in its past, and must hang together. All servers
//! are asked, and what they call final must lie on one chain; the newest is taken. When none will do, the error says of
//! each what was wrong with it. Blocking: meant for the moments before a node starts.

mod error;
mod fetch;
mod proxy;
mod server;
mod verify;

pub use error::{Claim, Error, Refusal, UrlError};
pub use fetch::{CheckpointAnchor, Environment, Limits, MAX_BLOCK_BYTES, MAX_STATE_BYTES, fetch};
pub use proxy::Proxy;
pub use server::Server;
pub use verify::Network;
