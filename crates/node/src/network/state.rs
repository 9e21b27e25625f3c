//! Peers and requests under the names that the engine gives them.

use std::collections::HashMap;
use std::net::IpAddr;

use lathe_engine::{Group, Peer};
use lathe_network::PeerId;

/// Peers that are remembered after they left, so that a late verdict still finds its peer and one that comes back
/// keeps its number.
const MAX_FORMER_PEERS: usize = 512;

/// What an address counts for: an IPv4 address for itself, an IPv6 address for its /64 prefix, as whoever has one
/// address of that has them all. Without an address all count as one.
pub(super) fn group_of(ip: Option<IpAddr>) -> Group {
    match ip.map(|ip| ip.to_canonical()) {
        // A prefix that IPv6 does not assign (RFC 4291, section 2.5.5).
        Some(IpAddr::V4(ip)) => Group(0xffff_0000_0000 | u64::from(u32::from(ip))),
        Some(IpAddr::V6(ip)) => Group((u128::from(ip) >> 64) as u64),
        None => Group(u64::MAX),
    }
}

/// Numbers for peers.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    numbers: HashMap<PeerId, Peer>,
    peers: HashMap<Peer, (PeerId, bool)>,
    next: u64,
}

impl PeerTable {
    /// The number of a peer that just connected.
    pub(super) fn connected(&mut self, id: PeerId) -> Peer {
        let peer = self.number(id);
        self.peers.insert(peer, (id, true));
        peer
    }

    /// The number of a peer that just left.
    pub(super) fn disconnected(&mut self, id: PeerId) -> Peer {
        let peer = self.number(id);
        self.peers.insert(peer, (id, false));
        peer
    }

    /// The number of a peer, connected or not.
    pub(super) fn number(&mut self, id: PeerId) -> Peer {
        if let Some(peer) = self.numbers.get(&id) {
            return *peer;
        }
        self.forget_former();
        let peer = Peer(self.next);
        self.next += 1;
        self.numbers.insert(id, peer);
        self.peers.insert(peer, (id, false));
        peer
    }

    /// The peer with that number, unless it is forgotten.
    pub(super) fn id(&self, peer: Peer) -> Option<PeerId> {
        self.peers.get(&peer).map(|(id, _)| *id)
    }

    fn forget_former(&mut self) {
        let former = self.peers.iter().filter(|(_, (_, connected))| !connected);
        if former.clone().count() < MAX_FORMER_PEERS {
            return;
        }
        if let Some((&oldest, &(id, _))) = former.min_by_key(|(peer, _)| peer.0) {
            self.peers.remove(&oldest);
            self.numbers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_for_itself_and_an_ipv6_prefix_as_one() {
        let group = |ip: &str| group_of(Some(ip.parse().unwrap()));
        assert_eq!(group("10.0.0.1"), group("::ffff:10.0.0.1"));
        assert_ne!(group("10.0.0.1"), group("10.0.0.2"));
        assert_eq!(group("2001:db8:1:2::1"), group("2001:db8:1:2:ffff::1"));
        assert_ne!(group("2001:db8:1:2::1"), group("2001:db8:1:3::1"));
        assert_ne!(group("10.0.0.1"), group_of(None));
    }

    #[test]
    fn a_peer_keeps_its_number_across_connections() {
        let (mut table, id) = (PeerTable::default(), PeerId::random());
        let peer = table.connected(id);
        assert_eq!(table.disconnected(id), peer);
        assert_eq!(table.connected(id), peer);
        assert_eq!(table.id(peer), Some(id));
        assert_ne!(table.connected(PeerId::random()), peer);
        assert_eq!(table.id(Peer(99)), None);
    }

    #[test]
    fn former_peers_are_forgotten_and_connected_ones_are_not() {
        let (mut table, id) = (PeerTable::default(), PeerId::random());
        let connected = table.connected(id);
        for _ in 0..2 * MAX_FORMER_PEERS {
            let former = PeerId::random();
            table.connected(former);
            table.disconnected(former);
        }
        assert_eq!(table.id(connected), Some(id));
        assert_eq!(table.peers.len(), MAX_FORMER_PEERS + 1);
        assert_eq!(table.numbers.len(), MAX_FORMER_PEERS + 1);
    }
}
