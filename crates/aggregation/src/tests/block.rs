//! Blocks and votes in the words of the specification.

use lathe_types::{
    AggregatedAttestation, AttestationData, Block, BlockBody, Checkpoint, MultiMessageAggregate, ProofBytes,
    RejectionReason, Root, SignedAggregatedAttestation, SignedBlock, SingleMessageAggregate, Slot, TreeHash,
    ValidatorIndex,
};

use super::{World, bits};
use crate::{
    AggregationError as Error, Cancellation, Evidence, Message, block_statements, seal_block, split_votes,
    verify_block, verify_vote,
};

fn data(slot: u64) -> AttestationData {
    let head = Checkpoint { root: Root::repeat_byte(slot as u8), slot: Slot(slot) };
    AttestationData { slot: Slot(slot), head, target: head, source: Checkpoint::default() }
}

fn message(data: &AttestationData) -> Message {
    Message { root: data.tree_hash_root(), slot: data.slot }
}

fn block(votes: &[(u64, &[u64])], proposer: u64) -> Block {
    let attestations = votes
        .iter()
        .map(|(slot, voters)| AggregatedAttestation {
            aggregation_bits: bits(voters.iter().copied()),
            data: data(*slot),
        })
        .collect::<Vec<_>>();
    let body = BlockBody { attestations: attestations.try_into().unwrap(), execution: None };
    Block { slot: Slot(5), proposer_index: ValidatorIndex(proposer), body, ..Block::default() }
}

fn signed(world: &World, block: Block) -> SignedBlock {
    let root = block.tree_hash_root();
    let proofs: Vec<_> = block
        .body
        .attestations
        .iter()
        .map(|vote| {
            let voters = lathe_types::Participation::indices(&vote.aggregation_bits).map(|index| index.0);
            world.prove(voters.collect::<Vec<_>>(), message(&vote.data))
        })
        .collect();
    let key = world.registry.get(block.proposer_index.0 as usize).unwrap().proposal_public_key;
    let signature = world.toy.sign(&key, Message { root, slot: block.slot });
    let cancellation = Cancellation::default();
    let proof = seal_block(
        &world.backend,
        &world.registry,
        (&block, root),
        &shown(&proofs),
        &signature,
        &cancellation,
    )
    .unwrap();
    SignedBlock { block, proof }
}

#[test]
fn a_sealed_block_verifies_and_splits() {
    let world = World::small();
    let block = signed(&world, block(&[(3, &[0, 1]), (4, &[2])], 5));
    assert_eq!(verify_block(&world.backend, &world.registry, &block), Ok(Ok(())));
    let votes = split_votes(&world.backend, &world.registry, &block, &[data(4), data(9), data(3)]).unwrap();
    let expected = vec![
        (data(4), world.prove([2], message(&data(4)))),
        (data(3), world.prove([0, 1], message(&data(3)))),
    ];
    assert_eq!(votes, expected);
    let vote = SignedAggregatedAttestation { data: data(3), proof: votes[1].1.clone() };
    assert_eq!(verify_vote(&world.backend, &world.registry, &vote), Ok(Ok(())));
    let vote = SignedAggregatedAttestation { data: data(4), ..vote };
    let rejection = verify_vote(&world.backend, &world.registry, &vote).unwrap().unwrap_err();
    assert_eq!(rejection.reason, RejectionReason::InvalidSignature);
}

#[test]
fn a_block_without_votes_still_has_its_proposer() {
    let world = World::small();
    let block = signed(&world, block(&[], 5));
    assert_eq!(verify_block(&world.backend, &world.registry, &block), Ok(Ok(())));
    let unsigned = SignedBlock { proof: MultiMessageAggregate::default(), ..block };
    let rejection = verify_block(&world.backend, &world.registry, &unsigned).unwrap().unwrap_err();
    assert_eq!(rejection.reason, RejectionReason::InvalidBlockProof);
}

#[test]
fn any_change_to_the_block_breaks_its_proof() {
    let world = World::small();
    let honest = signed(&world, block(&[(3, &[0, 1])], 5));
    let reason = |change: &dyn Fn(&mut SignedBlock)| {
        let mut block = honest.clone();
        change(&mut block);
        verify_block(&world.backend, &world.registry, &block).unwrap().unwrap_err().reason
    };
    assert_eq!(reason(&|b| b.block.state_root = Root::repeat_byte(1)), RejectionReason::InvalidBlockProof);
    assert_eq!(reason(&|b| b.block.slot = Slot(6)), RejectionReason::InvalidBlockProof);
    assert_eq!(reason(&|b| b.block.proposer_index = ValidatorIndex(6)), RejectionReason::InvalidBlockProof);
    assert_eq!(
        reason(&|b| b.block.body.attestations[0].aggregation_bits = bits([0, 1, 2])),
        RejectionReason::InvalidBlockProof
    );
    assert_eq!(
        reason(&|b| b.proof.proof = ProofBytes::new(vec![1, 2, 3]).unwrap()),
        RejectionReason::InvalidBlockProof
    );
    assert_eq!(
        reason(&|b| b.block.proposer_index = ValidatorIndex(32)),
        RejectionReason::ProposerIndexOutOfRange
    );
    assert_eq!(
        reason(&|b| b.block.body.attestations[0].aggregation_bits = bits([0, 32])),
        RejectionReason::ValidatorIndexOutOfRange
    );
}

#[test]
fn an_attestation_without_voters_is_refused() {
    let world = World::small();
    let mut block = block(&[(3, &[0])], 5);
    block.body.attestations[0].aggregation_bits = lathe_types::AggregationBits::with_capacity(3).unwrap();
    let rejection = block_statements(&block, Root::ZERO, &world.registry).unwrap_err();
    assert_eq!(rejection.reason, RejectionReason::EmptyAggregationBits);
}

#[test]
fn sealing_wants_the_proofs_of_exactly_this_body() {
    let world = World::small();
    let block = block(&[(3, &[0, 1])], 5);
    let signature = world.vote(0, super::MESSAGE).1;
    let seal = |proofs: &[_]| {
        let target = (&block, Root::ZERO);
        seal_block(
            &world.backend,
            &world.registry,
            target,
            &shown(proofs),
            &signature,
            &Cancellation::default(),
        )
    };
    assert_eq!(seal(&[]), Err(Error::WrongComponentCount { expected: 1, found: 0 }));
    assert_eq!(seal(&[world.prove([0], message(&data(3)))]), Err(Error::ParticipantsMismatch));
    assert!(seal(&[world.prove([0, 1], message(&data(3)))]).is_ok());
}

fn shown(proofs: &[SingleMessageAggregate]) -> Vec<Evidence<'_>> {
    proofs.iter().map(Evidence::Proof).collect()
}
