//! The peers that we know how to reach, and when to try them again.
//!
//! Bootnodes are never given up. Other peers are forgotten after a number of failures. Waiting times double, are
//! jittered so that a network that lost its peers does not dial in step, and stay short while we have no peer at
//! all: a node that lost everybody is back within seconds of the first peer's return.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use crate::bootnode::Bootnode;

/// Waiting time after the first failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// Longest waiting time.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Longest waiting time while we have no peer.
const MAX_BACKOFF_LONELY: Duration = Duration::from_secs(3);
/// Head start of the node with the lower peer id, so that two nodes that know each other do not both dial.
const HEAD_START: Duration = Duration::from_millis(600);
/// A connection shorter than this counts as a failure: the peer answers, but does not want us.
const SHORT_LIVED: Duration = Duration::from_secs(5);
/// Failures after which a peer that is no bootnode is forgotten.
const MAX_FAILURES: u32 = 10;
/// Peers remembered besides the bootnodes.
const MAX_LEARNED: usize = 256;
/// Dials begun at once; each costs a handshake.
const MAX_DIALS_AT_ONCE: usize = 8;

/// A dial that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dial {
    /// The entry to report back on.
    pub(crate) entry: EntryId,
    /// Who must answer, if known.
    pub(crate) peer_id: Option<PeerId>,
    /// Where.
    pub(crate) address: Multiaddr,
}

/// Names an entry of the book.
pub(crate) type EntryId = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { since: Instant },
    Dialling,
    Connected { since: Instant },
}

#[derive(Debug)]
struct Entry {
    peer_id: Option<PeerId>,
    address: Multiaddr,
    bootnode: bool,
    state: State,
    failures: u32,
    /// Share of the waiting time that applies, from a half to all of it.
    jitter: f64,
}

/// The peers that we know.
pub(crate) struct PeerBook {
    own: PeerId,
    entries: HashMap<EntryId, Entry>,
    next_entry: EntryId,
    dials: HashMap<ConnectionId, EntryId>,
    /// Uniform in [0, 1).
    random: Box<dyn FnMut() -> f64 + Send>,
}

impl PeerBook {
    /// A book of the bootnodes, ourselves left out.
    pub(crate) fn new(
        own: PeerId,
        bootnodes: Vec<Bootnode>,
        now: Instant,
        random: impl FnMut() -> f64 + Send + 'static,
    ) -> Self {
        let mut book = Self {
            own,
            entries: HashMap::new(),
            next_entry: 0,
            dials: HashMap::new(),
            random: Box::new(random),
        };
        for bootnode in bootnodes {
            book.insert(bootnode.peer_id, bootnode.address, true, now);
        }
        book
    }

    /// Adds a peer that we would like to keep; `bootnode` means for ever.
    pub(crate) fn insert(
        &mut self,
        peer_id: Option<PeerId>,
        address: Multiaddr,
        bootnode: bool,
        now: Instant,
    ) {
        let known =
            |entry: &Entry| (peer_id.is_some() && entry.peer_id == peer_id) || entry.address == address;
        if peer_id == Some(self.own) || self.entries.values().any(known) {
            return;
        }
        if !bootnode && self.entries.values().filter(|entry| !entry.bootnode).count() >= MAX_LEARNED {
            return;
        }
        let jitter = self.jitter();
        let state = State::Waiting { since: now };
        self.entries
            .insert(self.next_entry, Entry { peer_id, address, bootnode, state, failures: 0, jitter });
        self.next_entry += 1;
    }

