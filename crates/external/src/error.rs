//! Why an external library cannot be used.

use std::io;
use std::path::PathBuf;

use lathe_types::SignatureScheme;

/// Everything that can go wrong between the node, the worker process and the library, beside the proofs themselves.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// The path leads nowhere.
    #[error("{}: there is no such library: {source}", path.display())]
    NoLibrary {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The library cannot be loaded, or lacks a function.
    #[error("the library cannot be loaded: {0}")]
    Load(#[from] libloading::Error),
    /// It was built for another version of the interface.
    #[error(
        "the library has version {found} of the interface, this program version {expected}; build it with this program's lathe_aggregation.h"
    )]
    Version {
        /// Ours.
        expected: u32,
        /// The library's.
        found: u32,
    },
    /// A program speaks another version of the worker protocol.
    #[error(
        "the worker speaks version {found} of the worker protocol, this program version {expected}: take the worker that belongs to this program"
    )]
    ProtocolVersion {
        /// Ours.
        expected: u32,
        /// The worker's.
        found: u32,
    },
    /// It is about other signatures than the network's.
    #[error(
        "its keys have {key} bytes and its signatures {signature}, which is not the scheme {scheme} of this network"
    )]
    OtherScheme {
        /// The network's.
        scheme: SignatureScheme,
        /// Bytes of its keys.
        key: usize,
        /// Bytes of its signatures.
        signature: usize,
    },
    /// Its capabilities are not what they may be.
    #[error("the library says of itself that its {0}")]
    Capabilities(&'static str),
    /// What it returned cannot be what it means.
    #[error("the library returned {0}")]
    Garbage(String),
    /// It does not set itself up, or says that it failed.
    #[error("the library failed: {0}")]
    Failed(String),
    /// What was read from the other process is not a message.
    #[error("not a message: {0}")]
    Message(String),
    /// Talking to the other process failed.
    #[error(transparent)]
    Codec(#[from] lathe_aggregation_abi::CodecError),
    /// The other process has gone.
    #[error("the other process has gone")]
    Closed,
    /// The other process does not answer.
    #[error("the other process does not answer in time")]
    TimedOut,
    /// Nobody is free to do it.
    #[error("{0}")]
    Unready(&'static str),
    /// Nobody wants the answer any more.
    #[error("cancelled")]
    Cancelled,
    /// The worker did not come up.
    #[error("the aggregation worker does not start: {0}")]
    NotStarted(String),
}

impl ExternalError {
    /// For `map_err`: what was tried when the system refused.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
