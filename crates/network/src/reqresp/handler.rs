//! The streams of one connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::FuturesUnordered;
use libp2p::core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, DialUpgradeError, FullyNegotiatedInbound,
    FullyNegotiatedOutbound,
};
use libp2p::swarm::{ConnectionHandler, SubstreamProtocol};
use libp2p::{PeerId, Stream, StreamProtocol};

use super::client::{EventSender, Outgoing};
use super::protocol::{Protocol, RESPONSE_TIMEOUT};
use super::server::serve;

/// Requests that a peer may have open on one connection: a diligent client uses a handful. More are reset.
const MAX_INBOUND_STREAMS: usize = 16;
/// Our own requests that may be open on one connection. More end at once as a failure of the transport.
const MAX_OUTBOUND_STREAMS: usize = 16;

/// Drives the exchanges of one connection.
pub(crate) struct Handler {
    peer: PeerId,
    events: EventSender,
    to_open: VecDeque<Outgoing>,
    /// Outbound streams that are being negotiated.
    opening: usize,
    inbound: FuturesUnordered<BoxFuture<'static, ()>>,
    outbound: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Handler {
    pub(super) fn new(peer: PeerId, events: EventSender) -> Self {
        Self {
            peer,
            events,
            to_open: VecDeque::new(),
            opening: 0,
            inbound: FuturesUnordered::new(),
            outbound: FuturesUnordered::new(),
        }
    }

    fn outbound_streams(&self) -> usize {
        self.to_open.len() + self.opening + self.outbound.len()
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Outgoing;
    type ToBehaviour = Infallible;
    type InboundProtocol = Inbound;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Outgoing;

    fn listen_protocol(&self) -> SubstreamProtocol<Inbound> {
        SubstreamProtocol::new(Inbound, ()).with_timeout(RESPONSE_TIMEOUT)
    }

    fn connection_keep_alive(&self) -> bool {
        self.outbound_streams() + self.inbound.len() > 0
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Outgoing, Infallible>> {
        if let Some(outgoing) = self.to_open.pop_front() {
            self.opening += 1;
            let upgrade = ReadyUpgrade::new(outgoing.request().protocol().stream_protocol());
            let protocol = SubstreamProtocol::new(upgrade, outgoing).with_timeout(RESPONSE_TIMEOUT);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        while let Poll::Ready(Some(())) = self.outbound.poll_next_unpin(cx) {}
        while let Poll::Ready(Some(())) = self.inbound.poll_next_unpin(cx) {}
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, outgoing: Outgoing) {
        if self.outbound_streams() < MAX_OUTBOUND_STREAMS {
            self.to_open.push_back(outgoing);
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Inbound, Self::OutboundProtocol, (), Outgoing>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info }) => {
                self.opening = self.opening.saturating_sub(1);
                self.outbound.push(info.run(stream).boxed());
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                self.opening = self.opening.saturating_sub(1);
                info.refused(&error);
            }
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                let (stream, protocol) = protocol;
                if self.inbound.len() < MAX_INBOUND_STREAMS {
                    self.inbound.push(serve(stream, self.peer, protocol, self.events.clone()).boxed());
                }
            }
            _ => {}
        }
    }
}

/// Accepts a stream of any of our protocols.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inbound;

impl UpgradeInfo for Inbound {
    type Info = &'static str;
    type InfoIter = std::array::IntoIter<&'static str, 3>;

    fn protocol_info(&self) -> Self::InfoIter {
        Protocol::ALL.map(Protocol::name).into_iter()
    }
}

impl InboundUpgrade<Stream> for Inbound {
    type Output = (Stream, Protocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, name: &'static str) -> Self::Future {
        let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.name() == name);
        ready(Ok((stream, protocol.unwrap_or(Protocol::Status))))
    }
}
