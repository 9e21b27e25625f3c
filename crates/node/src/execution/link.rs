//! The calls to the execution client, each measured, in the chain's terms.

use std::sync::Arc;
use std::time::Instant;

use lathe_engine::{ForkchoiceState, NewPayload, PayloadAttributes};
use lathe_execution::{
    Address, B256, BuiltPayload, EngineClient, ExecutionError, ForkchoiceAnswer, Header, PayloadId,
    PayloadStatus, Peer,
};
use lathe_types::{Root, SignedBlock};

use super::convert;
use super::replay::{Comparison, Replay};
use crate::metrics::Metrics;

/// The client with what every call needs.
pub(crate) struct Link {
    pub(super) client: EngineClient,
    /// Block 0 of the chain that the execution client must run.
    pub(super) genesis: B256,
    pub(super) fee_recipient: Address,
    pub(super) metrics: Arc<Metrics>,
}

impl Link {
    pub(super) async fn handshake(&self) -> Result<Peer, ExecutionError> {
        self.measured("handshake", self.client.handshake(Some(self.genesis)), |_| "ok").await
    }

    pub(super) async fn new_payload(
        &self,
        peer: &Peer,
        payload: &NewPayload,
    ) -> Result<PayloadStatus, ExecutionError> {
        let (wire, requests) = convert::to_wire(&payload.execution);
        let payload = lathe_execution::NewPayload {
            payload: &wire,
            parent_beacon_block_root: payload.parent_beacon_block_root,
            execution_requests: &requests,
        };
        let call = self.client.new_payload(&peer.capabilities, payload);
        self.measured("new_payload", call, PayloadStatus::name).await
    }

    pub(super) async fn forkchoice_updated(
        &self,
        state: &ForkchoiceState,
        attributes: Option<PayloadAttributes>,
    ) -> Result<ForkchoiceAnswer, ExecutionError> {
        let attributes = attributes.map(|attributes| convert::attributes(&attributes, self.fee_recipient));
        let call = self.client.forkchoice_updated(convert::forkchoice(state), attributes.as_ref());
        self.measured("forkchoice_updated", call, |answer| answer.status.name()).await
    }

    pub(super) async fn get_payload(
        &self,
        peer: &Peer,
        id: PayloadId,
    ) -> Result<BuiltPayload, ExecutionError> {
        self.measured("get_payload", self.client.get_payload(&peer.capabilities, id), |_| "ok").await
    }

    pub(super) async fn latest(&self) -> Result<Header, ExecutionError> {
        self.measured("get_block", self.client.latest(), |_| "ok").await
    }

    pub(super) async fn compare(&self, comparison: Comparison) -> Result<bool, ExecutionError> {
        match comparison {
            Comparison::Known => Ok(true),
            Comparison::Beyond => Ok(false),
            Comparison::Ask { number, hash } => {
                let found = self.measured("get_block", self.client.block(number), |_| "ok").await?;
                Ok(found.is_some_and(|found| found.hash == hash))
            }
        }
    }

    /// Whether the client has executed a block that is on its chain. One that was killed may have kept its blocks and
    /// lost the states after some of them: then it names a head from which it cannot go on.
    pub(super) async fn has_executed(
        &self,
        peer: &Peer,
        root: Root,
        block: &SignedBlock,
    ) -> Result<bool, ExecutionError> {
        let payload = Replay::payload(root, block).filter(|payload| !is_genesis(payload));
        // The genesis block is no payload, and always there.
        let Some(payload) = payload else { return Ok(true) };
        Ok(self.new_payload(peer, &payload).await? == PayloadStatus::Valid)
    }

    async fn measured<T>(
        &self,
        method: &str,
        call: impl Future<Output = Result<T, ExecutionError>>,
        status: impl FnOnce(&T) -> &'static str,
    ) -> Result<T, ExecutionError> {
        let started = Instant::now();
        let answer = call.await;
        let status = answer.as_ref().map_or_else(ExecutionError::label, status);
        let metrics = &self.metrics.execution;
        metrics.latency.with_label_values(&[method]).observe(started.elapsed().as_secs_f64());
        metrics.calls.with_label_values(&[method, status]).inc();
        answer
    }
}

fn is_genesis(payload: &NewPayload) -> bool {
    payload.execution.payload().block_number == 0
}
