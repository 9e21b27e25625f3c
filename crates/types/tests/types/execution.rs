//! The containers of the execution-paired chain: a second declaration, golden bytes, both shapes, hostile input.

#![allow(unused_qualifications, reason = "the derive macro spells out every name")]

use std::sync::Arc;

use lathe_types as ours;
use lathe_types::*;
use ssz_rs::prelude::*;
use ssz_types::VariableList;

use crate::mirror::{self, Bytes32, Mirrored};
use crate::random::Random;

#[derive(Default, SimpleSerialize)]
pub(crate) struct Withdrawal {
    index: u64,
    validator_index: u64,
    address: Vector<u8, 20>,
    amount: u64,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct ExecutionPayloadV3 {
    parent_hash: Bytes32,
    fee_recipient: Vector<u8, 20>,
    state_root: Bytes32,
    receipts_root: Bytes32,
    logs_bloom: Vector<u8, 256>,
    prev_randao: Bytes32,
    block_number: u64,
    gas_limit: u64,
    gas_used: u64,
    timestamp: u64,
    extra_data: List<u8, 32>,
    base_fee_per_gas: U256,
    block_hash: Bytes32,
    transactions: List<List<u8, 1073741824>, 1048576>,
    withdrawals: List<Withdrawal, 16>,
    blob_gas_used: u64,
    excess_blob_gas: u64,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct ExecutionPayloadHeader {
    parent_hash: Bytes32,
    fee_recipient: Vector<u8, 20>,
    state_root: Bytes32,
    receipts_root: Bytes32,
    logs_bloom: Vector<u8, 256>,
    prev_randao: Bytes32,
    block_number: u64,
    gas_limit: u64,
    gas_used: u64,
    timestamp: u64,
    extra_data: List<u8, 32>,
    base_fee_per_gas: U256,
    block_hash: Bytes32,
    transactions_root: Bytes32,
    withdrawals_root: Bytes32,
    blob_gas_used: u64,
    excess_blob_gas: u64,
}

#[derive(Default, SimpleSerialize)]
struct BlockBody {
    attestations: List<mirror::AggregatedAttestation, 4096>,
    execution_payload: ExecutionPayloadV3,
    execution_requests: List<List<u8, 1048576>, 16>,
}

#[derive(Default, SimpleSerialize)]
struct Block {
    slot: u64,
    proposer_index: u64,
    parent_root: Bytes32,
    state_root: Bytes32,
    body: BlockBody,
}

#[derive(Default, SimpleSerialize)]
struct State {
    config: mirror::GenesisConfig,
    slot: u64,
    latest_block_header: mirror::BlockHeader,
    latest_justified: mirror::Checkpoint,
    latest_finalized: mirror::Checkpoint,
    historical_block_hashes: List<Bytes32, 262144>,
    justified_slots: ssz_rs::Bitlist<262144>,
    validators: List<mirror::Validator, 4096>,
    justifications_roots: List<Bytes32, 262144>,
    justifications_validators: ssz_rs::Bitlist<1073741824>,
    latest_execution_payload_header: ExecutionPayloadHeader,
}

fn list<T: SimpleSerialize, const N: usize>(items: Vec<T>) -> List<T, N> {
    List::try_from(items).map_err(|(_, error)| error).unwrap()
}

fn vector<const N: usize>(bytes: &[u8]) -> Vector<u8, N> {
    Vector::try_from(bytes.to_vec()).map_err(|(_, error)| error).unwrap()
}

impl Mirrored for ours::ExecutionPayloadV3 {
    type Mirror = ExecutionPayloadV3;
    fn mirror(&self) -> ExecutionPayloadV3 {
        let withdrawal = |withdrawal: &ours::Withdrawal| Withdrawal {
            index: withdrawal.index,
            validator_index: withdrawal.validator_index,
            address: vector(withdrawal.address.as_slice()),
            amount: withdrawal.amount,
        };
        ExecutionPayloadV3 {
            parent_hash: self.parent_hash.0,
            fee_recipient: vector(self.fee_recipient.as_slice()),
            state_root: self.state_root.0,
            receipts_root: self.receipts_root.0,
            logs_bloom: vector(&self.logs_bloom),
            prev_randao: self.prev_randao.0,
            block_number: self.block_number,
            gas_limit: self.gas_limit,
            gas_used: self.gas_used,
            timestamp: self.timestamp,
            extra_data: list(self.extra_data.to_vec()),
            base_fee_per_gas: U256::from_bytes_le(self.base_fee_per_gas.to_le_bytes()),
            block_hash: self.block_hash.0,
            transactions: list(self.transactions.iter().map(|bytes| list(bytes.to_vec())).collect()),
            withdrawals: list(self.withdrawals.iter().map(withdrawal).collect()),
            blob_gas_used: self.blob_gas_used,
            excess_blob_gas: self.excess_blob_gas,
        }
    }
}

impl Mirrored for ours::ExecutionPayloadHeader {
    type Mirror = ExecutionPayloadHeader;
    fn mirror(&self) -> ExecutionPayloadHeader {
        ExecutionPayloadHeader {
            parent_hash: self.parent_hash.0,
            fee_recipient: vector(self.fee_recipient.as_slice()),
            state_root: self.state_root.0,
            receipts_root: self.receipts_root.0,
            logs_bloom: vector(&self.logs_bloom),
            prev_randao: self.prev_randao.0,
            block_number: self.block_number,
            gas_limit: self.gas_limit,
            gas_used: self.gas_used,
            timestamp: self.timestamp,
            extra_data: list(self.extra_data.to_vec()),
            base_fee_per_gas: U256::from_bytes_le(self.base_fee_per_gas.to_le_bytes()),
            block_hash: self.block_hash.0,
            transactions_root: self.transactions_root.0,
            withdrawals_root: self.withdrawals_root.0,
            blob_gas_used: self.blob_gas_used,
            excess_blob_gas: self.excess_blob_gas,
        }
    }
}

fn mirrored_block(block: &ours::Block) -> Block {
    let execution = block.body.execution.as_ref().unwrap();
    Block {
        slot: block.slot.0,
        proposer_index: block.proposer_index.0,
        parent_root: block.parent_root.0,
        state_root: block.state_root.0,
        body: BlockBody {
            attestations: block.body.attestations.mirror(),
            execution_payload: execution.payload().mirror(),
            execution_requests: list(execution.requests().iter().map(|bytes| list(bytes.to_vec())).collect()),
        },
    }
}

fn mirrored_state(state: &ours::State) -> State {
    let plain = state.mirror();
    State {
        config: plain.config,
        slot: plain.slot,
        latest_block_header: plain.latest_block_header,
        latest_justified: plain.latest_justified,
        latest_finalized: plain.latest_finalized,
        historical_block_hashes: plain.historical_block_hashes,
        justified_slots: plain.justified_slots,
        validators: plain.validators,
        justifications_roots: plain.justifications_roots,
        justifications_validators: plain.justifications_validators,
        latest_execution_payload_header: state.latest_execution_payload_header.as_ref().unwrap().mirror(),
    }
}

fn hex(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode(bytes)
}

fn agrees<T, M>(value: &T, mut mirror: M)
where
    T: Encode + Decode + TreeHash + PartialEq + std::fmt::Debug,
    M: SimpleSerialize,
{
    let bytes = value.as_ssz_bytes();
    assert_eq!(hex(&bytes), hex(&ssz_rs::serialize(&mirror).unwrap()));
    assert_eq!(bytes.len(), value.ssz_bytes_len());
    let root = mirror.hash_tree_root().unwrap();
    assert_eq!(hex(value.tree_hash_root().as_ref()), hex(root.as_ref()));
    assert_eq!(T::from_ssz_bytes(&bytes).unwrap(), *value);
    assert_eq!(M::deserialize(&bytes).unwrap().hash_tree_root().unwrap(), root);
    assert!(M::is_variable_size());
}

#[test]
fn two_libraries_agree() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let payload = random.execution_payload();
        agrees(&payload, payload.mirror());
        agrees(&payload.header(), payload.header().mirror());
        let block = random.paired_block();
        agrees(&block, mirrored_block(&block));
        let state = random.paired_state();
        agrees(&state, mirrored_state(&state));
    }
}

