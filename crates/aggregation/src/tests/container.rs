//! Strict decoding: golden bytes, and one malformed proof per rule.

use lathe_types::{SignatureShape, ValidatorIndex};

use super::{MESSAGE, World, claim};
use crate::{AggregationError as Error, Backend, MAX_PARTS, is_foreign};

/// `version, layout` of a single-message proof.
const HEAD: [u8; 2] = [1, 1];

/// A raw part with the given signer encoding and announced signature count, signed by `signers`.
fn part(world: &World, encoded_signers: &[u8], announced: u16, signers: &[u64]) -> Vec<u8> {
    let mut part = vec![1];
    part.extend_from_slice(encoded_signers);
    part.extend_from_slice(&announced.to_le_bytes());
    signers.iter().for_each(|index| part.extend_from_slice(world.vote(*index, MESSAGE).1.as_bytes()));
    part
}

fn verify(world: &World, participants: &[u64], pieces: &[&[u8]]) -> Result<(), Error> {
    let aggregate = claim(participants.iter().copied(), pieces.concat());
    world.backend.verify_single(&world.registry, &aggregate, MESSAGE)
}

#[test]
fn encoding_is_pinned() {
    let world = World::small();
    let proof = world.prove([0, 1, 9], MESSAGE);
    let dense = part(&world, &[0, 2, 0, 0b11, 0b10], 3, &[0, 1, 9]);
    assert_eq!(proof.proof.to_vec(), [&HEAD[..], &[1], &dense].concat());
    assert_eq!(world.backend.verify_single(&world.registry, &proof, MESSAGE), Ok(()));

    let sparse = part(&world, &[1, 1, 0, 31, 0], 1, &[31]);
    assert_eq!(world.prove([31], MESSAGE).proof.to_vec(), [&HEAD[..], &[1], &sparse].concat());
}

#[test]
fn version_and_layout_are_checked_first() {
    let world = World::small();
    assert_eq!(verify(&world, &[0], &[&[]]), Err(Error::Truncated));
    assert_eq!(verify(&world, &[0], &[&[0, 1, 1]]), Err(Error::UnknownVersion(0)));
    assert_eq!(verify(&world, &[0], &[&[2, 1, 1]]), Err(Error::UnknownVersion(2)));
    assert_eq!(verify(&world, &[0], &[&[1, 2, 1]]), Err(Error::WrongLayout { expected: 1, found: 2 }));
    assert_eq!(verify(&world, &[0], &[&[1, 0, 1]]), Err(Error::WrongLayout { expected: 1, found: 0 }));
}

#[test]
fn parts_are_counted_and_known() {
    let world = World::small();
    assert_eq!(verify(&world, &[0], &[&HEAD, &[0]]), Err(Error::NoParts));
    let found = MAX_PARTS + 1;
    assert_eq!(
        verify(&world, &[0], &[&HEAD, &[found as u8]]),
        Err(Error::TooManyParts { found, max: MAX_PARTS })
    );
    for kind in [0, 2, 3, 255] {
        assert_eq!(verify(&world, &[0], &[&HEAD, &[1, kind]]), Err(Error::UnknownPartKind(kind)));
    }
}

#[test]
fn signers_have_one_encoding() {
    let world = World::small();
    let reject = |signers: &[u8], indices: &[u64], error: Error| {
        let part = part(&world, signers, indices.len() as u16, indices);
        assert_eq!(verify(&world, &[0, 1], &[&HEAD, &[1], &part]), Err(error));
    };
    reject(&[0, 0, 0], &[], Error::EmptyPart);
    reject(&[1, 0, 0], &[], Error::EmptyPart);
    reject(&[2, 1, 0, 3], &[0, 1], Error::NonCanonicalSigners("unknown form"));
    reject(&[0, 2, 0, 3, 0], &[0, 1], Error::NonCanonicalSigners("last byte is zero"));
    reject(&[0, 1, 0, 0], &[], Error::NonCanonicalSigners("last byte is zero"));
    reject(&[1, 2, 0, 0, 0, 1, 0], &[0, 1], Error::NonCanonicalSigners("not the shorter form"));
    reject(&[0, 4, 0, 0, 0, 0, 1], &[24], Error::NonCanonicalSigners("not the shorter form"));
    reject(&[1, 2, 0, 31, 0, 30, 0], &[0, 1], Error::NonCanonicalSigners("list is not strictly ascending"));
    reject(&[1, 2, 0, 31, 0, 31, 0], &[0, 1], Error::NonCanonicalSigners("list is not strictly ascending"));
    let wide = [&[0, 1, 2][..], &[255; 513]].concat();
    reject(&wide, &[], Error::NonCanonicalSigners("more bits than validators can exist"));
}

