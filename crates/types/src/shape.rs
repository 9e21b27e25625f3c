//! SSZ of the two containers that have a shape per chain variant: the body and the state.
//!
//! The fields that only a paired chain has come last, so one list of fields serves both: it ends earlier on a plain
//! chain. That makes other bytes and other roots, and the first offset tells which it is.

use std::sync::Arc;

use ssz::{BYTES_PER_LENGTH_OFFSET, Decode, DecodeError, Encode, SszDecoderBuilder, SszEncoder};
use tree_hash::{Hash256, MerkleHasher};

use crate::attestation::AggregatedAttestations;
use crate::block::{BlockBody, BlockHeader};
use crate::checkpoint::Checkpoint;
use crate::execution::{
    ChainVariant, ExecutionBody, ExecutionPayloadHeader, ExecutionPayloadV3, ExecutionRequests, Shaped,
};
use crate::genesis::GenesisConfig;
use crate::primitives::Slot;
use crate::registry;
use crate::state::{
    HistoricalBlockHashes, JustificationRoots, JustificationValidators, JustifiedSlots, State, Validators,
};
use crate::tree::composite_tree_hash;

/// Length of the fixed part of a body.
const fn body_fixed_len(variant: ChainVariant) -> usize {
    match variant {
        ChainVariant::Plain => BYTES_PER_LENGTH_OFFSET,
        ChainVariant::ExecutionPaired => 3 * BYTES_PER_LENGTH_OFFSET,
    }
}

/// Fixed-size fields of a state: configuration, slot, header, two checkpoints. The first offset follows.
const STATE_FIRST_OFFSET_AT: usize = 8 + 8 + (8 + 8 + 3 * 32) + 2 * (32 + 8);

/// Length of the fixed part of a state.
const fn state_fixed_len(variant: ChainVariant) -> usize {
    let lists = match variant {
        ChainVariant::Plain => 5,
        ChainVariant::ExecutionPaired => 6,
    };
    STATE_FIRST_OFFSET_AT + lists * BYTES_PER_LENGTH_OFFSET
}

/// The variant of an encoded container, by its first offset: a paired one has more fields, so its variable part starts
/// later. What is neither is decoded as plain, and refused there.
fn variant_by_offset(bytes: &[u8], first_offset_at: usize, paired_fixed_len: usize) -> ChainVariant {
    let offset = bytes.get(first_offset_at..first_offset_at + BYTES_PER_LENGTH_OFFSET);
    let offset = offset.and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    if offset.and_then(|offset| usize::try_from(offset).ok()) == Some(paired_fixed_len) {
        ChainVariant::ExecutionPaired
    } else {
        ChainVariant::Plain
    }
}

impl Encode for BlockBody {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn ssz_bytes_len(&self) -> usize {
        let execution = self.execution.as_ref().map_or(0, |execution| {
            execution.payload().ssz_bytes_len() + execution.requests().ssz_bytes_len()
        });
        body_fixed_len(self.variant()) + self.attestations.ssz_bytes_len() + execution
    }
    fn ssz_append(&self, buf: &mut Vec<u8>) {
        let mut encoder = SszEncoder::container(buf, body_fixed_len(self.variant()));
        encoder.append(&self.attestations);
        if let Some(execution) = &self.execution {
            encoder.append(execution.payload());
            encoder.append(execution.requests());
        }
        encoder.finalize();
    }
}

impl Decode for BlockBody {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let variant = variant_by_offset(bytes, 0, body_fixed_len(ChainVariant::ExecutionPaired));
        let mut builder = SszDecoderBuilder::new(bytes);
        builder.register_type::<AggregatedAttestations>()?;
        if variant == ChainVariant::ExecutionPaired {
            builder.register_type::<ExecutionPayloadV3>()?;
            builder.register_type::<ExecutionRequests>()?;
        }
        let mut decoder = builder.build()?;
        Ok(Self {
            attestations: decoder.decode_next()?,
            execution: match variant {
                ChainVariant::Plain => None,
                ChainVariant::ExecutionPaired => {
                    Some(Arc::new(ExecutionBody::new(decoder.decode_next()?, decoder.decode_next()?)))
                }
            },
        })
    }
}

