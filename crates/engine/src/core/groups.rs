//! Which address group each peer belongs to.

use std::collections::BTreeMap;

use crate::io::{Group, Peer};

/// Peers that are remembered. The network keeps fewer connections than this.
const MAX_PEERS: usize = 512;

/// The groups of connected peers.
#[derive(Default)]
pub(super) struct Groups(BTreeMap<Peer, Group>);

impl Groups {
    pub(super) fn insert(&mut self, peer: Peer, group: Group) {
        if self.0.len() < MAX_PEERS || self.0.contains_key(&peer) {
            self.0.insert(peer, group);
        }
    }

    pub(super) fn remove(&mut self, peer: Peer) {
        self.0.remove(&peer);
    }

    /// The peer's group. All who are not connected, or are too many, share one.
    pub(super) fn of(&self, peer: Peer) -> Group {
        self.0.get(&peer).copied().unwrap_or(Group(u64::MAX))
    }
}
