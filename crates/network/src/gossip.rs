//! Gossip: the messages, their encoding on the wire and the protocol's parameters.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_types::{
    Decode as _, DecodeError, Encode as _, SignedAggregatedAttestation, SignedAttestation, SignedBlock,
    SubnetId,
};
use libp2p::gossipsub::{
    self, ConfigBuilder, DataTransform, MaxCountSubscriptionFilter, MessageAuthenticity, PeerScoreParams,
    PeerScoreThresholds, RawMessage, TopicHash, TopicScoreParams, TopicSubscriptionFilter, ValidationMode,
};

use crate::error::Error;
use crate::message_id::{MESSAGE_DOMAIN_INVALID_SNAPPY, MESSAGE_DOMAIN_VALID_SNAPPY, MessageId};
use crate::metered::{Metered, SharedMeter};
use crate::snappy::{MAX_PAYLOAD_SIZE, claimed_len, compress_block, decompress_block_after};
use crate::topic::{GossipTopic, TopicKind};
use crate::traffic::{Admission, MAX_PLAIN_BLOCK_BYTES, Meter, NetworkSize};

/// Bytes of the domain that precedes a payload between the transform and us.
pub(crate) const DOMAIN_LEN: usize = 4;
/// Subnets that a peer may name in its subscriptions: the specification's bitfield of subnets has 64 bits, networks
/// may use more committees. Bounds what we remember of a peer.
const MAX_SUBNETS: u64 = 256;
/// Topics that a peer may subscribe to: those above, blocks and aggregates.
const MAX_TOPICS_PER_PEER: usize = MAX_SUBNETS as usize + 2;
/// Subscriptions that one RPC may carry: all topics on and off.
const MAX_SUBSCRIPTIONS_PER_RPC: usize = 2 * MAX_TOPICS_PER_PEER;
/// Bytes of one RPC: a few of the longest blocks of a plain network, because some peers put several messages into one;
/// where blocks carry payloads, the worst compression of the longest, and room for its envelope.
const fn max_transmit_size(size: NetworkSize) -> usize {
    if size.is_paired { snap_bound(MAX_PAYLOAD_SIZE) + 4096 } else { 4 * MAX_PLAIN_BLOCK_BYTES }
}
/// Bytes of control messages in one RPC: 1,024 announced ids are 22 KiB and peers may announce several topics.
const MAX_CONTROL_SIZE: usize = 128 * 1024;
/// Messages that one RPC may carry.
const MAX_MESSAGES_PER_RPC: usize = 500;
/// RPCs that wait for one connection. Messages are shared, but a slow peer must not hold many.
const QUEUE_LEN: usize = 256;
/// Peers of a mesh that we dialled, if there are as many.
const MESH_OUTBOUND: usize = 4;

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
/// specification's. What the peer may not bring, and what does not decompress to a length that its topic allows, is
/// refused here: neither decompressed nor hashed, and its sender is to blame.
#[derive(Clone, Debug)]
pub(crate) struct SnappyTransform {
    network_name: String,
    size: NetworkSize,
    meter: SharedMeter,
}

impl DataTransform for SnappyTransform {
    fn inbound_transform(&self, raw: RawMessage) -> Result<gossipsub::Message, io::Error> {
        let topic: GossipTopic = raw.topic.as_str().parse().map_err(io::Error::other)?;
        topic.validate_fork(&self.network_name).map_err(io::Error::other)?;
        let lengths = self.size.ssz_len(topic.kind);
        let claimed = claimed_len(&raw.data).unwrap_or_default();
        let fits = lengths.contains(&claimed);
        // What claims another length is not decompressed, so it costs nothing.
        let costs = if fits { claimed } else { 0 };
        let mut meter = self.meter.lock();
        if meter.admit(raw.data.len(), costs, Instant::now()) == Admission::OverQuota {
            return Err(io::Error::other("more than the peer's share"));
        }
        let data = if fits {
            decompress_block_after(&MESSAGE_DOMAIN_VALID_SNAPPY, &raw.data, *lengths.end())
        } else {
            Err(Error::Length { claimed, allowed: lengths })
        };
        let data = data.inspect_err(|_| meter.is_invalid()).map_err(io::Error::other)?;
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
pub(crate) fn behaviour(network_name: &str, size: NetworkSize) -> Result<Metered, Error> {
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
        // Half of a mesh is for peers that we chose, as far as there are any.
        .mesh_outbound_min(MESH_OUTBOUND)
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
        .max_transmit_size(max_transmit_size(size))
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
    let meter = SharedMeter::new(Meter::new(size));
    let transform = SnappyTransform { network_name: network_name.to_owned(), size, meter: meter.clone() };
    let mut gossip = Gossipsub::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        filter,
        transform,
    )
    .map_err(|error| Error::Config(error.to_owned()))?;
    gossip.with_peer_score(scoring(), thresholds()).map_err(Error::Config)?;
    Ok(Metered::new(gossip, meter))
}

/// How meshes judge peers. Our own score is most of it: it knows why a message was refused.
///
/// There is no penalty for sharing an address, because the nodes of a local network do, and what many identities at one
/// address may do is bounded elsewhere; none for invalid messages, because honest peers relay what they do not
/// validate; none for a mesh that brings little, because in a network that stands still nobody brings anything, and the
/// meshes must not fall apart then.
fn scoring() -> PeerScoreParams {
    PeerScoreParams {
        topic_score_cap: 20.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        // Promises to send a message that are not kept, and attempts to join a mesh too early.
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: gossipsub::score_parameter_decay(Duration::from_secs(60)),
        slow_peer_weight: 0.0,
        retain_score: Duration::from_secs(60),
        ..PeerScoreParams::default()
    }
}

/// How meshes judge a peer on one topic: by what it was the first to bring. Those that bring nothing are replaced by
/// others, two at a time, while most of a mesh is like that.
pub(crate) fn topic_scoring() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.5,
        first_message_deliveries_decay: gossipsub::score_parameter_decay(Duration::from_secs(300)),
        first_message_deliveries_cap: 20.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: 0.0,
        ..TopicScoreParams::default()
    }
}

