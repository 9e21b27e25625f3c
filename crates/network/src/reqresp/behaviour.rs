//! Gives every connection a handler and passes our requests to it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::client::{EventSender, Outgoing};
use super::handler::Handler;

/// The request/response behaviour. Its results travel on the channel of [`super::channel`], not through the swarm,
/// so that a waiting chunk never holds up the swarm.
pub(crate) struct Behaviour {
    events: EventSender,
    to_send: VecDeque<Outgoing>,
}

impl Behaviour {
    pub(crate) fn new(events: EventSender) -> Self {
        Self { events, to_send: VecDeque::new() }
    }

    /// Where the events of all exchanges go.
    pub(crate) fn events(&self) -> EventSender {
        self.events.clone()
    }

    /// Sends a request; without a connection to its peer the swarm drops it, which ends it.
    pub(crate) fn send(&mut self, outgoing: Outgoing) {
        self.to_send.push_back(outgoing);
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(peer, self.events.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(peer, self.events.clone()))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, Outgoing>> {
        match self.to_send.pop_front() {
            None => Poll::Pending,
            Some(event) => {
                let peer_id = event.peer();
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event })
            }
        }
    }
}
