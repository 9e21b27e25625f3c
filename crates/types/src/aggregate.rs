//! Aggregated proofs and the bitfields that name their participants.

use ssz_derive::{Decode, Encode};
use ssz_types::{BitList, VariableList};
use tree_hash_derive::TreeHash;

use crate::constants::{MaxProofBytes, ValidatorRegistryLimit};
use crate::primitives::ValidatorIndex;

/// One bit per validator, up to the highest participant.
pub type AggregationBits = BitList<ValidatorRegistryLimit>;

/// Opaque proof bytes, at most 512 KiB. Their format belongs to the aggregation backend.
pub type ProofBytes = VariableList<u8, MaxProofBytes>;

/// Proof that the participants signed one message at one slot. Message and slot are the caller's, never the proof's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct SingleMessageAggregate {
    /// Who signed.
    pub participants: AggregationBits,
    /// The proof.
    pub proof: ProofBytes,
}

/// Proof over several messages: a block's attestations in body order, then the proposer over the block root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct MultiMessageAggregate {
    /// The proof.
    pub proof: ProofBytes,
}

/// Reading and building participation bitfields.
pub trait Participation: Sized {
    /// Bits for exactly `indices`, as long as the highest needs; `None` if there are none or one is beyond the limit.
    fn from_indices(indices: impl IntoIterator<Item = ValidatorIndex>) -> Option<Self>;
    /// The participants, ascending.
    fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + '_;
}

impl Participation for AggregationBits {
    fn from_indices(indices: impl IntoIterator<Item = ValidatorIndex>) -> Option<Self> {
        let indices: Vec<usize> =
            indices.into_iter().map(|index| usize::try_from(index.0).ok()).collect::<Option<_>>()?;
        let length = indices.iter().max()?.checked_add(1)?;
        let mut bits = Self::with_capacity(length).ok()?;
        for index in indices {
            bits.set(index, true).ok()?;
        }
        Some(bits)
    }

    fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        self.iter().enumerate().filter(|(_, bit)| *bit).map(|(index, _)| ValidatorIndex(index as u64))
    }
}
