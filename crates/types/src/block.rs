//! Blocks and their headers.

use std::sync::Arc;

use ssz_derive::{Decode, Encode};
use tree_hash::TreeHash as _;
use tree_hash_derive::TreeHash;

use crate::aggregate::MultiMessageAggregate;
use crate::attestation::AggregatedAttestations;
use crate::execution::ExecutionBody;
use crate::primitives::{Root, Slot, ValidatorIndex};

/// What a block carries. Its SSZ has one field on a plain chain and three on an execution-paired one: votes, payload,
/// requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockBody {
    /// Votes, one entry per distinct attestation data.
    pub attestations: AggregatedAttestations,
    /// Payload and requests; present exactly on an execution-paired chain.
    pub execution: Option<Arc<ExecutionBody>>,
}

/// A block without its proof.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct Block {
    /// The slot that the block is for.
    pub slot: Slot,
    /// The validator that proposes it.
    pub proposer_index: ValidatorIndex,
    /// Root of the parent block.
    pub parent_root: Root,
    /// Root of the state after this block.
    pub state_root: Root,
    /// Votes.
    pub body: BlockBody,
}

impl Block {
    /// The header that stands for this block; its hash tree root equals the block's.
    pub fn header(&self) -> BlockHeader {
        BlockHeader {
            slot: self.slot,
            proposer_index: self.proposer_index,
            parent_root: self.parent_root,
            state_root: self.state_root,
            body_root: self.body.tree_hash_root(),
        }
    }
}

/// A block with its body replaced by the body's root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct BlockHeader {
    /// The slot that the block is for.
    pub slot: Slot,
    /// The validator that proposes it.
    pub proposer_index: ValidatorIndex,
    /// Root of the parent block.
    pub parent_root: Root,
    /// Root of the state after the block; zero inside the state until the next slot begins.
    pub state_root: Root,
    /// Root of the body.
    pub body_root: Root,
}

/// A block and its proof, as it travels on the block topic. The proof is outside the block root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct SignedBlock {
    /// The block.
    pub block: Block,
    /// One proof for every attestation in body order, then the proposer over the block root.
    pub proof: MultiMessageAggregate,
}
