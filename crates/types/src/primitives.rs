//! Newtypes for the scalars of the chain, so that a slot is never passed where an index is meant.

use std::fmt;

use serde::{Deserialize, Serialize};
use ssz::{Decode, DecodeError, Encode};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType};

use crate::constants::{IMMEDIATE_JUSTIFICATION_WINDOW, INTERVALS_PER_SLOT};
use crate::tree::composite_tree_hash;

/// A 32-byte hash tree root. `Display` and serde print `0x` and 64 hex digits.
pub type Root = alloy_primitives::B256;

macro_rules! uint64_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<u64> for $name {
            fn from(value: u64) -> Self {
                Self(value)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl Encode for $name {
            fn is_ssz_fixed_len() -> bool {
                true
            }
            fn ssz_fixed_len() -> usize {
                8
            }
            fn ssz_bytes_len(&self) -> usize {
                8
            }
            fn ssz_append(&self, buf: &mut Vec<u8>) {
                self.0.ssz_append(buf);
            }
        }

        impl Decode for $name {
            fn is_ssz_fixed_len() -> bool {
                true
            }
            fn ssz_fixed_len() -> usize {
                8
            }
            fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
                u64::from_ssz_bytes(bytes).map(Self)
            }
        }

        impl TreeHash for $name {
            fn tree_hash_type() -> TreeHashType {
                TreeHashType::Basic
            }
            fn tree_hash_packed_encoding(&self) -> PackedEncoding {
                self.0.tree_hash_packed_encoding()
            }
            fn tree_hash_packing_factor() -> usize {
                u64::tree_hash_packing_factor()
            }
            fn tree_hash_root(&self) -> Hash256 {
                self.0.tree_hash_root()
            }
        }
    };
}

uint64_newtype! {
    /// A slot number since genesis.
    Slot
}
uint64_newtype! {
    /// A count of 800 ms intervals since genesis.
    Interval
}
uint64_newtype! {
    /// A validator's position in the registry.
    ValidatorIndex
}
uint64_newtype! {
    /// An attestation subnet.
    SubnetId
}

impl Slot {
    /// Position of this slot in a bitfield that starts one past `finalized`; `None` at or before it.
    pub fn justified_index_after(self, finalized: Self) -> Option<usize> {
        let distance = self.0.checked_sub(finalized.0)?;
        usize::try_from(distance.checked_sub(1)?).ok()
    }

    /// Whether 3SF-mini lets this slot be justified once `finalized` is final: its distance is at most five, a
    /// perfect square, or a pronic number. A slot before the finalized one never is.
    pub fn is_justifiable_after(self, finalized: Self) -> bool {
        let Some(delta) = self.0.checked_sub(finalized.0) else {
            return false;
        };
        if delta <= IMMEDIATE_JUSTIFICATION_WINDOW {
            return true;
        }
        let root = delta.isqrt();
        // Pronic numbers are n(n+1), and n is then the integer square root.
        root * root == delta || root.checked_mul(root + 1) == Some(delta)
    }
}

impl Interval {
    /// First interval of `slot`; saturates far beyond any reachable time.
    pub fn from_slot(slot: Slot) -> Self {
        Self(slot.0.saturating_mul(INTERVALS_PER_SLOT))
    }

    /// The slot that this interval belongs to.
    pub fn slot(self) -> Slot {
        Slot(self.0 / INTERVALS_PER_SLOT)
    }

    /// What is due in this interval of its slot.
    pub fn phase(self) -> Phase {
        match self.0 % INTERVALS_PER_SLOT {
            0 => Phase::Propose,
            1 => Phase::Attest,
            2 => Phase::Aggregate,
            3 => Phase::UpdateSafeTarget,
            _ => Phase::AcceptVotes,
        }
    }
}

/// The five intervals of a slot, by what is due in them (leanSpec `tick_interval`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Interval 0: the proposer's block is published and imported.
    Propose,
    /// Interval 1: validators attest.
    Attest,
    /// Interval 2: aggregators fold the slot's votes.
    Aggregate,
    /// Interval 3: the safe target moves to what two thirds of the pending votes support.
    UpdateSafeTarget,
    /// Interval 4: pending votes count from here on.
    AcceptVotes,
}

impl ValidatorIndex {
    /// The validator that proposes in `slot`: round robin over the registry, `None` when it is empty.
    pub fn proposer_for_slot(slot: Slot, validator_count: u64) -> Option<Self> {
        slot.0.checked_rem(validator_count).map(Self)
    }

    /// Whether this index addresses a validator in a registry of `validator_count`.
    pub fn is_within_registry(self, validator_count: u64) -> bool {
        self.0 < validator_count
    }

    /// The attestation subnet of this validator among `committee_count` (at least one).
    pub fn subnet(self, committee_count: u64) -> SubnetId {
        SubnetId(self.0 % committee_count.max(1))
    }
}

/// Which of a validator's two keys signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRole {
    /// Signs votes.
    Attestation,
    /// Signs block roots.
    Proposal,
}

/// A public key of a validator, as long as the network's scheme has it: 52 bytes for leansig (Merkle root 32,
/// parameter 20, each little-endian field elements), 32 for the others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey {
    /// The key, then zeros.
    bytes: [u8; Self::LEN],
    len: u8,
}

impl PublicKey {
    /// Length in bytes of a leansig key, the longest.
    pub const LEN: usize = 52;
    /// Length in bytes of the keys of all other schemes.
    pub const SHORT_LEN: usize = 32;

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.len as usize).0
    }

    /// Whether this is a short key.
    const fn is_short(&self) -> bool {
        self.len as usize == Self::SHORT_LEN
    }
}

impl From<[u8; Self::LEN]> for PublicKey {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self { bytes, len: Self::LEN as u8 }
    }
}

impl From<[u8; Self::SHORT_LEN]> for PublicKey {
    fn from(short: [u8; Self::SHORT_LEN]) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes[..Self::SHORT_LEN].copy_from_slice(&short);
        Self { bytes, len: Self::SHORT_LEN as u8 }
    }
}

impl Default for PublicKey {
    fn default() -> Self {
        Self::from([0; Self::LEN])
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", alloy_primitives::hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// As a type its length is not fixed: the network's scheme fixes it, and whatever holds keys says how long they are.
impl Encode for PublicKey {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn ssz_bytes_len(&self) -> usize {
        self.as_bytes().len()
    }
    fn ssz_append(&self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(self.as_bytes());
    }
}

impl Decode for PublicKey {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let long = bytes.try_into().map(<[u8; Self::LEN]>::into);
        let short = bytes.try_into().map(<[u8; Self::SHORT_LEN]>::into);
        long.or(short).map_err(|_| DecodeError::InvalidByteLength { len: bytes.len(), expected: Self::LEN })
    }
}

composite_tree_hash!(PublicKey: Vector, |key| {
    // A short key is one chunk, and its own root.
    tree_hash::merkle_root(key.as_bytes(), if key.is_short() { 1 } else { 2 })
});