/// From where on a peer is not gossiped with. Below the last of them it is disconnected by us anyway.
fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -10.0,
        publish_threshold: -15.0,
        graylist_threshold: -20.0,
        accept_px_threshold: 1000.0,
        opportunistic_graft_threshold: 1.0,
    }
}

#[cfg(test)]
mod tests {
    use lathe_types::SignatureScheme;

    use super::*;
    use crate::topic::DEFAULT_NETWORK_NAME;

    const SMALL: NetworkSize =
        NetworkSize { validators: 4, is_paired: false, scheme: SignatureScheme::Leansig };

    fn transform() -> SnappyTransform {
        let meter = SharedMeter::new(Meter::new(SMALL));
        SnappyTransform { network_name: DEFAULT_NETWORK_NAME.to_owned(), size: SMALL, meter }
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
    fn what_may_not_be_is_refused_at_its_length_and_blamed_on_its_sender() {
        let transform = transform();
        let peer = libp2p::PeerId::random();
        for kind in [TopicKind::AttestationSubnet(SubnetId(0)), TopicKind::Block] {
            let topic = GossipTopic::new(DEFAULT_NETWORK_NAME, kind).to_string();
            let limit = SMALL.max_ssz_len(kind);
            let inbound = |data: Vec<u8>| {
                transform.meter.lock().listen_to(Some(peer));
                let data = transform.inbound_transform(raw(&topic, data)).map(|message| message.data);
                (data.ok(), transform.meter.lock().take_offences())
            };
            let largest = vec![5; limit];
            let (data, offences) = inbound(compress_block(&largest).unwrap());
            assert_eq!(split_domain(&data.unwrap()), (MESSAGE_DOMAIN_VALID_SNAPPY, &largest[..]));
            assert_eq!(offences, []);
            let blamed = (None, vec![(peer, crate::peers::Offence::InvalidGossip)]);
            assert_eq!(inbound(compress_block(&vec![5; limit + 1]).unwrap()), blamed);
            assert_eq!(inbound(vec![0xff; 9]), blamed);
        }
    }

    #[test]
    fn a_vote_of_another_signature_scheme_is_refused_by_its_length() {
        let topic =
            GossipTopic::new(DEFAULT_NETWORK_NAME, TopicKind::AttestationSubnet(SubnetId(0))).to_string();
        let peer = libp2p::PeerId::random();
        for scheme in SignatureScheme::ALL {
            let size = NetworkSize { scheme, ..SMALL };
            let transform = SnappyTransform { size, ..transform() };
            for other in SignatureScheme::ALL {
                transform.meter.lock().listen_to(Some(peer));
                let vote = vec![5; NetworkSize { scheme: other, ..size }.vote_bytes()];
                let admitted = transform.inbound_transform(raw(&topic, compress_block(&vote).unwrap()));
                let is_alike = other.shape() == scheme.shape();
                assert_eq!(admitted.is_ok(), is_alike, "{other} on {scheme}");
                let offences = transform.meter.lock().take_offences();
                assert_eq!(offences.is_empty(), is_alike, "{other} on {scheme}");
            }
        }
    }

    #[test]
    fn what_a_peer_brings_beyond_its_share_is_not_decompressed() {
        let transform = transform();
        let peer = libp2p::PeerId::random();
        transform.meter.lock().connected(peer, crate::peers::Group::V4([10, 0, 0, 1]));
        transform.meter.lock().listen_to(Some(peer));
        let topic = GossipTopic::new(DEFAULT_NETWORK_NAME, TopicKind::Block).to_string();
        let bomb = compress_block(&vec![0; SMALL.max_block_bytes()]).unwrap();
        let outcomes: Vec<bool> =
            (0..60).map(|_| transform.inbound_transform(raw(&topic, bomb.clone())).is_ok()).collect();
        let admitted = outcomes.iter().take_while(|admitted| **admitted).count();
        assert!((40..50).contains(&admitted), "{admitted}");
        assert!(outcomes[admitted..].iter().filter(|admitted| **admitted).count() <= 5, "{outcomes:?}");
        let offences = transform.meter.lock().take_offences();
        assert!(offences.iter().all(|offence| *offence == (peer, crate::peers::Offence::Greedy)));
        assert_eq!(offences.len(), outcomes.iter().filter(|admitted| !**admitted).count());
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
        for size in [SMALL, NetworkSize::default()] {
            behaviour(DEFAULT_NETWORK_NAME, size).unwrap();
        }
        topic_scoring().validate().unwrap();
        assert_eq!(snap_bound(MAX_PAYLOAD_SIZE), snap::raw::max_compress_len(MAX_PAYLOAD_SIZE));
    }
}
