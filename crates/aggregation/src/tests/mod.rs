//! A toy signature scheme, and the proofs that the tests take apart.

mod block;
mod canonical;
mod container;
mod properties;
mod raw;
mod stark;

use std::hash::{DefaultHasher, Hash, Hasher};

use lathe_types::{
    AggregationBits, Decode, Participation, ProofBytes, PublicKey, Root, Signature, SignatureShape,
    SingleMessageAggregate, Slot, Validator, ValidatorIndex,
};

use crate::{Backend, Cancellation, Message, RawBackend, Registry, SignatureCheck, Verifier};

/// A scheme in which a signature is a hash of key, slot and message, in the encoding of a real one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toy(pub SignatureShape);

impl Verifier for Toy {
    fn shape(&self) -> SignatureShape {
        self.0
    }
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        let sign = |check: &SignatureCheck<'_>| {
            self.sign(check.public_key, Message { root: check.message, slot: check.slot })
        };
        checks.iter().map(|check| *check.signature == sign(check)).collect()
    }
}

impl Toy {
    pub(crate) fn sign(self, key: &PublicKey, message: Message) -> Signature {
        let mut hasher = DefaultHasher::new();
        (key, message).hash(&mut hasher);
        let limb = ((hasher.finish() >> 34) as u32).to_le_bytes();
        let path_end = 40 + 32 * self.0.siblings();
        let mut bytes: Vec<u8> = limb.iter().copied().cycle().take(self.0.encoded_len()).collect();
        bytes[..4].copy_from_slice(&36u32.to_le_bytes());
        bytes[32..36].copy_from_slice(&(path_end as u32).to_le_bytes());
        bytes[36..40].copy_from_slice(&4u32.to_le_bytes());
        Signature::from_ssz_bytes(&bytes).unwrap()
    }
}

pub(crate) const MESSAGE: Message = Message { root: Root::repeat_byte(7), slot: Slot(3) };

/// A registry with distinct keys, a backend over it, and the means to sign.
pub(crate) struct World {
    pub toy: Toy,
    pub backend: RawBackend<Toy>,
    pub registry: Registry,
}

impl World {
    pub(crate) fn new(validators: u64, shape: SignatureShape) -> Self {
        let key = |index: u64, role: u8| {
            let mut key = [0; PublicKey::LEN];
            key[..8].copy_from_slice(&index.to_le_bytes());
            key[8] = role;
            PublicKey::from(key)
        };
        let registry = (0..validators)
            .map(|index| Validator {
                attestation_public_key: key(index, 1),
                proposal_public_key: key(index, 2),
                index: ValidatorIndex(index),
            })
            .collect();
        let toy = Toy(shape);
        Self { toy, backend: RawBackend::new(toy), registry: Registry::new(registry).unwrap() }
    }

    pub(crate) fn small() -> Self {
        Self::new(32, SignatureShape::TEST)
    }

    pub(crate) fn vote(&self, index: u64, message: Message) -> (ValidatorIndex, Signature) {
        let key = &self.registry.get(index as usize).unwrap().attestation_public_key;
        (ValidatorIndex(index), self.toy.sign(key, message))
    }

    pub(crate) fn votes(&self, indices: impl IntoIterator<Item = u64>) -> Vec<(ValidatorIndex, Signature)> {
        indices.into_iter().map(|index| self.vote(index, MESSAGE)).collect()
    }

    pub(crate) fn prove(
        &self,
        indices: impl IntoIterator<Item = u64>,
        message: Message,
    ) -> SingleMessageAggregate {
        let raw: Vec<_> = indices.into_iter().map(|index| self.vote(index, message)).collect();
        self.backend.aggregate(&self.registry, &[], &raw, message, &Cancellation::default()).unwrap()
    }
}

pub(crate) fn bits(indices: impl IntoIterator<Item = u64>) -> AggregationBits {
    AggregationBits::from_indices(indices.into_iter().map(ValidatorIndex)).unwrap()
}

/// An aggregate that claims `participants` and carries these bytes.
pub(crate) fn claim(participants: impl IntoIterator<Item = u64>, bytes: Vec<u8>) -> SingleMessageAggregate {
    SingleMessageAggregate { participants: bits(participants), proof: ProofBytes::new(bytes).unwrap() }
}
