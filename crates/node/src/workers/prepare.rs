//! Building a block with the backend in force.

use std::sync::Arc;

use lathe_aggregation::Message;
use lathe_engine::{PrepareRequest, PreparedBlock};
use lathe_forkchoice::{BlockInputs, ProofWork, Room, build_block};
use lathe_types::{
    AggregationBits, AttestationData, Rejection, SingleMessageAggregate, TreeHash, Validators,
};
use tracing::warn;

use super::Shared;

pub(super) fn prepare(shared: &Shared, request: &PrepareRequest) -> Result<PreparedBlock, Rejection> {
    let inputs = BlockInputs {
        slot: request.slot,
        proposer_index: request.proposer_index,
        parent_root: request.parent_root,
        parent_state: &request.parent_state,
        known_block_roots: &request.known_block_roots,
        candidates: &request.candidates,
    };
    let mut work = BackendWork { shared, registry: &request.parent_state.validators };
    let built = build_block(inputs, &mut work)?;
    if built.failures > 0 {
        warn!(
            slot = request.slot.0,
            failures = built.failures,
            "some votes could not be merged into the block"
        );
    }
    // Every data of the body, and the proposer.
    let merge = shared.backend.estimate_merge(built.components.len() + 1);
    Ok(PreparedBlock {
        block: built.block,
        root: built.root,
        parent_state: request.parent_state.clone(),
        post_state: built.post_state.into(),
        components: built.components,
        merge_ms: shared.time.chain_ms(merge),
    })
}

struct BackendWork<'a> {
    shared: &'a Shared,
    registry: &'a Validators,
}

impl ProofWork for BackendWork<'_> {
    fn vote_budget(&self) -> usize {
        self.shared.backend.capabilities().max_block_votes
    }

    fn whole_beyond(&self) -> usize {
        self.shared.backend.capabilities().prove_beyond.unwrap_or(usize::MAX)
    }

    fn room(&self, proof: &SingleMessageAggregate) -> Room {
        match self.shared.backend.room(proof) {
            lathe_aggregation::Room::PerSigner => Room::PerVoter,
            lathe_aggregation::Room::Whole { content, votes } => Room::Whole { content, votes },
        }
    }

    fn merge(
        &mut self,
        data: &AttestationData,
        proofs: &[Arc<SingleMessageAggregate>],
    ) -> Option<SingleMessageAggregate> {
        let children: Vec<_> = proofs.iter().map(|proof| &**proof).collect();
        let message = Message { root: data.tree_hash_root(), slot: data.slot };
        let merged =
            self.shared.backend.aggregate(self.registry, &children, &[], message, &self.shared.cancellation);
        merged.inspect_err(|error| warn!(%error, "proofs of one vote do not merge")).ok()
    }

    fn trim(
        &mut self,
        _: &AttestationData,
        proof: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Option<SingleMessageAggregate> {
        let trimmed = self.shared.backend.trim(self.registry, proof, keep);
        trimmed.inspect_err(|error| warn!(%error, "a proof cannot be trimmed")).ok()
    }
}
