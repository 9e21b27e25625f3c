//! `ssz` fixtures: encoding, decoding and hash tree root of every type, and bytes that must not decode.

use std::fmt::Debug;

use serde::Deserialize;
use serde_json::Value;
use ssz_types::{BitVector, FixedVector, VariableList};
use typenum::{U4, U64, U1024};

use lathe_types::*;

use crate::fixtures::Case;
use crate::json::{Bytes, FromJson, Json};
use crate::outcome::{Failure, Outcome, expect_eq};

mod field;
mod shapes;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    type_name: String,
    value: Value,
    serialized: Json<Bytes>,
    /// Empty when the bytes must not decode.
    root: String,
    /// Bytes that must not decode; `value` is then only an example of the type.
    raw_bytes: Option<Json<Bytes>>,
}

/// Judges a case whose type is known.
type Judge = fn(&Case, &Body) -> Outcome;

pub(super) fn run(case: &Case) -> Outcome {
    let body: Body = case.body()?;
    let judge = container(&body.type_name)
        .or_else(|| field::judge(&body.type_name, case.scheme))
        .or_else(|| shapes::judge(&body.type_name))
        .ok_or_else(|| Failure::new("a known typeName", &body.type_name))?;
    judge(case, &body)
}

/// The types of the specification that this client has under the same name, or that are aliases of Rust's own.
fn container(type_name: &str) -> Option<Judge> {
    Some(match type_name {
        "AggregatedAttestation" => judge::<AggregatedAttestation>,
        "AggregatedAttestations" => judge::<AggregatedAttestations>,
        "AggregationBits" => judge::<AggregationBits>,
        "Attestation" => judge::<Attestation>,
        "AttestationData" => judge::<AttestationData>,
        "AttestationSubnets" => judge::<BitVector<U64>>,
        "Block" => judge::<Block>,
        "BlockBody" => judge::<BlockBody>,
        "BlockHeader" => judge::<BlockHeader>,
        "BlocksByRangeRequest" => judge::<BlocksByRangeRequest>,
        "BlocksByRootRequest" => judge::<BlocksByRootRequest>,
        "Boolean" => judge::<bool>,
        "ByteList512KiB" => judge::<ProofBytes>,
        "Bytes4" => judge::<FixedVector<u8, U4>>,
        "Bytes32" => judge::<Root>,
        "Bytes52" | "PublicKey" => judge::<PublicKey>,
        "Bytes64" => judge::<FixedVector<u8, U64>>,
        "Checkpoint" => judge::<Checkpoint>,
        "Config" | "GenesisConfig" => judge::<GenesisConfig>,
        "HistoricalBlockHashes" => judge::<HistoricalBlockHashes>,
        "Interval" => judge::<Interval>,
        "JustificationRoots" => judge::<JustificationRoots>,
        "JustificationValidators" => judge::<JustificationValidators>,
        "JustifiedSlots" => judge::<JustifiedSlots>,
        "MultiMessageAggregate" => judge::<MultiMessageAggregate>,
        "RequestedBlockRoots" => judge::<VariableList<Root, U1024>>,
        "Signature" => judge::<Signature>,
        "SignedAggregatedAttestation" => judge::<SignedAggregatedAttestation>,
        "SignedAttestation" => judge::<SignedAttestation>,
        "SignedBlock" => judge::<SignedBlock>,
        "SingleMessageAggregate" => judge::<SingleMessageAggregate>,
        "Slot" => judge::<Slot>,
        "State" => judge::<State>,
        "Status" => judge::<Status>,
        "SubnetId" => judge::<SubnetId>,
        "Uint8" => |case, body| {
            let value = u16::from_json(&body.value).ok().and_then(|value| u8::try_from(value).ok());
            let value = value.ok_or_else(|| Failure::new("an 8-bit integer", &body.value).at("value"))?;
            compare(case, body, &value, u8::from_ssz_bytes)
        },
        "Uint16" => judge::<u16>,
        "Uint32" => judge::<u32>,
        "Uint64" => judge::<u64>,
        "Validator" => judge::<Validator>,
        "ValidatorIndex" => judge::<ValidatorIndex>,
        "ValidatorIndices" => judge::<VariableList<ValidatorIndex, ValidatorRegistryLimit>>,
        "Validators" => |case, body| compare(case, body, &parse::<Validators>(body)?, decode_registry),
        _ => return None,
    })
}

fn parse<T: FromJson>(body: &Body) -> Result<T, Failure> {
    T::from_json(&body.value).map_err(|error| Failure::new("a value of the type", error).at("value"))
}

fn judge<T: FromJson + Encode + Decode + TreeHash + PartialEq + Debug>(case: &Case, body: &Body) -> Outcome {
    compare(case, body, &parse::<T>(body)?, T::from_ssz_bytes)
}

fn compare<T: Encode + TreeHash + PartialEq + Debug>(
    case: &Case,
    body: &Body,
    value: &T,
    decode: fn(&[u8]) -> Result<T, DecodeError>,
) -> Outcome {
    if let Some(Json(raw)) = &body.raw_bytes {
        return case.expect_rejection(decode(&raw.0).err().map(|_| RejectionReason::DecodeError));
    }
    let bytes = &body.serialized.0.0;
    expect_eq("serialize", &hex::encode(bytes), &hex::encode(value.as_ssz_bytes()))?;
    let decoded =
        decode(bytes).map_err(|error| Failure::new("a value", format!("{error:?}")).at("deserialize"))?;
    expect_eq("deserialize", value, &decoded)?;
    expect_eq("hash tree root", &body.root, &value.tree_hash_root().to_string())?;
    case.expect_rejection(None)
}
