//! Aggregating, merging, splitting, trimming, and the byte budget.

use lathe_types::{MAX_PROOF_BYTES, Participation, Root, SignatureShape, Slot, ValidatorIndex};

use super::{MESSAGE, World, bits};
use crate::container::{MULTI_HEADER_LEN, RAW_COMPONENT_LEN};
use crate::{
    AggregationError as Error, Backend, Cancellation, Component, Evidence, KeyRole, MAX_BLOCK_VOTES,
    MAX_SINGLE_SIGNATURES, Message, RawBudget, Statement,
};

const OTHER: Message = Message { root: Root::repeat_byte(8), slot: Slot(4) };

#[test]
fn message_and_slot_come_from_the_caller() {
    let world = World::small();
    let proof = world.prove([0, 1], MESSAGE);
    for wrong in [Message { slot: Slot(4), ..MESSAGE }, Message { root: Root::ZERO, ..MESSAGE }] {
        let verdict = world.backend.verify_single(&world.registry, &proof, wrong);
        assert_eq!(verdict, Err(Error::InvalidSignature(0)));
    }
}

#[test]
fn aggregating_counts_everybody_once() {
    let world = World::small();
    let (first, second) = (world.prove([0, 1, 2], MESSAGE), world.prove([2, 3], MESSAGE));
    let raw = world.votes([1, 5]);
    let proof = world
        .backend
        .aggregate(&world.registry, &[&first, &second], &raw, MESSAGE, &Cancellation::default())
        .unwrap();
    assert_eq!(proof, world.prove([0, 1, 2, 3, 5], MESSAGE));
}

#[test]
fn a_child_that_lies_about_its_participants_is_refused() {
    let world = World::small();
    let mut child = world.prove([0, 1], MESSAGE);
    child.participants = bits([0, 1, 2]);
    let result = world.backend.aggregate(&world.registry, &[&child], &[], MESSAGE, &Cancellation::default());
    assert_eq!(result, Err(Error::ParticipantsMismatch));
}

#[test]
fn cancelled_work_stops() {
    let world = World::small();
    let child = world.prove([0, 1], MESSAGE);
    let cancellation = Cancellation::default();
    cancellation.cancel();
    let result = world.backend.aggregate(&world.registry, &[&child], &[], MESSAGE, &cancellation);
    assert_eq!(result, Err(Error::Cancelled));
}

#[test]
fn merging_then_splitting_gives_the_proofs_back() {
    let world = World::small();
    let (first, second) = (world.prove([0, 1], MESSAGE), world.prove([1, 2, 3], OTHER));
    let block = Message { root: Root::repeat_byte(9), slot: Slot(5) };
    let proposer_key = world.registry.get(5).unwrap().proposal_public_key;
    let signature = [(ValidatorIndex(5), world.toy.sign(&proposer_key, block))];
    let attestation =
        |message, proof| Component { message, role: KeyRole::Attestation, evidence: Evidence::Proof(proof) };
    let components = [
        attestation(MESSAGE, &first),
        attestation(OTHER, &second),
        Component { message: block, role: KeyRole::Proposal, evidence: Evidence::Signatures(&signature) },
    ];
    let proof = world.backend.merge(&world.registry, &components, &Cancellation::default()).unwrap();
    let statement = |message, role, signers: &[u64]| Statement {
        message,
        role,
        participants: bits(signers.iter().copied()),
    };
    let statements = [
        statement(MESSAGE, KeyRole::Attestation, &[0, 1]),
        statement(OTHER, KeyRole::Attestation, &[1, 2, 3]),
        statement(block, KeyRole::Proposal, &[5]),
    ];
    let verify = |statements: &[Statement]| world.backend.verify_multi(&world.registry, statements, &proof);
    assert_eq!(verify(&statements), Ok(()));
    let split = |message| world.backend.split(&world.registry, &statements, &proof, message);
    assert_eq!(split(MESSAGE), Ok(first.clone()));
    assert_eq!(split(OTHER), Ok(second.clone()));
    assert_eq!(split(block), Err(Error::UnknownMessage), "the proposer's component is not a vote");

    // Order, roles, counts and participants are all bound.
    let [a, b, c] = statements.clone();
    assert_eq!(
        verify(&[b.clone(), a.clone(), c.clone()]),
        Err(Error::ParticipantsMismatch),
        "components stand in body order"
    );
    assert_eq!(verify(&[a.clone(), b.clone()]), Err(Error::WrongComponentCount { expected: 2, found: 3 }));
    let as_attestation = Statement { role: KeyRole::Attestation, ..c.clone() };
    assert_eq!(verify(&[a.clone(), b.clone(), as_attestation]), Err(Error::InvalidSignature(5)));
    let other_slot = Statement { message: Message { slot: Slot(9), ..OTHER }, ..b };
    assert_eq!(verify(&[a, other_slot, c]), Err(Error::InvalidSignature(1)));
}

