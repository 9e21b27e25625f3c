//! Peers that mean ill, many at a time. Each attack is what one stranger with an address can do.

use lathe_network::Multiaddr;
use lathe_network::reqresp::Protocol;
use libp2p::gossipsub::IdentTopic;

use super::raw::Raw;

/// Identities of one stranger, each with a connection of its own.
pub struct Sybils(pub Vec<Raw>);

impl Sybils {
    /// That many identities that connect and then say nothing.
    pub async fn silent(victim: &Multiaddr, count: usize) -> Self {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let peer = Raw::start(Protocol::Status, Vec::new()).await;
            let address = victim.clone();
            peer.with(move |swarm| swarm.dial(address)).await.unwrap();
            all.push(peer);
        }
        Self(all)
    }
}

/// Joins a topic and connects.
pub async fn join(victim: &Multiaddr, topic: &str) -> Raw {
    let peer = Raw::start(Protocol::Status, Vec::new()).await;
    let name = topic.to_owned();
    peer.with(move |swarm| swarm.behaviour_mut().gossip.subscribe(&IdentTopic::new(name))).await.unwrap();
    let address = victim.clone();
    peer.with(move |swarm| swarm.dial(address)).await.unwrap();
    peer
}

/// Snappy of so many zeros: a few hundredths of that on the wire. No two with different numbers are the same message.
pub fn bomb(len: usize, number: u64) -> Vec<u8> {
    let mut zeros = vec![0; len];
    zeros[..8].copy_from_slice(&number.to_le_bytes());
    lathe_network::snappy::compress_block(&zeros).unwrap()
}
