//! Gossip: the messages, their encoding on the wire and the protocol's parameters.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lathe_types::{
    Decode as _, DecodeError, Encode as _, SignedAggregatedAttestation, SignedAttestation, SignedBlock,
    SubnetId,
};
use libp2p::gossipsub::{
    self, ConfigBuilder, DataTransform, MaxCountSubscriptionFilter, MessageAuthenticity, RawMessage,
    TopicHash, TopicSubscriptionFilter, ValidationMode,
};

use crate::error::Error;
use crate::message_id::{MESSAGE_DOMAIN_INVALID_SNAPPY, MESSAGE_DOMAIN_VALID_SNAPPY, MessageId};
use crate::snappy::{MAX_PAYLOAD_SIZE, compress_block, decompress_block_after};
use crate::topic::{GossipTopic, TopicKind};

/// Bytes of the domain that precedes a payload between the transform and us.
pub(crate) const DOMAIN_LEN: usize = 4;
/// Subnets that a peer may name in its subscriptions: the specification's bitfield of subnets has 64 bits, networks
/// may use more committees. Bounds what we remember of a peer.
const MAX_SUBNETS: u64 = 256;
/// Topics that a peer may subscribe to: those above, blocks and aggregates.
const MAX_TOPICS_PER_PEER: usize = MAX_SUBNETS as usize + 2;
/// Subscriptions that one RPC may carry: all topics on and off.
const MAX_SUBSCRIPTIONS_PER_RPC: usize = 2 * MAX_TOPICS_PER_PEER;
/// Bytes of one RPC: the worst compression of the longest payload, and room for its envelope.
const MAX_TRANSMIT_SIZE: usize = snap_bound(MAX_PAYLOAD_SIZE) + 4096;
/// Bytes of control messages in one RPC: 1,024 announced ids are 22 KiB and peers may announce several topics.
const MAX_CONTROL_SIZE: usize = 128 * 1024;
/// Messages that one RPC may carry.
const MAX_MESSAGES_PER_RPC: usize = 500;
/// RPCs that wait for one connection. Messages are shared, but a slow peer must not hold many.
const QUEUE_LEN: usize = 256;

/// `snap::raw::max_compress_len` as a constant.
const fn snap_bound(len: usize) -> usize {
    32 + len + len / 6
}

/// The gossip behaviour with our transform and filter.
pub(crate) type Gossipsub = gossipsub::Behaviour<SnappyTransform, MaxCountSubscriptionFilter<TopicFilter>>;

/// A message on a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GossipMessage {
    /// On the block topic.
    Block(Arc<SignedBlock>),
    /// On the aggregation topic.
    Aggregate(Arc<SignedAggregatedAttestation>),
    /// On an attestation subnet.
    Attestation {
        /// The subnet.
        subnet: SubnetId,
        /// The vote.
        attestation: SignedAttestation,
    },
}

impl GossipMessage {
    /// The kind of topic that it travels on.
    pub const fn topic_kind(&self) -> TopicKind {
        match self {
            Self::Block(_) => TopicKind::Block,
            Self::Aggregate(_) => TopicKind::AggregatedAttestation,
            Self::Attestation { subnet, .. } => TopicKind::AttestationSubnet(*subnet),
        }
    }

    /// Its SSZ encoding.
    pub fn to_ssz(&self) -> Vec<u8> {
        match self {
            Self::Block(block) => block.as_ssz_bytes(),
            Self::Aggregate(aggregate) => aggregate.as_ssz_bytes(),
            Self::Attestation { attestation, .. } => attestation.as_ssz_bytes(),
        }
    }

    /// Decodes a message of a topic of `kind`.
    pub fn from_ssz(kind: TopicKind, ssz: &[u8]) -> Result<Self, DecodeError> {
        Ok(match kind {
            TopicKind::Block => Self::Block(Arc::new(SignedBlock::from_ssz_bytes(ssz)?)),
            TopicKind::AggregatedAttestation => {
                Self::Aggregate(Arc::new(SignedAggregatedAttestation::from_ssz_bytes(ssz)?))
            }
            TopicKind::AttestationSubnet(subnet) => {
                Self::Attestation { subnet, attestation: SignedAttestation::from_ssz_bytes(ssz)? }
            }
        })
    }
}

