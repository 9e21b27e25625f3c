//! The consensus objects as JSON, under the specification's names: roots, keys, bitfields and proofs in hex of their
//! SSZ encoding, numbers as numbers.

use lathe_types::{Block, BlockHeader, Checkpoint, Encode, SignedBlock, State};
use serde_json::{Value, json};

/// Bytes as hex with `0x`.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn checkpoint(checkpoint: &Checkpoint) -> Value {
    json!({ "root": checkpoint.root, "slot": checkpoint.slot })
}

/// A header.
pub(crate) fn header(header: &BlockHeader) -> Value {
    json!({
        "slot": header.slot,
        "proposer_index": header.proposer_index,
        "parent_root": header.parent_root,
        "state_root": header.state_root,
        "body_root": header.body_root,
    })
}

fn block(block: &Block) -> Value {
    let attestations: Vec<Value> = block
        .body
        .attestations
        .iter()
        .map(|attestation| {
            json!({
                "aggregation_bits": hex(&attestation.aggregation_bits.as_ssz_bytes()),
                "data": {
                    "slot": attestation.data.slot,
                    "head": checkpoint(&attestation.data.head),
                    "target": checkpoint(&attestation.data.target),
                    "source": checkpoint(&attestation.data.source),
                },
            })
        })
        .collect();
    json!({
        "slot": block.slot,
        "proposer_index": block.proposer_index,
        "parent_root": block.parent_root,
        "state_root": block.state_root,
        "body": { "attestations": attestations },
    })
}

/// A signed block.
pub(crate) fn signed_block(signed: &SignedBlock) -> Value {
    json!({ "block": block(&signed.block), "proof": { "proof": hex(&signed.proof.proof) } })
}

/// A state.
pub(crate) fn state(state: &State) -> Value {
    let validators: Vec<Value> = state
        .validators
        .iter()
        .map(|validator| {
            json!({
                "attestation_public_key": hex(validator.attestation_public_key.as_bytes()),
                "proposal_public_key": hex(validator.proposal_public_key.as_bytes()),
                "index": validator.index,
            })
        })
        .collect();
    json!({
        "config": { "genesis_time": state.config.genesis_time },
        "slot": state.slot,
        "latest_block_header": header(&state.latest_block_header),
        "latest_justified": checkpoint(&state.latest_justified),
        "latest_finalized": checkpoint(&state.latest_finalized),
        "historical_block_hashes": state.historical_block_hashes.iter().collect::<Vec<_>>(),
        "justified_slots": hex(&state.justified_slots.as_ssz_bytes()),
        "validators": validators,
        "justifications_roots": state.justifications_roots.iter().collect::<Vec<_>>(),
        "justifications_validators": hex(&state.justifications_validators.as_ssz_bytes()),
    })
}
