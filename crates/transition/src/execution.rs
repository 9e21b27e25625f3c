//! The payload of a block on an execution-paired chain.

use lathe_types::{
    BlockBody, ExecutionBody, ExecutionPayloadV3, Rejection, RejectionReason, Root, SECONDS_PER_SLOT, Shaped,
    Slot, State,
};

/// Checks the payload against a state advanced to the block's slot, and records its header. What the payload does
/// inside is the execution layer's to judge. A plain chain has none.
pub fn process_execution_payload(state: &mut State, body: &BlockBody) -> Result<(), Rejection> {
    // A body of the other shape would pass for a block without anything to check.
    state
        .variant()
        .admits(body)
        .map_err(|wrong| Rejection::new(RejectionReason::WrongChainVariant, wrong.to_string()))?;
    let Some(execution) = &body.execution else { return Ok(()) };
    check_execution_payload(state, state.slot, execution)?;
    state.latest_execution_payload_header = Some(execution.header().clone());
    Ok(())
}

/// Checks whether a payload fits a block for `slot` on `state`, the post-state of the block's parent or that state
/// advanced.
pub fn check_execution_payload(
    state: &State,
    slot: Slot,
    execution: &ExecutionBody,
) -> Result<(), Rejection> {
    let payload: &ExecutionPayloadV3 = execution.payload();
    let Some(parent) = &state.latest_execution_payload_header else {
        return reject(RejectionReason::WrongChainVariant, "the state is that of a plain chain");
    };

    // It must build on the payload of the parent block.
    if payload.parent_hash != parent.block_hash {
        return reject(
            RejectionReason::ExecutionParentHashMismatch,
            format!("the newest payload is {}, the parent {}", parent.block_hash, payload.parent_hash),
        );
    }

    // Its time is the start of the slot.
    let timestamp = payload_timestamp(state, slot);
    if Some(payload.timestamp) != timestamp {
        return reject(
            RejectionReason::ExecutionTimestampMismatch,
            format!("slot {slot} starts at {timestamp:?}, the payload says {}", payload.timestamp),
        );
    }

    // Lean has neither randomness nor withdrawals to give.
    if payload.prev_randao != Root::ZERO {
        return reject(
            RejectionReason::ExecutionPrevRandaoNotZero,
            format!("prev_randao is {}", payload.prev_randao),
        );
    }
    if !payload.withdrawals.is_empty() {
        return reject(
            RejectionReason::ExecutionWithdrawalsNotEmpty,
            format!("{} withdrawals", payload.withdrawals.len()),
        );
    }
    Ok(())
}

/// The timestamp of the payload for `slot`: Unix seconds at the slot's start; `None` beyond the range of numbers.
pub fn payload_timestamp(state: &State, slot: Slot) -> Option<u64> {
    slot.0.checked_mul(SECONDS_PER_SLOT)?.checked_add(state.config.genesis_time)
}

fn reject<T>(reason: RejectionReason, detail: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::new(reason, detail))
}