#[test]
fn a_header_stands_for_its_payload_and_a_block_header_for_its_block() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let payload = random.execution_payload();
        assert_eq!(payload.tree_hash_root(), payload.header().tree_hash_root());
        let body = ExecutionBody::new(payload.clone(), random.execution_requests());
        assert_eq!(body.payload_root(), payload.tree_hash_root());
        assert_eq!(body.requests_root(), body.requests().tree_hash_root());
        assert_eq!(**body.header(), payload.header());
        let block = random.paired_block();
        assert_eq!(block.tree_hash_root(), block.header().tree_hash_root());
    }
}

/// What a body of the paired chain is in bytes: three offsets, no votes, then 528 fixed bytes of payload.
#[test]
fn golden_genesis_body() {
    let body = ours::BlockBody {
        execution: Some(Arc::new(ExecutionBody::genesis(Root::repeat_byte(0xab)))),
        ..ours::BlockBody::default()
    };
    let bytes = body.as_ssz_bytes();
    let zeros = |count: usize| "00".repeat(count);
    let expected = [
        // Offsets of votes, payload and requests.
        "0c0000000c0000001c020000".to_owned(),
        // Parent hash, fee recipient, state root, receipts root, bloom, randomness, four numbers.
        zeros(32 + 20 + 32 + 32 + 256 + 32 + 4 * 8),
        "10020000".to_owned(),
        zeros(32),
        "ab".repeat(32),
        "1002000010020000".to_owned(),
        zeros(16),
    ];
    assert_eq!(hex(&bytes), expected.concat());
    assert_eq!(hex(body.tree_hash_root().as_ref()), GOLDEN_GENESIS_BODY_ROOT);
}

