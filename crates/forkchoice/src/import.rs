//! Taking in what was checked and verified: votes, aggregates, blocks.

use std::sync::Arc;

use lathe_types::{
    AttestationData, Block, BlockHeader, Checkpoint, Rejection, RejectionReason, Root, Signature,
    SignedAggregatedAttestation, SingleMessageAggregate, Slot, State, TreeHash, ValidatorIndex,
};

use crate::coverage::ValidatorSet;
use crate::payload::Payload;
use crate::store::Store;
use crate::votes::Vote;

impl Store {
    /// Takes in a single vote whose signature was verified. Only an aggregator keeps it.
    pub fn on_gossip_attestation(
        &mut self,
        validator: ValidatorIndex,
        data: &AttestationData,
        signature: Signature,
        is_aggregator: bool,
    ) -> Result<(), Rejection> {
        // The chain may have moved while the signature was being verified.
        self.validate_attestation(data)?;
        self.attestation_key(data, validator)?;
        if is_aggregator {
            self.attestation_signatures.insert(*data, validator, signature);
        }
        Ok(())
    }

    /// Takes an aggregate whose proof was verified into the pending pool.
    pub fn on_gossip_aggregated_attestation(
        &mut self,
        aggregate: &SignedAggregatedAttestation,
    ) -> Result<(), Rejection> {
        self.check_aggregated_attestation(aggregate)?;
        self.latest_new_aggregated_payloads.insert(aggregate.data, Arc::new(aggregate.proof.clone()));
        Ok(())
    }

    /// Adds proofs to the counted pool without asking what they vote for; for replaying a recorded history.
    pub fn insert_known_aggregate(&mut self, data: AttestationData, proof: Arc<SingleMessageAggregate>) {
        self.latest_known_aggregated_payloads.insert(data, proof);
    }

    /// Takes in a block that passed [`Store::check_block`], whose proof was verified and whose post-state is
    /// `post_state`; returns its root. A block that is known changes nothing.
    pub fn on_block(&mut self, block: &Block, post_state: Arc<State>) -> Result<Root, Rejection> {
        // The state after a block holds its header, all but the state root.
        let header = BlockHeader { state_root: block.state_root, ..post_state.latest_block_header.clone() };
        let root = header.tree_hash_root();
        if self.contains(&root) {
            return Ok(root);
        }
        if self.state(&block.parent_root).is_none() {
            return Err(Rejection::new(
                RejectionReason::UnknownParentBlock,
                format!("parent {}", block.parent_root),
            ));
        }
        let previous_finalized_slot = self.latest_finalized.slot;

        // Justification only moves forward; of two candidates for one slot the first stays.
        let candidate = post_state.latest_justified;
        let node = Checkpoint { root, slot: block.slot };
        let payload = Payload::unjudged(&post_state);
        self.tree.insert(node, block.parent_root, block.proposer_index, Some(post_state), payload);
        if candidate.slot > self.latest_justified.slot && self.contains(&candidate.root) {
            self.latest_justified = candidate;
        }

        // The block's votes enter the counted pool without proofs, so without weight: the merged proof is not split
        // here, and single proofs arrive by gossip.
        for attestation in &block.body.attestations {
            self.latest_known_aggregated_payloads.seed(attestation.data);
        }

        self.update_head();
        if self.latest_finalized.slot > previous_finalized_slot {
            self.prune_stale_attestation_data();
        }
        Ok(root)
    }

    /// Drops votes that cannot influence fork choice any more: those whose head is not a true descendant of the
    /// finalized block.
    pub(crate) fn prune_stale_attestation_data(&mut self) {
        let (tree, finalized) = (&self.tree, self.latest_finalized);
        let lives =
            |head: Checkpoint| head.slot > finalized.slot && tree.checkpoint_is_ancestor(finalized, head);
        self.attestation_signatures.retain(|_, data| lives(data.head));
        let keep = |vote: &Vote| lives(vote.head);
        self.latest_new_aggregated_payloads.retain(keep);
        self.latest_known_aggregated_payloads.retain(keep);
        self.latest_known_aggregated_payloads.refresh(finalized.slot);
    }

    /// The votes of a block that are worth taking out of its proof, in body order: their target is not justified yet,
    /// and they name a voter whom no pending proof of the same data covers.
    pub fn votes_worth_splitting(&self, block: &Block) -> Vec<AttestationData> {
        let justified_slot: Slot = self.latest_justified.slot;
        let adds_voters = |data: &AttestationData, voters: ValidatorSet| {
            let pending = self.latest_new_aggregated_payloads.proofs(&data.tree_hash_root());
            !voters.is_subset_of(&ValidatorSet::covered_by(pending))
        };
        block
            .body
            .attestations
            .iter()
            .filter(|attestation| attestation.data.target.slot > justified_slot)
            .filter(|attestation| {
                adds_voters(&attestation.data, ValidatorSet::of(&attestation.aggregation_bits))
            })
            .map(|attestation| attestation.data)
            .collect()
    }
}
