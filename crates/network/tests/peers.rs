//! Finding peers, losing them and finding them again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{Node, block};
use lathe_network::{
    Bootnode, Config, Direction, DisconnectReason, Error, GossipMessage, NetworkEvent, NodeKey, Offence,
    PeerId, Service, TopicKind,
};

fn config(key: &NodeKey, bootnodes: Vec<Bootnode>) -> Config {
    Config { bootnodes, ..Config::new(key.clone()) }
}

async fn wait_lost(node: &mut Node, lost: PeerId) -> DisconnectReason {
    node.wait(|event| match event {
        NetworkEvent::PeerDisconnected { peer, reason, .. } if peer == lost => Some(reason),
        _ => None,
    })
    .await
}

async fn direction(node: &Node) -> Direction {
    node.with(|service| service.peers()[0].direction).await
}

async fn meshed(node: &Node, others: usize) {
    node.until(move |service| service.mesh_peers(TopicKind::Block).len() == others).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_know_each_other_share_one_connection() {
    let keys = [NodeKey::generate(), NodeKey::generate()];
    let mut first = Node::with_config(config(&keys[0], vec![])).await;
    let second = Bootnode {
        peer_id: Some(keys[1].peer_id()),
        address: "/ip4/127.0.0.1/udp/1/quic-v1".parse().unwrap(),
    };
    // The first learns where the second listens only after that is known.
    let mut other = Node::with_config(config(&keys[1], vec![first.bootnode()])).await;
    let address = other.address.clone();
    first.with(move |service| service.dial(second.peer_id, address)).await;
    first.wait_connected(other.id()).await;
    other.wait_connected(first.id()).await;
    meshed(&first, 1).await;
    meshed(&other, 1).await;
    let directions = [direction(&first).await, direction(&other).await];
    assert!(
        directions.contains(&Direction::Inbound) && directions.contains(&Direction::Outbound),
        "{directions:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootnode_that_starts_late_is_found() {
    let key = NodeKey::generate();
    // A port that is free now, and very likely still is in a moment.
    let placeholder = Node::with_config(config(&key, vec![])).await;
    let bootnode = placeholder.bootnode();
    placeholder.kill().await;
    let mut early = Node::start(vec![bootnode.clone()]).await;
    early
        .wait(|event| {
            matches!(event, NetworkEvent::ConnectFailed { direction: Direction::Outbound, .. }).then_some(())
        })
        .await;
    let late = Node::with_config(Config { listen: vec![bootnode.address], ..Config::new(key) }).await;
    early.wait_connected(late.id()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_comes_back_into_the_mesh() {
    let key = NodeKey::generate();
    let mut survivor = Node::start(vec![]).await;
    let first_life = Node::with_config(config(&key, vec![survivor.bootnode()])).await;
    survivor.wait_connected(key.peer_id()).await;
    meshed(&survivor, 1).await;
    let address = first_life.address.clone();
    first_life.kill().await;
    // Back at once, under the same name and address, before its silence is noticed.
    let restarted = Config { listen: vec![address], ..config(&key, vec![survivor.bootnode()]) };
    let mut second_life = Node::with_config(restarted).await;
    meshed(&second_life, 1).await;
    meshed(&survivor, 1).await;
    let message = GossipMessage::Block(block(3));
    let sent = message.clone();
    survivor.with(move |service| service.publish(&sent)).await.unwrap();
    let arrived = second_life
        .wait(|event| if let NetworkEvent::Gossip { message, .. } = event { Some(message) } else { None })
        .await;
    assert_eq!(arrived, message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_dialled_us_is_dialled_when_it_is_gone() {
    let key = NodeKey::generate();
    let mut stable = Node::start(vec![]).await;
    let visitor = Node::with_config(config(&key, vec![stable.bootnode()])).await;
    stable.wait(|event| matches!(event, NetworkEvent::PeerIdentified { .. }).then_some(())).await;
    let address = visitor.address.clone();
    visitor.kill().await;
    wait_lost(&mut stable, key.peer_id()).await;
    // It comes back and knows nobody, so this time we must dial.
    let mut back = Node::with_config(Config { listen: vec![address], ..Config::new(key.clone()) }).await;
    stable.wait_connected(key.peer_id()).await;
    back.wait_connected(stable.id()).await;
    assert_eq!(direction(&stable).await, Direction::Outbound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_misbehaves_is_disconnected_and_refused() {
    let mut strict = Node::start(vec![]).await;
    let mut rude = Node::start(vec![strict.bootnode()]).await;
    strict.wait_connected(rude.id()).await;
    let peer = rude.id();
    strict
        .with(move |service| {
            for _ in 0..3 {
                service.penalise(peer, Offence::Invalid);
            }
        })
        .await;
    assert_eq!(wait_lost(&mut strict, rude.id()).await, DisconnectReason::LocalClose);
    assert_eq!(wait_lost(&mut rude, strict.id()).await, DisconnectReason::RemoteClose);
    strict
        .wait(|event| {
            matches!(event, NetworkEvent::ConnectFailed { direction: Direction::Inbound, .. }).then_some(())
        })
        .await;
    assert_eq!(strict.with(|service| (service.peer_count(), service.counters().peers_refused)).await, (0, 1));
    assert!(strict.with(move |service| service.score(&peer)).await < -20.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_shutdown_is_noticed_at_once() {
    let mut stays = Node::start(vec![]).await;
    let mut leaves =
        Service::new(Config { bootnodes: vec![stays.bootnode()], ..Config::new(NodeKey::generate()) })
            .unwrap();
    loop {
        if let NetworkEvent::PeerConnected { .. } = leaves.next_event().await {
            break;
        }
    }
    let peer = leaves.local_peer_id();
    stays.wait_connected(peer).await;
    leaves.shutdown().await;
    assert_eq!(wait_lost(&mut stays, peer).await, DisconnectReason::RemoteClose);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_record_says_who_and_where_we_are() {
    let node = Node::start(vec![]).await;
    let record = node.with(|service| service.local_record()).await.unwrap();
    assert_eq!(record.peer_id(), Ok(node.id()));
    assert_eq!(record.quic_address(), Some(node.address.clone()));
    // Ourselves among the bootnodes are no peer.
    let own = record.to_string().parse().unwrap();
    let config = Config { bootnodes: vec![own], ..Config::new(node.key.clone()) };
    let mut service = Service::new(config).unwrap();
    assert!(matches!(service.next_event().await, NetworkEvent::Listening { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_an_error_with_its_address() {
    let node = Node::start(vec![]).await;
    let taken = node.address.clone();
    let config = Config { listen: vec![taken.clone()], ..Config::new(NodeKey::generate()) };
    match Service::new(config.clone()) {
        Err(Error::Listen { address, detail }) => {
            assert_eq!(address, taken);
            assert!(detail.contains("in use"), "{detail}");
        }
        other => panic!("{:?}", other.err()),
    }
    let tcp = Config { listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()], ..config };
    assert!(Service::new(tcp).err().unwrap().to_string().ends_with("not a QUIC address"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootnode_may_be_a_host_name() {
    let mut named = Node::start(vec![]).await;
    let port = named.address.to_string().split('/').nth(4).unwrap().to_owned();
    for host in [
        format!("/dns4/localhost/udp/{port}/quic-v1/p2p/{}", named.id()),
        format!("/dns4/localhost/udp/{port}/quic-v1"),
    ] {
        let mut node = Node::start(vec![host.parse().unwrap()]).await;
        node.wait_connected(named.id()).await;
        named.wait_connected(node.id()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_families_meet() {
    let listen =
        ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip6/::1/udp/0/quic-v1"].map(|address| address.parse().unwrap());
    let both =
        Node::with_config(Config { listen: listen.to_vec(), ..Config::new(NodeKey::generate()) }).await;
    both.until(|service| service.listen_addresses().len() == 2).await;
    for address in both.with(|service| service.listen_addresses()).await {
        let family = if address.to_string().starts_with("/ip6") { 1 } else { 0 };
        let bootnode = Bootnode { peer_id: Some(both.id()), address };
        let mut node = Node::with_config(Config {
            listen: vec![listen[family].clone()],
            ..config(&NodeKey::generate(), vec![bootnode])
        })
        .await;
        node.wait_connected(both.id()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_of_a_former_life_are_dialled_and_kept() {
    let mut old_friend = Node::start(vec![]).await;
    let known = old_friend.bootnode();
    let config = Config { known_peers: vec![known.clone()], ..Config::new(NodeKey::generate()) };
    let mut node = Node::with_config(config).await;
    node.wait_connected(old_friend.id()).await;
    old_friend.wait(|event| matches!(event, NetworkEvent::PeerIdentified { .. }).then_some(())).await;
    assert_eq!(node.with(|service| service.known_peers()).await, [known]);
    // The other side learned where this one listens.
    assert_eq!(old_friend.with(|service| service.known_peers()).await, [node.bootnode()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_asked_for_their_status_again_while_finality_lags() {
    let mut node = Node::start(vec![]).await;
    let other = Node::start(vec![node.bootnode()]).await;
    // Far ahead of what is final.
    node.with(|service| service.set_status(common::status(100))).await;
    other.with(|service| service.set_status(common::status(100))).await;
    let peer = other.id();
    for _ in 0..3 {
        node.wait(|event| {
            matches!(event, NetworkEvent::PeerStatus { peer: from, .. } if from == peer).then_some(())
        })
        .await;
    }
}
