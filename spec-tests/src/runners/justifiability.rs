//! `justifiability` fixtures: which slots may be justified after a finalized one.

use serde::Deserialize;

use lathe_types::Slot;

use crate::fixtures::Case;
use crate::outcome::{Outcome, expect_eq};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    slot: Slot,
    finalized_slot: Slot,
    output: Output,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Output {
    /// Negative before the finalized slot.
    delta: i128,
    is_justifiable: bool,
}

pub(super) fn run(case: &Case) -> Outcome {
    let Body { slot, finalized_slot, output } = case.body()?;
    expect_eq("delta", &output.delta, &(i128::from(slot.0) - i128::from(finalized_slot.0)))?;
    expect_eq("is_justifiable", &output.is_justifiable, &slot.is_justifiable_after(finalized_slot))?;
    case.expect_rejection(None)
}
