//! A small world to test in: blocks that are valid by the transition, votes with made-up proofs.

mod aggregation;
mod block_budget;
mod block_production;
mod duties;
mod execution;
mod head;
mod pools;
mod pruning;
mod timeline;
mod tree;
mod validation;

use std::sync::Arc;

use lathe_transition::{generate_genesis, genesis_block, process_block, process_slots, state_root};
use lathe_types::{
    AggregatedAttestation, AggregationBits, AttestationData, Block, BlockBody, Checkpoint, Decode, Genesis,
    Interval, MultiMessageAggregate, Participation, Rejection, RejectionReason, Root, Signature,
    SignatureShape, SignedAggregatedAttestation, SignedBlock, SingleMessageAggregate, Slot, State, TreeHash,
    Validator, ValidatorIndex, Validators,
};

use crate::{Store, ValidatorSet};

/// A store at genesis with `validators` validators.
fn genesis(validators: u64) -> Store {
    genesis_of(validators, None)
}

/// The same, paired with the execution layer of that genesis.
fn genesis_of(validators: u64, execution_genesis: Option<Root>) -> Store {
    let registry =
        (0..validators).map(|index| Validator { index: ValidatorIndex(index), ..Validator::default() });
    let validators = Validators::try_from_iter(registry).unwrap();
    let state = generate_genesis(&Genesis {
        genesis_time: 0,
        validators,
        execution_genesis,
        signature_scheme: Default::default(),
    });
    let block = genesis_block(&state);
    Store::create_store(Arc::new(state), &block).unwrap()
}

/// A valid block, with its post-state.
fn block_on(parent: &State, slot: u64, attestations: Vec<AggregatedAttestation>) -> (Block, State) {
    let mut state = parent.clone();
    process_slots(&mut state, Slot(slot)).unwrap();
    let proposer_index =
        ValidatorIndex::proposer_for_slot(Slot(slot), state.validators.len() as u64).unwrap();
    let parent_root = state.latest_block_header.tree_hash_root();
    let body = BlockBody { attestations: attestations.try_into().unwrap(), execution: None };
    let mut block = Block { slot: Slot(slot), proposer_index, parent_root, state_root: Root::ZERO, body };
    process_block(&mut state, &block).unwrap();
    block.state_root = state_root(&state);
    (block, state)
}

/// Imports a valid block on `parent`, whatever the time.
fn import(
    store: &mut Store,
    parent: Checkpoint,
    slot: u64,
    attestations: Vec<AggregatedAttestation>,
) -> Checkpoint {
    let (block, state) = block_on(store.state(&parent.root).unwrap(), slot, attestations);
    let root = store.on_block(&block, Arc::new(state)).unwrap();
    assert_eq!(root, block.tree_hash_root());
    Checkpoint { root, slot: Slot(slot) }
}

/// Imports one block per slot of `slots`, each on the one before.
fn import_chain(
    store: &mut Store,
    parent: Checkpoint,
    slots: impl IntoIterator<Item = u64>,
) -> Vec<Checkpoint> {
    let mut tip = parent;
    slots
        .into_iter()
        .map(|slot| {
            tip = import(store, tip, slot, vec![]);
            tip
        })
        .collect()
}

/// The time is the first interval of `slot`.
fn at_slot(store: &mut Store, slot: u64) {
    store.time = Interval::from_slot(Slot(slot));
}

fn vote(slot: u64, source: Checkpoint, target: Checkpoint, head: Checkpoint) -> AttestationData {
    AttestationData { slot: Slot(slot), head, target, source }
}

fn bits(voters: impl IntoIterator<Item = u64>) -> AggregationBits {
    AggregationBits::from_indices(voters.into_iter().map(ValidatorIndex)).unwrap()
}

fn set(voters: impl IntoIterator<Item = u64>) -> ValidatorSet {
    voters.into_iter().map(ValidatorIndex).collect()
}

fn voters(set: &ValidatorSet) -> Vec<u64> {
    set.iter().map(|validator| validator.0).collect()
}

fn attestation(data: AttestationData, voters: impl IntoIterator<Item = u64>) -> AggregatedAttestation {
    AggregatedAttestation { aggregation_bits: bits(voters), data }
}

/// A made-up proof; `tag` tells apart those of the same voters.
fn proof(voters: impl IntoIterator<Item = u64>, tag: u8) -> Arc<SingleMessageAggregate> {
    Arc::new(SingleMessageAggregate { participants: bits(voters), proof: vec![tag].try_into().unwrap() })
}

/// Everybody's proofs, as lists of voters.
fn covered(proofs: &[Arc<SingleMessageAggregate>]) -> Vec<Vec<u64>> {
    proofs.iter().map(|proof| voters(&ValidatorSet::of(&proof.participants))).collect()
}

/// Takes an aggregate into the pending pool.
fn gossip(
    store: &mut Store,
    data: AttestationData,
    voters: impl IntoIterator<Item = u64>,
) -> Result<(), Rejection> {
    let proof = proof(voters, 1).as_ref().clone();
    store.on_gossip_aggregated_attestation(&SignedAggregatedAttestation { data, proof })
}

/// A well-formed signature of the test scheme; `tag` tells it from others.
fn signature(tag: u8) -> Signature {
    let shape = SignatureShape::TEST;
    let mut bytes = vec![0; shape.encoded_len()];
    let hashes_offset = 40 + 32 * shape.siblings() as u32;
    for (at, offset) in [(0, 36_u32), (32, hashes_offset), (36, 4)] {
        bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
    }
    bytes[4] = tag;
    Signature::from_ssz_bytes(&bytes).unwrap()
}

fn signed(block: Block) -> SignedBlock {
    SignedBlock { block, proof: MultiMessageAggregate::default() }
}

fn reason<T: std::fmt::Debug>(result: Result<T, Rejection>) -> RejectionReason {
    result.unwrap_err().reason
}

/// A reproducible source of arbitrary numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
