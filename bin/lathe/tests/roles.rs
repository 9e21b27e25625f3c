//! A node's topics change with its role while it runs, as a peer sees them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::time::{Duration, Instant};

use lathe_hostile::Raw;
use lathe_network::reqresp::Protocol;
use lathe_network::{GossipTopic, Multiaddr, TopicKind};
use lathe_types::SubnetId;
use support::single::{Net, PATIENCE};
use tokio::runtime::Runtime;

/// What the node's only validator does not vote on.
const OTHER_SUBNET: SubnetId = SubnetId(1);

#[test]
fn subscriptions_follow_the_role_of_an_aggregator() {
    let net = Net::new(64);
    let config = lathe_config::NetworkConfig::read(&net.path("net/config.yaml")).unwrap();
    let topic =
        GossipTopic::new(config.fork_digest(), TopicKind::AttestationSubnet(OTHER_SUBNET)).to_string();
    let options = ["--attestation-committee-count", "2", "--is-aggregator", "--aggregate-subnet-ids", "1"];
    let mut node = net.start("data", &options);
    node.wait_for_line("node is up");
    let runtime = Runtime::new().unwrap();
    let address: Multiaddr = format!("/ip4/127.0.0.1/udp/{}/quic-v1", net.ports).parse().unwrap();
    let peer = runtime.block_on(async {
        let peer = Raw::start(Protocol::Status, Vec::new()).await;
        peer.dial(&address).await;
        peer
    });
    let follows = |expected: bool| {
        let started = Instant::now();
        while runtime.block_on(peer.topics_of_others()).contains(&topic) != expected {
            assert!(started.elapsed() < PATIENCE, "{topic} is followed: {}\n{}", !expected, node.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    follows(true);
    switch(&net, false);
    follows(false);
    switch(&net, true);
    follows(true);
}

fn switch(net: &Net, enabled: bool) {
    let url = format!("http://127.0.0.1:{}/lean/v0/admin/aggregator", net.ports + 1);
    let body = format!("{{\"enabled\": {enabled}}}");
    let answer = ureq::post(&url).header("content-type", "application/json").send(body).unwrap();
    assert_eq!(answer.status(), 200);
}
