//! Gossip between real services: nothing travels without a verdict, junk costs its sender.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::sync::Arc;

use common::{Node, attestation, block};
use lathe_hostile::Raw;
use lathe_network::reqresp::Protocol;
use lathe_network::snappy::compress_block;
use lathe_network::{
    Config, GossipMessage, MessageId, NetworkEvent, NodeKey, PeerId, Publication, TopicKind, Verdict,
};
use lathe_types::{Encode as _, SubnetId};

const BLOCK_TOPIC: &str = "/leanconsensus/12345678/block/ssz_snappy";

fn is_gossip(event: NetworkEvent) -> Option<(MessageId, PeerId, GossipMessage)> {
    match event {
        NetworkEvent::Gossip { id, peer, message, .. } => Some((id, peer, message)),
        _ => None,
    }
}

async fn publish(node: &Node, message: &GossipMessage) -> (MessageId, Publication) {
    let message = message.clone();
    node.with(move |service| service.publish(&message)).await.unwrap()
}

/// Waits until `node` has `others` in its mesh of `kind`.
async fn meshed(node: &Node, kind: TopicKind, others: usize) {
    node.until(move |service| service.mesh_peers(kind).len() == others).await;
}

/// Three nodes in a line: the outer ones know only the middle one.
async fn line() -> [Node; 3] {
    let middle = Node::start(vec![]).await;
    let left = Node::start(vec![middle.bootnode()]).await;
    let right = Node::start(vec![middle.bootnode()]).await;
    meshed(&middle, TopicKind::Block, 2).await;
    meshed(&left, TopicKind::Block, 1).await;
    meshed(&right, TopicKind::Block, 1).await;
    [left, middle, right]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_accepted_messages_are_relayed() {
    let [left, mut middle, mut right] = line().await;
    let verdicts = [Verdict::Ignore, Verdict::Reject, Verdict::Accept];
    for (slot, verdict) in verdicts.into_iter().enumerate() {
        let message = GossipMessage::Block(block(slot as u64));
        let (id, outcome) = publish(&left, &message).await;
        assert_eq!(outcome, Publication::Sent);
        let arrived = middle.wait(is_gossip).await;
        assert_eq!(arrived, (id, left.id(), message));
        middle.with(move |service| service.report_verdict(arrived.0, arrived.1, verdict)).await;
    }
    // The first message to come through is the one that was accepted, though it was the last to be sent.
    let (_, peer, message) = right.wait(is_gossip).await;
    assert_eq!((peer, message), (middle.id(), GossipMessage::Block(block(2))));
    let counters = middle.with(|service| service.counters().clone()).await;
    assert_eq!((counters.gossip_received, counters.gossip_accepted), (3, 1));
    assert_eq!((counters.gossip_ignored, counters.gossip_rejected, counters.verdicts_too_late), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_form_a_full_mesh_and_each_gets_a_message_once() {
    let keys: Vec<NodeKey> = (0..4).map(|_| NodeKey::generate()).collect();
    let mut nodes: Vec<Node> = Vec::new();
    for key in keys {
        let bootnodes = nodes.iter().map(Node::bootnode).collect();
        nodes.push(
            Node::with_config(Config { bootnodes, subnets: vec![SubnetId(0)], ..Config::new(key) }).await,
        );
    }
    let subnet = TopicKind::AttestationSubnet(SubnetId(0));
    for node in &nodes {
        for kind in [TopicKind::Block, TopicKind::AggregatedAttestation, subnet] {
            meshed(node, kind, 3).await;
        }
    }
    let first = GossipMessage::Attestation { subnet: SubnetId(0), attestation: attestation(0, 1) };
    let second = GossipMessage::Attestation { subnet: SubnetId(0), attestation: attestation(0, 2) };
    for message in [&first, &second] {
        assert_eq!(publish(&nodes[0], message).await.1, Publication::Sent);
        for node in &mut nodes[1..] {
            // Were the first message to come twice, it would be in place of the second.
            let (id, peer, arrived) = node.wait(is_gossip).await;
            assert_eq!(&arrived, message);
            node.with(move |service| service.report_verdict(id, peer, Verdict::Accept)).await;
        }
    }
    assert_eq!(publish(&nodes[0], &first).await.1, Publication::Known);
    assert_eq!(publish(&nodes[1], &first).await.1, Publication::Known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_for_the_first_peer_on_its_topic() {
    let early = Node::start(vec![]).await;
    let message = GossipMessage::Block(block(1));
    assert_eq!(publish(&early, &message).await.1, Publication::Waiting);
    let mut late = Node::start(vec![early.bootnode()]).await;
    assert_eq!(late.wait(is_gossip).await.2, message);
    let counters = early.with(|service| service.counters().clone()).await;
    assert_eq!((counters.published, counters.published_late, counters.publish_failed), (0, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subnets_can_be_joined_and_left() {
    let subnet = SubnetId(3);
    let mut follower = Node::start(vec![]).await;
    let publisher = Node::start(vec![follower.bootnode()]).await;
    meshed(&publisher, TopicKind::Block, 1).await;
    let message = |slot| GossipMessage::Attestation { subnet, attestation: attestation(3, slot) };
    assert_eq!(publish(&publisher, &message(1)).await.1, Publication::Waiting);
    follower.with(move |service| service.subscribe_subnet(subnet)).await.unwrap();
    assert_eq!(follower.wait(is_gossip).await.2, message(1));
    follower.with(move |service| service.unsubscribe_subnet(subnet)).await;
    let kind = TopicKind::AttestationSubnet(subnet);
    // The publisher follows nothing there, so only the follower's subscription made a publication possible.
    let outcome = async {
        for slot in 2.. {
            if publish(&publisher, &message(slot)).await.1 == Publication::Waiting {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(common::DEADLINE, outcome).await.unwrap();
    assert!(publisher.with(move |service| service.mesh_peers(kind)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_is_rejected_unread_and_its_sender_cut_off() {
    let [mut victim, honest] = {
        let victim = Node::start(vec![]).await;
        let honest = Node::start(vec![victim.bootnode()]).await;
        [victim, honest]
    };
    meshed(&honest, TopicKind::Block, 1).await;
    let attacker = Raw::start(Protocol::Status, vec![]).await;
    attacker.subscribe(BLOCK_TOPIC).await;
    attacker.dial(&victim.address).await;
    victim.wait_connected(attacker.id).await;

    // Not snappy; a bomb; snappy of no block.
    attacker.publish(BLOCK_TOPIC, vec![0xff; 30]).await;
    victim.until(|service| service.counters().gossip_undecompressable == 1).await;
    attacker.publish(BLOCK_TOPIC, vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0]).await;
    victim.until(|service| service.counters().gossip_undecompressable == 2).await;
    attacker.publish(BLOCK_TOPIC, compress_block(&[1; 100]).unwrap()).await;
    victim.until(|service| service.counters().gossip_undecodable == 1).await;
    for number in 3..21_u8 {
        attacker.publish(BLOCK_TOPIC, compress_block(&[number; 100]).unwrap()).await;
    }
    let lost = attacker.id;
    victim
        .wait(|event| {
            matches!(event, NetworkEvent::PeerDisconnected { peer, .. } if peer == lost).then_some(())
        })
        .await;

    // Nothing of it reached the owner or the other peer, and honest messages still flow.
    let message = GossipMessage::Block(Arc::new((*block(5)).clone()));
    publish(&honest, &message).await;
    assert_eq!(victim.wait(is_gossip).await.2, message);
    let counters = victim.with(|service| service.counters().clone()).await;
    assert_eq!((counters.gossip_received, counters.peers_refused), (1, 1));
    let counters = honest.with(|service| service.counters().clone()).await;
    assert_eq!((counters.gossip_undecompressable, counters.gossip_undecodable), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peers_bytes_decode_to_what_was_sent() {
    let mut node = Node::start(vec![]).await;
    let raw = Raw::start(Protocol::Status, vec![]).await;
    raw.dial(&node.address).await;
    raw.publish(BLOCK_TOPIC, compress_block(&block(9).as_ssz_bytes()).unwrap()).await;
    let (id, _, message) = node.wait(is_gossip).await;
    assert_eq!(message, GossipMessage::Block(block(9)));
    let expected = MessageId::compute([1, 0, 0, 0], BLOCK_TOPIC.as_bytes(), &block(9).as_ssz_bytes());
    assert_eq!(id, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_well_formed_messages_costs_its_sender_the_connection() {
    let subnet = SubnetId(0);
    let config = Config { subnets: vec![subnet], ..Config::new(NodeKey::generate()) };
    let mut victim = Node::with_config(config).await;
    let flooder = Raw::start(Protocol::Status, vec![]).await;
    flooder.dial(&victim.address).await;
    victim.wait_connected(flooder.id).await;
    let topic = "/leanconsensus/12345678/attestation_0/ssz_snappy";
    let flooding = async {
        for slot in 0.. {
            let vote = compress_block(&attestation(0, slot).as_ssz_bytes()).unwrap();
            // Queues that are full, and at last the missing peer, are the flooder's own trouble.
            let _ = flooder.throw(topic, vote).await;
        }
    };
    let lost = flooder.id;
    let cut_off = victim.wait(|event| {
        matches!(event, NetworkEvent::PeerDisconnected { peer, .. } if peer == lost).then_some(())
    });
    tokio::select! {
        () = flooding => unreachable!(),
        () = cut_off => {}
    }
    let counters = victim.with(|service| service.counters().clone()).await;
    assert!(counters.gossip_over_quota > 20, "{counters:?}");
    assert_eq!((counters.gossip_undecodable, counters.peers_refused), (0, 1));
}
