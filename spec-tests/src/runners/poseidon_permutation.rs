//! `poseidon_permutation` fixtures: one state of width 16 or 24 before and after the permutation.

use serde::Deserialize;

use crate::fixtures::Case;
use crate::outcome::{Failure, Outcome, expect_eq};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    width: usize,
    input_state: Vec<String>,
    output_state: Vec<String>,
}

pub(super) fn run(case: &Case) -> Outcome {
    let Body { width, input_state, output_state } = case.body()?;
    let input = limbs(&input_state)?;
    expect_eq("width", &width, &input.len())?;
    let output =
        lathe_leansig::poseidon(&input).ok_or_else(|| Failure::new("a permutation", "no such state"))?;
    expect_eq("output state", &limbs(&output_state)?, &output)?;
    case.expect_rejection(None)
}

fn limbs(state: &[String]) -> Result<Vec<u32>, Failure> {
    state.iter().map(|limb| limb.parse().map_err(|_| Failure::new("a 32-bit limb", limb))).collect()
}
