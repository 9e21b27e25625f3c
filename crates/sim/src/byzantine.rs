//! Misbehaviour, as a proxy between an honest engine and the network: the engine itself never lies.

use std::collections::HashSet;
use std::sync::Arc;

use lathe_engine::{KeyRole, PrepareRequest, PreparedBlock, Publication};
use lathe_forkchoice::attach_payload;
use lathe_types::{
    AttestationData, Checkpoint, Root, SignedAttestation, SignedBlock, Slot, Status, TreeHash,
};

use crate::crypto;
use crate::worker;

/// What an equivocator tells the other half of the network instead of `publication`; `None` if it has nothing better.
pub(crate) fn contradiction(
    seed: u64,
    publication: &Publication,
    prepared: Option<&Arc<PreparedBlock>>,
) -> Option<Publication> {
    match publication {
        Publication::Attestation { attestation, subnet } => {
            let data = AttestationData { head: attestation.data.target, ..attestation.data };
            if data == attestation.data {
                return None;
            }
            let key = crypto::public_key(seed, attestation.validator_index, KeyRole::Attestation);
            let signature = crypto::sign(&key, data.slot, &data.tree_hash_root());
            let attestation = SignedAttestation { data, signature, ..attestation.clone() };
            Some(Publication::Attestation { attestation, subnet: *subnet })
        }
        Publication::Block(block) => other_block(seed, block, prepared?),
        Publication::Aggregate(_) => None,
    }
}

/// The same parent and slot, but without votes.
fn other_block(seed: u64, block: &SignedBlock, prepared: &PreparedBlock) -> Option<Publication> {
    let request = PrepareRequest {
        slot: block.block.slot,
        proposer_index: block.block.proposer_index,
        parent_root: block.block.parent_root,
        parent_state: prepared.parent_state.clone(),
        known_block_roots: HashSet::new(),
        candidates: Vec::new(),
    };
    let mut other = worker::build(&request).ok()?;
    if let Some(execution) = &block.block.body.execution {
        let (block, post_state) =
            attach_payload(&prepared.parent_state, other.block, execution.clone()).ok()?;
        other =
            PreparedBlock { root: block.tree_hash_root(), block, post_state: Arc::new(post_state), ..other };
    }
    let other = Some(other).filter(|other| other.block != block.block)?;
    let key = crypto::public_key(seed, block.block.proposer_index, KeyRole::Proposal);
    let signature = crypto::sign(&key, other.block.slot, &other.root);
    let proof = crypto::seal(
        &prepared.parent_state,
        other.block.slot,
        &other.root,
        other.block.proposer_index,
        &other.components,
        &signature,
    )?;
    Some(Publication::Block(Arc::new(SignedBlock { block: other.block, proof })))
}

/// The status of a liar: a head that nobody has, as new as the clock allows.
pub(crate) fn false_status(clock: Slot, honest: Status) -> Status {
    Status { head: Checkpoint { root: Root::repeat_byte(0xbb), slot: clock.max(honest.head.slot) }, ..honest }
}
