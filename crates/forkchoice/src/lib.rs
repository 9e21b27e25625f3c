//! Fork choice of Lean Ethereum: the specification's store, for deciding which block is the head and what to vote for.
//!
//! [`Store`] follows leanSpec `spec/forks/lstar/` (`fork_choice.py`, `timeline.py`, `aggregation.py`,
//! `validator_duties.py`) under its names; [`build_block`] follows `block_production.py`. There is no cryptography and
//! no clock inside: whoever calls verifies, proves and tells the time. So every entry point comes in two halves, a
//! check that says what to verify with ([`Store::check_block`], [`Store::check_attestation`],
//! [`Store::check_aggregated_attestation`]) and the import of what was verified ([`Store::on_block`],
//! [`Store::on_gossip_attestation`], [`Store::on_gossip_aggregated_attestation`]).
//!
//! Input that breaks a rule ends in a [`Rejection`](lathe_types::Rejection) with the specification's reason and changes
//! nothing. Whatever is derived from votes is a function of the store's content, never of the order in which it
//! arrived. Pools are bounded; a full pool lets go of proofs, not of votes that count.

mod aggregation;
mod block_budget;
mod block_production;
mod coverage;
mod duties;
mod execution;
mod head;
mod import;
mod payload;
mod pool;
mod pruning;
mod signatures;
mod store;
mod timeline;
mod tree;
mod validation;
mod votes;

pub use aggregation::{AggregationJob, Prove};
pub use block_production::{
    BlockInputs, BuiltBlock, DataLimit, ProofWork, Room, Worth, attach_payload, build_block,
};
pub use coverage::{Selection, ValidatorSet, select_proofs_for_coverage};
pub use execution::{ExecutionHashes, Invalidated};
pub use payload::{Payload, PayloadStatus};
pub use pool::{MAX_KNOWN_DATA, MAX_NEW_DATA, MAX_POOL_BYTES, MAX_PROOFS_PER_DATA};
pub use pruning::{KEPT_ANCESTOR_SLOTS, Pruned};
pub use signatures::MAX_ATTESTATION_SIGNATURES;
pub use store::{BlockInfo, PayloadView, PoolSizes, Store};
pub use validation::BlockCheck;

#[cfg(test)]
mod tests;
