//! What exchanges report: chunks and ends of our requests, and the requests of peers.

use std::sync::Arc;
use std::time::Instant;

use libp2p::PeerId;

use super::Service;
use crate::event::NetworkEvent;
use crate::peers::Offence;
use crate::reqresp::{ExchangeEvent, Request, Responder, ResponseCode};

impl Service {
    pub(super) fn on_exchange(&mut self, event: ExchangeEvent) {
        match event {
            ExchangeEvent::Chunk { request, peer, block, permit } => {
                drop(permit);
                self.events.push_back(NetworkEvent::ResponseChunk { request, peer, block });
            }
            ExchangeEvent::Status { peer, status } => self.heard_status(peer, status),
            ExchangeEvent::End { request, peer, outcome } => {
                if self.status_requests.remove(&request) {
                    if let Err(failure) = outcome {
                        tracing::debug!(%peer, ?failure, "a peer did not tell its status");
                    }
                } else {
                    self.events.push_back(NetworkEvent::ResponseEnd { request, peer, outcome });
                }
            }
            ExchangeEvent::Inbound { peer, request, responder } => self.on_request(peer, request, responder),
            ExchangeEvent::Malformed { peer } => {
                self.counters.requests_malformed += 1;
                self.penalise(peer, Offence::MalformedRequest);
            }
        }
    }

    fn on_request(&mut self, peer: PeerId, request: Request, responder: Responder) {
        if !self.request_quotas.take(peer, request.price(), Instant::now()) {
            self.counters.requests_over_quota += 1;
            responder.refuse(ResponseCode::ServerError, "over quota");
            self.penalise(peer, Offence::Greedy);
            return;
        }
        if let Request::Status(theirs) = request {
            match self.status {
                Some(ours) => responder.send_status(ours),
                None => responder.refuse(ResponseCode::ServerError, "no status yet"),
            }
            self.heard_status(peer, theirs);
            return;
        }
        match Arc::clone(&self.serving).try_acquire_owned() {
            Ok(slot) => {
                let responder = responder.occupying(slot);
                self.events.push_back(NetworkEvent::Request { peer, request, responder });
            }
            Err(_) => {
                self.counters.requests_over_limit += 1;
                responder.refuse(ResponseCode::ServerError, "too busy");
            }
        }
    }
}