/// What to do with a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Relay it.
    Accept,
    /// Do not relay it; nobody is to blame.
    Ignore,
    /// Do not relay it; the peer that sent it is to blame.
    Reject,
}

/// What became of a message that we published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// Handed to the connections of all peers on the topic.
    Sent,
    /// No peer is on the topic yet; it is sent to the first that comes within a slot.
    Waiting,
    /// It is on the network already.
    Known,
    /// No connection could take it: every queue is full. It is still announced to peers that ask for it.
    QueuesFull,
}

/// Puts snappy around payloads.
///
/// Between this transform and us a payload is preceded by the domain of its message id, so that the id is the
/// specification's for valid and for invalid payloads, and so that an invalid one still reaches us with the name of
/// the peer to blame. Topics bound the length before anything is decompressed.
#[derive(Clone, Debug)]
pub(crate) struct SnappyTransform {
    network_name: String,
}

impl DataTransform for SnappyTransform {
    fn inbound_transform(&self, raw: RawMessage) -> Result<gossipsub::Message, io::Error> {
        let topic: GossipTopic = raw.topic.as_str().parse().map_err(io::Error::other)?;
        topic.validate_fork(&self.network_name).map_err(io::Error::other)?;
        let limit = topic.kind.max_ssz_len();
        let data = decompress_block_after(&MESSAGE_DOMAIN_VALID_SNAPPY, &raw.data, limit)
            .unwrap_or_else(|_| [&MESSAGE_DOMAIN_INVALID_SNAPPY[..], &raw.data].concat());
        Ok(gossipsub::Message {
            source: raw.source,
            data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        compress_block(data.get(DOMAIN_LEN..).unwrap_or_default()).map_err(io::Error::other)
    }
}

/// Splits what the transform made into domain and payload.
pub(crate) fn split_domain(data: &[u8]) -> ([u8; DOMAIN_LEN], &[u8]) {
    data.split_first_chunk()
        .map_or((MESSAGE_DOMAIN_INVALID_SNAPPY, data), |(domain, payload)| (*domain, payload))
}

/// Lets peers subscribe to this network's topics only.
#[derive(Clone, Debug)]
pub(crate) struct TopicFilter {
    network_name: String,
}

impl TopicSubscriptionFilter for TopicFilter {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        let Ok(topic) = topic.as_str().parse::<GossipTopic>() else {
            return false;
        };
        let subnet_fits = match topic.kind {
            TopicKind::AttestationSubnet(SubnetId(subnet)) => subnet < MAX_SUBNETS,
            TopicKind::Block | TopicKind::AggregatedAttestation => true,
        };
        subnet_fits && topic.network_name == self.network_name
    }
}

/// The gossip behaviour with the network's parameters. Nothing is relayed before a verdict.
///
/// The protocol names stay the library's: `/meshsub/1.2.0`, which the network speaks, is among them, and naming it
/// alone would make the library treat its peers as 1.1 and withhold IDONTWANT.
pub(crate) fn behaviour(network_name: &str) -> Result<Gossipsub, Error> {
    let message_id = |message: &gossipsub::Message| {
        let (domain, payload) = split_domain(&message.data);
        gossipsub::MessageId::from(
            MessageId::compute(domain, message.topic.as_str().as_bytes(), payload).0.to_vec(),
        )
    };
    let config = ConfigBuilder::default()
        .mesh_n(8)
        .mesh_n_low(6)
        .mesh_n_high(12)
        .gossip_lazy(6)
        .heartbeat_interval(Duration::from_millis(700))
        // A mesh is wanted before genesis, not five seconds after start.
        .heartbeat_initial_delay(Duration::from_millis(100))
        .fanout_ttl(Duration::from_secs(60))
        .history_length(6)
        .history_gossip(3)
        .duplicate_cache_time(Duration::from_secs(24))
        .prune_backoff(Duration::from_secs(60))
        // Leaving a subnet and coming back, as an aggregator may, should not cost a minute.
        .unsubscribe_backoff(Duration::from_secs(5))
        .flood_publish(true)
        .max_publish_messages(MAX_MESSAGES_PER_RPC)
        .max_transmit_size(MAX_TRANSMIT_SIZE)
        .max_control_message_size(MAX_CONTROL_SIZE)
        .max_control_messages_sent(1024)
        .connection_handler_queue_len(QUEUE_LEN)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .build()
        .map_err(|error| Error::Config(error.to_string()))?;
    let filter = MaxCountSubscriptionFilter {
        filter: TopicFilter { network_name: network_name.to_owned() },
        max_subscribed_topics: MAX_TOPICS_PER_PEER,
        max_subscriptions_per_request: MAX_SUBSCRIPTIONS_PER_RPC,
    };
    let transform = SnappyTransform { network_name: network_name.to_owned() };
    Gossipsub::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        filter,
        transform,
    )
    .map_err(|error| Error::Config(error.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::DEFAULT_NETWORK_NAME;

    fn transform() -> SnappyTransform {
        SnappyTransform { network_name: DEFAULT_NETWORK_NAME.to_owned() }
    }

    fn raw(topic: &str, data: Vec<u8>) -> RawMessage {
        RawMessage {
            source: None,
            data,
            sequence_number: None,
            topic: TopicHash::from_raw(topic),
            signature: None,
            key: None,
            validated: false,
        }
    }

    #[test]
    fn payloads_carry_the_domain_that_their_snappy_earns() {
        let topic =
            GossipTopic::new(DEFAULT_NETWORK_NAME, TopicKind::AttestationSubnet(SubnetId(0))).to_string();
        let limit = TopicKind::AttestationSubnet(SubnetId(0)).max_ssz_len();
        let inbound = |data: Vec<u8>| transform().inbound_transform(raw(&topic, data)).unwrap().data;

        let largest = vec![5; limit];
        let wire = compress_block(&largest).unwrap();
        assert_eq!(split_domain(&inbound(wire)), (MESSAGE_DOMAIN_VALID_SNAPPY, &largest[..]));
        let over = compress_block(&vec![5; limit + 1]).unwrap();
        assert_eq!(split_domain(&inbound(over.clone())), (MESSAGE_DOMAIN_INVALID_SNAPPY, &over[..]));
        assert_eq!(split_domain(&inbound(vec![0xff; 9])), (MESSAGE_DOMAIN_INVALID_SNAPPY, &[0xff; 9][..]));
    }

    #[test]
    fn foreign_topics_are_not_even_decompressed() {
        for topic in ["/leanconsensus/cafecafe/block/ssz_snappy", "/eth2/12345678/block/ssz_snappy", ""] {
            assert!(transform().inbound_transform(raw(topic, vec![0])).is_err(), "{topic}");
        }
    }

    #[test]
    fn outbound_payloads_lose_their_domain() {
        let topic = TopicHash::from_raw("any");
        let wire = transform().outbound_transform(&topic, [&[1, 0, 0, 0][..], b"payload"].concat()).unwrap();
        assert_eq!(crate::snappy::decompress_block(&wire, 100).unwrap(), b"payload");
    }

    #[test]
    fn peers_subscribe_to_our_topics_only() {
        let mut filter = TopicFilter { network_name: DEFAULT_NETWORK_NAME.to_owned() };
        for (topic, allowed) in [
            ("/leanconsensus/12345678/block/ssz_snappy", true),
            ("/leanconsensus/12345678/attestation_255/ssz_snappy", true),
            ("/leanconsensus/12345678/attestation_256/ssz_snappy", false),
            ("/leanconsensus/cafecafe/block/ssz_snappy", false),
            ("anything", false),
        ] {
            assert_eq!(filter.can_subscribe(&TopicHash::from_raw(topic)), allowed, "{topic}");
        }
    }

    #[test]
    fn the_parameters_are_accepted() {
        behaviour(DEFAULT_NETWORK_NAME).unwrap();
        assert_eq!(snap_bound(MAX_PAYLOAD_SIZE), snap::raw::max_compress_len(MAX_PAYLOAD_SIZE));
    }
}
