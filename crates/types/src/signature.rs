//! XMSS signatures as the wire carries them.

use std::fmt;
use std::sync::Arc;

use ssz::{Decode, DecodeError, Encode};
use tree_hash::{BYTES_PER_CHUNK, Hash256, merkle_root, mix_in_length};

use crate::tree::composite_tree_hash;

/// Bytes of a hash digest: eight field elements.
const DIGEST_LEN: usize = 32;
/// Bytes of the randomness: seven field elements.
const RHO_LEN: usize = 28;
/// Fixed part: offset of the path, randomness, offset of the hashes.
const FIXED_LEN: usize = 4 + RHO_LEN + 4;
/// The path container's only field is a list, so it opens with an offset.
const PATH_OFFSET_LEN: usize = 4;
/// Field elements are canonical: below this.
const KOALA_BEAR_PRIME: u32 = (1 << 31) - (1 << 24) + 1;

/// What a signature is made of, which its length tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureShape {
    /// leanSig's production scheme: 32 siblings, 46 chains; 2,536 bytes.
    Leansig,
    /// The specification's test scheme: 8 siblings, 4 chains; 424 bytes.
    LeansigTest,
    /// XMSS over BLAKE2s: 42 chain values, a randomizer and 32 siblings, one after the other; 1,208 bytes.
    XmssBlake2s,
    /// leanVM's published bindings: opaque to us; 2,404 bytes.
    LeanPq,
}

impl SignatureShape {
    /// The production scheme of the specification.
    pub const PROD: Self = Self::Leansig;
    /// The specification's test scheme.
    pub const TEST: Self = Self::LeansigTest;

    const ALL: [Self; 4] = [Self::Leansig, Self::LeansigTest, Self::XmssBlake2s, Self::LeanPq];

    /// Encoded length in bytes.
    pub const fn encoded_len(self) -> usize {
        match self {
            Self::Leansig => Lists::PROD.encoded_len(),
            Self::LeansigTest => Lists::TEST.encoded_len(),
            Self::XmssBlake2s => 42 * 16 + 24 + 32 * 16,
            Self::LeanPq => 2404,
        }
    }

    /// The shape of signatures of so many bytes.
    pub fn of_len(len: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.encoded_len() == len)
    }

    /// Siblings on the authentication path of one of leanSig's; none in a shape without lists.
    pub const fn siblings(self) -> usize {
        match self.lists() {
            Some(lists) => lists.siblings,
            None => 0,
        }
    }

    /// Chain hashes of one of leanSig's; none in a shape without lists.
    pub const fn chains(self) -> usize {
        match self.lists() {
            Some(lists) => lists.chains,
            None => 0,
        }
    }

    /// The lists inside, where there are any.
    const fn lists(self) -> Option<Lists> {
        match self {
            Self::Leansig => Some(Lists::PROD),
            Self::LeansigTest => Some(Lists::TEST),
            Self::XmssBlake2s | Self::LeanPq => None,
        }
    }
}

/// The lists in a signature of leanSig's.
#[derive(Clone, Copy)]
struct Lists {
    /// Siblings on the authentication path (`LOG_LIFETIME`).
    siblings: usize,
    /// Winternitz chains (`DIMENSION`).
    chains: usize,
}

impl Lists {
    const PROD: Self = Self { siblings: 32, chains: 46 };
    const TEST: Self = Self { siblings: 8, chains: 4 };

    const fn encoded_len(self) -> usize {
        FIXED_LEN + PATH_OFFSET_LEN + DIGEST_LEN * (self.siblings + self.chains)
    }

    const fn hashes_offset(self) -> usize {
        FIXED_LEN + PATH_OFFSET_LEN + DIGEST_LEN * self.siblings
    }

    /// List limit of siblings and of chain hashes in the specification's types (`NODE_LIST_LIMIT`): twice the leaves
    /// of a bottom tree. It only matters to the hash tree root.
    const fn node_list_limit(self) -> usize {
        2 << (self.siblings / 2)
    }

    /// Checks offsets and field elements of a signature of the right length, which keeps its encoding unique.
    fn check(self, bytes: &[u8]) -> Result<(), DecodeError> {
        let expect_offset = |at: usize, expected: usize| match read_u32(bytes, at) {
            Some(offset) if offset as usize == expected => Ok(()),
            offset => Err(DecodeError::OffsetIntoFixedPortion(offset.unwrap_or_default() as usize)),
        };
        expect_offset(0, FIXED_LEN)?;
        expect_offset(4 + RHO_LEN, self.hashes_offset())?;
        expect_offset(FIXED_LEN, PATH_OFFSET_LEN)?;
        let limbs =
            bytes[4..4 + RHO_LEN].chunks_exact(4).chain(bytes[FIXED_LEN + PATH_OFFSET_LEN..].chunks_exact(4));
        for limb in limbs {
            if read_u32(limb, 0).is_none_or(|value| value >= KOALA_BEAR_PRIME) {
                return Err(DecodeError::BytesInvalid("field element is not canonical".into()));
            }
        }
        Ok(())
    }

    /// Root of `{path: {siblings: List}, rho: Vector, hashes: List}`; the root of a container with one field is that
    /// field's root.
    fn root(self, bytes: &[u8]) -> Hash256 {
        let digest_list = |bytes: &[u8]| {
            mix_in_length(&merkle_root(bytes, self.node_list_limit()), bytes.len() / DIGEST_LEN)
        };
        let (path, hashes) = (FIXED_LEN + PATH_OFFSET_LEN, self.hashes_offset());
        let fields = [
            digest_list(&bytes[path..hashes]),
            merkle_root(&bytes[4..4 + RHO_LEN], 1),
            digest_list(&bytes[hashes..]),
        ];
        merkle_root(&fields.map(|root| root.0).concat(), fields.len())
    }
}

/// A signature in its wire encoding, of any scheme that networks use; its length tells which. One of leanSig's is
/// checked for shape and canonical field elements when decoded, of the others every byte string of the right length is
/// one.
///
/// Lists inside have constant lengths in a given scheme, so the encoding is of fixed size; an encoding that says
/// otherwise is refused, which keeps it unique. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signature(Arc<[u8]>);

impl Signature {
    /// The wire bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The shape that the length implies.
    pub fn shape(&self) -> SignatureShape {
        SignatureShape::of_len(self.0.len()).unwrap_or(SignatureShape::PROD)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.get(4..12).unwrap_or_default();
        write!(f, "Signature({} bytes, 0x{}..)", self.0.len(), alloy_primitives::hex::encode(start))
    }
}

impl Encode for Signature {
    fn is_ssz_fixed_len() -> bool {
        false
    }
    fn ssz_bytes_len(&self) -> usize {
        self.0.len()
    }
    fn ssz_append(&self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(&self.0);
    }
}

impl Decode for Signature {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let shape = SignatureShape::of_len(bytes.len()).ok_or(DecodeError::InvalidByteLength {
            len: bytes.len(),
            expected: SignatureShape::PROD.encoded_len(),
        })?;
        if let Some(lists) = shape.lists() {
            lists.check(bytes)?;
        }
        Ok(Self(bytes.into()))
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

// The root of leanSig's container; of the other schemes that of a vector of bytes, as other clients have it.
composite_tree_hash!(Signature: Container, |signature| {
    let bytes = &signature.0;
    match signature.shape().lists() {
        Some(lists) => lists.root(bytes),
        None => merkle_root(bytes, bytes.len().div_ceil(BYTES_PER_CHUNK)),
    }
});
