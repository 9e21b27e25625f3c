//! Between the chain's payloads and those of the Engine API. Both sides bound what they hold, differently.

use lathe_engine::{ForkchoiceState, PayloadAttributes, PayloadFailure, PayloadVerdict};
use lathe_execution::{Address, Bytes, ExecutionError, PayloadStatus, wire};
use lathe_types::{
    ExecutionBody, ExecutionPayloadV3, ExecutionRequest, ExecutionRequests, ExtraData, LogsBloom,
    Transaction, Transactions, Withdrawals,
};

/// A payload with its requests, as it is handed over.
pub(super) fn to_wire(execution: &ExecutionBody) -> (wire::ExecutionPayloadV3, Vec<Bytes>) {
    let payload = execution.payload();
    let first = wire::ExecutionPayloadV1 {
        parent_hash: payload.parent_hash,
        fee_recipient: payload.fee_recipient,
        state_root: payload.state_root,
        receipts_root: payload.receipts_root,
        logs_bloom: wire::Bloom::from_slice(&payload.logs_bloom),
        prev_randao: payload.prev_randao,
        block_number: payload.block_number,
        gas_limit: payload.gas_limit,
        gas_used: payload.gas_used,
        timestamp: payload.timestamp,
        extra_data: Bytes::copy_from_slice(&payload.extra_data),
        base_fee_per_gas: payload.base_fee_per_gas,
        block_hash: payload.block_hash,
        transactions: payload.transactions.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect(),
    };
    // The transition lets no payload with withdrawals in.
    let second = wire::ExecutionPayloadV2 { payload_inner: first, withdrawals: Vec::new() };
    let third = wire::ExecutionPayloadV3 {
        payload_inner: second,
        blob_gas_used: payload.blob_gas_used,
        excess_blob_gas: payload.excess_blob_gas,
    };
    (third, execution.requests().iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect())
}

/// What was built, as a block carries it; `None` if a block has no place for it.
pub(super) fn from_wire(payload: wire::ExecutionPayloadV3, requests: &[Bytes]) -> Option<ExecutionBody> {
    let wire::ExecutionPayloadV3 { payload_inner: second, blob_gas_used, excess_blob_gas } = payload;
    if !second.withdrawals.is_empty() {
        return None;
    }
    let first = second.payload_inner;
    let transactions: Option<Vec<Transaction>> =
        first.transactions.iter().map(|bytes| Transaction::new(bytes.to_vec()).ok()).collect();
    let requests: Option<Vec<ExecutionRequest>> =
        requests.iter().map(|bytes| ExecutionRequest::new(bytes.to_vec()).ok()).collect();
    let payload = ExecutionPayloadV3 {
        parent_hash: first.parent_hash,
        fee_recipient: first.fee_recipient,
        state_root: first.state_root,
        receipts_root: first.receipts_root,
        logs_bloom: LogsBloom::new(first.logs_bloom.to_vec()).ok()?,
        prev_randao: first.prev_randao,
        block_number: first.block_number,
        gas_limit: first.gas_limit,
        gas_used: first.gas_used,
        timestamp: first.timestamp,
        extra_data: ExtraData::new(first.extra_data.to_vec()).ok()?,
        base_fee_per_gas: first.base_fee_per_gas,
        block_hash: first.block_hash,
        transactions: Transactions::new(transactions?).ok()?,
        withdrawals: Withdrawals::default(),
        blob_gas_used,
        excess_blob_gas,
    };
    Some(ExecutionBody::new(payload, ExecutionRequests::new(requests?).ok()?))
}

/// The chain, as the Engine API names it.
pub(super) fn forkchoice(state: &ForkchoiceState) -> lathe_execution::ForkchoiceState {
    lathe_execution::ForkchoiceState {
        head_block_hash: state.head,
        safe_block_hash: state.safe,
        finalized_block_hash: state.finalized,
    }
}

/// What to build with. Lean has neither randomness nor withdrawals.
pub(super) fn attributes(
    attributes: &PayloadAttributes,
    fee_recipient: Address,
) -> lathe_execution::PayloadAttributes {
    lathe_execution::PayloadAttributes {
        timestamp: attributes.timestamp,
        suggested_fee_recipient: fee_recipient,
        withdrawals: Some(Vec::new()),
        parent_beacon_block_root: Some(attributes.parent_beacon_block_root),
        ..Default::default()
    }
}

