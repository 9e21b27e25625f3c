//! Keys and values as they stand on disk. Slots are big-endian, so that keys sort by them; objects are SSZ.

use std::ops::Range;

use lathe_types::{
    Block, BlockHeader, Checkpoint, Decode, DecodeError, Encode, HISTORICAL_ROOTS_LIMIT,
    HistoricalBlockHashes, Root, SignedBlock, Slot, State, TreeHash as _, Validators,
};

use crate::error::StorageError;
use crate::model::NetworkId;

/// Version of everything in this file.
pub(crate) const FORMAT: u32 = 1;

/// Keys of [`crate::Column::Meta`].
pub(crate) mod meta {
    pub(crate) const FORMAT: &[u8] = b"format";
    pub(crate) const NETWORK: &[u8] = b"network";
    pub(crate) const HEAD: &[u8] = b"head";
    pub(crate) const JUSTIFIED: &[u8] = b"justified";
    pub(crate) const FINALIZED: &[u8] = b"finalized";
    /// Blocks below this slot are pruned.
    pub(crate) const EARLIEST: &[u8] = b"earliest";
}

const ROOT_LEN: usize = 32;
const SLOT_LEN: usize = 8;

pub(crate) fn slot_key(slot: Slot) -> Vec<u8> {
    slot.0.to_be_bytes().to_vec()
}

/// Key of a block or state, and value of a checkpoint: slot, then root.
pub(crate) fn slot_root(slot: Slot, root: Root) -> Vec<u8> {
    [&slot.0.to_be_bytes()[..], root.as_slice()].concat()
}

pub(crate) fn slots(range: Range<Slot>) -> Range<Vec<u8>> {
    slot_key(range.start)..slot_key(range.end)
}

pub(crate) fn decode_slot(bytes: &[u8]) -> Result<Slot, StorageError> {
    let bytes = bytes.try_into().map_err(|_| malformed("slot", bytes))?;
    Ok(Slot(u64::from_be_bytes(bytes)))
}

pub(crate) fn decode_root(bytes: &[u8]) -> Result<Root, StorageError> {
    Root::try_from(bytes).map_err(|_| malformed("root", bytes))
}

pub(crate) fn decode_slot_root(bytes: &[u8]) -> Result<(Slot, Root), StorageError> {
    let (slot, root) = bytes.split_at_checked(SLOT_LEN).ok_or_else(|| malformed("slot and root", bytes))?;
    Ok((decode_slot(slot)?, decode_root(root)?))
}

pub(crate) fn decode_checkpoint(bytes: &[u8]) -> Result<Checkpoint, StorageError> {
    decode_slot_root(bytes).map(|(slot, root)| Checkpoint { root, slot })
}

/// What the index says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) slot: Slot,
    pub(crate) parent: Root,
    pub(crate) state_root: Root,
}

impl IndexEntry {
    pub(crate) fn of(block: &Block) -> Self {
        Self { slot: block.slot, parent: block.parent_root, state_root: block.state_root }
    }

    pub(crate) fn of_header(header: &BlockHeader) -> Self {
        Self { slot: header.slot, parent: header.parent_root, state_root: header.state_root }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.slot.0.to_be_bytes()[..], self.parent.as_slice(), self.state_root.as_slice()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        let (start, state_root) =
            bytes.split_at_checked(SLOT_LEN + ROOT_LEN).ok_or_else(|| malformed("index entry", bytes))?;
        let (slot, parent) = decode_slot_root(start)?;
        // Gaps between slots become zero roots in memory, so a slot that no state can reach must not get that far.
        if slot.0 > HISTORICAL_ROOTS_LIMIT {
            return Err(StorageError::corrupt(format!("a block at slot {slot}")));
        }
        Ok(Self { slot, parent, state_root: decode_root(state_root)? })
    }
}

pub(crate) fn encode_network(network: &NetworkId) -> Vec<u8> {
    [network.genesis.as_slice(), network.variant.as_bytes()].concat()
}

pub(crate) fn decode_network(bytes: &[u8]) -> Result<NetworkId, StorageError> {
    let (genesis, variant) = bytes.split_at_checked(ROOT_LEN).ok_or_else(|| malformed("network", bytes))?;
    let variant = String::from_utf8(variant.to_vec()).map_err(|_| malformed("network", bytes))?;
    Ok(NetworkId { genesis: decode_root(genesis)?, variant })
}

