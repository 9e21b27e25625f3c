//! The rules by which a node answers one gossip RPC, as a pure model of the specification's own router.
//!
//! What this does and does not show: the client gossips with libp2p's router, which offers no way to set up a mesh,
//! hand it one RPC and watch what it sends. The fixtures are therefore run against this model, which shares only
//! the message id and snappy with the client. It proves that we read the specification's rules as it does; that
//! libp2p follows them is shown by the network crate's own tests, over real connections, for relaying, duplicates
//! and meshes, and by libp2p's test suite for the rest.

use std::collections::{BTreeMap, BTreeSet};

use lathe_network::snappy::{MAX_PAYLOAD_SIZE, decompress_block};
use lathe_network::{MESSAGE_DOMAIN_INVALID_SNAPPY, MESSAGE_DOMAIN_VALID_SNAPPY, MessageId};

/// Seconds that a refused or pruned peer must wait (`PRUNE_BACKOFF`).
pub(super) const PRUNE_BACKOFF: u64 = 60;
/// Bytes from which peers are told that a message need not be sent to us (`IDONTWANT_SIZE_THRESHOLD`).
const IDONTWANT_SIZE_THRESHOLD: usize = 1024;
/// Times that one message is sent again to one peer that asks (`GOSSIP_RETRANSMISSION`).
const GOSSIP_RETRANSMISSION: u32 = 3;
/// Ids of one IWANT that are looked at (`MAX_IWANT_MESSAGE_IDS_PER_REQUEST`).
const MAX_IWANT_IDS: usize = 5000;

/// A peer as the router sees it.
#[derive(Debug, Default)]
pub(super) struct Peer {
    backoff: BTreeMap<String, f64>,
    dont_want: BTreeSet<MessageId>,
    served: BTreeMap<MessageId, u32>,
    reachable: bool,
}

impl Peer {
    /// A peer that may not join a topic's mesh before the time in `backoff`, does not want to be sent `dont_want`,
    /// and can be sent anything only if it is `reachable`.
    pub(super) fn new(
        backoff: BTreeMap<String, f64>,
        dont_want: BTreeSet<MessageId>,
        reachable: bool,
    ) -> Self {
        Self { backoff, dont_want, served: BTreeMap::new(), reachable }
    }
}

/// The state that decides about an RPC.
#[derive(Debug, Default)]
pub(super) struct Router {
    /// Most members of a mesh (`D_high`).
    pub(super) d_high: usize,
    /// Members per topic that we are subscribed to.
    pub(super) meshes: BTreeMap<String, BTreeSet<String>>,
    /// The peers by name.
    pub(super) peers: BTreeMap<String, Peer>,
    /// Messages seen.
    pub(super) seen: BTreeSet<MessageId>,
    /// Messages kept: topic and payload.
    pub(super) cache: BTreeMap<MessageId, (String, Vec<u8>)>,
}

/// An RPC from a peer.
#[derive(Debug, Default)]
pub(super) struct Rpc {
    pub(super) publish: Vec<(String, Vec<u8>)>,
    pub(super) graft: Vec<String>,
    pub(super) prune: Vec<(String, u64)>,
    pub(super) ihave: Vec<Vec<MessageId>>,
    pub(super) iwant: Vec<Vec<MessageId>>,
    pub(super) idontwant: Vec<Vec<MessageId>>,
}

/// What is sent in answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Publish(Vec<(String, Vec<u8>)>),
    Prune(String, u64),
    IWant(Vec<MessageId>),
    IDontWant(MessageId),
}

impl Router {
    /// Answers an RPC: messages first, then the control parts in the order of the specification.
    pub(super) fn handle_rpc(&mut self, from: &str, rpc: Rpc, now: f64) -> Vec<(String, Sent)> {
        if !self.peers.contains_key(from) {
            return Vec::new();
        }
        let mut sent = Vec::new();
        for (topic, data) in rpc.publish {
            self.handle_message(from, &topic, data, &mut sent);
        }
        for topic in rpc.graft {
            self.handle_graft(from, &topic, now, &mut sent);
        }
        for (topic, backoff) in rpc.prune {
            self.handle_prune(from, topic, backoff, now);
        }
        for ids in rpc.ihave {
            self.handle_ihave(from, ids, &mut sent);
        }
        for ids in rpc.iwant {
            self.handle_iwant(from, &ids, &mut sent);
        }
        for ids in rpc.idontwant {
            self.peers.entry(from.to_owned()).or_default().dont_want.extend(ids);
        }
        sent.retain(|(to, _)| self.peers.get(to).is_some_and(|peer| peer.reachable));
        sent
    }

