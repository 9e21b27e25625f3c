//! `verify_signatures` fixtures: a block and the state whose validators signed it.
//!
//! Who must have signed what is derived, and refused, without looking at the proof. The proof itself is leanVM's.

use lathe_aggregation::block_statements;
use lathe_types::{RejectionReason, SignedBlock, State, TreeHash};
use serde::Deserialize;

use crate::fixtures::{Case, ProofSetting};
use crate::json::Json;
use crate::outcome::{Failure, Outcome, Verdict, expect_eq};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    anchor_state: Json<State>,
    signed_block: Json<SignedBlock>,
}

pub(super) fn run(case: &Case) -> Outcome {
    let Body { anchor_state: Json(state), signed_block: Json(signed) } = case.body()?;
    let block = &signed.block;
    match block_statements(block, block.tree_hash_root(), &state.validators) {
        Err(rejection) => case.expect_rejection(Some(rejection.reason)),
        Ok(statements) => {
            let components = block.body.attestations.len() + 1;
            expect_eq("statements", &components, &statements.len())?;
            judge(case, RejectionReason::InvalidBlockProof)
        }
    }
}

/// What is left once the structure is sound: a mocked proof is accepted, a real one takes leanVM, and the only reason
/// left to refuse it is `proof_reason`.
pub(super) fn judge(case: &Case, proof_reason: RejectionReason) -> Outcome {
    match (case.proof_setting, case.rejection) {
        (ProofSetting::Mocked, _) => case.expect_rejection(None),
        (ProofSetting::Valid, None) => Ok(Verdict::NeedsLeanVm),
        (ProofSetting::Invalid, Some(reason)) if reason == proof_reason => Ok(Verdict::NeedsLeanVm),
        (_, expected) => {
            Err(Failure::new(expected.map_or("acceptance", RejectionReason::name), "a sound structure"))
        }
    }
}
