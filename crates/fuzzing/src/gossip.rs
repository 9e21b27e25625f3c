//! Gossip: names of topics, and what travels on them.

use lathe_network::snappy::{compress_block, decompress_block};
use lathe_network::{DEFAULT_NETWORK_NAME, GossipMessage, GossipTopic, TopicKind};
use lathe_types::SubnetId;

/// The kinds of topics in the order of the bytes that choose them; any other byte has the name of a topic follow.
pub(crate) const KINDS: [TopicKind; 3] =
    [TopicKind::Block, TopicKind::AggregatedAttestation, TopicKind::AttestationSubnet(SubnetId(0))];

/// A message is within the limit of its topic and has one encoding; a topic has one name.
pub fn gossip(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match KINDS.get(usize::from(*choice)) {
        Some(kind) => message(*kind, data),
        None => topic(&String::from_utf8_lossy(data)),
    }
}

fn message(kind: TopicKind, wire: &[u8]) {
    let limit = kind.max_ssz_len();
    let Ok(ssz) = decompress_block(wire, limit) else { return };
    assert!(ssz.len() <= limit);
    let Ok(message) = GossipMessage::from_ssz(kind, &ssz) else { return };
    assert_eq!(message.topic_kind(), kind);
    assert_eq!(message.to_ssz(), ssz, "a second encoding of one message was accepted");
    // What one node relays another can read.
    let relayed = compress_block(&ssz).and_then(|wire| decompress_block(&wire, limit));
    assert_eq!(relayed, Ok(ssz));
}

fn topic(name: &str) {
    let Ok(topic) = name.parse::<GossipTopic>() else { return };
    assert_eq!(topic.to_string(), name, "a second name of one topic was accepted");
    assert_eq!(topic.validate_fork(DEFAULT_NETWORK_NAME).is_ok(), topic.network_name == DEFAULT_NETWORK_NAME);
}
