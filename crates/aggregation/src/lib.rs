//! Proofs that many validators signed: one trait over proof systems, and the backend that carries raw signatures and,
//! on networks that want it, proves them when they do not fit.
//!
//! A proof never says what was signed, at which slot, or by whose key: the caller takes all of that from the vote or
//! from the block, and the proof only has to hold for it. Every function is synchronous and meant for a worker. Bytes
//! from outside end in a typed [`AggregationError`], never in a panic; structure is checked before any cryptography.

mod backend;
mod block;
mod budget;
mod container;
mod error;
mod part;
mod reader;
mod signatures;
mod signers;
mod stark;
mod verifier;

#[cfg(test)]
mod tests;

pub use backend::{
    Backend, Cancellation, Capabilities, Component, ComponentSize, Evidence, Message, ProofKind,
    ProofRequest, Prover, Registry, Room, Statement, participants_of, position_of,
};
pub use block::{Verdict, block_statements, seal_block, split_votes, verify_block, verify_vote};
pub use budget::{MAX_BLOCK_VOTES, MAX_SINGLE_SIGNATURES, RawBudget};
pub use container::{FORMAT_VERSION, MAX_COMPONENTS, MAX_PARTS, is_foreign};
pub use error::AggregationError;
pub use lathe_stark::{Error as ProofError, Statement as ProofStatement};
pub use signatures::{RAW_BACKEND_ID, RawBackend, STARK_BACKEND_ID, SignatureBackend};
pub use stark::ProofSystem;
pub use verifier::{Leansig, SchemeVerifier, SignatureCheck, Verifier, XmssBlake2s};

pub use lathe_types::KeyRole;
