//! Execution payloads: what a block of an execution-paired network carries, in the layout of the Deneb payload.
//!
//! A network is paired with an execution layer or it is not, from its genesis on ([`ChainVariant`]). Bodies and states
//! of either variant decode, each by its own shape; whoever lets one in asks [`ChainVariant::admits`] whether it
//! belongs here.

use std::fmt;
use std::sync::{Arc, OnceLock};

use alloy_primitives::{Address, B256, U256};
use ssz_derive::{Decode, Encode};
use ssz_types::{FixedVector, VariableList};
use tree_hash::TreeHash as _;
use tree_hash_derive::TreeHash;
use typenum::{U16, U32, U256 as N256, U1048576, U1073741824};

use crate::block::{Block, BlockBody, SignedBlock};
use crate::primitives::Root;
use crate::state::State;

/// A 20-byte address on the execution layer.
pub type ExecutionAddress = Address;
/// An unsigned integer of 256 bits, little-endian in SSZ.
pub type Uint256 = U256;
/// Bloom filter over a block's logs.
pub type LogsBloom = FixedVector<u8, N256>;
/// At most 32 bytes of the payload builder's choice.
pub type ExtraData = VariableList<u8, U32>;
/// A transaction, opaque to consensus.
pub type Transaction = VariableList<u8, U1073741824>;
/// The transactions of a payload.
pub type Transactions = VariableList<Transaction, U1048576>;
/// The withdrawals of a payload; Lean has none.
pub type Withdrawals = VariableList<Withdrawal, U16>;
/// One request of the execution layer (EIP-7685): its type, then its data.
pub type ExecutionRequest = VariableList<u8, U1048576>;
/// The requests of a payload, in the order in which the execution layer named them.
pub type ExecutionRequests = VariableList<ExecutionRequest, U16>;

/// A withdrawal from the consensus to the execution layer. It only shapes the encoding: a valid payload has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct Withdrawal {
    /// Position among all withdrawals.
    pub index: u64,
    /// Whose.
    pub validator_index: u64,
    /// Where to.
    pub address: ExecutionAddress,
    /// How much, in Gwei.
    pub amount: u64,
}

/// A block of the execution layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct ExecutionPayloadV3 {
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// Who earns the fees.
    pub fee_recipient: ExecutionAddress,
    /// Root of the execution layer's state.
    pub state_root: B256,
    /// Root of the receipts.
    pub receipts_root: B256,
    /// Bloom filter over the logs.
    pub logs_bloom: LogsBloom,
    /// Randomness for the execution layer; zero, as Lean has none.
    pub prev_randao: B256,
    /// Its height.
    pub block_number: u64,
    /// Gas that it may use.
    pub gas_limit: u64,
    /// Gas that it uses.
    pub gas_used: u64,
    /// Unix time in seconds: that of the slot's start.
    pub timestamp: u64,
    /// Free bytes.
    pub extra_data: ExtraData,
    /// Base fee per gas, in wei.
    pub base_fee_per_gas: Uint256,
    /// Hash of this block as the execution layer computes it.
    pub block_hash: B256,
    /// Transactions.
    pub transactions: Transactions,
    /// Withdrawals; none.
    pub withdrawals: Withdrawals,
    /// Gas used by blobs.
    pub blob_gas_used: u64,
    /// Blob gas in excess of the target.
    pub excess_blob_gas: u64,
}

/// A payload with its lists replaced by their roots; its hash tree root equals the payload's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct ExecutionPayloadHeader {
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// Who earns the fees.
    pub fee_recipient: ExecutionAddress,
    /// Root of the execution layer's state.
    pub state_root: B256,
    /// Root of the receipts.
    pub receipts_root: B256,
    /// Bloom filter over the logs.
    pub logs_bloom: LogsBloom,
    /// Randomness for the execution layer; zero.
    pub prev_randao: B256,
    /// Its height.
    pub block_number: u64,
    /// Gas that it may use.
    pub gas_limit: u64,
    /// Gas that it uses.
    pub gas_used: u64,
    /// Unix time in seconds.
    pub timestamp: u64,
    /// Free bytes.
    pub extra_data: ExtraData,
    /// Base fee per gas, in wei.
    pub base_fee_per_gas: Uint256,
    /// Hash of this block as the execution layer computes it.
    pub block_hash: B256,
    /// Root of the transactions.
    pub transactions_root: Root,
    /// Root of the withdrawals.
    pub withdrawals_root: Root,
    /// Gas used by blobs.
    pub blob_gas_used: u64,
    /// Blob gas in excess of the target.
    pub excess_blob_gas: u64,
}

impl ExecutionPayloadHeader {
    /// The header of the execution layer's genesis: zero but for its hash.
    pub fn genesis(block_hash: B256) -> Self {
        Self { block_hash, ..Self::default() }
    }
}

