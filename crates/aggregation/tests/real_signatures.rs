//! The raw backend over real XMSS keys, from votes to a block and back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use lathe_aggregation::{
    Backend, Cancellation, Evidence, Leansig, Message, RawBackend, Verifier as _, seal_block, split_votes,
    verify_block,
};
use lathe_leansig::{Prod, Scheme, SecretKey, Test};
use lathe_types::{
    AggregatedAttestation, AttestationData, Block, BlockBody, Checkpoint, Decode, PublicKey, RejectionReason,
    Root, Signature, SignedBlock, Slot, TreeHash, Validator, ValidatorIndex, Validators,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Slots that the keys cover.
const SLOTS: u64 = 4;
const VALIDATORS: u64 = 3;

struct World<S: Scheme> {
    attestation: Vec<SecretKey<S>>,
    proposal: Vec<SecretKey<S>>,
    registry: Validators,
    backend: RawBackend<Leansig<S>>,
}

impl<S: Scheme> World<S> {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut keys = || -> Vec<SecretKey<S>> {
            (0..VALIDATORS).map(|_| SecretKey::generate(&mut rng, 0..SLOTS, |_, _| {}).unwrap()).collect()
        };
        let (attestation, proposal) = (keys(), keys());
        let public = |key: &SecretKey<S>| PublicKey::from(key.public_key().encode());
        let registry = (0..VALIDATORS).map(|index| Validator {
            attestation_public_key: public(&attestation[index as usize]),
            proposal_public_key: public(&proposal[index as usize]),
            index: ValidatorIndex(index),
        });
        let registry = Validators::try_from_iter(registry).unwrap();
        Self { attestation, proposal, registry, backend: RawBackend::new(Leansig::default()) }
    }

    fn block(&mut self) -> SignedBlock {
        let data = AttestationData {
            slot: Slot(2),
            head: Checkpoint { root: Root::repeat_byte(2), slot: Slot(2) },
            ..AttestationData::default()
        };
        let message = Message { root: data.tree_hash_root(), slot: data.slot };
        let sign = |key: &mut SecretKey<S>, message: Message| {
            let signature = key.sign_with_build(message.slot.0, &message.root.0).unwrap();
            Signature::from_ssz_bytes(&signature.encode()).unwrap()
        };
        let votes: Vec<_> = self
            .attestation
            .iter_mut()
            .enumerate()
            .map(|(index, key)| (ValidatorIndex(index as u64), sign(key, message)))
            .collect();
        let none = Cancellation::default();
        let (first, rest) = votes.split_at(1);
        let child = self.backend.aggregate(&self.registry, &[], first, message, &none).unwrap();
        let proof = self.backend.aggregate(&self.registry, &[&child], rest, message, &none).unwrap();
        assert_eq!(self.backend.verify_single(&self.registry, &proof, message), Ok(()));
        let attestation = AggregatedAttestation { aggregation_bits: proof.participants.clone(), data };
        let body = BlockBody { attestations: vec![attestation].try_into().unwrap(), execution: None };
        let block = Block { slot: Slot(3), proposer_index: ValidatorIndex(1), body, ..Block::default() };
        let root = block.tree_hash_root();
        let signature = sign(&mut self.proposal[1], Message { root, slot: block.slot });
        let proof = seal_block(
            &self.backend,
            &self.registry,
            (&block, root),
            &[Evidence::Proof(&proof)],
            &signature,
            &none,
        )
        .unwrap();
        SignedBlock { block, proof }
    }
}

fn a_block_carries_its_votes<S: Scheme>() {
    let mut world = World::<S>::new();
    let honest = world.block();
    let verify = |block: &SignedBlock| verify_block(&world.backend, &world.registry, block).unwrap();
    assert_eq!(verify(&honest), Ok(()));
    let data = honest.block.body.attestations[0].data;
    let votes = split_votes(&world.backend, &world.registry, &honest, &[data]).unwrap();
    let message = Message { root: data.tree_hash_root(), slot: data.slot };
    assert_eq!(world.backend.verify_single(&world.registry, &votes[0].1, message), Ok(()));

    // The same block at another slot, and with another vote, is not what was signed.
    let mut forged = honest.clone();
    forged.block.slot = Slot(2);
    assert_eq!(verify(&forged).unwrap_err().reason, RejectionReason::InvalidBlockProof);
    let mut forged = honest.clone();
    forged.block.body.attestations[0].data.target.slot = Slot(1);
    assert_eq!(verify(&forged).unwrap_err().reason, RejectionReason::InvalidBlockProof);
    // A proposer who signs with the key for votes has not signed.
    let swapped = world
        .registry
        .iter()
        .map(|validator| Validator { proposal_public_key: validator.attestation_public_key, ..*validator });
    let swapped = Validators::try_from_iter(swapped).unwrap();
    assert!(verify_block(&world.backend, &swapped, &honest).unwrap().is_err());
}

#[test]
fn with_the_test_scheme() {
    a_block_carries_its_votes::<Test>();
}

#[test]
fn with_the_production_scheme() {
    a_block_carries_its_votes::<Prod>();
}

#[test]
fn the_backend_knows_the_lengths_of_its_scheme() {
    let shapes = [Leansig::<Test>::default().shape(), Leansig::<Prod>::default().shape()];
    assert_eq!(shapes.map(|shape| shape.encoded_len()), [Test::SIGNATURE_BYTES, Prod::SIGNATURE_BYTES]);
}
