//! Votes that the fixtures' maker leaves in the store when it builds a block.
//!
//! It does so in a copy of the store: advances it to the block's slot, gossips the votes that the block's author asked
//! for, aggregates, counts what is pending, and builds. The proofs that the copy counts then are kept. This repeats it
//! from the block alone: what its body carries and nothing at hand covers was asked for.
//!
//! Votes that were asked for and did not fit the block are in no part of the file but the roots of their data, in the
//! snapshots. Such a case cannot be passed from what it states; [`with_unstated`] shows that nothing else is amiss.

use std::sync::Arc;

use lathe_forkchoice::{PayloadView, Store, ValidatorSet};
use lathe_types::{
    AggregatedAttestation, AggregationBits, AttestationData, Block, Checkpoint, Interval, Participation,
    RejectionReason, Root, SingleMessageAggregate, Slot, TreeHash,
};

use super::proofs;
use super::session::tick;
use super::snapshot::ProofCoverage;

/// Votes tried for one data root at most; the chains in fixtures are short.
const MAX_SEARCH: usize = 2_000_000;

/// Puts into the counted pool what building `block` leaves there.
pub(super) fn insert(store: &mut Store, block: &Block) {
    let mut copy = store.clone();
    tick(&mut copy, Interval::from_slot(block.slot), true);
    for attestation in &block.body.attestations {
        gossip_what_is_missing(&mut copy, attestation);
    }
    copy.aggregate(&mut proofs::mock_aggregate);
    copy.accept_new_attestations();
    let counted: Vec<(AttestationData, Arc<SingleMessageAggregate>)> = copy
        .latest_known_aggregated_payloads()
        .iter()
        .flat_map(|(_, data, proofs)| proofs.iter().map(move |proof| (data, proof.clone())))
        .collect();
    for (data, proof) in counted {
        store.insert_known_aggregate(data, proof);
    }
}

/// Gossips the votes of those whom no proof and no signature covers.
fn gossip_what_is_missing(store: &mut Store, attestation: &AggregatedAttestation) {
    let data = attestation.data;
    let data_root = data.tree_hash_root();
    let covered_by = |pool: PayloadView<'_>| ValidatorSet::covered_by(pool.proofs(&data_root));
    let mut missing = ValidatorSet::of(&attestation.aggregation_bits);
    missing.subtract(&covered_by(store.latest_new_aggregated_payloads()));
    missing.subtract(&covered_by(store.latest_known_aggregated_payloads()));
    if let Some((_, signers)) = store.attestation_signatures().get(&data_root) {
        missing.subtract(&signers.iter().copied().collect());
    }
    for voter in missing.iter() {
        let signature = proofs::placeholder_signature();
        match store.on_gossip_attestation(voter, &data, signature, true) {
            // The fixtures were made when such votes were still taken in.
            Err(refusal) if refusal.reason == RejectionReason::HeadNotDescendantOfFinalized => {
                return insert_known(store, data, &missing);
            }
            // What the store refuses otherwise was never gossiped.
            Ok(()) | Err(_) => {}
        }
    }
}

/// The store after `block` with the votes that only the snapshot tells of, if all of them are votes that the store's
/// blocks admit; `None` if there are none.
pub(super) fn with_unstated(store: &Store, block: &Block, counted: &[ProofCoverage]) -> Option<Store> {
    let mut with = store.clone();
    let is_known = |root: &Root| {
        let pools = [store.latest_known_aggregated_payloads(), store.latest_new_aggregated_payloads()];
        pools.into_iter().flat_map(PayloadView::iter).any(|(known, ..)| known == *root)
    };
    let mut added = false;
    for ProofCoverage { data_root, participant_sets } in counted {
        if is_known(data_root) || participant_sets.is_empty() {
            continue;
        }
        let data = find_data(store, block, data_root)?;
        for participants in participant_sets {
            insert_known(&mut with, data, &participants.iter().copied().collect());
        }
        added = true;
    }
    with.update_head();
    added.then_some(with)
}

fn insert_known(store: &mut Store, data: AttestationData, voters: &ValidatorSet) {
    if let Some(participants) = AggregationBits::from_indices(voters.iter()) {
        let proof = proofs::mock_proof(&data.tree_hash_root(), voters);
        store.insert_known_aggregate(data, Arc::new(proofs::single(participants, proof)));
    }
}

/// The vote with that data root: its slot is at most the block's, its checkpoints are known blocks or what the parent's
/// state has justified. Votes whose head is their target come first.
fn find_data(store: &Store, block: &Block, data_root: &Root) -> Option<AttestationData> {
    let blocks: Vec<Checkpoint> =
        store.blocks().map(|block| Checkpoint { root: block.root, slot: block.slot }).collect();
    let mut sources: Vec<Checkpoint> =
        store.state(&block.parent_root).map(|state| state.latest_justified).into_iter().collect();
    sources.extend(&blocks);
    let slots = || (0..=block.slot.0).rev().map(Slot);
    let links = || sources.iter().flat_map(|source| blocks.iter().map(move |target| (*source, *target)));
    let direct = links().map(|(source, target)| (source, target, target));
    let distant = links().flat_map(|(source, target)| blocks.iter().map(move |head| (source, target, *head)));
    direct
        .chain(distant)
        .flat_map(|(source, target, head)| {
            slots().map(move |slot| AttestationData { slot, head, target, source })
        })
        .take(MAX_SEARCH)
        .find(|data| data.tree_hash_root() == *data_root)
}