#[test]
fn a_merge_has_at_least_one_and_at_most_nine_components() {
    let world = World::small();
    let proof = world.prove([0], MESSAGE);
    let component =
        Component { message: MESSAGE, role: KeyRole::Attestation, evidence: Evidence::Proof(&proof) };
    let merge =
        |count| world.backend.merge(&world.registry, &vec![component; count], &Cancellation::default());
    assert_eq!(merge(0), Err(Error::WrongComponentCount { expected: 9, found: 0 }));
    assert!(merge(9).is_ok());
    assert_eq!(merge(10), Err(Error::WrongComponentCount { expected: 9, found: 10 }));
    let silent = Component { message: MESSAGE, role: KeyRole::Proposal, evidence: Evidence::Signatures(&[]) };
    let result = world.backend.merge(&world.registry, &[silent], &Cancellation::default());
    assert_eq!(result, Err(Error::NoParticipants));
}

#[test]
fn trimming_keeps_who_is_asked_for() {
    let world = World::small();
    let proof = world.prove([0, 3, 9, 12], MESSAGE);
    let trim = |keep: &[u64]| world.backend.trim(&world.registry, &proof, &bits(keep.iter().copied()));
    assert_eq!(trim(&[3, 4, 12, 31]), Ok(world.prove([3, 12], MESSAGE)));
    assert_eq!(trim(&[1]), Err(Error::NoParticipants));
}

#[test]
fn a_single_proof_holds_206_production_signatures() {
    assert_eq!(MAX_SINGLE_SIGNATURES, 206);
    let world = World::new(4096, SignatureShape::PROD);
    // Spread over the whole registry: the costliest signers there are.
    let spread = |count: u64| (0..count).map(|n| 4095 - (count - 1 - n) * 19).collect::<Vec<_>>();
    let proof = world.prove(spread(206), MESSAGE);
    assert!(proof.proof.len() <= MAX_PROOF_BYTES);
    assert_eq!(proof.participants.indices().count(), 206);
    assert_eq!(world.backend.verify_single(&world.registry, &proof, MESSAGE), Ok(()));
    let raw = world.votes(spread(207));
    let result = world.backend.aggregate(&world.registry, &[], &raw, MESSAGE, &Cancellation::default());
    assert_eq!(result, Err(Error::TooLarge { signatures: 207, max: 206 }));
}

#[test]
fn a_block_holds_205_production_votes_and_the_proposer() {
    assert_eq!(MAX_BLOCK_VOTES, 205);
    a_block_holds(SignatureShape::PROD, 205);
}

#[test]
fn a_block_holds_432_votes_with_blake2s_and_the_proposer_and_no_spread_of_them_holds_more() {
    let shape = SignatureShape::XmssBlake2s;
    assert_eq!(RawBudget::new(shape).block_votes(), 432);
    a_block_holds(shape, 432);
    // Signatures alone would fit; the least that stands beside 433 votes and the proposer, in two components, does not.
    let signatures = 434 * shape.encoded_len();
    assert_eq!(MAX_PROOF_BYTES - signatures, 16);
    assert_eq!(MULTI_HEADER_LEN + 2 * RAW_COMPONENT_LEN, 17);
}

/// So many votes over eight data and the proposer are a proof; one vote more is refused.
fn a_block_holds(shape: SignatureShape, votes: usize) {
    let world = World::new(4096, shape);
    let merge = |votes: usize| {
        let mut left = votes;
        let proofs: Vec<_> = (0..8)
            .map(|component| {
                let count = left / (8 - component);
                left -= count;
                world.prove((0..count as u64).map(|n| 4095 - (count as u64 - 1 - n) * 75), MESSAGE)
            })
            .collect();
        let proposer = world.votes([4095]);
        let mut components: Vec<Component<'_>> = proofs
            .iter()
            .map(|proof| Component {
                message: MESSAGE,
                role: KeyRole::Attestation,
                evidence: Evidence::Proof(proof),
            })
            .collect();
        let evidence = Evidence::Signatures(&proposer);
        components.push(Component { message: MESSAGE, role: KeyRole::Attestation, evidence });
        world.backend.merge(&world.registry, &components, &Cancellation::default())
    };
    let proof = merge(votes).unwrap();
    assert!(proof.proof.len() <= MAX_PROOF_BYTES);
    assert_eq!(merge(votes + 1), Err(Error::TooLarge { signatures: votes + 2, max: votes + 1 }));
}

#[test]
fn capabilities_tell_the_budget() {
    let capabilities = World::new(1, SignatureShape::PROD).backend.capabilities();
    assert_eq!((capabilities.max_single_signers, capabilities.max_block_votes), (206, 205));
    let budget = RawBudget::new(SignatureShape::PROD);
    assert!(budget.block_fits([200, 5]));
    assert!(!budget.block_fits([200, 6]));
    assert!(!budget.block_fits([usize::MAX, usize::MAX]));
}
