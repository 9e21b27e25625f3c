//! From the specification's JSON to the client's types.
//!
//! Keys are camelCase, lists are `{"data": [...]}`, bytes are hex strings with `0x`. Every error names the place.
//! [`Json`] makes any [`FromJson`] type a field of a serde structure.

use milhouse::List;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use ssz_types::{BitList, BitVector, FixedVector, VariableList};
use typenum::Unsigned;

use lathe_types::{
    AggregatedAttestation, Attestation, AttestationData, Block, BlockBody, BlockHeader, BlocksByRangeRequest,
    BlocksByRootRequest, Checkpoint, Decode, GenesisConfig, Interval, MultiMessageAggregate, PublicKey, Root,
    Signature, SignedAggregatedAttestation, SignedAttestation, SignedBlock, SingleMessageAggregate, Slot,
    State, Status, SubnetId, Validator, ValidatorIndex, check_registry,
};

/// Why a JSON value is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {detail}")]
pub struct JsonError {
    /// Keys and indices from the outermost value, such as `block.body.attestations[2]`.
    pub path: String,
    /// What is wrong there.
    pub detail: String,
}

impl JsonError {
    /// An error at this value itself.
    pub fn new(detail: impl Into<String>) -> Self {
        Self { path: String::new(), detail: detail.into() }
    }

    fn below(mut self, step: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{separator}{}", self.path);
        self
    }
}

/// A type that the specification's JSON can spell.
pub trait FromJson: Sized {
    /// Reads the type from `value`.
    fn from_json(value: &Value) -> Result<Self, JsonError>;
}

/// Any [`FromJson`] type as a field of a serde structure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<'de, T: FromJson> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::from_json(&Value::deserialize(deserializer)?).map(Self).map_err(de::Error::custom)
    }
}

/// Bytes spelled as a hex string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl FromJson for Bytes {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let digits = value
            .as_str()
            .and_then(|text| text.strip_prefix("0x"))
            .ok_or_else(|| JsonError::new("expected a hex string with 0x"))?;
        hex::decode(digits).map(Self).map_err(|error| JsonError::new(error.to_string()))
    }
}

/// The fields of an object, each to be taken once; what is left at the end is an error.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    taken: usize,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, which must be an object.
    pub fn of(value: &'a Value) -> Result<Self, JsonError> {
        let object = value.as_object().ok_or_else(|| JsonError::new("expected an object"))?;
        Ok(Self { object, taken: 0 })
    }

    /// Reads the field whose Rust name is `name`.
    pub fn take<T: FromJson>(&mut self, name: &str) -> Result<T, JsonError> {
        let key = camel_case(name);
        let value = self.object.get(&key).ok_or_else(|| JsonError::new("is missing").below(&key))?;
        self.taken += 1;
        T::from_json(value).map_err(|error| error.below(&key))
    }

    /// Fails if there are fields that nobody took.
    pub fn finish(self) -> Result<(), JsonError> {
        if self.taken == self.object.len() {
            return Ok(());
        }
        let keys: Vec<&str> = self.object.keys().map(String::as_str).collect();
        Err(JsonError::new(format!(
            "expected {} keys, found {}: {}",
            self.taken,
            keys.len(),
            keys.join(", ")
        )))
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut key = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        key.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        key.push_str(letters.as_str());
    }
    key
}

/// The value under the only key, `data`.
fn data(value: &Value) -> Result<&Value, JsonError> {
    match value.as_object() {
        Some(object) if object.len() == 1 => object.get("data"),
        _ => None,
    }
    .ok_or_else(|| JsonError::new("expected an object with the only key data"))
}

/// The items under the only key, `data`.
fn items<T: FromJson>(value: &Value) -> Result<Vec<T>, JsonError> {
    Vec::from_json(data(value)?).map_err(|error| error.below("data"))
}

fn limit_error(error: impl std::fmt::Debug) -> JsonError {
    JsonError::new(format!("does not fit its type: {error:?}"))
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let items = value.as_array().ok_or_else(|| JsonError::new("expected an array"))?;
        let item = |(index, item)| T::from_json(item).map_err(|error| error.below(&format!("[{index}]")));
        items.iter().enumerate().map(item).collect()
    }
}

impl FromJson for u64 {
    /// A number, or its decimal digits in a string.
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .ok_or_else(|| JsonError::new(format!("expected an unsigned 64-bit integer, found {value}")))
    }
}

macro_rules! narrow_integers {
    ($($name:ident),+) => {
        $(impl FromJson for $name {
            fn from_json(value: &Value) -> Result<Self, JsonError> {
                Self::try_from(u64::from_json(value)?).map_err(|error| JsonError::new(error.to_string()))
            }
        })+
    };
}

