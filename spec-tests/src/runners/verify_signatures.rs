//! `verify_signatures` fixtures: a block and the state whose validators signed it.
//!
//! Who must have signed what is derived, and refused, without looking at the proof. The proof itself is leanVM's.

use lathe_aggregation::block_statements;
use lathe_types::{RejectionReason, SignedBlock, State, TreeHash};
use serde::{Deserialize, Serialize};

use crate::driver::CaseReport;
use crate::fixtures::{Case, ProofSetting};
use crate::json::Json;
use crate::outcome::{Failure, Outcome, Verdict, expect_eq};

/// Why a real proof has no verdict.
pub(crate) const NEEDS_LEANVM: &str = "a real proof: it takes leanVM to verify it, and none is configured";

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

/// What a driven case tells besides.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Nothing {}

/// Judges a block and leaves the comparison to whoever sent it. A proof that only leanVM can judge is not taken for
/// valid.
pub(crate) fn drive(case: &Case) -> Result<CaseReport<Nothing>, Failure> {
    let Body { anchor_state: Json(state), signed_block: Json(signed) } = case.body()?;
    let block = &signed.block;
    Ok(match block_statements(block, block.tree_hash_root(), &state.validators) {
        Err(rejection) => CaseReport::rejection(&rejection),
        Ok(_) if case.proof_setting == ProofSetting::Mocked => CaseReport::success(Nothing {}),
        Ok(_) => CaseReport::failure(&NEEDS_LEANVM),
    })
}

/// What is left once the structure is sound: a mocked proof is accepted, a real one takes leanVM, and the only reason
/// left to refuse it is `proof_reason`.
pub(super) fn judge(case: &Case, proof_reason: RejectionReason) -> Outcome {
    match (case.proof_setting, &case.rejection) {
        (ProofSetting::Mocked, _) => case.expect_rejection(None),
        (ProofSetting::Valid, None) => Ok(Verdict::NeedsLeanVm),
        (ProofSetting::Invalid, Some(_)) if case.expects(proof_reason) => Ok(Verdict::NeedsLeanVm),
        (_, expected) => Err(Failure::new(expected.as_deref().unwrap_or("acceptance"), "a sound structure")),
    }
}
