//! `verify_multi_message_proofs` fixtures: several messages, each with its keys and slot, and one proof for all.

use lathe_types::{AggregationBits, AttestationData, ProofBytes, PublicKey, RejectionReason, Root, Slot};
use serde::Deserialize;

use super::verify_signatures::judge;
use super::verify_single_message_proofs::{check_binding, check_component};
use crate::fixtures::{Case, ProofSetting};
use crate::json::Json;
use crate::outcome::{Failure, Outcome};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    attestation_data_per_message: Json<Vec<AttestationData>>,
    public_keys_per_message: Json<Vec<Vec<PublicKey>>>,
    aggregation_bits_per_message: Json<Vec<AggregationBits>>,
    messages: Json<Vec<Root>>,
    slots: Json<Vec<Slot>>,
    proof: Json<ProofBytes>,
}

pub(super) fn run(case: &Case) -> Outcome {
    let body: Body = case.body()?;
    let (keys, bits) = (&body.public_keys_per_message.0, &body.aggregation_bits_per_message.0);
    // A case may bind fewer messages than it has keys for: that is one of the ways to be wrong.
    for (place, (keys, bits)) in keys.iter().zip(bits).enumerate() {
        check_component(keys, bits).map_err(|failure| failure.at(format!("component {place}")))?;
    }
    if case.proof_setting == ProofSetting::Valid {
        let data = &body.attestation_data_per_message.0;
        let lengths = [keys.len(), bits.len(), data.len(), body.slots.0.len()];
        let components = body.messages.0.len();
        if lengths.iter().any(|length| *length != components) {
            return Err(Failure::new(format!("{components} of everything"), format!("{lengths:?}")));
        }
        for (place, data) in data.iter().enumerate() {
            check_binding(data, body.messages.0[place], body.slots.0[place])
                .map_err(|failure| failure.at(format!("component {place}")))?;
        }
    }
    if body.proof.0.is_empty() {
        return Err(Failure::new("a proof", "no bytes"));
    }
    judge(case, RejectionReason::InvalidSignature)
}
