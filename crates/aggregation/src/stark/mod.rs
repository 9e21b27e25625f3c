//! Proofs in place of signatures, for blocks that have no room for the signatures: what to prove, what it costs, and
//! how a proof is checked.

mod cost;
mod plan;
mod prover;
pub(crate) mod statement;
mod system;

use std::sync::Arc;

use crate::budget::RawBudget;
use cost::Cost;
pub use system::ProofSystem;
pub(crate) use system::Stark;

/// What a backend with proofs knows beside one without.
#[derive(Debug)]
pub(crate) struct Proofs {
    /// Bytes that a block's proof may have before proofs take the place of signatures.
    max_raw_bytes: usize,
    cost: Cost,
    pub(crate) system: Arc<dyn ProofSystem>,
}

impl Proofs {
    pub(crate) fn new(system: Arc<dyn ProofSystem>, max_raw_bytes: usize) -> Self {
        Self { max_raw_bytes, cost: Cost::default(), system }
    }

    /// Votes that a block should carry raw at most.
    pub(crate) fn raw_votes(&self, budget: RawBudget) -> usize {
        budget.block_votes_in(self.max_raw_bytes)
    }
}
