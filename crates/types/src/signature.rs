//! XMSS signatures as the wire carries them.

use std::fmt;
use std::sync::Arc;

use ssz::{Decode, DecodeError, Encode};
use tree_hash::{merkle_root, mix_in_length};

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

/// The numbers that fix a signature's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureShape {
    /// Siblings on the authentication path (`LOG_LIFETIME`).
    pub siblings: usize,
    /// Winternitz chains (`DIMENSION`).
    pub chains: usize,
}

impl SignatureShape {
    /// The production scheme: 2,536 bytes.
    pub const PROD: Self = Self { siblings: 32, chains: 46 };
    /// The specification's test scheme: 424 bytes.
    pub const TEST: Self = Self { siblings: 8, chains: 4 };

    /// Encoded length in bytes.
    pub const fn encoded_len(self) -> usize {
        FIXED_LEN + PATH_OFFSET_LEN + DIGEST_LEN * (self.siblings + self.chains)
    }

    const fn hashes_offset(self) -> usize {
        FIXED_LEN + PATH_OFFSET_LEN + DIGEST_LEN * self.siblings
    }
}

impl SignatureShape {
    /// List limit of siblings and of chain hashes in the specification's types (`NODE_LIST_LIMIT`): twice the leaves
    /// of a bottom tree. It only matters to the hash tree root.
    const fn node_list_limit(self) -> usize {
        2 << (self.siblings / 2)
    }

    fn of_len(len: usize) -> Option<Self> {
        [Self::PROD, Self::TEST].into_iter().find(|shape| shape.encoded_len() == len)
    }
}

/// An XMSS signature in its wire encoding, checked for shape and canonical field elements when decoded.
///
/// The two lists inside have constant lengths in a given scheme, so the encoding is of fixed size; an encoding that
/// says otherwise is refused, which keeps it unique. Cloning shares the bytes.
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
        let expect_offset = |at: usize, expected: usize| match read_u32(bytes, at) {
            Some(offset) if offset as usize == expected => Ok(()),
            offset => Err(DecodeError::OffsetIntoFixedPortion(offset.unwrap_or_default() as usize)),
        };
        expect_offset(0, FIXED_LEN)?;
        expect_offset(4 + RHO_LEN, shape.hashes_offset())?;
        expect_offset(FIXED_LEN, PATH_OFFSET_LEN)?;
        let limbs =
            bytes[4..4 + RHO_LEN].chunks_exact(4).chain(bytes[FIXED_LEN + PATH_OFFSET_LEN..].chunks_exact(4));
        for limb in limbs {
            if read_u32(limb, 0).is_none_or(|value| value >= KOALA_BEAR_PRIME) {
                return Err(DecodeError::BytesInvalid("field element is not canonical".into()));
            }
        }
        Ok(Self(bytes.into()))
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

// Root of `{path: {siblings: List}, rho: Vector, hashes: List}`; the root of a container with one field is that field's
// root.
composite_tree_hash!(Signature: Container, |signature| {
    let shape = signature.shape();
    let digest_list = |bytes: &[u8]| {
        mix_in_length(&merkle_root(bytes, shape.node_list_limit()), bytes.len() / DIGEST_LEN)
    };
    let (path, hashes) = (FIXED_LEN + PATH_OFFSET_LEN, shape.hashes_offset());
    let fields = [
        digest_list(&signature.0[path..hashes]),
        merkle_root(&signature.0[4..4 + RHO_LEN], 1),
        digest_list(&signature.0[hashes..]),
    ];
    merkle_root(&fields.map(|root| root.0).concat(), fields.len())
});
