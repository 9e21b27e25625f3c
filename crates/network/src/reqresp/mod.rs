//! Requests and responses: one QUIC stream per exchange, answers streamed one chunk at a time.
//!
//! libp2p's own request-response behaviour hands over whole answers; an answer here may be 32 MiB of blocks, so the
//! streams are driven by hand. Each exchange is a future inside its connection's task: it reads, checks and decodes
//! off the swarm's task, and stops reading while its chunks are not taken. An exchange that fails touches no other.

mod behaviour;
mod client;
pub mod codec;
mod handler;
mod protocol;
mod server;
mod wire;

pub(crate) use behaviour::Behaviour;
pub(crate) use client::{ExchangeEvent, Outgoing, channel};
pub use protocol::{
    MAX_BLOCKS_PER_REQUEST, MAX_BYTES_PER_RESPONSE, MAX_REQUEST_BLOCKS, Protocol, Request, RequestFailure,
    RequestId, ResponseCode,
};
pub use server::{Responder, ResponderClosed};
pub use wire::{StreamError, read_payload};
