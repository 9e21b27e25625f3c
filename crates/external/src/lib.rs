//! A proof system that is built by somebody else: loaded from a shared library into processes of its own, so that a
//! crash, a hang or a leak of it costs one operation and never the node.
//!
//! `include/lathe_aggregation.h` is the interface that a library implements, and `docs/external_backend.md` the guide.
//! Bytes of proofs pass through untouched. Whatever comes back is checked here: sizes before anything is allocated, and
//! every new proof by the process that verifies before anybody else sees it.
//!
//! ```text
//! ExternalBackend -- Supervised (verify) -- socket -- process `aggregation-worker` -- library
//!                 \- Supervised (prove)  -- socket -- process `aggregation-worker` -- library
//! ```
//!
//! At least two processes, because a merge takes seconds, and gossip is verified meanwhile. A library that gains by it
//! gets more that prove.

mod backend;
mod claims;
mod connection;
mod error;
mod estimates;
mod isolation;
mod keys;
mod library;
mod provers;
mod supervised;
mod target;
mod worker;

pub use backend::{ExternalBackend, Options};
pub use error::ExternalError;
pub use keys::{KeyWorker, lean_pq_worker};
pub use lathe_aggregation_abi::Purpose;
pub use supervised::{Incident, IncidentKind};
pub use target::Target;
pub use worker::{WORKER_COMMAND, run};
