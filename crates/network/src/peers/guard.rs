//! Decides which connections may exist.
//!
//! Gossip introduces itself once per peer, not once per connection, and all connections of a peer share one queue.
//! So a connection whose peer is gone must not survive beside a new one: the peer would never learn our topics, and
//! half of what we send would be lost until the old connection times out.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionError, ConnectionId, FromSwarm, NetworkBehaviour,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

/// Two nodes that dial each other at once get two connections; both are kept if the first is younger than this. An
/// older one that the peer does not know of any more is stale.
const SIMULTANEOUS_DIAL: Duration = Duration::from_secs(3);
/// Peers that may be refused at the same time; the ban that ends first makes room.
const MAX_REFUSED: usize = 1024;

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Banned,
    Replaces,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Banned => "the peer is refused for its behaviour",
            Self::Replaces => "the peer's former connection is closed first",
        })
    }
}

impl std::error::Error for Refusal {}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    since: Instant,
    inbound: bool,
}

/// The behaviour that refuses connections.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    refused: HashMap<PeerId, Instant>,
    connections: HashMap<PeerId, Vec<Connection>>,
    to_close: VecDeque<(PeerId, CloseConnection)>,
}

impl Guard {
    /// Closes the peer's connections and refuses new ones until then.
    pub(crate) fn refuse(&mut self, peer: PeerId, until: Instant) {
        if self.refused.len() >= MAX_REFUSED {
            let first = self.refused.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer);
            first.map(|peer| self.refused.remove(&peer));
        }
        self.refused.insert(peer, until);
        self.to_close.push_back((peer, CloseConnection::All));
    }

    /// Whether new connections of the peer are refused.
    pub(crate) fn refuses(&self, peer: &PeerId, now: Instant) -> bool {
        self.refused.get(peer).is_some_and(|until| now < *until)
    }

    fn admit(&mut self, peer: PeerId, inbound: bool, now: Instant) -> Result<(), Refusal> {
        if self.refuses(&peer, now) {
            return Err(Refusal::Banned);
        }
        self.refused.remove(&peer);
        let existing = self.connections.get(&peer).map(Vec::as_slice).unwrap_or_default();
        let stale = |old: &Connection| {
            let simultaneous = old.inbound != inbound && now.duration_since(old.since) < SIMULTANEOUS_DIAL;
            inbound && !simultaneous
        };
        if !existing.iter().any(stale) {
            return Ok(());
        }
        self.to_close.push_back((peer, CloseConnection::All));
        Err(Refusal::Replaces)
    }
}

/// Whether a connection ended because its peer fell silent. QUIC's reason is hidden behind an I/O error.
pub(crate) fn is_timeout(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::KeepAliveTimeout => true,
        ConnectionError::IO(error) => {
            error.kind() == std::io::ErrorKind::TimedOut || error.to_string().contains("timed out")
        }
    }
}

impl NetworkBehaviour for Guard {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        self.admit(peer, true, Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        self.admit(peer, false, Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) => {
                let inbound = endpoint.is_listener();
                let connection = Connection { id: connection_id, since: Instant::now(), inbound };
                self.connections.entry(peer_id).or_default().push(connection);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                remaining_established,
                cause,
                ..
            }) => {
                if remaining_established == 0 {
                    self.connections.remove(&peer_id);
                } else if let Some(connections) = self.connections.get_mut(&peer_id) {
                    connections.retain(|connection| connection.id != connection_id);
                    // The peer that fell silent on one connection does not know the others.
                    if cause.is_some_and(is_timeout) {
                        self.to_close.push_back((peer_id, CloseConnection::All));
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        match self.to_close.pop_front() {
            Some((peer_id, connection)) => Poll::Ready(ToSwarm::CloseConnection { peer_id, connection }),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard_with(peer: PeerId, inbound: bool, since: Instant) -> Guard {
        let mut guard = Guard::default();
        let connection = Connection { id: ConnectionId::new_unchecked(0), since, inbound };
        guard.connections.insert(peer, vec![connection]);
        guard
    }

    #[test]
    fn a_peer_that_comes_back_replaces_its_old_connection() {
        let (peer, start) = (PeerId::random(), Instant::now());
        let later = start + SIMULTANEOUS_DIAL;
        for (old_is_inbound, now, verdict) in [
            // We dialled it a moment ago and it dialled us: both stay.
            (false, start, Ok(())),
            // We dialled it long ago and it dials us: it has forgotten.
            (false, later, Err(Refusal::Replaces)),
            // It dialled twice: it has forgotten the first.
            (true, start, Err(Refusal::Replaces)),
            (true, later, Err(Refusal::Replaces)),
        ] {
            let mut guard = guard_with(peer, old_is_inbound, start);
            assert_eq!(guard.admit(peer, true, now), verdict, "{old_is_inbound}");
            assert_eq!(guard.to_close.len(), usize::from(verdict.is_err()));
        }
        // Our own second dial never kills what exists.
        assert_eq!(guard_with(peer, true, start).admit(peer, false, later), Ok(()));
        assert_eq!(guard_with(PeerId::random(), true, start).admit(peer, true, later), Ok(()));
    }

    #[test]
    fn refusals_end_and_are_bounded() {
        let (peer, now) = (PeerId::random(), Instant::now());
        let mut guard = Guard::default();
        guard.refuse(peer, now + Duration::from_secs(10));
        assert_eq!(guard.admit(peer, true, now), Err(Refusal::Banned));
        assert_eq!(guard.admit(peer, false, now), Err(Refusal::Banned));
        assert_eq!(guard.admit(peer, true, now + Duration::from_secs(10)), Ok(()));
        for _ in 0..2 * MAX_REFUSED {
            guard.refuse(PeerId::random(), now);
        }
        assert_eq!(guard.refused.len(), MAX_REFUSED);
    }
}