/// The client's word on a payload, as the engine hears it.
pub(super) fn verdict(answer: &Result<PayloadStatus, ExecutionError>) -> PayloadVerdict {
    match answer {
        Ok(PayloadStatus::Valid) => PayloadVerdict::Valid,
        Ok(PayloadStatus::Invalid { latest_valid_hash, .. }) => {
            PayloadVerdict::Invalid { latest_valid_hash: *latest_valid_hash }
        }
        Ok(PayloadStatus::Syncing | PayloadStatus::Accepted) => PayloadVerdict::Syncing,
        Err(_) => PayloadVerdict::Unavailable,
    }
}

/// Why there is no payload.
pub(super) fn failure(error: &ExecutionError) -> PayloadFailure {
    match error {
        ExecutionError::Timeout { .. } => PayloadFailure::Timeout,
        ExecutionError::Blobs(_) | ExecutionError::UnsupportedFork { .. } => PayloadFailure::Refused,
        error if error.is_unknown_payload() => PayloadFailure::NotBuilding,
        ExecutionError::Rpc { .. } => PayloadFailure::Refused,
        _ => PayloadFailure::Offline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [&str; 2] = [
        include_str!("../../../execution/tests/golden/ethrex-get-payload-v5.json"),
        include_str!("../../../execution/tests/golden/ethereumjs-get-payload-v4.json"),
    ];

    fn sample(text: &str) -> wire::ExecutionPayloadV3 {
        let mut payload: wire::ExecutionPayloadV3 = serde_json::from_value(
            serde_json::from_str::<serde_json::Value>(text).unwrap()["executionPayload"].clone(),
        )
        .unwrap();
        payload.payload_inner.withdrawals.clear();
        payload
    }

    #[test]
    fn payloads_go_both_ways_unchanged() {
        let requests = vec![Bytes::from_static(&[1, 2, 3]), Bytes::from_static(&[2])];
        for text in SAMPLES {
            let body = from_wire(sample(text), &requests).unwrap();
            assert_eq!(to_wire(&body), (sample(text), requests.clone()));
            assert_eq!(body.payload().block_hash, sample(text).payload_inner.payload_inner.block_hash);
        }
    }

    #[test]
    fn what_has_no_place_in_a_block_is_refused() {
        let with = |change: fn(&mut wire::ExecutionPayloadV3)| {
            let mut payload = sample(SAMPLES[0]);
            change(&mut payload);
            from_wire(payload, &[])
        };
        assert!(
            with(|payload| payload.payload_inner.payload_inner.extra_data = vec![0; 32].into()).is_some()
        );
        assert!(
            with(|payload| payload.payload_inner.payload_inner.extra_data = vec![0; 33].into()).is_none()
        );
        assert!(with(|payload| payload.payload_inner.withdrawals.push(Default::default())).is_none());
        let request = |bytes: usize| Bytes::from(vec![0; bytes]);
        assert!(from_wire(sample(SAMPLES[0]), &vec![request(1); 16]).is_some());
        assert!(from_wire(sample(SAMPLES[0]), &vec![request(1); 17]).is_none());
        assert!(from_wire(sample(SAMPLES[0]), &[request(1 << 20)]).is_some());
        assert!(from_wire(sample(SAMPLES[0]), &[request((1 << 20) + 1)]).is_none());
    }

    #[test]
    fn a_client_that_does_not_know_the_build_says_so_in_two_ways() {
        let method = "engine_getPayloadV4";
        for code in [-38001, -32001] {
            let error = ExecutionError::Rpc { method, code, message: String::new() };
            assert_eq!(failure(&error), PayloadFailure::NotBuilding);
        }
        let error = ExecutionError::Rpc { method, code: -32603, message: String::new() };
        assert_eq!(failure(&error), PayloadFailure::Refused);
        assert_eq!(failure(&ExecutionError::Unauthorised { method }), PayloadFailure::Offline);
    }
}
