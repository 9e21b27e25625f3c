//! Our side of an exchange: send the request, read the answer chunk by chunk.

use std::sync::Arc;

use futures::AsyncWriteExt as _;
use futures::io::BufReader;
use lathe_types::{Decode as _, SignedBlock, Status};
use libp2p::swarm::StreamUpgradeError;
use libp2p::{PeerId, Stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::codec::{MAX_ERROR_MESSAGE_SIZE, encode_request};
use super::protocol::{
    MAX_BYTES_PER_RESPONSE, RESPONSE_TIMEOUT, Request, RequestFailure, RequestId, ResponseCode,
};
use super::server::Responder;
use super::wire::{Patience, StreamError, read_byte, read_payload, write};
use crate::snappy::MAX_PAYLOAD_SIZE;

/// Decoded chunks that wait for the service over all exchanges. An exchange that cannot hand over stops reading, so
/// this bounds what a fast peer makes us hold: 8 chunks of at most 10 MiB, in practice a few megabytes.
const MAX_WAITING_CHUNKS: usize = 8;

/// What exchanges tell the service.
#[derive(Debug)]
pub(crate) enum ExchangeEvent {
    /// A block of an answer.
    Chunk {
        request: RequestId,
        peer: PeerId,
        block: Arc<SignedBlock>,
        /// Returned when the event is taken, which lets the next chunk be read.
        permit: OwnedSemaphorePermit,
    },
    /// The answer to our status.
    Status { peer: PeerId, status: Status },
    /// Our request is over; the last event of each.
    End { request: RequestId, peer: PeerId, outcome: Result<(), RequestFailure> },
    /// A peer asks.
    Inbound { peer: PeerId, request: Request, responder: Responder },
    /// A peer's request broke a rule; it was told so.
    Malformed { peer: PeerId },
}

/// Where exchanges send their events. The channel is unbounded, its content is not: chunks need a permit, and all
/// other events are one or two per open stream.
#[derive(Clone, Debug)]
pub(crate) struct EventSender {
    events: UnboundedSender<ExchangeEvent>,
    permits: Arc<Semaphore>,
}

impl EventSender {
    pub(super) fn send(&self, event: ExchangeEvent) {
        // The service is gone only when the whole swarm is being dropped.
        let _ = self.events.send(event);
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, RequestFailure> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| RequestFailure::Transport)
    }
}

/// A channel for the events of all exchanges.
pub(crate) fn channel() -> (EventSender, UnboundedReceiver<ExchangeEvent>) {
    let (events, receiver) = unbounded_channel();
    (EventSender { events, permits: Arc::new(Semaphore::new(MAX_WAITING_CHUNKS)) }, receiver)
}

/// One of our requests on its way. However it is lost, its end is reported exactly once.
#[derive(Debug)]
pub(crate) struct Outgoing {
    id: RequestId,
    peer: PeerId,
    request: Request,
    events: EventSender,
    ended: bool,
}

impl Outgoing {
    pub(crate) fn new(id: RequestId, peer: PeerId, request: Request, events: EventSender) -> Self {
        Self { id, peer, request, events, ended: false }
    }

    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn peer(&self) -> PeerId {
        self.peer
    }

    /// Ends a request whose stream could not be opened.
    pub(super) fn refused<E>(self, error: &StreamUpgradeError<E>) {
        self.end(Err(match error {
            StreamUpgradeError::Timeout => RequestFailure::Timeout,
            StreamUpgradeError::NegotiationFailed => RequestFailure::Unsupported,
            StreamUpgradeError::Apply(_) | StreamUpgradeError::Io(_) => RequestFailure::Transport,
        }));
    }

    /// Runs the exchange on its stream.
    pub(super) async fn run(self, stream: Stream) {
        let outcome = self.exchange(stream).await;
        self.end(outcome);
    }

    async fn exchange(&self, mut stream: Stream) -> Result<(), RequestFailure> {
        let mut patience = Patience::new(RESPONSE_TIMEOUT);
        let wire = encode_request(&self.request.to_ssz()).map_err(|_| RequestFailure::Invalid)?;
        patience.spend(write(&mut stream, &wire)).await?;
        patience.spend(stream.close()).await?;
        let mut reader = BufReader::new(stream);
        let mut bytes = 0;
        let mut chunks = 0;
        while let Some(code) = patience.spend(read_byte(&mut reader)).await? {
            if bytes >= MAX_BYTES_PER_RESPONSE {
                return Err(RequestFailure::Truncated);
            }
            match ResponseCode::from_byte(code) {
                ResponseCode::Success => {
                    let ssz = patience.spend(read_payload(&mut reader, MAX_PAYLOAD_SIZE)).await?;
                    bytes += ssz.len();
                    chunks += 1;
                    self.deliver(chunks, &ssz).await?;
                }
                code => {
                    let text = patience.spend(read_payload(&mut reader, MAX_ERROR_MESSAGE_SIZE)).await;
                    let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
                    tracing::debug!(peer = %self.peer, ?code, ?text, "a peer refused a request");
                    return Err(match code {
                        ResponseCode::ResourceUnavailable => RequestFailure::Unavailable,
                        _ => RequestFailure::Invalid,
                    });
                }
            }
        }
        // An empty answer is legal for blocks, never for a status.
        if chunks == 0 && matches!(self.request, Request::Status(_)) {
            return Err(RequestFailure::Invalid);
        }
        Ok(())
    }

    async fn deliver(&self, chunks: u64, ssz: &[u8]) -> Result<(), RequestFailure> {
        if matches!(self.request, Request::Status(_)) {
            let status = Status::from_ssz_bytes(ssz).map_err(|_| RequestFailure::Invalid)?;
            if chunks > 1 {
                return Err(RequestFailure::Invalid);
            }
            self.events.send(ExchangeEvent::Status { peer: self.peer, status });
            return Ok(());
        }
        if chunks > self.request.max_blocks() {
            return Err(RequestFailure::Invalid);
        }
        let block = SignedBlock::from_ssz_bytes(ssz).map_err(|_| RequestFailure::Invalid)?;
        let permit = self.events.permit().await?;
        let (request, peer, block) = (self.id, self.peer, Arc::new(block));
        self.events.send(ExchangeEvent::Chunk { request, peer, block, permit });
        Ok(())
    }

    fn end(mut self, outcome: Result<(), RequestFailure>) {
        self.report(outcome);
    }

    fn report(&mut self, outcome: Result<(), RequestFailure>) {
        if !self.ended {
            self.ended = true;
            self.events.send(ExchangeEvent::End { request: self.id, peer: self.peer, outcome });
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.report(Err(RequestFailure::Transport));
    }
}

impl From<StreamError> for RequestFailure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Elapsed => Self::Timeout,
            StreamError::Io(_) => Self::Transport,
            StreamError::Cut | StreamError::Malformed(_) => Self::Invalid,
        }
    }
}
