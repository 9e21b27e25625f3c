//! What can go wrong between the two clients, and what each failure says about the other side.

use std::time::Duration;

/// The Engine API's "unknown payload".
const UNKNOWN_PAYLOAD: i64 = -38001;
/// EthereumJS's.
const UNKNOWN_PAYLOAD_ETHEREUMJS: i64 = -32001;

/// A call that brought no answer to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionError {
    /// The endpoint is not one that can be called.
    #[error("{endpoint}: {detail}; write it as http://127.0.0.1:8551")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// No answer in time.
    #[error("{method}: no answer within {} ms", limit.as_millis())]
    Timeout {
        /// What was called.
        method: &'static str,
        /// The time it had.
        limit: Duration,
    },
    /// There is no connection, or it broke.
    #[error("{method}: not reachable: {detail}")]
    Unreachable {
        /// What was called.
        method: &'static str,
        /// What the transport said.
        detail: String,
    },
    /// The execution client does not accept our tokens.
    #[error("{method}: the execution client refuses our JWT; both need the same secret and the same time")]
    Unauthorised {
        /// What was called.
        method: &'static str,
    },
    /// Another status than success.
    #[error("{method}: HTTP status {status}")]
    Http {
        /// What was called.
        method: &'static str,
        /// The status.
        status: u16,
    },
    /// The answer is longer than any honest one.
    #[error("{method}: the answer is longer than {limit} bytes")]
    TooLarge {
        /// What was called.
        method: &'static str,
        /// Bytes allowed.
        limit: usize,
    },
    /// The answer does not mean anything.
    #[error("{method}: the answer does not parse: {detail}")]
    Malformed {
        /// What was called.
        method: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The execution client answered with an error of its own.
    #[error("{method}: error {code}: {message}")]
    Rpc {
        /// What was called.
        method: &'static str,
        /// JSON-RPC's or the Engine API's code.
        code: i64,
        /// Its words, shortened.
        message: String,
    },
    /// It offers no method that serves the payload's fork.
    #[error("{what}: the execution client offers no version for this fork (tried {tried:?})")]
    UnsupportedFork {
        /// The call, without its version.
        what: &'static str,
        /// The forks that were tried.
        tried: Vec<crate::Fork>,
    },
    /// It lacks a method that no pair can do without.
    #[error("the execution client does not offer {0}")]
    MissingCapability(&'static str),
    /// It runs another chain.
    #[error("the execution client's genesis block is {found}, the network's is {expected}")]
    GenesisMismatch {
        /// What the network agreed on.
        expected: alloy_primitives::B256,
        /// What the execution client says.
        found: alloy_primitives::B256,
    },
    /// It built a payload with blobs, for which a Lean block has no place.
    #[error("the payload carries {0} blobs, for which a Lean block has no place")]
    Blobs(usize),
}

/// What a failure says of the execution client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Nobody is there.
    Unreachable,
    /// It accepts calls and does not answer.
    Timeout,
    /// It answers with nonsense or with a status of the server.
    Broken,
    /// It does not trust us.
    Unauthorised,
    /// It is the wrong one: another chain, or one that lacks a method.
    Unsuitable,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 5] =
        [Self::Unreachable, Self::Timeout, Self::Broken, Self::Unauthorised, Self::Unsuitable];

    /// A word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Unauthorised => "unauthorised",
            Self::Unsuitable => "unsuitable",
        }
    }
}

impl ExecutionError {
    /// The fault that this shows; `None` if the execution client is well and only said no.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Unreachable { .. } | Self::Endpoint { .. } => Some(Fault::Unreachable),
            Self::Timeout { .. } => Some(Fault::Timeout),
            Self::Http { .. } | Self::TooLarge { .. } | Self::Malformed { .. } => Some(Fault::Broken),
            Self::Unauthorised { .. } => Some(Fault::Unauthorised),
            Self::MissingCapability(_) | Self::GenesisMismatch { .. } => Some(Fault::Unsuitable),
            Self::Rpc { .. } | Self::UnsupportedFork { .. } | Self::Blobs(_) => None,
        }
    }

    /// Whether this says that the client knows nothing of the payload that was to be fetched. One client has a code of
    /// its own for it.
    pub fn is_unknown_payload(&self) -> bool {
        matches!(self, Self::Rpc { code: UNKNOWN_PAYLOAD | UNKNOWN_PAYLOAD_ETHEREUMJS, .. })
    }

    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http_status",
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } => "malformed",
            Self::Rpc { .. } => "rpc_error",
            Self::UnsupportedFork { .. } => "unsupported_fork",
            Self::MissingCapability(_) => "missing_capability",
            Self::GenesisMismatch { .. } => "genesis_mismatch",
            Self::Blobs(_) => "blobs",
            Self::Endpoint { .. }
            | Self::Timeout { .. }
            | Self::Unreachable { .. }
            | Self::Unauthorised { .. } => self.fault().map_or("error", Fault::name),
        }
    }
}
