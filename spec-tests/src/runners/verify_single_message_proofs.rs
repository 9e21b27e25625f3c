//! `verify_single_message_proofs` fixtures: keys, a message, a slot, and a proof that they signed it.

use lathe_types::{
    AggregationBits, AttestationData, Participation, ProofBytes, PublicKey, RejectionReason, Root, Slot,
    TreeHash,
};
use serde::Deserialize;

use super::verify_signatures::judge;
use crate::fixtures::{Case, ProofSetting};
use crate::json::Json;
use crate::outcome::{Failure, Outcome, expect_eq};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    attestation_data: Json<AttestationData>,
    public_keys: Json<Vec<PublicKey>>,
    aggregation_bits: Json<AggregationBits>,
    message: Json<Root>,
    slot: Json<Slot>,
    proof: Json<ProofBytes>,
}

pub(super) fn run(case: &Case) -> Outcome {
    let body: Body = case.body()?;
    check_component(&body.public_keys.0, &body.aggregation_bits.0)?;
    if case.proof_setting == ProofSetting::Valid {
        check_binding(&body.attestation_data.0, body.message.0, body.slot.0)?;
    }
    if body.proof.0.is_empty() {
        return Err(Failure::new("a proof", "no bytes"));
    }
    judge(case, RejectionReason::InvalidSignature)
}

/// Every key decodes, and there is one per participant.
pub(super) fn check_component(keys: &[PublicKey], participants: &AggregationBits) -> Result<(), Failure> {
    for key in keys {
        lathe_leansig::PublicKey::from_slice(key.as_bytes())
            .map_err(|error| Failure::new("a public key", error))?;
    }
    expect_eq("participants", &keys.len(), &participants.indices().count())
}

/// The message that honest voters sign is the root of their data, at its slot.
pub(super) fn check_binding(data: &AttestationData, message: Root, slot: Slot) -> Result<(), Failure> {
    expect_eq("message", &message, &data.tree_hash_root())?;
    expect_eq("slot", &slot, &data.slot)
}
