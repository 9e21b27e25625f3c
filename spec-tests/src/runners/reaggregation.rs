//! `reaggregation` fixtures: a component split out of a block's proof and merged with local signatures.

use std::collections::BTreeSet;

use lathe_types::{MAX_PROOF_BYTES, PublicKey, RejectionReason, Root, Slot, ValidatorIndex};
use serde::Deserialize;

use super::verify_signatures::judge;
use crate::fixtures::Case;
use crate::json::{Bytes, Json};
use crate::outcome::{Failure, Outcome, expect_eq};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    block_proof: Json<Bytes>,
    public_keys_per_message: Json<Vec<Vec<PublicKey>>>,
    #[serde(rename = "attestationMessage")]
    _attestation_message: Json<Root>,
    #[serde(rename = "attestationSlot")]
    _attestation_slot: Json<Slot>,
    block_attesters: Json<Vec<ValidatorIndex>>,
    local_attesters: Json<Vec<ValidatorIndex>>,
    combined_attesters: Json<Vec<ValidatorIndex>>,
    reaggregated_proof: Json<Bytes>,
}

pub(super) fn run(case: &Case) -> Outcome {
    let body: Body = case.body()?;
    for proof in [&body.block_proof.0.0, &body.reaggregated_proof.0.0] {
        if proof.is_empty() || proof.len() > MAX_PROOF_BYTES {
            return Err(Failure::new(format!("1 to {MAX_PROOF_BYTES} bytes"), proof.len()));
        }
    }
    // The proposer is the last component; the attesters of the only vote are the first.
    let keys = &body.public_keys_per_message.0;
    expect_eq("components", &2, &keys.len())?;
    expect_eq("keys of the vote", &body.block_attesters.0.len(), &keys[0].len())?;
    // Overlap counts once.
    let union: BTreeSet<_> = body.block_attesters.0.iter().chain(&body.local_attesters.0).copied().collect();
    expect_eq("union", &union.into_iter().collect(), &body.combined_attesters.0)?;
    judge(case, RejectionReason::InvalidSignature)
}
