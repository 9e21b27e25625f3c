//! Building a block with the backend in force.

use std::sync::Arc;

use lathe_aggregation::{AggregationError, Message};
use lathe_engine::{PrepareRequest, PreparedBlock};
use lathe_forkchoice::{BlockInputs, ProofWork, Room, build_block};
use lathe_types::{
    AggregationBits, AttestationData, Rejection, SingleMessageAggregate, TreeHash, Validators,
};

use crate::kit::Kit;
use crate::perform::Remark;

pub(crate) fn prepare(
    kit: &Kit,
    request: &PrepareRequest,
    remarks: &mut Vec<Remark>,
) -> Result<PreparedBlock, Rejection> {
    let inputs = BlockInputs {
        slot: request.slot,
        proposer_index: request.proposer_index,
        parent_root: request.parent_root,
        parent_state: &request.parent_state,
        known_block_roots: &request.known_block_roots,
        candidates: &request.candidates,
    };
    let mut work = BackendWork { kit, registry: &request.parent_state.validators, last_failure: None };
    let built = build_block(inputs, &mut work)?;
    if let Some(last) = work.last_failure {
        remarks.push(Remark::VotesLeftOut { slot: request.slot, failures: built.failures, last });
    }
    // Every data of the body, and the proposer.
    let merge = kit.backend.estimate_merge(built.components.len() + 1);
    Ok(PreparedBlock {
        block: built.block,
        root: built.root,
        parent_state: request.parent_state.clone(),
        post_state: built.post_state.into(),
        components: built.components,
        merge_ms: kit.chain_ms(merge),
    })
}

struct BackendWork<'a> {
    kit: &'a Kit,
    registry: &'a Validators,
    last_failure: Option<AggregationError>,
}

impl BackendWork<'_> {
    fn note<T>(&mut self, outcome: Result<T, AggregationError>) -> Option<T> {
        outcome.map_err(|error| self.last_failure = Some(error)).ok()
    }
}

impl ProofWork for BackendWork<'_> {
    fn vote_budget(&self) -> usize {
        self.kit.backend.capabilities().max_block_votes
    }

    fn whole_beyond(&self) -> usize {
        self.kit.backend.capabilities().prove_beyond.unwrap_or(usize::MAX)
    }

    fn room(&self, proof: &SingleMessageAggregate) -> Room {
        match self.kit.backend.room(proof) {
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
        let kit = self.kit;
        self.note(kit.backend.aggregate(self.registry, &children, &[], message, &kit.cancellation))
    }

    fn trim(
        &mut self,
        _: &AttestationData,
        proof: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Option<SingleMessageAggregate> {
        let kit = self.kit;
        self.note(kit.backend.trim(self.registry, proof, keep))
    }
}