// Not u8: a list of bytes is spelled as hex, not as a list of numbers.
narrow_integers!(u16, u32);

impl FromJson for bool {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        value.as_bool().ok_or_else(|| JsonError::new(format!("expected true or false, found {value}")))
    }
}

macro_rules! numbers {
    ($($name:ident),+) => {
        $(impl FromJson for $name {
            fn from_json(value: &Value) -> Result<Self, JsonError> {
                u64::from_json(value).map(Self)
            }
        })+
    };
}

numbers!(Slot, Interval, ValidatorIndex, SubnetId);

/// Types whose JSON is the hex of their SSZ encoding.
macro_rules! encodings {
    ($($name:ident),+) => {
        $(impl FromJson for $name {
            fn from_json(value: &Value) -> Result<Self, JsonError> {
                Self::from_ssz_bytes(&Bytes::from_json(value)?.0).map_err(limit_error)
            }
        })+
    };
}

encodings!(Root, PublicKey, Signature);

impl<N: Unsigned + Clone> FromJson for BitList<N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let bits: Vec<bool> = items(value)?;
        let mut list = Self::with_capacity(bits.len()).map_err(limit_error)?;
        for (index, bit) in bits.into_iter().enumerate() {
            list.set(index, bit).map_err(limit_error)?;
        }
        Ok(list)
    }
}

impl<N: Unsigned + Clone> FromJson for BitVector<N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let bits: Vec<bool> = items(value)?;
        if bits.len() != N::to_usize() {
            return Err(JsonError::new(format!("expected {} bits, found {}", N::to_usize(), bits.len())));
        }
        let mut vector = Self::new();
        for (index, bit) in bits.into_iter().enumerate() {
            vector.set(index, bit).map_err(limit_error)?;
        }
        Ok(vector)
    }
}

impl<T: FromJson, N: Unsigned> FromJson for VariableList<T, N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        Self::new(items(value)?).map_err(limit_error)
    }
}

impl<T: FromJson, N: Unsigned> FromJson for FixedVector<T, N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        Self::new(items(value)?).map_err(limit_error)
    }
}

impl<T: FromJson + milhouse::Value, N: Unsigned> FromJson for List<T, N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        Self::new(items(value)?).map_err(limit_error)
    }
}

/// A list of bytes is a hex string under `data`.
impl<N: Unsigned> FromJson for VariableList<u8, N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        let bytes = Bytes::from_json(data(value)?).map_err(|error| error.below("data"))?;
        Self::new(bytes.0).map_err(limit_error)
    }
}

/// A vector of bytes is a hex string.
impl<N: Unsigned> FromJson for FixedVector<u8, N> {
    fn from_json(value: &Value) -> Result<Self, JsonError> {
        Self::new(Bytes::from_json(value)?.0).map_err(limit_error)
    }
}

macro_rules! containers {
    ($($name:ident { $($field:ident),+ $(,)? $(; $absent:ident)? } $(=> $check:path)?)+) => {
        $(impl FromJson for $name {
            fn from_json(value: &Value) -> Result<Self, JsonError> {
                let mut fields = Fields::of(value)?;
                let container =
                    Self { $($field: fields.take(stringify!($field))?,)+ $($absent: None,)? };
                fields.finish()?;
                $($check(&container)?;)?
                Ok(container)
            }
        })+
    };
}

containers! {
    AggregatedAttestation { aggregation_bits, data }
    Attestation { validator_index, data }
    AttestationData { slot, head, target, source }
    Block { slot, proposer_index, parent_root, state_root, body }
    BlockBody { attestations; execution }
    BlockHeader { slot, proposer_index, parent_root, state_root, body_root }
    BlocksByRangeRequest { start_slot, count }
    BlocksByRootRequest { roots }
    Checkpoint { root, slot }
    GenesisConfig { genesis_time }
    MultiMessageAggregate { proof }
    SignedAggregatedAttestation { data, proof }
    SignedAttestation { validator_index, data, signature }
    SignedBlock { block, proof }
    SingleMessageAggregate { participants, proof }
    State {
        config, slot, latest_block_header, latest_justified, latest_finalized, historical_block_hashes, justified_slots,
        validators, justifications_roots, justifications_validators; latest_execution_payload_header
    } => check_state
    Status { finalized, head }
    Validator { attestation_public_key, proposal_public_key, index }
}

fn check_state(state: &State) -> Result<(), JsonError> {
    check_registry(&state.validators).map_err(|error| limit_error(error).below("validators"))
}
