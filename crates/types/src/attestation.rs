//! Votes, alone and aggregated.

use ssz::{Decode, DecodeError, Encode};
use ssz_derive::{Decode, Encode};
use ssz_types::VariableList;
use tree_hash_derive::TreeHash;

use crate::aggregate::{AggregationBits, SingleMessageAggregate};
use crate::checkpoint::AttestationData;
use crate::constants::ValidatorRegistryLimit;
use crate::primitives::ValidatorIndex;
use crate::signature::Signature;

/// One validator's vote, unsigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct Attestation {
    /// The voter.
    pub validator_index: ValidatorIndex,
    /// What it votes for.
    pub data: AttestationData,
}

/// One validator's vote as it travels on an attestation subnet.
#[derive(Clone, Debug, PartialEq, Eq, TreeHash)]
pub struct SignedAttestation {
    /// The voter.
    pub validator_index: ValidatorIndex,
    /// What it votes for.
    pub data: AttestationData,
    /// XMSS signature by the voter's attestation key over the root of `data`, at `data.slot`.
    pub signature: Signature,
}

/// The same vote by several validators, as it stands in a block body.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct AggregatedAttestation {
    /// Who voted.
    pub aggregation_bits: AggregationBits,
    /// What they voted for.
    pub data: AttestationData,
}

/// The votes of a block body.
pub type AggregatedAttestations = VariableList<AggregatedAttestation, ValidatorRegistryLimit>;

/// A vote with the proof that its participants signed it, as it travels on the aggregation topic.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct SignedAggregatedAttestation {
    /// What was voted for.
    pub data: AttestationData,
    /// Who voted, and the proof.
    pub proof: SingleMessageAggregate,
}

/// Bytes before the signature: index and data, both of fixed size.
const PREFIX_LEN: usize = 8 + 128;

// The signature's length belongs to the scheme in force, not to the type, so the codec is written by hand: the
// signature is whatever follows the fixed prefix, and `Signature` pins it to a known shape.
impl Encode for SignedAttestation {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn ssz_bytes_len(&self) -> usize {
        PREFIX_LEN + self.signature.as_bytes().len()
    }
    fn ssz_append(&self, buf: &mut Vec<u8>) {
        self.validator_index.ssz_append(buf);
        self.data.ssz_append(buf);
        buf.extend_from_slice(self.signature.as_bytes());
    }
}

impl Decode for SignedAttestation {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (prefix, signature) = bytes
            .split_at_checked(PREFIX_LEN)
            .ok_or(DecodeError::InvalidByteLength { len: bytes.len(), expected: PREFIX_LEN })?;
        let unsigned = Attestation::from_ssz_bytes(prefix)?;
        Ok(Self {
            validator_index: unsigned.validator_index,
            data: unsigned.data,
            signature: Signature::from_ssz_bytes(signature)?,
        })
    }
}
