//! Two unrelated SSZ libraries give the same bytes and the same roots.

use lathe_types::*;
use ssz_rs::{Deserialize as _, Merkleized as _, Serialize as _};

use crate::mirror::{self, Mirrored};
use crate::random::Random;

/// Random values per container.
const VALUES: u64 = 200;

fn agrees<T>(draw: impl Fn(&mut Random) -> T)
where
    T: Mirrored + Encode + Decode + TreeHash + PartialEq + std::fmt::Debug,
    T::Mirror: ssz_rs::SimpleSerialize,
{
    for seed in 0..VALUES {
        let value = draw(&mut Random::new(seed));
        let bytes = value.as_ssz_bytes();
        let mut mirror = value.mirror();
        assert_eq!(hex(&bytes), hex(&ssz_rs::serialize(&mirror).unwrap()), "bytes, seed {seed}");
        assert_eq!(bytes.len(), value.ssz_bytes_len(), "length, seed {seed}");
        let root = mirror.hash_tree_root().unwrap();
        assert_eq!(hex(value.tree_hash_root().as_ref()), hex(root.as_ref()), "root, seed {seed}");
        assert_eq!(T::from_ssz_bytes(&bytes).unwrap(), value, "decoded, seed {seed}");
        let mut decoded = T::Mirror::deserialize(&bytes).unwrap();
        assert_eq!(decoded.hash_tree_root().unwrap(), root, "decoded there, seed {seed}");
    }
}

fn hex(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode(bytes)
}

#[test]
fn checkpoint() {
    agrees(Random::checkpoint);
}

#[test]
fn attestation_data() {
    agrees(Random::attestation_data);
}

#[test]
fn attestation() {
    agrees(Random::attestation);
}

#[test]
fn aggregated_attestation() {
    agrees(Random::aggregated_attestation);
}

#[test]
fn single_message_aggregate() {
    agrees(Random::single_message_aggregate);
}

#[test]
fn multi_message_aggregate() {
    agrees(Random::multi_message_aggregate);
}

#[test]
fn signed_aggregated_attestation() {
    agrees(Random::signed_aggregated_attestation);
}

#[test]
fn block_body() {
    agrees(|random| random.block().body);
}

#[test]
fn block() {
    agrees(Random::block);
}

#[test]
fn block_header() {
    agrees(Random::block_header);
}

#[test]
fn signed_block() {
    agrees(Random::signed_block);
}

#[test]
fn genesis_config() {
    agrees(|random| random.state().config);
}

#[test]
fn validator() {
    agrees(Random::validator);
}

#[test]
fn state() {
    agrees(Random::state);
}

#[test]
fn status() {
    agrees(Random::status);
}

#[test]
fn blocks_by_root_request() {
    agrees(Random::blocks_by_root_request);
}

#[test]
fn blocks_by_range_request() {
    agrees(Random::blocks_by_range_request);
}

#[test]
fn a_header_stands_for_its_block() {
    for seed in 0..VALUES {
        let block = Random::new(seed).block();
        assert_eq!(block.tree_hash_root(), block.header().tree_hash_root());
    }
}

/// `N` is the specification's limit of nodes in a layer for the scheme: twice the leaves of a bottom tree.
fn signatures_agree<const N: usize>(shape: SignatureShape) {
    for seed in 0..20 {
        let attestation = Random::new(seed).signed_attestation(shape);
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
        };
        let bytes = attestation.signature.as_bytes();
        let elements = [words(&bytes[4..32]), words(&bytes[40..])].concat();
        let mut signature = mirror::Signature::<N>::of(&elements, shape.siblings());

        assert_eq!(hex(bytes), hex(&ssz_rs::serialize(&signature).unwrap()));
        let root = signature.hash_tree_root().unwrap();
        assert_eq!(hex(attestation.signature.tree_hash_root().as_ref()), hex(root.as_ref()));

        let mut prefix = ssz_rs::serialize(&attestation.validator_index.mirror()).unwrap();
        attestation.data.mirror().serialize(&mut prefix).unwrap();
        assert_eq!(hex(&attestation.as_ssz_bytes()), hex(&[&prefix, bytes].concat()));
        let mut mirrored = mirror::SignedAttestation {
            validator_index: attestation.validator_index.mirror(),
            data: attestation.data.mirror(),
            signature,
        };
        let root = mirrored.hash_tree_root().unwrap();
        assert_eq!(hex(attestation.tree_hash_root().as_ref()), hex(root.as_ref()));
        assert_eq!(SignedAttestation::from_ssz_bytes(&attestation.as_ssz_bytes()).unwrap(), attestation);
    }
}

#[test]
fn signed_attestation_of_the_test_scheme() {
    signatures_agree::<32>(SignatureShape::TEST);
}

#[test]
fn signed_attestation_of_the_production_scheme() {
    signatures_agree::<131_072>(SignatureShape::PROD);
}
