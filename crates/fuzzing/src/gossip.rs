//! Gossip: names of topics, and what travels on them, in networks of each signature scheme.

use lathe_network::snappy::{compress_block, decompress_block};
use lathe_network::{DEFAULT_NETWORK_NAME, GossipMessage, GossipTopic, NetworkSize, TopicKind};
use lathe_types::{SignatureScheme, SubnetId};

/// The kinds of topics in the order of the numbers that choose them; any other number has the name of a topic follow.
pub(crate) const KINDS: [TopicKind; 3] =
    [TopicKind::Block, TopicKind::AggregatedAttestation, TopicKind::AttestationSubnet(SubnetId(0))];

/// Schemes by the number that chooses them.
pub(crate) const SCHEMES: [SignatureScheme; 4] = SignatureScheme::ALL;

/// A message is within the limits of its topic and has one encoding; a topic has one name. The lower half of the first
/// byte chooses the kind, the upper half the scheme.
pub fn gossip(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match (KINDS.get(usize::from(choice & 15)), SCHEMES.get(usize::from(choice >> 4))) {
        (Some(kind), Some(scheme)) => message(*kind, *scheme, data),
        _ => topic(&String::from_utf8_lossy(data)),
    }
}

fn message(kind: TopicKind, scheme: SignatureScheme, wire: &[u8]) {
    let size = NetworkSize { scheme, ..NetworkSize::default() };
    let limit = size.max_ssz_len(kind);
    let Ok(ssz) = decompress_block(wire, limit) else { return };
    assert!(ssz.len() <= limit);
    if !size.ssz_len(kind).contains(&ssz.len()) {
        return;
    }
    let Ok(message) = GossipMessage::from_ssz(kind, &ssz) else { return };
    assert_eq!(message.topic_kind(), kind);
    if let GossipMessage::Attestation { attestation, .. } = &message {
        assert!(scheme.admits_signature(&attestation.signature), "a vote of another scheme was let in");
    }
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