impl ExecutionPayloadV3 {
    /// The header that stands for this payload.
    pub fn header(&self) -> ExecutionPayloadHeader {
        ExecutionPayloadHeader {
            parent_hash: self.parent_hash,
            fee_recipient: self.fee_recipient,
            state_root: self.state_root,
            receipts_root: self.receipts_root,
            logs_bloom: self.logs_bloom.clone(),
            prev_randao: self.prev_randao,
            block_number: self.block_number,
            gas_limit: self.gas_limit,
            gas_used: self.gas_used,
            timestamp: self.timestamp,
            extra_data: self.extra_data.clone(),
            base_fee_per_gas: self.base_fee_per_gas,
            block_hash: self.block_hash,
            transactions_root: self.transactions.tree_hash_root(),
            withdrawals_root: self.withdrawals.tree_hash_root(),
            blob_gas_used: self.blob_gas_used,
            excess_blob_gas: self.excess_blob_gas,
        }
    }
}

/// What a body of a paired network carries beside votes. It never changes once made, so that it is hashed once however
/// large it is.
pub struct ExecutionBody {
    payload: ExecutionPayloadV3,
    requests: ExecutionRequests,
    hashed: OnceLock<Hashed>,
}

struct Hashed {
    header: Arc<ExecutionPayloadHeader>,
    payload_root: Root,
    requests_root: Root,
}

impl ExecutionBody {
    /// A payload and the requests that came with it.
    pub fn new(payload: ExecutionPayloadV3, requests: ExecutionRequests) -> Self {
        Self { payload, requests, hashed: OnceLock::new() }
    }

    /// What the genesis body carries: nothing but the hash of the execution layer's genesis.
    pub fn genesis(block_hash: B256) -> Self {
        Self::new(
            ExecutionPayloadV3 { block_hash, ..ExecutionPayloadV3::default() },
            ExecutionRequests::default(),
        )
    }

    /// The payload.
    pub fn payload(&self) -> &ExecutionPayloadV3 {
        &self.payload
    }

    /// The requests that the execution layer made in it.
    pub fn requests(&self) -> &ExecutionRequests {
        &self.requests
    }

    /// The payload's header.
    pub fn header(&self) -> &Arc<ExecutionPayloadHeader> {
        &self.hashed().header
    }

    /// Hash tree root of the payload.
    pub fn payload_root(&self) -> Root {
        self.hashed().payload_root
    }

    /// Hash tree root of the requests.
    pub fn requests_root(&self) -> Root {
        self.hashed().requests_root
    }

    /// What it occupies, near enough.
    pub fn bytes(&self) -> usize {
        let transactions: usize = self.payload.transactions.iter().map(|bytes| bytes.len() + 32).sum();
        let requests: usize = self.requests.iter().map(|bytes| bytes.len()).sum();
        1_024 + transactions + requests
    }

    fn hashed(&self) -> &Hashed {
        self.hashed.get_or_init(|| {
            let header = self.payload.header();
            Hashed {
                payload_root: header.tree_hash_root(),
                requests_root: self.requests.tree_hash_root(),
                header: Arc::new(header),
            }
        })
    }
}

impl Clone for ExecutionBody {
    fn clone(&self) -> Self {
        Self::new(self.payload.clone(), self.requests.clone())
    }
}

impl PartialEq for ExecutionBody {
    fn eq(&self, other: &Self) -> bool {
        self.payload == other.payload && self.requests == other.requests
    }
}

impl Eq for ExecutionBody {}

impl fmt::Debug for ExecutionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionBody")
            .field("block_hash", &self.payload.block_hash)
            .field("transactions", &self.payload.transactions.len())
            .field("requests", &self.requests.len())
            .finish_non_exhaustive()
    }
}

/// Which containers a network uses, from its genesis on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChainVariant {
    /// leanSpec's own.
    #[default]
    Plain,
    /// Bodies carry execution payloads, and states the header of the last one.
    ExecutionPaired,
}

impl ChainVariant {
    /// Its name in a network's digest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ExecutionPaired => "execution",
        }
    }

    /// Refuses a container of another variant. Every border asks here: gossip, requests, storage and checkpoints.
    pub fn admits(self, container: &impl Shaped) -> Result<(), WrongVariant> {
        let found = container.variant();
        if found == self { Ok(()) } else { Err(WrongVariant { expected: self, found }) }
    }

    const fn of<T>(execution: &Option<T>) -> Self {
        if execution.is_some() { Self::ExecutionPaired } else { Self::Plain }
    }
}

impl fmt::Display for ChainVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A container whose shape is that of one variant.
pub trait Shaped {
    /// The variant.
    fn variant(&self) -> ChainVariant;
}

impl Shaped for BlockBody {
    fn variant(&self) -> ChainVariant {
        ChainVariant::of(&self.execution)
    }
}

impl Shaped for Block {
    fn variant(&self) -> ChainVariant {
        self.body.variant()
    }
}

impl Shaped for SignedBlock {
    fn variant(&self) -> ChainVariant {
        self.block.variant()
    }
}

impl Shaped for State {
    fn variant(&self) -> ChainVariant {
        ChainVariant::of(&self.latest_execution_payload_header)
    }
}

/// A container of a variant that the network does not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a container of the {found} chain on the {expected} chain")]
pub struct WrongVariant {
    /// The network's.
    pub expected: ChainVariant,
    /// The container's.
    pub found: ChainVariant,
}
