//! Signatures and proofs over them: whatever bytes claim to prove, only what was signed is believed.

use std::sync::LazyLock;

use lathe_aggregation::{
    Backend, Cancellation, Component, Evidence, KeyRole, Leansig, Message, RawBackend, Registry, Statement,
};
use lathe_leansig::{Prod, Scheme, SecretKey, Test, verify};
use lathe_types::{
    Decode, Encode, MultiMessageAggregate, Participation, PublicKey, Root, Signature, SingleMessageAggregate,
    Slot, Validator, ValidatorIndex,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Bytes of a signature up to the end of its randomness.
const RANDOMNESS_END: usize = 32;
/// Validators of the registry. The last of them never signs anything.
pub(crate) const VALIDATORS: u64 = 5;
/// The one vote that all others signed.
pub(crate) const VOTE: Message = Message { root: Root::repeat_byte(7), slot: Slot(3) };
/// The block that the first of them signed.
pub(crate) const BLOCK: Message = Message { root: Root::repeat_byte(8), slot: Slot(4) };

/// A small network with the test scheme, and all that its validators have ever signed.
pub(crate) struct World {
    pub(crate) backend: RawBackend<Leansig<Test>>,
    pub(crate) registry: Registry,
    pub(crate) votes: Vec<(ValidatorIndex, Signature)>,
    pub(crate) proposal: [(ValidatorIndex, Signature); 1],
}

pub(crate) static WORLD: LazyLock<Option<World>> = LazyLock::new(World::new);

impl World {
    fn new() -> Option<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut validators = Vec::new();
        let mut votes = Vec::new();
        let mut proposals = Vec::new();
        for index in (0..VALIDATORS).map(ValidatorIndex) {
            let mut sign = |message: Message| {
                let mut key = SecretKey::<Test>::generate(&mut rng, 0..8, |_, _| ()).ok()?;
                let signature = key.sign_with_build(message.slot.0, &message.root.0).ok()?;
                let public_key = PublicKey::from(key.public_key().encode());
                Some((public_key, Signature::from_ssz_bytes(&signature.encode()).ok()?))
            };
            let (attestation_public_key, vote) = sign(VOTE)?;
            let (proposal_public_key, proposal) = sign(BLOCK)?;
            validators.push(Validator { attestation_public_key, proposal_public_key, index });
            votes.push((index, vote));
            proposals.push((index, proposal));
        }
        votes.pop();
        let registry = Registry::new(validators).ok()?;
        Some(Self { backend: RawBackend::default(), registry, votes, proposal: [proposals.swap_remove(0)] })
    }

    /// What a block of the first validator with all votes has to show.
    fn statements(&self) -> Option<[Statement; 2]> {
        let all = Participation::from_indices(self.votes.iter().map(|(voter, _)| *voter))?;
        let proposer = Participation::from_indices([ValidatorIndex(0)])?;
        Some([
            Statement { message: VOTE, role: KeyRole::Attestation, participants: all },
            Statement { message: BLOCK, role: KeyRole::Proposal, participants: proposer },
        ])
    }

    /// The proof of that block.
    pub(crate) fn block_proof(&self) -> Option<MultiMessageAggregate> {
        let vote = Evidence::Signatures(&self.votes);
        let proposal = Evidence::Signatures(&self.proposal);
        let components = [
            Component { message: VOTE, role: KeyRole::Attestation, evidence: vote },
            Component { message: BLOCK, role: KeyRole::Proposal, evidence: proposal },
        ];
        self.backend.merge(&self.registry, &components, &Cancellation::default()).ok()
    }

    /// The proof that the first `count` validators voted.
    pub(crate) fn vote_proof(&self, count: usize) -> Option<SingleMessageAggregate> {
        let votes = &self.votes[..count];
        self.backend.aggregate(&self.registry, &[], votes, VOTE, &Cancellation::default()).ok()
    }

    fn verifies(&self, vote: &SingleMessageAggregate) -> bool {
        self.backend.verify_single(&self.registry, vote, VOTE).is_ok()
    }
}

/// The first byte chooses: a proof of a vote, a proof of a block, a lone signature of either scheme.
pub fn proofs(data: &[u8]) {
    let (Some((choice, data)), Some(world)) = (data.split_first(), &*WORLD) else { return };
    match choice % 4 {
        0 => single(world, data),
        1 => multi(world, data),
        2 => signature::<Test>(world, data),
        _ => signature::<Prod>(world, data),
    }
}