composite_tree_hash!(BlockBody: Container, |body| {
    let attestations = body.attestations.tree_hash_root();
    match &body.execution {
        None => container_root(&[attestations]),
        Some(execution) => {
            container_root(&[attestations, execution.payload_root(), execution.requests_root()])
        }
    }
});

impl Encode for State {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn ssz_bytes_len(&self) -> usize {
        state_fixed_len(self.variant())
            + self.historical_block_hashes.ssz_bytes_len()
            + self.justified_slots.ssz_bytes_len()
            + registry::encoded_len(&self.validators)
            + self.justifications_roots.ssz_bytes_len()
            + self.justifications_validators.ssz_bytes_len()
            + self.latest_execution_payload_header.as_ref().map_or(0, |header| header.ssz_bytes_len())
    }
    fn ssz_append(&self, buf: &mut Vec<u8>) {
        let mut encoder = SszEncoder::container(buf, state_fixed_len(self.variant()));
        encoder.append(&self.config);
        encoder.append(&self.slot);
        encoder.append(&self.latest_block_header);
        encoder.append(&self.latest_justified);
        encoder.append(&self.latest_finalized);
        encoder.append(&self.historical_block_hashes);
        encoder.append(&self.justified_slots);
        encoder.append(&self.validators);
        encoder.append(&self.justifications_roots);
        encoder.append(&self.justifications_validators);
        if let Some(header) = &self.latest_execution_payload_header {
            encoder.append(header);
        }
        encoder.finalize();
    }
}

impl Decode for State {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let paired_fixed_len = state_fixed_len(ChainVariant::ExecutionPaired);
        let variant = variant_by_offset(bytes, STATE_FIRST_OFFSET_AT, paired_fixed_len);
        let mut builder = SszDecoderBuilder::new(bytes);
        builder.register_type::<GenesisConfig>()?;
        builder.register_type::<Slot>()?;
        builder.register_type::<BlockHeader>()?;
        builder.register_type::<Checkpoint>()?;
        builder.register_type::<Checkpoint>()?;
        builder.register_type::<HistoricalBlockHashes>()?;
        builder.register_type::<JustifiedSlots>()?;
        builder.register_type::<Validators>()?;
        builder.register_type::<JustificationRoots>()?;
        builder.register_type::<JustificationValidators>()?;
        if variant == ChainVariant::ExecutionPaired {
            builder.register_type::<ExecutionPayloadHeader>()?;
        }
        let mut decoder = builder.build()?;
        Ok(Self {
            config: decoder.decode_next()?,
            slot: decoder.decode_next()?,
            latest_block_header: decoder.decode_next()?,
            latest_justified: decoder.decode_next()?,
            latest_finalized: decoder.decode_next()?,
            historical_block_hashes: decoder.decode_next()?,
            justified_slots: decoder.decode_next()?,
            validators: decoder.decode_next_with(registry::decode_registry)?,
            justifications_roots: decoder.decode_next()?,
            justifications_validators: decoder.decode_next()?,
            latest_execution_payload_header: match variant {
                ChainVariant::Plain => None,
                ChainVariant::ExecutionPaired => Some(Arc::new(decoder.decode_next()?)),
            },
        })
    }
}

composite_tree_hash!(State: Container, |state| {
    let plain = [
        state.config.tree_hash_root(),
        state.slot.tree_hash_root(),
        state.latest_block_header.tree_hash_root(),
        state.latest_justified.tree_hash_root(),
        state.latest_finalized.tree_hash_root(),
        state.historical_block_hashes.tree_hash_root(),
        state.justified_slots.tree_hash_root(),
        state.validators.tree_hash_root(),
        state.justifications_roots.tree_hash_root(),
        state.justifications_validators.tree_hash_root(),
    ];
    match &state.latest_execution_payload_header {
        None => container_root(&plain),
        Some(header) => {
            let paired = [plain.as_slice(), &[header.tree_hash_root()]].concat();
            container_root(&paired)
        }
    }
});

/// The root over the roots of a container's fields.
#[expect(clippy::expect_used, reason = "the hasher has a leaf for every field")]
fn container_root(fields: &[Hash256]) -> Hash256 {
    let mut hasher = MerkleHasher::with_leaves(fields.len());
    for field in fields {
        hasher.write(field.as_slice()).expect("a leaf per field");
    }
    hasher.finish().expect("a leaf per field")
}
