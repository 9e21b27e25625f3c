//! Misbehaviour, as a proxy between an honest engine and the network: the engine itself never lies.

use std::sync::Arc;

use lathe_driver::{Task, perform};
use lathe_engine::{Input, JobId, KeyRole, Millis, PrepareRequest, PreparedBlock, Publication, VoteEvidence};
use lathe_forkchoice::attach_payload;
use lathe_types::{
    AttestationData, Checkpoint, Root, SignedAttestation, SignedBlock, Slot, Status, TreeHash,
};

use crate::keys;
use crate::machine::Machine;

/// What an equivocator tells the other half of the network instead of `publication`; `None` if it has nothing better.
pub(crate) fn contradiction(seed: u64, publication: &Publication, node: &Machine) -> Option<Publication> {
    match publication {
        Publication::Attestation { attestation, subnet } => {
            let data = AttestationData { head: attestation.data.target, ..attestation.data };
            if data == attestation.data {
                return None;
            }
            let key = keys::public_key(seed, attestation.validator_index, KeyRole::Attestation);
            let signature = keys::sign(&key, data.slot, &data.tree_hash_root());
            let attestation = SignedAttestation { data, signature, ..attestation.clone() };
            Some(Publication::Attestation { attestation, subnet: *subnet })
        }
        Publication::Block(block) => other_block(seed, block, node, 0),
        Publication::Aggregate(_) => None,
    }
}

/// Every other block for its slot that can be made of the first votes in `publication`.
pub(crate) fn variants(seed: u64, publication: &Publication, node: &Machine) -> Vec<Publication> {
    let Publication::Block(block) = publication else { return Vec::new() };
    let votes = block.block.body.attestations.len();
    (0..votes).filter_map(|votes| other_block(seed, block, node, votes)).collect()
}

/// The same parent and slot, but with the first votes alone.
fn other_block(seed: u64, block: &SignedBlock, node: &Machine, votes: usize) -> Option<Publication> {
    let prepared = node.prepared.as_ref()?;
    let parent_state = &prepared.parent_state;
    let votes = prepared.block.body.attestations.iter().zip(&prepared.components).take(votes);
    let candidates = votes.map_while(|(vote, shown)| match shown {
        VoteEvidence::Proof(proof) => Some((vote.data, vec![Arc::new(proof.clone())])),
        VoteEvidence::Signatures(_) => None,
    });
    let candidates: Vec<_> = candidates.collect();
    let request = PrepareRequest {
        slot: block.block.slot,
        proposer_index: block.block.proposer_index,
        parent_root: block.block.parent_root,
        parent_state: parent_state.clone(),
        known_block_roots: candidates.iter().map(|(data, _)| data.head.root).collect(),
        candidates,
        singles: Vec::new(),
        merge_within_ms: u64::MAX,
    };
    let prepare = Task::Prepare(Arc::new(request), Millis(i64::MAX));
    let Input::Prepared { mut prepared, .. } = perform(&node.kit, JobId(0), &prepare).answer else {
        return None;
    };
    if let Some(execution) = &block.block.body.execution {
        let (block, post_state) =
            attach_payload(parent_state, prepared.block.clone(), execution.clone()).ok()?;
        let (root, post_state) = (block.tree_hash_root(), Arc::new(post_state));
        prepared = Arc::new(PreparedBlock { root, block, post_state, ..(*prepared).clone() });
    }
    if prepared.block == block.block {
        return None;
    }
    let key = keys::public_key(seed, block.block.proposer_index, KeyRole::Proposal);
    let signature = keys::sign(&key, prepared.block.slot, &prepared.root);
    let seal = Task::Seal(prepared.clone(), signature);
    let Input::Sealed { proof, .. } = perform(&node.kit, JobId(0), &seal).answer else { return None };
    Some(Publication::Block(Arc::new(SignedBlock { block: prepared.block.clone(), proof })))
}

/// The status of a liar: a head that nobody has, as new as the clock allows.
pub(crate) fn false_status(clock: Slot, honest: Status) -> Status {
    Status { head: Checkpoint { root: Root::repeat_byte(0xbb), slot: clock.max(honest.head.slot) }, ..honest }
}
