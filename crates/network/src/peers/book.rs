//! The peers that we know how to reach, and when to try them again.
//!
//! Nobody is ever given up; the peers that nobody named are only dialled less and less often, and forgotten when others
//! need their room. Waiting times double, are jittered so that a network that lost its peers does not dial in step, and
//! stay short while we have no peer at all: a node that lost everybody is back within seconds of the first peer's
//! return.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::group::Group;
use crate::bootnode::Bootnode;

/// Waiting time after the first failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// Longest waiting time for a bootnode.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Longest waiting time for a bootnode while we have no peer.
const MAX_BACKOFF_LONELY: Duration = Duration::from_secs(3);
/// Longest waiting time for another peer: one may have left for good.
const MAX_BACKOFF_LEARNED: Duration = Duration::from_secs(600);
/// Longest waiting time for another peer while we have no peer.
const MAX_BACKOFF_LEARNED_LONELY: Duration = Duration::from_secs(20);
/// Head start of the node with the lower peer id, so that two nodes that know each other do not both dial.
const HEAD_START: Duration = Duration::from_millis(600);
/// A connection shorter than this counts as a failure: the peer answers, but does not want us.
const SHORT_LIVED: Duration = Duration::from_secs(5);
/// Peers remembered besides the bootnodes.
const MAX_LEARNED: usize = 256;
/// Of these, at one address: identities are free.
const MAX_LEARNED_PER_GROUP: usize = 64;
/// Peers from which on only bootnodes are dialled: the other places are for those that dial us.
const ENOUGH_PEERS: usize = 64;
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

    /// Adds a peer that we would like to keep; a bootnode is one that an operator named.
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
        if !bootnode && !self.make_room(&address) {
            return;
        }
        let jitter = self.jitter();
        let state = State::Waiting { since: now };
        self.entries
            .insert(self.next_entry, Entry { peer_id, address, bootnode, state, failures: 0, jitter });
        self.next_entry += 1;
    }

    /// Whether one more peer may be remembered; forgets the one that failed most if need be.
    fn make_room(&mut self, address: &Multiaddr) -> bool {
        let group = Group::from(address);
        let learned = || self.entries.iter().filter(|(_, entry)| !entry.bootnode);
        let of_group = || learned().filter(|(_, entry)| Group::from(&entry.address) == group);
        let most_failed = if of_group().count() >= MAX_LEARNED_PER_GROUP {
            of_group().max_by_key(|(_, entry)| entry.failures)
        } else if learned().count() >= MAX_LEARNED {
            learned().max_by_key(|(_, entry)| entry.failures)
        } else {
            return true;
        };
        match most_failed {
            Some((id, entry)) if entry.failures > 0 && matches!(entry.state, State::Waiting { .. }) => {
                let id = *id;
                self.entries.remove(&id).is_some()
            }
            _ => false,
        }
    }

    /// The peers besides the bootnodes that we know how to reach, those that failed least first.
    pub(crate) fn learned(&self) -> Vec<Bootnode> {
        let mut learned: Vec<&Entry> =
            self.entries.values().filter(|entry| !entry.bootnode && entry.peer_id.is_some()).collect();
        learned.sort_by_key(|entry| (entry.failures, entry.peer_id));
        let bootnode = |entry: &Entry| Bootnode { peer_id: entry.peer_id, address: entry.address.clone() };
        learned.into_iter().map(bootnode).collect()
    }

    /// Times in a row that an entry failed.
    pub(crate) fn failures(&self, entry: EntryId) -> u32 {
        self.entries.get(&entry).map_or(0, |entry| entry.failures)
    }

    /// Adds a peer that is connected already, for the day that it is gone.
    pub(crate) fn learn(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        let id = self.next_entry;
        self.insert(Some(peer), address, false, now);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.state = State::Connected { since: now };
        }
    }

    /// The dials that are due while we have that many peers, bootnodes first. Each must be followed by
    /// [`Self::dialling`], [`Self::resolving`] or [`Self::dial_failed_at_once`].
    pub(crate) fn due(&mut self, now: Instant, peers: usize) -> Vec<Dial> {
        let is_due = |entry: &Entry| {
            let State::Waiting { since } = entry.state else { return false };
            let wanted = entry.bootnode || peers < ENOUGH_PEERS;
            wanted && now.saturating_duration_since(since) >= self.delay(entry, peers == 0)
        };
        let mut due: Vec<_> = self.entries.iter().filter(|(_, entry)| is_due(entry)).collect();
        due.sort_by_key(|(id, entry)| (!entry.bootnode, entry.failures, **id));
        due.truncate(MAX_DIALS_AT_ONCE);
        let dial = |(id, entry): (&EntryId, &Entry)| Dial {
            entry: *id,
            peer_id: entry.peer_id,
            address: entry.address.clone(),
        };
        due.into_iter().map(dial).collect()
    }

    fn delay(&self, entry: &Entry, lonely: bool) -> Duration {
        let cap = match (entry.bootnode, lonely) {
            (true, false) => MAX_BACKOFF,
            (true, true) => MAX_BACKOFF_LONELY,
            (false, false) => MAX_BACKOFF_LEARNED,
            (false, true) => MAX_BACKOFF_LEARNED_LONELY,
        };
        let doublings = entry.failures.min(16);
        let backoff = match entry.failures {
            0 => Duration::ZERO,
            _ => FIRST_BACKOFF.saturating_mul(1 << (doublings - 1)).min(cap).mul_f64(entry.jitter),
        };
        let they_dial = entry.peer_id.is_some_and(|peer| peer < self.own);
        if they_dial { backoff + HEAD_START.mul_f64(entry.jitter) } else { backoff }
    }

    /// The entry's name is being looked up; a dial or a failure follows.
    pub(crate) fn resolving(&mut self, entry: EntryId) {
        if let Some(entry) = self.entries.get_mut(&entry) {
            entry.state = State::Dialling;
        }
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
        assert_eq!(book(low, Some(high), now).due(now, 0).len(), 1);
        let mut waiting = book(high, Some(low), now);
        assert_eq!(waiting.due(now, 0), []);
        assert_eq!(waiting.due(now + HEAD_START, 0).len(), 1);
        assert_eq!(book(high, None, now).due(now, 0).len(), 1);
    }

    #[test]
    fn waiting_doubles_up_to_a_cap_that_depends_on_company() {
        let now = Instant::now();
        let mut book = book(PeerId::random(), None, now);
        fail(&mut book, 1, now);
        assert_eq!(book.due(now + FIRST_BACKOFF - Duration::from_millis(1), 1), []);
        assert_eq!(book.due(now + FIRST_BACKOFF, 1).len(), 1);
        fail(&mut book, 2, now);
        assert_eq!(book.due(now + 3 * FIRST_BACKOFF, 1), []);
        assert_eq!(book.due(now + 4 * FIRST_BACKOFF, 1).len(), 1);
        fail(&mut book, 1000, now);
        assert_eq!(book.due(now + MAX_BACKOFF_LONELY, 1), []);
        assert_eq!(book.due(now + MAX_BACKOFF_LONELY, 0).len(), 1);
        assert_eq!(book.due(now + MAX_BACKOFF, 1).len(), 1);
    }

    #[test]
    fn nobody_is_given_up_and_strangers_are_dialled_ever_more_seldom() {
        let now = Instant::now();
        let mut book = PeerBook::new(PeerId::random(), vec![], now, || 1.0);
        book.insert(None, address(2), false, now);
        fail(&mut book, 1000, now);
        assert_eq!(book.due(now + MAX_BACKOFF_LEARNED_LONELY - Duration::from_millis(1), 0), []);
        assert_eq!(book.due(now + MAX_BACKOFF_LEARNED_LONELY, 0).len(), 1);
        assert_eq!(book.due(now + MAX_BACKOFF_LEARNED - Duration::from_millis(1), 1), []);
        assert_eq!(book.due(now + MAX_BACKOFF_LEARNED, 1).len(), 1);
        assert_eq!(book.due(now + MAX_BACKOFF_LEARNED, ENOUGH_PEERS), []);
    }

    fn at(host: u8, port: u16) -> Multiaddr {
        format!("/ip4/10.0.0.{host}/udp/{port}/quic-v1").parse().unwrap()
    }

    #[test]
    fn what_is_learned_is_bounded_and_those_that_failed_make_room() {
        let now = Instant::now();
        let mut book = PeerBook::new(PeerId::random(), vec![], now, || 1.0);
        let learn = |book: &mut PeerBook, host, port| {
            book.insert(Some(PeerId::random()), at(host, port), false, now);
            book.entries.len()
        };
        for port in 1..=1000 {
            learn(&mut book, 1, port);
        }
        assert_eq!(book.entries.len(), MAX_LEARNED_PER_GROUP);
        for host in 2..=255 {
            learn(&mut book, host, 1);
        }
        assert_eq!(book.entries.len(), MAX_LEARNED);
        // Somebody who failed is forgotten for somebody new; the address that is crowded forgets one of its own.
        let (last, first) = (book.next_entry - 1, 0);
        book.dial_failed_at_once(first, now);
        book.dial_failed_at_once(last, now);
        book.dial_failed_at_once(last, now);
        learn(&mut book, 1, 2000);
        assert!(!book.entries.contains_key(&first) && book.entries.contains_key(&last));
        learn(&mut book, 254, 2);
        assert!(!book.entries.contains_key(&last));
        assert_eq!(book.entries.len(), MAX_LEARNED);
    }

    #[test]
    fn what_is_learned_can_be_kept_and_bootnodes_are_dialled_first() {
        let now = Instant::now();
        let (low, high) = ordered_ids();
        let mut book = book(low, None, now);
        let known = Bootnode { peer_id: Some(high), address: at(1, 1) };
        book.insert(known.peer_id, known.address.clone(), false, now);
        book.insert(None, at(1, 2), false, now);
        assert_eq!(book.learned(), [known]);
        for _ in 0..3 {
            book.dial_failed_at_once(0, now);
        }
        let order: Vec<EntryId> = book.due(now + MAX_BACKOFF, 1).iter().map(|dial| dial.entry).collect();
        assert_eq!(order, [0, 1, 2]);
        book.resolving(0);
        assert_eq!(book.due(now + MAX_BACKOFF, 1).len(), 2);
        assert_eq!(book.failures(0), 3);
    }

    #[test]
    fn we_are_not_our_own_peer() {
        let (own, now) = (PeerId::random(), Instant::now());
        assert_eq!(book(own, Some(own), now).due(now, 0), []);
        // An entry without a name turns out to be ourselves.
        let mut book = book(own, None, now);
        let dial = book.due(now, 0).remove(0);
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
        assert_eq!(book.due(start, 0), []);
        book.connected(high, connection, start);
        assert_eq!(book.due(start + MAX_BACKOFF, 0), []);

        book.disconnected(high, start + SHORT_LIVED);
        let dial = Dial { entry: 0, peer_id: Some(high), address: address(1) };
        assert_eq!(book.due(start + SHORT_LIVED, 0), std::slice::from_ref(&dial));
        book.connected(high, ConnectionId::new_unchecked(7), start + SHORT_LIVED);
        book.disconnected(high, start + SHORT_LIVED + Duration::from_secs(1));
        assert_eq!(book.due(start + SHORT_LIVED + Duration::from_secs(1), 0), []);
        assert_eq!(book.due(start + 2 * SHORT_LIVED, 0), [dial]);
    }
}