const GOLDEN_GENESIS_BODY_ROOT: &str = "7cd975b886060ebf42bdbd484d23cc66367c6c73d8868643f47f2790ca9e1583";

#[test]
fn each_shape_decodes_as_what_it_is() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let (plain, paired) = (random.signed_block(), random.paired_block());
        assert_eq!(plain.variant(), ChainVariant::Plain);
        assert_eq!(paired.variant(), ChainVariant::ExecutionPaired);
        let decoded = ours::Block::from_ssz_bytes(&paired.as_ssz_bytes()).unwrap();
        assert_eq!(decoded.variant(), ChainVariant::ExecutionPaired);
        let stripped = ours::BlockBody { execution: None, ..paired.body.clone() };
        assert_ne!(stripped.tree_hash_root(), paired.body.tree_hash_root());

        let (plain, paired) = (random.state(), random.paired_state());
        assert_eq!((plain.variant(), paired.variant()), (ChainVariant::Plain, ChainVariant::ExecutionPaired));
        assert_eq!(ours::State::from_ssz_bytes(&paired.as_ssz_bytes()).unwrap().variant(), paired.variant());
        assert_eq!(ours::State::from_ssz_bytes(&plain.as_ssz_bytes()).unwrap().variant(), plain.variant());
    }
}

#[test]
fn a_border_admits_its_own_variant_only() {
    let mut random = Random::new(1);
    let (plain, paired) = (random.state(), random.paired_state());
    assert_eq!(ChainVariant::Plain.admits(&plain), Ok(()));
    assert_eq!(ChainVariant::ExecutionPaired.admits(&paired), Ok(()));
    let wrong = ChainVariant::Plain.admits(&paired).unwrap_err();
    assert_eq!(wrong.to_string(), "a container of the execution chain on the plain chain");
    let wrong = ChainVariant::ExecutionPaired.admits(&random.block()).unwrap_err();
    assert_eq!(wrong.to_string(), "a container of the plain chain on the execution chain");
}

#[test]
fn lists_end_at_their_limits() {
    let requests = |count: usize, len: usize| {
        let offsets = (0..count).flat_map(|index| ((4 * count + index * len) as u32).to_le_bytes());
        offsets.chain(vec![7; count * len]).collect::<Vec<u8>>()
    };
    assert_eq!(ExecutionRequests::from_ssz_bytes(&requests(16, 3)).unwrap().len(), 16);
    assert!(ExecutionRequests::from_ssz_bytes(&requests(17, 3)).is_err());
    assert_eq!(ExecutionRequests::from_ssz_bytes(&requests(1, 1 << 20)).unwrap()[0].len(), 1 << 20);
    assert!(ExecutionRequests::from_ssz_bytes(&requests(1, (1 << 20) + 1)).is_err());
    assert_eq!(Withdrawals::from_ssz_bytes(&[0; 44 * 16]).unwrap().len(), 16);
    assert!(Withdrawals::from_ssz_bytes(&[0; 44 * 17]).is_err());
    assert!(ExtraData::from_ssz_bytes(&[0; 32]).is_ok());
    assert!(ExtraData::from_ssz_bytes(&[0; 33]).is_err());
    assert_eq!(Transactions::from_ssz_bytes(&requests(1 << 20, 0)).unwrap().len(), 1 << 20);
    assert!(Transactions::from_ssz_bytes(&requests((1 << 20) + 1, 0)).is_err());
}

/// A hash is made once, for what the body is: a copy has the hash of its own content.
#[test]
fn equal_bodies_hash_equally() {
    let mut random = Random::new(3);
    let body = ExecutionBody::new(random.execution_payload(), random.execution_requests());
    let root = body.payload_root();
    assert_eq!(body.clone().payload_root(), root);
    let mut payload = body.payload().clone();
    payload.gas_used ^= 1;
    let other = ExecutionBody::new(payload, VariableList::default());
    assert_ne!(other.payload_root(), root);
    assert_ne!(other, body);
}
