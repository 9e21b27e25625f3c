//! The peer's side of an exchange: read its request, write the answer chunk by chunk.

use std::sync::Arc;

use futures::AsyncWriteExt as _;
use lathe_types::{Encode as _, SignedBlock, Status};
use libp2p::{PeerId, Stream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::client::{EventSender, ExchangeEvent};
use super::codec::{encode_error, encode_response};
use super::protocol::{
    MAX_BYTES_PER_RESPONSE, MAX_REQUEST_BLOCKS, Protocol, RESPONSE_TIMEOUT, Request, ResponseCode,
};
use super::wire::{Patience, StreamError, read_payload, write};
use crate::error::Error;

/// Replies that wait for a slow reader: one, so that the next block is fetched while this one is written.
const WAITING_REPLIES: usize = 1;

/// The answer that a peer waits for. Dropping it ends the answer.
///
/// Blocks are handed over one at a time; [`Responder::send_block`] waits while the peer does not read, and fails as
/// soon as nothing more can be sent: the peer left, read too slowly, or had 32 MiB.
#[derive(Debug)]
pub struct Responder {
    replies: mpsc::Sender<Reply>,
    /// One of the answers that may be served at once.
    _slot: Option<OwnedSemaphorePermit>,
}

/// Nothing more can be sent on this answer. Not an error of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponderClosed;

#[derive(Debug)]
enum Reply {
    Status(Status),
    Block(Arc<SignedBlock>),
    Ssz(Vec<u8>),
    Failure(ResponseCode, String),
}

impl Responder {
    fn new(replies: mpsc::Sender<Reply>) -> Self {
        Self { replies, _slot: None }
    }

    /// Holds `slot` until the answer is complete.
    pub(crate) fn occupying(self, slot: OwnedSemaphorePermit) -> Self {
        Self { _slot: Some(slot), ..self }
    }

    /// Sends one block.
    pub async fn send_block(&self, block: Arc<SignedBlock>) -> Result<(), ResponderClosed> {
        self.replies.send(Reply::Block(block)).await.map_err(|_| ResponderClosed)
    }

    /// Sends one block that is already encoded.
    pub async fn send_block_ssz(&self, ssz: Vec<u8>) -> Result<(), ResponderClosed> {
        self.replies.send(Reply::Ssz(ssz)).await.map_err(|_| ResponderClosed)
    }

    /// Ends the answer with an error; `text` is cut to 256 bytes.
    pub async fn fail(self, code: ResponseCode, text: impl Into<String>) {
        // A peer that is gone needs no answer.
        let _ = self.replies.send(Reply::Failure(code, text.into())).await;
    }

    /// Like [`Responder::fail`], from code that cannot wait. Nothing may have been sent before.
    pub(crate) fn refuse(&self, code: ResponseCode, text: &str) {
        let _ = self.replies.try_send(Reply::Failure(code, text.to_owned()));
    }

    /// Answers a status request.
    pub(crate) fn send_status(&self, status: Status) {
        let _ = self.replies.try_send(Reply::Status(status));
    }
}

/// Serves one inbound stream.
pub(super) async fn serve(mut stream: Stream, peer: PeerId, protocol: Protocol, events: EventSender) {
    if let Err(error) = answer(&mut stream, peer, protocol, &events).await {
        tracing::debug!(%peer, ?protocol, %error, "an answer was not delivered");
    }
}

async fn answer(
    stream: &mut Stream,
    peer: PeerId,
    protocol: Protocol,
    events: &EventSender,
) -> Result<(), StreamError> {
    let mut patience = Patience::new(RESPONSE_TIMEOUT);
    let read = patience.spend(read_payload(stream, protocol.max_request_len())).await;
    let request = match read {
        Ok(ssz) => check(protocol, &ssz),
        Err(StreamError::Malformed(_)) => Err("malformed request"),
        Err(StreamError::Cut) => Err("incomplete request"),
        Err(error) => return Err(error),
    };
    let request = match request {
        Ok(request) => request,
        Err(text) => {
            events.send(ExchangeEvent::Malformed { peer });
            patience.spend(write(stream, &encode_error(ResponseCode::InvalidRequest, text)?)).await?;
            return patience.spend(stream.close()).await;
        }
    };
    let max_chunks = request.max_blocks().max(1);
    let (sender, mut replies) = mpsc::channel(WAITING_REPLIES);
    events.send(ExchangeEvent::Inbound { peer, request, responder: Responder::new(sender) });
    stream_replies(stream, &mut replies, max_chunks, patience).await
}

async fn stream_replies(
    stream: &mut Stream,
    replies: &mut mpsc::Receiver<Reply>,
    max_chunks: u64,
    mut patience: Patience,
) -> Result<(), StreamError> {
    let mut bytes = 0;
    for _ in 0..max_chunks {
        // Time that our own node needs is not the peer's.
        let reply = match tokio::time::timeout(RESPONSE_TIMEOUT, replies.recv()).await {
            Ok(None) => break,
            Ok(Some(reply)) => reply,
            Err(_) => Reply::Failure(ResponseCode::ServerError, "no answer in time".to_owned()),
        };
        let wire = match reply {
            Reply::Status(status) => encode_response(ResponseCode::Success, &status.as_ssz_bytes())?,
            Reply::Failure(code, text) => {
                patience.spend(write(stream, &encode_error(code, &text)?)).await?;
                break;
            }
            Reply::Block(block) => encode_chunk(&block.as_ssz_bytes(), &mut bytes)?,
            Reply::Ssz(ssz) => encode_chunk(&ssz, &mut bytes)?,
        };
        patience.spend(write(stream, &wire)).await?;
        if bytes >= MAX_BYTES_PER_RESPONSE {
            break;
        }
    }
    patience.spend(stream.close()).await
}

fn encode_chunk(ssz: &[u8], bytes: &mut usize) -> Result<Vec<u8>, Error> {
    *bytes += ssz.len();
    encode_response(ResponseCode::Success, ssz)
}

/// Decodes a request and judges what does not depend on our chain.
fn check(protocol: Protocol, ssz: &[u8]) -> Result<Request, &'static str> {
    let request = Request::from_ssz(protocol, ssz).map_err(|_| "request does not decode")?;
    match request {
        Request::BlocksByRange { count: 0, .. } => Err("count is zero"),
        Request::BlocksByRange { count, .. } if count > MAX_REQUEST_BLOCKS => Err("count is over 1024"),
        request => Ok(request),
    }
}

#[cfg(test)]
mod tests {
    use lathe_types::Slot;

    use super::*;

    #[test]
    fn counts_are_judged_at_their_boundaries() {
        for (count, verdict) in
            [(0, Some("count is zero")), (1, None), (1024, None), (1025, Some("count is over 1024"))]
        {
            let request = Request::BlocksByRange { start_slot: Slot(0), count };
            assert_eq!(check(Protocol::BlocksByRange, &request.to_ssz()).err(), verdict, "{count}");
        }
        assert_eq!(check(Protocol::Status, &[0; 3]), Err("request does not decode"));
    }
}