/// Only those who voted are believed to have voted, and whatever is made of a proof that verifies does so too.
fn single(world: &World, bytes: &[u8]) {
    let Ok(aggregate) = SingleMessageAggregate::from_ssz_bytes(bytes) else { return };
    let World { backend, registry, .. } = world;
    let cancellation = Cancellation::default();
    let verdict = backend.verify_single(registry, &aggregate, VOTE);
    let other = Message { slot: Slot(VOTE.slot.0 + 1), ..VOTE };
    assert!(backend.verify_single(registry, &aggregate, other).is_err(), "nobody signed that");

    // Proofs that do not verify must not get this far, but may not do harm either.
    let keep = Participation::from_indices([ValidatorIndex(1)]);
    let trimmed = keep.and_then(|keep| backend.trim(registry, &aggregate, &keep).ok());
    let folded = backend.aggregate(registry, &[&aggregate], &[], VOTE, &cancellation);
    let evidence = Evidence::Proof(&aggregate);
    let component = Component { message: VOTE, role: KeyRole::Attestation, evidence };
    let merged = backend.merge(registry, &[component], &cancellation);

    if verdict.is_ok() {
        let voted = |voter: ValidatorIndex| world.votes.iter().any(|(known, _)| *known == voter);
        assert!(aggregate.participants.indices().all(voted), "a vote that nobody cast was believed");
        assert!(folded.is_ok_and(|folded| {
            folded.participants == aggregate.participants && world.verifies(&folded)
        }));
        assert!(merged.is_ok());
        assert!(trimmed.is_none_or(|trimmed| world.verifies(&trimmed)));
    }
}

/// A block's proof that verifies gives its vote back.
fn multi(world: &World, bytes: &[u8]) {
    let Ok(proof) = MultiMessageAggregate::from_ssz_bytes(bytes) else { return };
    let Some(statements) = world.statements() else { return };
    let World { backend, registry, .. } = world;
    let verdict = backend.verify_multi(registry, &statements, &proof);
    let split = backend.split(registry, &statements, &proof, VOTE);
    assert!(backend.split(registry, &statements, &proof, BLOCK).is_err(), "a proposal is no vote");
    let reversed = [&statements[1], &statements[0]].map(Clone::clone);
    assert!(backend.verify_multi(registry, &reversed, &proof).is_err(), "the order of the statements counts");
    if verdict.is_ok() {
        assert!(split.is_ok_and(|vote| world.verifies(&vote)));
    }
}

/// A public key, then a signature. What decodes has one encoding in both of the forms that we keep it in, and verifies
/// only if it was made.
fn signature<S: Scheme>(world: &World, bytes: &[u8]) {
    let Some((key, bytes)) = bytes.split_first_chunk() else { return };
    let public_key = lathe_leansig::PublicKey::decode(key);
    let signature = lathe_leansig::Signature::<S>::decode(bytes);
    if let Ok(public_key) = &public_key {
        assert_eq!(public_key.encode(), *key);
    }
    // The container's type knows the shapes of both schemes and nothing else.
    let plain = Signature::from_ssz_bytes(bytes);
    if bytes.len() == S::SIGNATURE_BYTES {
        assert_eq!(plain.is_ok(), signature.is_ok());
    }
    let (Ok(public_key), Ok(signature)) = (public_key, signature) else { return };
    assert_eq!(signature.encode(), bytes);
    if verify(&public_key, VOTE.slot.0, &VOTE.root.0, &signature) {
        // The test scheme has so few codewords that other randomness may lead to the same one.
        let known = |(voter, vote): &(ValidatorIndex, Signature)| {
            let validator = world.registry.get(voter.0 as usize);
            vote.as_bytes()[RANDOMNESS_END..] == bytes[RANDOMNESS_END..]
                && validator.is_some_and(|validator| validator.attestation_public_key.as_bytes() == key)
        };
        assert!(world.votes.iter().any(known), "a signature that nobody made was believed");
    }
    assert!(!verify(&public_key, S::LIFETIME, &VOTE.root.0, &signature), "a slot beyond the lifetime");
    assert!(plain.is_ok_and(|plain| plain.as_ssz_bytes() == bytes));
}
