//! How many raw signatures fit in a proof, so that a proposal never fails on size.

use lathe_types::{MAX_PROOF_BYTES, SignatureShape};

use crate::container::{MAX_COMPONENTS, MULTI_HEADER_LEN, RAW_COMPONENT_LEN, SINGLE_HEADER_LEN};
use crate::signers::LIST_ENTRY_LEN;

/// Raw signatures of the production scheme in one single-message proof.
pub const MAX_SINGLE_SIGNATURES: usize = RawBudget::new(SignatureShape::PROD).single_signatures();
/// Raw votes of the production scheme in one block, over all its data; the proposer comes on top.
pub const MAX_BLOCK_VOTES: usize = RawBudget::new(SignatureShape::PROD).block_votes();

/// The budget of raw proofs for one signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawBudget {
    /// Bytes that a signer costs at most: its signature and its entry in the signer list.
    signer_len: usize,
}

impl RawBudget {
    /// The budget for signatures of `shape`.
    pub const fn new(shape: SignatureShape) -> Self {
        Self { signer_len: shape.encoded_len() + LIST_ENTRY_LEN }
    }

    /// Signatures that always fit in a single-message proof.
    pub const fn single_signatures(self) -> usize {
        (MAX_PROOF_BYTES - SINGLE_HEADER_LEN - RAW_COMPONENT_LEN) / self.signer_len
    }

    /// Votes that always fit in a block's proof beside the proposer's signature, however they spread over its data.
    pub const fn block_votes(self) -> usize {
        self.block_votes_in(MAX_PROOF_BYTES)
    }

    /// The same for a proof of at most `bytes`.
    pub const fn block_votes_in(self, bytes: usize) -> usize {
        let bytes = if bytes < MAX_PROOF_BYTES { bytes } else { MAX_PROOF_BYTES };
        let room = bytes.saturating_sub(MULTI_HEADER_LEN + MAX_COMPONENTS * RAW_COMPONENT_LEN);
        (room / self.signer_len).saturating_sub(1)
    }

    /// Votes in whose room `bytes` of anything else fit.
    pub const fn votes_for(self, bytes: usize) -> usize {
        bytes.div_ceil(self.signer_len)
    }

    /// Whether a block may carry aggregates with these numbers of voters.
    pub fn block_fits(self, voters: impl IntoIterator<Item = usize>) -> bool {
        voters.into_iter().fold(0, usize::saturating_add) <= self.block_votes()
    }
}
