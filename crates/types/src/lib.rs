//! The consensus containers of Lean Ethereum, their SSZ codecs and hash tree roots.
//!
//! Everything here is plain data: no clock, no I/O, no cryptography beyond SHA-256 Merkleization. Field order and
//! limits are those of the `lstar` fork of leanSpec; decoding fails with an error and never panics.

mod aggregate;
mod attestation;
mod block;
mod checkpoint;
mod clock;
mod constants;
mod execution;
mod genesis;
mod primitives;
mod reason;
mod registry;
mod scheme;
mod shape;
mod signature;
mod state;
mod status;
mod tree;

pub use aggregate::{
    AggregationBits, MultiMessageAggregate, Participation, ProofBytes, SingleMessageAggregate,
};
pub use attestation::{
    AggregatedAttestation, AggregatedAttestations, Attestation, SignedAggregatedAttestation,
    SignedAttestation,
};
pub use block::{Block, BlockBody, BlockHeader, SignedBlock};
pub use checkpoint::{AttestationData, Checkpoint};
pub use clock::SlotClock;
pub use constants::*;
pub use execution::{
    ChainVariant, ExecutionAddress, ExecutionBody, ExecutionPayloadHeader, ExecutionPayloadV3,
    ExecutionRequest, ExecutionRequests, ExtraData, LogsBloom, Shaped, Transaction, Transactions, Uint256,
    Withdrawal, Withdrawals, WrongVariant,
};
pub use genesis::{Genesis, GenesisConfig};
pub use primitives::{Interval, KeyRole, Phase, PublicKey, Root, Slot, SubnetId, ValidatorIndex};
pub use reason::{Rejection, RejectionReason};
pub use registry::{check_registry, decode_registry};
pub use scheme::{SignatureScheme, UnknownScheme};
pub use signature::{Signature, SignatureShape};
pub use state::{
    HistoricalBlockHashes, JustificationRoots, JustificationValidators, JustifiedSlots, State, Validator,
    Validators,
};
pub use status::{BlocksByRangeRequest, BlocksByRootRequest, Status};

pub use ssz::{Decode, DecodeError, Encode};
pub use tree_hash::TreeHash;
