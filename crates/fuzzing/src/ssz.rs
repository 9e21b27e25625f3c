//! Every container, from bytes that anybody may send.

use std::fmt::Debug;

use lathe_types::*;

/// A container as this target sees it: its name, and what is checked of bytes that it decodes.
pub(crate) type Container = (&'static str, fn(&[u8]));

/// The containers in the order of the bytes that choose them. New ones go to the end, or the corpus loses its meaning.
pub(crate) const CONTAINERS: [Container; 20] = [
    ("AggregatedAttestation", canonical::<AggregatedAttestation>),
    ("Attestation", canonical::<Attestation>),
    ("AttestationData", canonical::<AttestationData>),
    ("Block", canonical::<Block>),
    ("BlockBody", canonical::<BlockBody>),
    ("BlockHeader", canonical::<BlockHeader>),
    ("BlocksByRangeRequest", canonical::<BlocksByRangeRequest>),
    ("BlocksByRootRequest", canonical::<BlocksByRootRequest>),
    ("Checkpoint", canonical::<Checkpoint>),
    ("GenesisConfig", canonical::<GenesisConfig>),
    ("MultiMessageAggregate", canonical::<MultiMessageAggregate>),
    ("Signature", canonical::<Signature>),
    ("SignedAggregatedAttestation", canonical::<SignedAggregatedAttestation>),
    ("SignedAttestation", canonical::<SignedAttestation>),
    ("SignedBlock", canonical::<SignedBlock>),
    ("SingleMessageAggregate", canonical::<SingleMessageAggregate>),
    ("State", canonical::<State>),
    ("Status", canonical::<Status>),
    ("Validator", canonical::<Validator>),
    ("Validators", registry),
];

/// What decodes is the one encoding of its value, and has a root.
pub fn ssz(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let (_, check) = CONTAINERS[usize::from(*choice) % CONTAINERS.len()];
    check(bytes);
}

fn canonical<T: Encode + Decode + TreeHash + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(value) = T::from_ssz_bytes(bytes) else { return };
    assert_eq!(value.as_ssz_bytes(), bytes, "a second encoding of one value was accepted");
    assert_eq!(value.ssz_bytes_len(), bytes.len());
    let again = T::from_ssz_bytes(bytes);
    assert!(again.is_ok_and(|again| again.tree_hash_root() == value.tree_hash_root()));
}

fn registry(bytes: &[u8]) {
    let Ok(validators) = decode_registry(bytes) else { return };
    assert_eq!(validators.as_ssz_bytes(), bytes);
    assert!(validators.iter().enumerate().all(|(position, entry)| entry.index.0 == position as u64));
}