    /// Adds a peer that is connected already, for the day that it is gone.
    pub(crate) fn learn(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        let id = self.next_entry;
        self.insert(Some(peer), address, false, now);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.state = State::Connected { since: now };
        }
    }

    /// The dials that are due. Each must be followed by [`Self::dialling`] or [`Self::dial_failed_at_once`].
    /// `lonely` says that we have no peer at all.
    pub(crate) fn due(&mut self, now: Instant, lonely: bool) -> Vec<Dial> {
        let mut due: Vec<Dial> = Vec::new();
        for (id, entry) in &self.entries {
            let State::Waiting { since } = entry.state else { continue };
            if now.saturating_duration_since(since) >= self.delay(entry, lonely)
                && due.len() < MAX_DIALS_AT_ONCE
            {
                due.push(Dial { entry: *id, peer_id: entry.peer_id, address: entry.address.clone() });
            }
        }
        due
    }

    fn delay(&self, entry: &Entry, lonely: bool) -> Duration {
        let cap = if lonely { MAX_BACKOFF_LONELY } else { MAX_BACKOFF };
        let doublings = entry.failures.min(16);
        let backoff = match entry.failures {
            0 => Duration::ZERO,
            _ => FIRST_BACKOFF.saturating_mul(1 << (doublings - 1)).min(cap).mul_f64(entry.jitter),
        };
        let they_dial = entry.peer_id.is_some_and(|peer| peer < self.own);
        if they_dial { backoff + HEAD_START.mul_f64(entry.jitter) } else { backoff }
    }

    /// The dial has begun as this connection.
    pub(crate) fn dialling(&mut self, entry: EntryId, connection: ConnectionId) {
        if let Some(entry) = self.entries.get_mut(&entry) {
            entry.state = State::Dialling;
        }
        self.dials.insert(connection, entry);
    }

    /// The dial could not even begin.
    pub(crate) fn dial_failed_at_once(&mut self, entry: EntryId, now: Instant) {
        self.fail(entry, now);
    }

    /// A dial failed. If the peer dialled us meanwhile, that is no failure.
    pub(crate) fn dial_failed(&mut self, connection: ConnectionId, now: Instant) {
        let Some(id) = self.dials.remove(&connection) else { return };
        if self.entries.get(&id).is_some_and(|entry| entry.state == State::Dialling) {
            self.fail(id, now);
        }
    }

    /// A dial reached ourselves: an address of ours is in the book.
    pub(crate) fn dialled_self(&mut self, connection: ConnectionId) {
        let entry = self.dials.remove(&connection);
        entry.map(|entry| self.entries.remove(&entry));
    }

    /// A peer is connected, by this connection.
    pub(crate) fn connected(&mut self, peer: PeerId, connection: ConnectionId, now: Instant) {
        let dialled = self.dials.remove(&connection);
        for (id, entry) in &mut self.entries {
            if Some(*id) == dialled {
                entry.peer_id = Some(peer);
            }
            if entry.peer_id == Some(peer) && !matches!(entry.state, State::Connected { .. }) {
                entry.state = State::Connected { since: now };
            }
        }
    }

    /// A peer's last connection is closed.
    pub(crate) fn disconnected(&mut self, peer: PeerId, now: Instant) {
        let gone = self.entries.iter().filter(|(_, entry)| entry.peer_id == Some(peer)).map(|(id, _)| *id);
        for id in gone.collect::<Vec<_>>() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let State::Connected { since } = entry.state else { continue };
            if now.saturating_duration_since(since) < SHORT_LIVED {
                self.fail(id, now);
            } else {
                entry.failures = 0;
                entry.state = State::Waiting { since: now };
            }
        }
    }

    fn fail(&mut self, id: EntryId, now: Instant) {
        let jitter = self.jitter();
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.failures = entry.failures.saturating_add(1);
        entry.jitter = jitter;
        entry.state = State::Waiting { since: now };
        if entry.failures > MAX_FAILURES && !entry.bootnode {
            self.entries.remove(&id);
        }
    }

    fn jitter(&mut self) -> f64 {
        0.5 + 0.5 * (self.random)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap()
    }

    fn ordered_ids() -> (PeerId, PeerId) {
        let (a, b) = (PeerId::random(), PeerId::random());
        if a < b { (a, b) } else { (b, a) }
    }

    fn book(own: PeerId, peer: Option<PeerId>, now: Instant) -> PeerBook {
        PeerBook::new(own, vec![Bootnode { peer_id: peer, address: address(1) }], now, || 1.0)
    }

    fn fail(book: &mut PeerBook, times: usize, now: Instant) {
        for number in 0..times {
            let connection = ConnectionId::new_unchecked(number);
            book.dialling(0, connection);
            book.dial_failed(connection, now);
        }
    }

    #[test]
    fn the_lower_id_dials_first() {
        let (low, high) = ordered_ids();
        let now = Instant::now();
        assert_eq!(book(low, Some(high), now).due(now, true).len(), 1);
        let mut waiting = book(high, Some(low), now);
        assert_eq!(waiting.due(now, true), []);
        assert_eq!(waiting.due(now + HEAD_START, true).len(), 1);
        assert_eq!(book(high, None, now).due(now, true).len(), 1);
    }

    #[test]
    fn waiting_doubles_up_to_a_cap_that_depends_on_company() {
        let now = Instant::now();
        let mut book = book(PeerId::random(), None, now);
        fail(&mut book, 1, now);
        assert_eq!(book.due(now + FIRST_BACKOFF - Duration::from_millis(1), false), []);
        assert_eq!(book.due(now + FIRST_BACKOFF, false).len(), 1);
        fail(&mut book, 2, now);
        assert_eq!(book.due(now + 3 * FIRST_BACKOFF, false), []);
        assert_eq!(book.due(now + 4 * FIRST_BACKOFF, false).len(), 1);
        fail(&mut book, 1000, now);
        assert_eq!(book.due(now + MAX_BACKOFF_LONELY, false), []);
        assert_eq!(book.due(now + MAX_BACKOFF_LONELY, true).len(), 1);
        assert_eq!(book.due(now + MAX_BACKOFF, false).len(), 1);
    }

    #[test]
    fn bootnodes_are_never_given_up_and_learned_peers_are() {
        let now = Instant::now();
        let mut book = book(PeerId::random(), None, now);
        fail(&mut book, 1000, now);
        assert_eq!(book.entries.len(), 1);
        book.insert(Some(PeerId::random()), address(2), false, now);
        for _ in 0..MAX_FAILURES {
            book.dial_failed_at_once(1, now);
            assert_eq!(book.entries.len(), 2);
        }
        book.dial_failed_at_once(1, now);
        assert_eq!(book.entries.len(), 1);
        for port in 0..1000 {
            book.insert(Some(PeerId::random()), address(1000 + port), false, now);
        }
        assert_eq!(book.entries.len(), 1 + MAX_LEARNED);
    }

    #[test]
    fn we_are_not_our_own_peer() {
        let (own, now) = (PeerId::random(), Instant::now());
        assert_eq!(book(own, Some(own), now).due(now, true), []);
        // An entry without a name turns out to be ourselves.
        let mut book = book(own, None, now);
        let dial = book.due(now, true).remove(0);
        book.dialling(dial.entry, ConnectionId::new_unchecked(0));
        book.dialled_self(ConnectionId::new_unchecked(0));
        assert!(book.entries.is_empty());
    }

    #[test]
    fn connected_peers_are_not_dialled_and_short_connections_are_failures() {
        let (low, high) = ordered_ids();
        let start = Instant::now();
        let mut book = book(low, None, start);
        let connection = ConnectionId::new_unchecked(0);
        book.dialling(0, connection);
        assert_eq!(book.due(start, true), []);
        book.connected(high, connection, start);
        assert_eq!(book.due(start + MAX_BACKOFF, true), []);

        book.disconnected(high, start + SHORT_LIVED);
        let dial = Dial { entry: 0, peer_id: Some(high), address: address(1) };
        assert_eq!(book.due(start + SHORT_LIVED, true), std::slice::from_ref(&dial));
        book.connected(high, ConnectionId::new_unchecked(7), start + SHORT_LIVED);
        book.disconnected(high, start + SHORT_LIVED + Duration::from_secs(1));
        assert_eq!(book.due(start + SHORT_LIVED + Duration::from_secs(1), true), []);
        assert_eq!(book.due(start + 2 * SHORT_LIVED, true), [dial]);
    }
}