#[test]
fn signatures_match_their_signers() {
    let world = World::small();
    let part_with = |announced, present: &[u64]| part(&world, &[0, 1, 0, 0b11], announced, present);
    assert_eq!(verify(&world, &[0, 1], &[&HEAD, &[1], &part_with(2, &[0, 1])]), Ok(()));
    for announced in [0, 1, 3] {
        let error = Error::SignatureCountMismatch { signers: 2, signatures: usize::from(announced) };
        assert_eq!(verify(&world, &[0, 1], &[&HEAD, &[1], &part_with(announced, &[0, 1])]), Err(error));
    }
    assert_eq!(verify(&world, &[0, 1], &[&HEAD, &[1], &part_with(2, &[0])]), Err(Error::Truncated));
    let swapped = part_with(2, &[1, 0]);
    assert_eq!(verify(&world, &[0, 1], &[&HEAD, &[1], &swapped]), Err(Error::InvalidSignature(0)));
    let mut malformed = part_with(2, &[0, 1]);
    let last = malformed.len() - 1;
    malformed[last] = 0xff;
    assert_eq!(verify(&world, &[0, 1], &[&HEAD, &[1], &malformed]), Err(Error::MalformedSignature(1)));
}

#[test]
fn signatures_of_another_scheme_are_refused() {
    let (test, prod) = (World::small(), World::new(32, SignatureShape::PROD));
    let proof = test.prove([0, 1], MESSAGE);
    assert_eq!(prod.backend.verify_single(&prod.registry, &proof, MESSAGE), Err(Error::Truncated));
    let proof = prod.prove([0, 1], MESSAGE);
    assert_eq!(
        test.backend.verify_single(&test.registry, &proof, MESSAGE),
        Err(Error::MalformedSignature(0))
    );
}

#[test]
fn nothing_may_follow() {
    let world = World::small();
    let mut bytes = world.prove([0, 1], MESSAGE).proof.to_vec();
    bytes.push(0);
    assert_eq!(verify(&world, &[0, 1], &[&bytes]), Err(Error::TrailingBytes(1)));
}

#[test]
fn bits_stay_inside_the_registry() {
    let (large, small) = (World::new(9, SignatureShape::TEST), World::new(8, SignatureShape::TEST));
    let proof = large.prove([8], MESSAGE);
    assert_eq!(large.backend.verify_single(&large.registry, &proof, MESSAGE), Ok(()));
    let outside = Error::SignerOutsideRegistry { index: 8, registry: 8 };
    assert_eq!(small.backend.verify_single(&small.registry, &proof, MESSAGE), Err(outside.clone()));
    // The claim is inside, the part is not.
    assert_eq!(verify(&small, &[0], &[&proof.proof]), Err(outside));
}

#[test]
fn the_union_is_exactly_the_claim() {
    let world = World::small();
    let bytes = world.prove([1, 2], MESSAGE).proof.to_vec();
    assert_eq!(verify(&world, &[1, 2], &[&bytes]), Ok(()));
    for claimed in [&[1][..], &[1, 2, 3], &[1, 3], &[0, 1, 2]] {
        assert_eq!(verify(&world, claimed, &[&bytes]), Err(Error::ParticipantsMismatch), "{claimed:?}");
    }
    let nobody = lathe_types::SingleMessageAggregate {
        participants: lathe_types::AggregationBits::with_capacity(4).unwrap(),
        proof: lathe_types::ProofBytes::new(bytes).unwrap(),
    };
    let verdict = world.backend.verify_single(&world.registry, &nobody, MESSAGE);
    assert_eq!(verdict, Err(Error::NoParticipants));
}

#[test]
fn structure_is_checked_before_any_signature() {
    struct Forbidden;
    impl crate::Verifier for Forbidden {
        fn shape(&self) -> SignatureShape {
            SignatureShape::TEST
        }
        fn verify_batch(&self, _: &[crate::SignatureCheck<'_>]) -> Vec<bool> {
            panic!("a signature was checked")
        }
    }
    let world = World::small();
    let backend = crate::RawBackend::new(Forbidden);
    let good = world.prove([0, 1], MESSAGE).proof.to_vec();
    let trailing = claim([0, 1], [&good[..], &[0]].concat());
    assert!(backend.verify_single(&world.registry, &trailing, MESSAGE).is_err());
    let lying = claim([0, 1, 2], good);
    assert!(backend.verify_single(&world.registry, &lying, MESSAGE).is_err());
}

#[test]
fn held_signatures_are_strictly_ascending() {
    let world = World::small();
    let aggregate = |raw: &[(ValidatorIndex, lathe_types::Signature)]| {
        world.backend.aggregate(&world.registry, &[], raw, MESSAGE, &Default::default())
    };
    assert_eq!(aggregate(&world.votes([1, 0])), Err(Error::UnorderedSignatures));
    assert_eq!(aggregate(&world.votes([1, 1])), Err(Error::UnorderedSignatures));
    assert_eq!(aggregate(&[]), Err(Error::NoParticipants));
    let outside = vec![(ValidatorIndex(32), world.vote(0, MESSAGE).1)];
    assert_eq!(aggregate(&outside), Err(Error::SignerOutsideRegistry { index: 32, registry: 32 }));
}

#[test]
fn a_proof_of_ours_is_told_from_those_of_other_systems_by_its_first_bytes() {
    let world = World::small();
    assert!(!is_foreign(&world.prove([0, 1], MESSAGE).proof));
    for ours in [&[][..], &[1, 1], &[1, 3, 0xff]] {
        assert!(!is_foreign(ours), "{ours:?}");
    }
    for foreign in [&[1][..], &[0], &[2, 1], &[1, 0], &[1, 4], &[0x0c, 0xfe, 0x01]] {
        assert!(is_foreign(foreign), "{foreign:?}");
    }
}
