//! What workers and the signer are asked, and how they fail.

use std::collections::HashSet;
use std::sync::Arc;

use lathe_types::{
    AttestationData, Block, KeyRole, PublicKey, Root, Signature, SignedAggregatedAttestation, SignedBlock,
    SingleMessageAggregate, Slot, State, ValidatorIndex,
};

use crate::core::Singles;

/// What a worker checks.
#[derive(Clone, Debug)]
pub enum VerifyRequest {
    /// Single signatures.
    Attestations(Vec<SignatureCheck>),
    /// An aggregate.
    Aggregate {
        /// The vote and its proof; every participant is in the registry.
        aggregate: Arc<SignedAggregatedAttestation>,
        /// Post-state of the target block; holds the voters' keys.
        state: Arc<State>,
    },
    /// A block's proof.
    Block {
        /// The block; its proposer and every participant are in the registry.
        block: Arc<SignedBlock>,
        /// State before the block; holds the keys.
        parent_state: Arc<State>,
    },
}

/// What a worker found, for the request of the same name. True means that it verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyAnswer {
    /// One verdict per signature, in the request's order.
    Attestations(Vec<bool>),
    /// The aggregate's verdict.
    Aggregate(bool),
    /// The verdict on the block's proof.
    Block(bool),
}

/// One XMSS signature to check.
#[derive(Clone, Debug)]
pub struct SignatureCheck {
    /// The signer's key.
    pub public_key: PublicKey,
    /// The slot that it signed at.
    pub slot: Slot,
    /// What it signed.
    pub message: Root,
    /// The signature.
    pub signature: Signature,
}

/// What an aggregator folds together.
#[derive(Clone, Debug)]
pub struct AggregateRequest {
    /// The vote; its root is the message and its slot the slot.
    pub data: AttestationData,
    /// State that holds the voters' keys.
    pub state: Arc<State>,
    /// Proofs to fold in.
    pub children: Vec<Arc<SingleMessageAggregate>>,
    /// Signatures to fold in, ascending by validator, none of them covered by a child.
    pub signatures: Vec<(ValidatorIndex, Signature)>,
}

/// Votes that a block of ours may have to carry as a proof.
#[derive(Clone, Debug)]
pub struct ProveRequest {
    /// State that holds the voters' keys.
    pub state: Arc<State>,
    /// Votes at hand with their proofs, the most important first.
    pub votes: Vec<(AttestationData, Vec<Arc<SingleMessageAggregate>>)>,
    /// Votes of the slot that may still come, at most.
    pub expected: usize,
}

/// What a block is built on and from. The payload of an execution-paired chain is none of it: it comes last.
#[derive(Clone, Debug)]
pub struct PrepareRequest {
    /// Slot of the block.
    pub slot: Slot,
    /// Who proposes it.
    pub proposer_index: ValidatorIndex,
    /// The head that it extends.
    pub parent_root: Root,
    /// State after the parent.
    pub parent_state: Arc<State>,
    /// Blocks that votes may name as their head.
    pub known_block_roots: HashSet<Root>,
    /// Votes at hand with their proofs.
    pub candidates: Vec<(AttestationData, Vec<Arc<SingleMessageAggregate>>)>,
    /// Single votes at hand, where the backend can prove them together with the block.
    pub singles: Singles,
    /// What the final merge may take, in milliseconds, if the block is to be voted for in its slot.
    pub merge_within_ms: u64,
}

/// What shows the votes over one attestation of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoteEvidence {
    /// A proof.
    Proof(SingleMessageAggregate),
    /// The signatures themselves, ascending by validator.
    Signatures(Vec<(ValidatorIndex, Signature)>),
}

/// A finished block that lacks only the proposer's signature; on an execution-paired chain also the payload, and with
/// it the state root.
#[derive(Clone, Debug)]
pub struct PreparedBlock {
    /// The block, with its state root.
    pub block: Block,
    /// Its root: the message that the proposer signs.
    pub root: Root,
    /// State before it; holds the keys.
    pub parent_state: Arc<State>,
    /// State after it.
    pub post_state: Arc<State>,
    /// What shows the votes of each attestation, in body order.
    pub components: Vec<VoteEvidence>,
    /// How long the final merge is going to take, in milliseconds, as far as the worker knows.
    pub merge_ms: u64,
}

/// One signature wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// Whose.
    pub validator: ValidatorIndex,
    /// Which key.
    pub role: KeyRole,
    /// At which slot; a key signs one message per slot, ever.
    pub slot: Slot,
    /// What.
    pub message: Root,
}

/// Why a signature was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignFailure {
    /// The ledger holds another message for that key and slot.
    Refused,
    /// The slot lies outside the key's range.
    KeyExhausted,
    /// That part of the key is not computed yet.
    NotPrepared,
    /// There is no such key here.
    UnknownKey,
    /// Somebody else signs with the key, so it rests until an operator resumes it.
    Stopped,
    /// The ledger could not be written.
    Ledger,
    /// The signer in another process cannot be reached, or failed.
    Away,
    /// The signer in another process did not answer in time.
    Slow,
    /// The signer in another process does not serve this node: another network, version or token.
    NotServed,
    /// The signer had too much to do.
    Overloaded,
}

/// Why a worker gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobFailure {
    /// Refused at the door: it could not be done in time, or the queue was full.
    Refused,
    /// The deadline passed.
    Deadline,
    /// The backend reported an error.
    Backend,
    /// The backend panicked; the panic was contained.
    Panicked,
}
