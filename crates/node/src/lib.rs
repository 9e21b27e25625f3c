//! A whole node: the engine, its drivers, and the actors that carry messages between them.
//!
//! Each actor is a folder: `mod.rs` says what it is for and how it fails, `mailbox.rs` what it can be told, `actor.rs`
//! is its loop, and `state.rs` what can be tested without one. This is the only crate that knows all the others.
//! Nothing here is global, so several nodes can live in one process.

mod backend;
mod backfill;
mod chain;
mod check;
mod checkpoint;
mod clock;
mod description;
mod error;
mod execution;
mod http;
pub mod metrics;
mod network;
mod node;
mod opening;
mod options;
mod signer;
mod sparing;
mod store;
mod workers;

pub use backend::{AggregationBackend, KeyService};
pub use check::{BackendReport, Measured, check_backend};
pub use error::NodeError;
pub use execution::{Endpoint, ExecutionOptions, JwtSecret, genesis_block_hash};
pub use http::api_at_rest;
pub use lathe_checkpoint::{Proxy as CheckpointProxy, Server as CheckpointServer};
pub use lathe_http::{LogSwitch, MIN_TOKEN_LEN, Token};
pub use node::{Node, Stopped, Stopper};
pub use opening::{CHAIN_DIR, network_of};
pub use options::{HttpOptions, NodeOptions, ProcessOptions, RemoteOptions, SignerToken};