    /// Forwards a new message to the mesh, except to its sender and to those that do not want it.
    fn handle_message(&mut self, from: &str, topic: &str, data: Vec<u8>, sent: &mut Vec<(String, Sent)>) {
        let Some(mesh) = self.meshes.get(topic) else { return };
        let id = message_id(topic, &data);
        if !self.seen.insert(id) {
            return;
        }
        let others = || mesh.iter().filter(|peer| *peer != from);
        let wants = |peer: &&String| self.peers.get(*peer).is_none_or(|peer| !peer.dont_want.contains(&id));
        for peer in others().filter(wants) {
            sent.push((peer.clone(), Sent::Publish(vec![(topic.to_owned(), data.clone())])));
        }
        if data.len() >= IDONTWANT_SIZE_THRESHOLD {
            sent.extend(others().map(|peer| (peer.clone(), Sent::IDontWant(id))));
        }
        self.cache.insert(id, (topic.to_owned(), data));
    }

    /// Lets a peer into the mesh unless it must wait or the mesh is full.
    fn handle_graft(&mut self, from: &str, topic: &str, now: f64, sent: &mut Vec<(String, Sent)>) {
        let Some(mesh) = self.meshes.get_mut(topic) else { return };
        let must_wait =
            self.peers.get(from).and_then(|peer| peer.backoff.get(topic)).is_some_and(|until| now < *until);
        if must_wait || mesh.len() >= self.d_high {
            sent.push((from.to_owned(), Sent::Prune(topic.to_owned(), PRUNE_BACKOFF)));
        } else {
            mesh.insert(from.to_owned());
        }
    }

    /// Lets a peer out of the mesh, and remembers how long it wants to stay out.
    fn handle_prune(&mut self, from: &str, topic: String, backoff: u64, now: f64) {
        if let Some(mesh) = self.meshes.get_mut(&topic) {
            mesh.remove(from);
        }
        if backoff > 0 {
            self.peers.entry(from.to_owned()).or_default().backoff.insert(topic, now + backoff as f64);
        }
    }

    /// Asks for the announced messages that are new.
    fn handle_ihave(&mut self, from: &str, mut ids: Vec<MessageId>, sent: &mut Vec<(String, Sent)>) {
        ids.retain(|id| !self.seen.contains(id) && !self.cache.contains_key(id));
        if !ids.is_empty() {
            sent.push((from.to_owned(), Sent::IWant(ids)));
        }
    }

    /// Sends what is asked for and still kept, a bounded number of times.
    fn handle_iwant(&mut self, from: &str, ids: &[MessageId], sent: &mut Vec<(String, Sent)>) {
        let Some(peer) = self.peers.get_mut(from) else { return };
        let mut messages = Vec::new();
        for id in ids.iter().take(MAX_IWANT_IDS) {
            let served = peer.served.entry(*id).or_default();
            if let Some(message) = self.cache.get(id)
                && *served < GOSSIP_RETRANSMISSION
            {
                *served += 1;
                messages.push(message.clone());
            }
        }
        if !messages.is_empty() {
            sent.push((from.to_owned(), Sent::Publish(messages)));
        }
    }
}

fn message_id(topic: &str, data: &[u8]) -> MessageId {
    match decompress_block(data, MAX_PAYLOAD_SIZE) {
        Ok(payload) => MessageId::compute(MESSAGE_DOMAIN_VALID_SNAPPY, topic.as_bytes(), &payload),
        Err(_) => MessageId::compute(MESSAGE_DOMAIN_INVALID_SNAPPY, topic.as_bytes(), data),
    }
}
