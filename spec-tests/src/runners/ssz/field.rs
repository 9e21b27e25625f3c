//! Field elements and the hash-tree types of the signature scheme. The client itself keeps them in a compact form of
//! its own, so their SSZ shape is spelled out here.

use serde_json::Value;
use ssz::{Decode, DecodeError, Encode};
use ssz_derive::{Decode, Encode};
use ssz_types::{FixedVector, VariableList};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType};
use tree_hash_derive::TreeHash;
use typenum::{U5, U7, U8, U32, U131072, Unsigned};

use super::{Judge, judge as judge_type};
use crate::fixtures::Scheme;
use crate::json::{Fields, FromJson, JsonError};

/// The KoalaBear prime; elements are canonical, hence below it.
const PRIME: u32 = (1 << 31) - (1 << 24) + 1;

/// A field element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fp(u32);

impl FromJson for Fp {
    /// A number inside vectors, `Fp(value=N)` alone.
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let alone =
            value.as_str().and_then(|text| text.strip_prefix("Fp(value=")?.strip_suffix(')')?.parse().ok());
        alone.map_or_else(|| u32::from_json(value), Ok).map(Self)
    }
}

impl Encode for Fp {
    fn is_ssz_fixed_len() -> bool {
        true
    }
    fn ssz_fixed_len() -> usize {
        4
    }
    fn ssz_bytes_len(&self) -> usize {
        4
    }
    fn ssz_append(&self, buf: &mut Vec<u8>) {
        self.0.ssz_append(buf);
    }
}

impl Decode for Fp {
    fn is_ssz_fixed_len() -> bool {
        true
    }
    fn ssz_fixed_len() -> usize {
        4
    }
    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        match u32::from_ssz_bytes(bytes)? {
            value if value < PRIME => Ok(Self(value)),
            value => Err(DecodeError::BytesInvalid(format!("{value} is not a canonical field element"))),
        }
    }
}

impl TreeHash for Fp {
    fn tree_hash_type() -> TreeHashType {
        TreeHashType::Basic
    }
    fn tree_hash_packed_encoding(&self) -> PackedEncoding {
        self.0.tree_hash_packed_encoding()
    }
    fn tree_hash_packing_factor() -> usize {
        u32::tree_hash_packing_factor()
    }
    fn tree_hash_root(&self) -> Hash256 {
        self.0.tree_hash_root()
    }
}

type HashDigest = FixedVector<Fp, U8>;

/// `N` is the scheme's `NODE_LIST_LIMIT`: twice the leaves of a bottom tree.
#[derive(Debug, PartialEq, Encode, Decode, TreeHash)]
struct HashTreeOpening<N: Unsigned> {
    siblings: VariableList<HashDigest, N>,
}

#[derive(Debug, PartialEq, Encode, Decode, TreeHash)]
struct HashTreeLayer<N: Unsigned> {
    start_index: u64,
    nodes: VariableList<HashDigest, N>,
}

impl<N: Unsigned> FromJson for HashTreeOpening<N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let mut fields = Fields::of(value)?;
        let opening = Self { siblings: fields.take("siblings")? };
        fields.finish()?;
        Ok(opening)
    }
}

impl<N: Unsigned> FromJson for HashTreeLayer<N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let mut fields = Fields::of(value)?;
        let layer = Self { start_index: fields.take("start_index")?, nodes: fields.take("nodes")? };
        fields.finish()?;
        Ok(layer)
    }
}

/// The judge of a type of the signature scheme.
pub(super) fn judge(type_name: &str, scheme: Scheme) -> Option<Judge> {
    Some(match (type_name, scheme) {
        ("Fp", _) => judge_type::<Fp>,
        ("HashDigestVector", _) => judge_type::<HashDigest>,
        ("Parameter", _) => judge_type::<FixedVector<Fp, U5>>,
        ("Randomness", _) => judge_type::<FixedVector<Fp, U7>>,
        ("HashDigestList", Scheme::Test) => judge_type::<VariableList<HashDigest, U32>>,
        ("HashDigestList", Scheme::Prod) => judge_type::<VariableList<HashDigest, U131072>>,
        ("HashTreeOpening", Scheme::Test) => judge_type::<HashTreeOpening<U32>>,
        ("HashTreeOpening", Scheme::Prod) => judge_type::<HashTreeOpening<U131072>>,
        ("HashTreeLayer", Scheme::Test) => judge_type::<HashTreeLayer<U32>>,
        ("HashTreeLayer", Scheme::Prod) => judge_type::<HashTreeLayer<U131072>>,
        _ => return None,
    })
}
