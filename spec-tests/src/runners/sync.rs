//! `sync` fixtures: whether a downloaded state may become an anchor.

use serde::Deserialize;

use lathe_types::{Decode, Encode, Slot, State};

use super::chain::without_votes;
use crate::fixtures::Case;
use crate::json::{Bytes, Json};
use crate::outcome::{Failure, Outcome, expect_eq};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    operation: Operation,
    output: Output,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase", tag = "kind", deny_unknown_fields)]
enum Operation {
    /// The state is that of a chain of `num_validators` with a block in every slot up to `anchor_slot`.
    VerifyCheckpoint { num_validators: u64, anchor_slot: Slot },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Output {
    valid: bool,
    state_bytes: Json<Bytes>,
    validator_count: u64,
    anchor_slot: Slot,
}

pub(super) fn run(case: &Case) -> Outcome {
    let Body { operation: Operation::VerifyCheckpoint { num_validators, anchor_slot }, output } =
        case.body()?;
    let bytes = output.state_bytes.0.0;
    let state = State::from_ssz_bytes(&bytes)
        .map_err(|error| Failure::new("a decodable state", format!("{error:?}")).at("stateBytes"))?;
    expect_eq("stateBytes encoded again", &bytes, &state.as_ssz_bytes())?;
    expect_eq("validatorCount", &output.validator_count, &(state.validators.len() as u64))?;
    expect_eq("numValidators", &num_validators, &output.validator_count)?;
    expect_eq("anchorSlot", &output.anchor_slot, &state.slot)?;
    expect_eq("operation.anchorSlot", &anchor_slot, &output.anchor_slot)?;
    // The bytes are those of the chain that the operation speaks of. What keys it has does not matter here.
    let (built, _) = without_votes(state.validators.clone(), 0, anchor_slot)?;
    expect_eq(
        "state of that chain",
        &format!("0x{}", hex::encode(built.as_ssz_bytes())),
        &format!("0x{}", hex::encode(&bytes)),
    )?;
    expect_eq("valid", &output.valid, &state.verify_checkpoint_state())?;
    case.expect_rejection(None)
}
