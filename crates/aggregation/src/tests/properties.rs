//! Bytes from outside: whatever they are, there is an answer and no panic, and no forgery is believed.

use std::sync::LazyLock;

use lathe_types::{MultiMessageAggregate, Participation, ProofBytes};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{MESSAGE, World, claim};
use crate::{Backend, Cancellation, Component, Evidence, KeyRole, Statement};

static WORLD: LazyLock<World> = LazyLock::new(World::small);

/// One edit of a byte string.
#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, u8),
    Remove(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), 1..=255u8).prop_map(|(at, mask)| Edit::Flip(at, mask)),
        any::<Index>().prop_map(Edit::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        any::<Index>().prop_map(Edit::Remove),
    ]
}

fn apply(edit: &Edit, bytes: &mut Vec<u8>) {
    match edit {
        Edit::Flip(at, mask) => {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        Edit::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Edit::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
        Edit::Remove(at) => {
            bytes.remove(at.index(bytes.len()));
        }
    }
}

proptest! {
    #[test]
    fn every_set_of_signers_round_trips(signers in btree_set(0..4096u16, 1..300)) {
        let signers: Vec<u16> = signers.into_iter().collect();
        let mut bytes = Vec::new();
        crate::signers::encode(&signers, &mut bytes);
        prop_assert!(bytes.len() <= crate::signers::HEADER_LEN + crate::signers::LIST_ENTRY_LEN * signers.len());
        let mut reader = crate::reader::Reader::new(&bytes);
        prop_assert_eq!(crate::signers::decode(&mut reader, 4096), Ok(signers));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    /// A set has one encoding: whatever decodes encodes back to the same bytes.
    #[test]
    fn signers_are_not_malleable(bytes in vec(any::<u8>(), 0..40)) {
        let mut reader = crate::reader::Reader::new(&bytes);
        if let Ok(signers) = crate::signers::decode(&mut reader, 4096) {
            let mut again = Vec::new();
            crate::signers::encode(&signers, &mut again);
            prop_assert_eq!(&bytes[..again.len()], &again[..]);
        }
    }

    #[test]
    fn an_edited_proof_is_refused(signers in btree_set(0..32u64, 1..20), edit in edit()) {
        let proof = WORLD.prove(signers.iter().copied(), MESSAGE);
        let mut bytes = proof.proof.to_vec();
        apply(&edit, &mut bytes);
        prop_assume!(bytes[..] != proof.proof[..]);
        let forged = claim(signers, bytes);
        prop_assert!(WORLD.backend.verify_single(&WORLD.registry, &forged, MESSAGE).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in vec(any::<u8>(), 0..600), head in 0..3usize) {
        let prefix: &[u8] = [&[][..], &[1, 1, 1, 1], &[1, 2, 1, 1, 1]][head];
        let bytes = [prefix, &bytes].concat();
        let forged = claim([0, 1], bytes.clone());
        prop_assert!(WORLD.backend.verify_single(&WORLD.registry, &forged, MESSAGE).is_err());
        let forged = MultiMessageAggregate { proof: ProofBytes::new(bytes).unwrap() };
        let participants = super::bits([0]);
        let statement = Statement { message: MESSAGE, role: KeyRole::Proposal, participants };
        let statements = [statement];
        prop_assert!(WORLD.backend.verify_multi(&WORLD.registry, &statements, &forged).is_err());
        prop_assert!(WORLD.backend.split(&WORLD.registry, &statements, &forged, MESSAGE).is_err());
    }

    /// However children and raw signatures overlap, the result names everybody once and verifies.
    #[test]
    fn aggregation_is_the_union(
        children in vec(btree_set(0..32u64, 1..12), 0..5),
        raw in btree_set(0..32u64, 0..12),
    ) {
        let mut union = raw.clone();
        children.iter().for_each(|child| union.extend(child));
        prop_assume!(!union.is_empty());
        let proofs: Vec<_> = children.iter().map(|child| WORLD.prove(child.iter().copied(), MESSAGE)).collect();
        let children: Vec<_> = proofs.iter().collect();
        let raw = WORLD.votes(raw);
        let proof = WORLD
            .backend
            .aggregate(&WORLD.registry, &children, &raw, MESSAGE, &Cancellation::default())
            .unwrap();
        prop_assert!(proof.participants.indices().map(|index| index.0).eq(union));
        prop_assert_eq!(WORLD.backend.verify_single(&WORLD.registry, &proof, MESSAGE), Ok(()));
    }

    #[test]
    fn an_edited_multi_proof_is_refused(signers in btree_set(0..32u64, 1..8), edit in edit()) {
        let proof = WORLD.prove(signers.iter().copied(), MESSAGE);
        let evidence = Evidence::Proof(&proof);
        let component = Component { message: MESSAGE, role: KeyRole::Attestation, evidence };
        let merged =
            WORLD.backend.merge(&WORLD.registry, &[component; 2], &Cancellation::default()).unwrap();
        let statement =
            Statement { message: MESSAGE, role: KeyRole::Attestation, participants: proof.participants.clone() };
        let statements = [statement.clone(), statement];
        prop_assert_eq!(WORLD.backend.verify_multi(&WORLD.registry, &statements, &merged), Ok(()));
        let mut bytes = merged.proof.to_vec();
        apply(&edit, &mut bytes);
        prop_assume!(bytes[..] != merged.proof[..]);
        let forged = MultiMessageAggregate { proof: ProofBytes::new(bytes).unwrap() };
        prop_assert!(WORLD.backend.verify_multi(&WORLD.registry, &statements, &forged).is_err());
    }
}
