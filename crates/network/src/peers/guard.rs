//! Decides which connections may exist: how many may be begun, who gets a place, and who has to leave for it.
//!
//! Gossip introduces itself once per peer, not once per connection, and all connections of a peer share one queue.
//! So a connection whose peer is gone must not survive beside a new one: the peer would never learn our topics, and
//! half of what we send would be lost until the old connection times out.

use std::collections::{HashMap, HashSet, VecDeque};
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

use super::group::Group;
use super::handshakes::Handshakes;
use super::places::{Guest, Room, room};

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
    TooFast,
    Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Banned => "the peer is refused for its behaviour",
            Self::Replaces => "the peer's former connection is closed first",
            Self::TooFast => "too many connections begin at that address",
            Self::Full => "all places are taken",
        })
    }
}

impl std::error::Error for Refusal {}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    since: Instant,
    inbound: bool,
    group: Group,
}

/// The behaviour that refuses connections.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    refused: HashMap<PeerId, Instant>,
    connections: HashMap<PeerId, Vec<Connection>>,
    handshakes: Handshakes,
    /// When connected peers last brought something.
    useful: HashMap<PeerId, Instant>,
    /// Peers that never have to give way.
    named: HashSet<PeerId>,
    /// Peers that are on their way out.
    leaving: HashSet<PeerId>,
    to_close: VecDeque<(PeerId, CloseConnection)>,
    turned_away: u64,
}

impl Guard {
    /// A guard that lets the peers that an operator named stay.
    pub(crate) fn new(named: impl IntoIterator<Item = PeerId>) -> Self {
        Self { named: named.into_iter().collect(), ..Self::default() }
    }

    /// A connected peer brought something of use.
    pub(crate) fn was_useful(&mut self, peer: PeerId, now: Instant) {
        if self.connections.contains_key(&peer) {
            self.useful.insert(peer, now);
        }
    }

    /// Where a connected peer is.
    pub(crate) fn group_of(&self, peer: &PeerId) -> Option<Group> {
        self.connections.get(peer)?.first().map(|connection| connection.group)
    }

    /// A peer committed an offence; so did the place that it comes from.
    pub(crate) fn blame(&mut self, peer: &PeerId, penalty: f64, now: Instant) {
        if let Some(group) = self.group_of(peer) {
            self.handshakes.blame(group, penalty, now);
        }
    }

    /// Connections that were refused because too many begin, or because all places are taken.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away
    }

    fn room_for(&self, newcomer: Group, now: Instant) -> Room {
        let inbound = self.connections.iter().filter(|(peer, _)| !self.leaving.contains(peer));
        let guests = inbound.filter_map(|(peer, connections)| {
            let connection = connections.first()?;
            // Beside a connection that we opened, its own takes no place from anybody.
            let is_guest = connections.iter().all(|connection| connection.inbound);
            let useful_at =
                if self.named.contains(peer) { Some(now) } else { self.useful.get(peer).copied() };
            let guest = Guest { peer: *peer, group: connection.group, since: connection.since, useful_at };
            is_guest.then_some(guest)
        });
        room(&guests.collect::<Vec<_>>(), newcomer, now)
    }

    /// Before anything is computed for a connection.
    fn begin(&mut self, group: Group, now: Instant) -> Result<(), Refusal> {
        let refusal = if !self.handshakes.admit(group, now) {
            Refusal::TooFast
        } else if self.room_for(group, now) == Room::Full {
            Refusal::Full
        } else {
            return Ok(());
        };
        self.turned_away += 1;
        Err(refusal)
    }

    /// Gives an inbound peer a place, if need be that of another.
    fn seat(&mut self, peer: PeerId, group: Group, now: Instant) -> Result<(), Refusal> {
        if self.connections.contains_key(&peer) || self.named.contains(&peer) {
            return Ok(());
        }
        match self.room_for(group, now) {
            Room::Free => Ok(()),
            Room::Instead(other) => {
                self.leaving.insert(other);
                self.to_close.push_back((other, CloseConnection::All));
                Ok(())
            }
            Room::Full => {
                self.turned_away += 1;
                Err(Refusal::Full)
            }
        }
    }

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

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.begin(Group::from(remote), Instant::now()).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        let now = Instant::now();
        self.admit(peer, true, now)
            .and_then(|()| self.seat(peer, Group::from(remote), now))
            .map_err(ConnectionDenied::new)?;
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
                let group = Group::from(endpoint.get_remote_address());
                let connection = Connection { id: connection_id, since: Instant::now(), inbound, group };
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
                    self.useful.remove(&peer_id);
                    self.leaving.remove(&peer_id);
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
    use crate::peers::places::MAX_INBOUND;

    fn guard_with(peer: PeerId, inbound: bool, since: Instant) -> Guard {
        let mut guard = Guard::default();
        let group = Group::V4([10, 0, 0, 1]);
        let connection = Connection { id: ConnectionId::new_unchecked(0), since, inbound, group };
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

    fn guests(guard: &mut Guard, count: usize, group: Group, since: Instant) -> Vec<PeerId> {
        let peers: Vec<PeerId> = std::iter::repeat_with(PeerId::random).take(count).collect();
        for peer in &peers {
            let id = ConnectionId::new_unchecked(0);
            guard.connections.insert(*peer, vec![Connection { id, since, inbound: true, group }]);
        }
        peers
    }

    #[test]
    fn a_silent_crowd_gives_way_one_by_one_and_named_and_useful_peers_do_not() {
        let (here, there) = (Group::V4([10, 0, 0, 1]), Group::V4([10, 0, 0, 2]));
        let start = Instant::now();
        let now = start + Duration::from_secs(1);
        let mut guard = Guard::new([PeerId::random()]);
        let named: Vec<PeerId> = guard.named.iter().copied().collect();
        guard.connections.insert(
            named[0],
            vec![Connection { id: ConnectionId::new_unchecked(0), since: start, inbound: true, group: here }],
        );
        let crowd = guests(&mut guard, MAX_INBOUND - 1, here, start);
        guard.was_useful(crowd[0], now);
        // The place that is overcrowded gets no more of its own in.
        assert_eq!(guard.begin(here, now), Err(Refusal::Full));
        for _ in 1..crowd.len() {
            assert_eq!(guard.begin(there, now), Ok(()));
            let newcomer = PeerId::random();
            assert_eq!(guard.seat(newcomer, there, now), Ok(()));
            let (left, _) = guard.to_close.pop_front().unwrap();
            assert!(crowd[1..].contains(&left));
            guard.connections.remove(&left);
            guard.leaving.remove(&left);
            guests(&mut guard, 1, there, now);
            if guard.connections.values().filter(|all| all[0].group == there).count() > MAX_INBOUND / 2 - 2 {
                break;
            }
        }
        assert!(guard.connections.contains_key(&crowd[0]) && guard.connections.contains_key(&named[0]));
        assert_eq!(guard.turned_away(), 1);
        // A named peer has a place even in a house that is full.
        assert_eq!(guard.seat(named[0], here, now), Ok(()));
    }

    #[test]
    fn handshakes_are_refused_before_they_cost_anything() {
        let (here, now) = (Group::V4([10, 0, 0, 1]), Instant::now());
        let mut guard = Guard::default();
        let begun = (0..1000).filter(|_| guard.begin(here, now).is_ok()).count();
        assert_eq!((begun, guard.turned_away()), (128, 872));
        assert_eq!(guard.begin(here, now), Err(Refusal::TooFast));
    }
}