pub(crate) fn decode_format(bytes: &[u8]) -> Result<u32, StorageError> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| malformed("format", bytes))
}

pub(crate) fn decode_block(bytes: &[u8]) -> Result<SignedBlock, StorageError> {
    SignedBlock::from_ssz_bytes(bytes).map_err(|error| undecodable("block", &error))
}

pub(crate) fn decode_registry(bytes: &[u8]) -> Result<Validators, StorageError> {
    lathe_types::decode_registry(bytes).map_err(|error| undecodable("registry", &error))
}

/// A state without the two lists that it shares with its relatives.
pub(crate) struct StateRecord {
    pub(crate) registry: Root,
    state: State,
}

impl StateRecord {
    /// The root of the registry, then the SSZ of the state with both lists empty.
    pub(crate) fn encode(registry: Root, state: &State) -> Vec<u8> {
        let lean = State {
            historical_block_hashes: HistoricalBlockHashes::default(),
            validators: Validators::default(),
            ..state.clone()
        };
        let mut bytes = registry.to_vec();
        lean.ssz_append(&mut bytes);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        let (registry, state) = bytes.split_at_checked(ROOT_LEN).ok_or_else(|| malformed("state", bytes))?;
        let state = State::from_ssz_bytes(state).map_err(|error| undecodable("state", &error))?;
        Ok(Self { registry: decode_root(registry)?, state })
    }

    /// Puts the lists back and checks that the result is the state that the block commits to.
    pub(crate) fn complete(
        self,
        block: Root,
        state_root: Root,
        validators: Validators,
        historical_block_hashes: HistoricalBlockHashes,
    ) -> Result<State, StorageError> {
        let state = State { validators, historical_block_hashes, ..self.state };
        if state.tree_hash_root() != state_root {
            return Err(StorageError::corrupt(format!("the state of block {block} has another root")));
        }
        Ok(state)
    }
}

fn malformed(what: &str, bytes: &[u8]) -> StorageError {
    StorageError::corrupt(format!("a {what} of {} bytes", bytes.len()))
}

fn undecodable(what: &str, error: &DecodeError) -> StorageError {
    StorageError::corrupt(format!("a {what} does not decode: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(byte: u8) -> Root {
        Root::repeat_byte(byte)
    }

    #[test]
    fn keys_are_big_endian_and_sort_by_slot() {
        assert_eq!(slot_key(Slot(0x0102)), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(slot_root(Slot(0x0102), root(7)), [&[0, 0, 0, 0, 0, 0, 1, 2][..], &[7; 32]].concat());
        assert!(slot_root(Slot(255), root(9)) < slot_root(Slot(256), root(0)));
        assert_eq!(decode_slot_root(&slot_root(Slot(258), root(7))).unwrap(), (Slot(258), root(7)));
    }

    #[test]
    fn an_index_entry_is_slot_parent_and_state_root() {
        let entry = IndexEntry { slot: Slot(3), parent: root(1), state_root: root(2) };
        assert_eq!(entry.encode(), [&[0, 0, 0, 0, 0, 0, 0, 3][..], &[1; 32], &[2; 32]].concat());
        assert_eq!(IndexEntry::decode(&entry.encode()).unwrap(), entry);
    }

    #[test]
    fn a_network_is_its_genesis_root_and_its_variant() {
        let network = NetworkId { genesis: root(5), variant: "raw".into() };
        assert_eq!(encode_network(&network), [&[5; 32][..], b"raw"].concat());
        assert_eq!(decode_network(&encode_network(&network)).unwrap(), network);
    }

    #[test]
    fn short_values_are_corrupt_and_do_not_panic() {
        for length in 0..40 {
            let bytes = vec![0xff; length];
            assert!(decode_slot_root(&bytes).is_err());
            assert!(IndexEntry::decode(&bytes).is_err());
            assert!(IndexEntry::decode(&[0xff; 72]).is_err(), "a slot beyond all reach");
            assert!(StateRecord::decode(&bytes).is_err());
            assert!(decode_block(&bytes).is_err());
            assert_eq!(decode_slot(&bytes).is_ok(), length == 8);
            assert_eq!(decode_format(&bytes).is_ok(), length == 4);
            assert_eq!(decode_root(&bytes).is_ok(), length == 32);
        }
    }
}
