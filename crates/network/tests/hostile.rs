//! What a stranger can do to a node, and what the honest still get meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{Node, block};
use lathe_hostile::{Raw, bomb};
use lathe_network::reqresp::Protocol;
use lathe_network::{
    Bootnode, Config, GossipMessage, Multiaddr, NetworkEvent, NetworkSize, NodeKey, PeerId, TopicKind,
};

const BLOCK_TOPIC: &str = "/leanconsensus/12345678/block/ssz_snappy";
/// Places for peers that dial us.
const MAX_INBOUND: usize = 96;

fn at(ip: &str, bootnodes: Vec<Bootnode>) -> Config {
    let listen = vec![format!("/ip4/{ip}/udp/0/quic-v1").parse().unwrap()];
    let size = NetworkSize { validators: 4, is_paired: false, ..NetworkSize::default() };
    Config { listen, size, bootnodes, ..Config::new(NodeKey::generate()) }
}

/// That many identities that connect and then say nothing.
async fn silent(victim: &Multiaddr, count: usize) -> Vec<Raw> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let peer = Raw::start(Protocol::Status, Vec::new()).await;
        peer.dial(victim).await;
        all.push(peer);
    }
    all
}

/// Follows a topic, and connects.
async fn join(victim: &Multiaddr, topic: &str) -> Raw {
    let peer = Raw::start(Protocol::Status, Vec::new()).await;
    peer.subscribe(topic).await;
    peer.dial(victim).await;
    peer
}

async fn wait_lost(node: &mut Node, lost: PeerId) {
    node.wait(|event| {
        matches!(event, NetworkEvent::PeerDisconnected { peer, .. } if peer == lost).then_some(())
    })
    .await;
}

/// A block goes from one to the other.
async fn hears(listener: &mut Node, speaker: &Node, slot: u64) {
    listener.until(|service| !service.mesh_peers(TopicKind::Block).is_empty()).await;
    let message = GossipMessage::Block(block(slot));
    let sent = message.clone();
    speaker.with(move |service| service.publish(&sent)).await.unwrap();
    listener
        .wait(|event| match event {
            NetworkEvent::Gossip { message: heard, .. } if heard == message => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_identities_of_one_address_do_not_keep_others_out() {
    let mut victim = Node::with_config(at("127.0.0.1", vec![])).await;
    let sybils = silent(&victim.address, 110).await;
    victim.until(|service| service.peer_count() == MAX_INBOUND).await;
    // From another address: there is a place at once, and it is one of the crowd's.
    let mut newcomer = Node::with_config(at("127.0.0.2", vec![victim.bootnode()])).await;
    newcomer.wait_connected(victim.id()).await;
    let peer = newcomer.id();
    victim.until(move |service| service.peers().iter().any(|info| info.peer == peer)).await;
    victim.until(|service| service.peer_count() == MAX_INBOUND).await;
    hears(&mut newcomer, &victim, 3).await;
    hears(&mut victim, &newcomer, 4).await;
    // The rest of the crowd is turned away.
    victim.until(|service| service.turned_away() > 0).await;
    assert_eq!(victim.with(|service| service.peer_count()).await, MAX_INBOUND);
    drop(sybils);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_handshakes_is_cut_to_a_rate_and_known_peers_stay() {
    let mut victim = Node::with_config(at("127.0.0.1", vec![])).await;
    let mut friend = Node::with_config(at("127.0.0.3", vec![victim.bootnode()])).await;
    friend.wait_connected(victim.id()).await;
    let storm = silent(&victim.address, 200).await;
    victim.until(|service| service.turned_away() >= 40).await;
    hears(&mut victim, &friend, 5).await;
    hears(&mut friend, &victim, 6).await;
    drop(storm);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_are_not_decompressed_and_their_sender_is_cut_off() {
    let mut victim = Node::with_config(at("127.0.0.1", vec![])).await;
    let friend = Node::with_config(at("127.0.0.2", vec![victim.bootnode()])).await;
    let attacker = join(&victim.address, BLOCK_TOPIC).await;
    victim.wait_connected(attacker.id).await;
    let throwing = async {
        for number in 0.. {
            attacker.publish(BLOCK_TOPIC, bomb(9 << 20, number)).await;
        }
    };
    tokio::select! {
        () = throwing => {}
        () = wait_lost(&mut victim, attacker.id) => {}
    }
    let counters = victim.with(|service| service.counters().clone()).await;
    assert!(counters.gossip_undecompressable > 20, "{counters:?}");
    assert_eq!(counters.gossip_undecodable, 0, "none was looked into");
    hears(&mut victim, &friend, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_what_fits_is_cut_off_and_others_are_still_heard() {
    let mut victim = Node::with_config(at("127.0.0.1", vec![])).await;
    let friend = Node::with_config(at("127.0.0.2", vec![victim.bootnode()])).await;
    let attacker = join(&victim.address, BLOCK_TOPIC).await;
    victim.wait_connected(attacker.id).await;
    let flooding = async {
        for number in 0.. {
            attacker.publish(BLOCK_TOPIC, bomb(1 << 20, number)).await;
        }
    };
    tokio::select! {
        () = flooding => {}
        () = wait_lost(&mut victim, attacker.id) => {}
    }
    assert!(victim.with(move |service| service.score(&attacker.id)).await < -20.0);
    hears(&mut victim, &friend, 8).await;
}
