//! How much gossip a peer may bring: what an honest one can have to send on a network of this kind and size.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::time::Instant;

use lathe_types::{MAX_PROOF_BYTES, SECONDS_PER_SLOT, SignatureScheme, VALIDATOR_REGISTRY_LIMIT};
use libp2p::PeerId;

use crate::peers::{Buckets, Group, Offence};
use crate::snappy::MAX_PAYLOAD_SIZE;
use crate::topic::TopicKind;

/// Longest block without an execution payload: eight votes of a full registry and the longest proof are 520 KiB.
pub const MAX_PLAIN_BLOCK_BYTES: usize = 1024 * 1024;
/// A signed vote without its signature: index and data.
const UNSIGNED_VOTE_BYTES: usize = 8 + 128;
/// Longest aggregate: data, two offsets at each of two levels, one bit per possible validator and the longest proof.
const MAX_AGGREGATE_BYTES: usize = 128 + 4 + 8 + VALIDATOR_REGISTRY_LIMIT as usize / 8 + 1 + MAX_PROOF_BYTES;
/// Blocks that one slot may bring: one, another one of a proposer that equivocates, and a late one.
const BLOCKS_PER_SLOT: usize = 3;
/// Aggregates that one slot may bring: two of each aggregator of many subnets, or more with short proofs.
const AGGREGATES_PER_SLOT: usize = 16;
/// How often the messages of a slot may come: once, and as much again of what is told anew or turns out to be wrong.
const TIMES_PER_SLOT: usize = 2;
/// Slots whose messages may come at once, as after a stall.
const BURST_SLOTS: f64 = 4.0;
/// Peers at one place that nothing valid came from yet may bring as much as this many. Those that brought something
/// valid and new have their own share alone, so that strangers at their address cannot use it up.
const STRANGERS_PER_GROUP: f64 = 8.0;

/// What kind of network this is, as far as it bounds messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSize {
    /// Validators of the registry.
    pub validators: u64,
    /// Whether blocks carry execution payloads.
    pub is_paired: bool,
    /// How validators sign, which fixes the length of a vote.
    pub scheme: SignatureScheme,
}

impl Default for NetworkSize {
    /// The largest network that the specification's scheme can have.
    fn default() -> Self {
        Self { validators: VALIDATOR_REGISTRY_LIMIT, is_paired: true, scheme: SignatureScheme::default() }
    }
}

impl NetworkSize {
    /// Longest SSZ of a block.
    pub const fn max_block_bytes(self) -> usize {
        if self.is_paired { MAX_PAYLOAD_SIZE } else { MAX_PLAIN_BLOCK_BYTES }
    }

    /// SSZ of a signed vote: all have the same length.
    pub const fn vote_bytes(self) -> usize {
        UNSIGNED_VOTE_BYTES + self.scheme.signature_bytes()
    }

    /// Longest SSZ of a message of that kind, which bounds what is decompressed.
    pub const fn max_ssz_len(self, kind: TopicKind) -> usize {
        match kind {
            TopicKind::Block => self.max_block_bytes(),
            TopicKind::AggregatedAttestation => MAX_AGGREGATE_BYTES,
            TopicKind::AttestationSubnet(_) => self.vote_bytes(),
        }
    }

    /// Lengths that the SSZ of a message of that kind can have. What has another one, such as a vote of a network with
    /// another signature scheme, is not decompressed.
    pub const fn ssz_len(self, kind: TopicKind) -> RangeInclusive<usize> {
        let longest = self.max_ssz_len(kind);
        match kind {
            TopicKind::Block | TopicKind::AggregatedAttestation => 0..=longest,
            TopicKind::AttestationSubnet(_) => longest..=longest,
        }
    }

    fn votes_per_slot(self) -> usize {
        self.validators.min(VALIDATOR_REGISTRY_LIMIT) as usize
    }

    /// What a message costs at least, however small it is. The library remembers the id of each for two minutes, so
    /// their number has to be bounded, too.
    fn least_price(self) -> usize {
        let messages = self.votes_per_slot() + BLOCKS_PER_SLOT + AGGREGATES_PER_SLOT;
        self.bytes_per_slot() / (TIMES_PER_SLOT * messages)
    }

    /// Bytes, decompressed, that all messages of a slot can have.
    fn bytes_per_slot(self) -> usize {
        self.votes_per_slot() * self.vote_bytes()
            + BLOCKS_PER_SLOT * self.max_block_bytes()
            + AGGREGATES_PER_SLOT * MAX_AGGREGATE_BYTES
    }
}

/// What became of a message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Decompress it.
    Admitted,
    /// The peer brought more than its share.
    OverQuota,
}

/// Counts the bytes that each peer brings, before they are decompressed.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Whose messages are being looked at.
    current: Option<PeerId>,
    groups: HashMap<PeerId, Group>,
    proven: HashSet<PeerId>,
    /// What the smallest message costs.
    least_price: usize,
    peers: Buckets<PeerId>,
    strangers: Buckets<Group>,
    /// What peers did wrong since it was asked last, a moment ago.
    offences: Vec<(PeerId, Offence)>,
}

impl Meter {
    pub(crate) fn new(size: NetworkSize) -> Self {
        let per_slot = size.bytes_per_slot() as f64;
        let (burst, per_second) = (BURST_SLOTS * per_slot, per_slot / SECONDS_PER_SLOT as f64);
        Self {
            current: None,
            groups: HashMap::new(),
            proven: HashSet::new(),
            least_price: size.least_price(),
            peers: Buckets::new(burst, per_second),
            strangers: Buckets::new(STRANGERS_PER_GROUP * burst, STRANGERS_PER_GROUP * per_second),
            offences: Vec::new(),
        }
    }

    /// Messages that are looked at from now on are this peer's.
    pub(crate) fn listen_to(&mut self, peer: Option<PeerId>) {
        self.current = peer;
    }

    pub(crate) fn connected(&mut self, peer: PeerId, group: Group) {
        self.groups.insert(peer, group);
    }

    pub(crate) fn disconnected(&mut self, peer: &PeerId) {
        self.groups.remove(peer);
        self.proven.remove(peer);
    }

    /// Something valid and new came from this peer.
    pub(crate) fn prove(&mut self, peer: PeerId) {
        if self.groups.contains_key(&peer) {
            self.proven.insert(peer);
        }
    }

    /// Whether a message of so many bytes, compressed and claimed, may be looked into.
    pub(crate) fn admit(&mut self, wire: usize, claimed: usize, now: Instant) -> Admission {
        let Some(peer) = self.current else { return Admission::Admitted };
        let price = wire.max(claimed).max(self.least_price) as f64;
        let group = self.groups.get(&peer).copied().unwrap_or(Group::None);
        let admitted = self.peers.take(peer, price, now)
            && (self.proven.contains(&peer) || self.strangers.take(group, price, now));
        if admitted {
            return Admission::Admitted;
        }
        self.offences.push((peer, Offence::Greedy));
        Admission::OverQuota
    }

    /// The message does not decompress, or to more than it may.
    pub(crate) fn is_invalid(&mut self) {
        self.offences.extend(self.current.map(|peer| (peer, Offence::InvalidGossip)));
    }

    pub(crate) fn take_offences(&mut self) -> Vec<(PeerId, Offence)> {
        std::mem::take(&mut self.offences)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SMALL: NetworkSize =
        NetworkSize { validators: 4, is_paired: false, scheme: SignatureScheme::Leansig };
    const MIB: usize = 1024 * 1024;

    fn meter_of(peers: &[PeerId]) -> Meter {
        let mut meter = Meter::new(SMALL);
        for peer in peers {
            meter.connected(*peer, Group::V4([10, 0, 0, 1]));
        }
        meter
    }

    fn admitted(meter: &mut Meter, peer: PeerId, now: Instant) -> usize {
        meter.listen_to(Some(peer));
        (0..1000).filter(|_| meter.admit(1000, MIB, now) == Admission::Admitted).count()
    }

    #[test]
    fn a_slot_of_the_largest_network_fits_and_small_ones_have_small_shares() {
        let largest = NetworkSize::default();
        let votes = 4096 * 2672;
        assert_eq!(largest.bytes_per_slot(), votes + 3 * 10 * MIB + 16 * 524_941);
        assert_eq!(SMALL.bytes_per_slot(), 4 * 2672 + 3 * MIB + 16 * 524_941);
        assert_eq!(
            (largest.max_ssz_len(TopicKind::Block), SMALL.max_ssz_len(TopicKind::Block)),
            (10 * MIB, MIB)
        );
    }

    #[test]
    fn lengths_are_those_of_the_containers_and_of_the_scheme() {
        let vote = TopicKind::AttestationSubnet(lathe_types::SubnetId(0));
        for (scheme, bytes) in SignatureScheme::ALL.into_iter().zip([2672, 1344, 1344, 2540]) {
            let size = NetworkSize { scheme, ..SMALL };
            assert_eq!(size.ssz_len(vote), bytes..=bytes, "{scheme}");
            assert_eq!(size.ssz_len(TopicKind::AggregatedAttestation), 0..=524_941);
            assert_eq!(size.bytes_per_slot(), 4 * bytes + 3 * MIB + 16 * 524_941);
        }
    }

    #[test]
    fn a_flood_is_admitted_up_to_a_burst_and_then_at_a_slots_worth_per_slot() {
        let (peer, start) = (PeerId::random(), Instant::now());
        let mut meter = meter_of(&[peer]);
        let burst = 4 * SMALL.bytes_per_slot() / MIB;
        assert_eq!(admitted(&mut meter, peer, start), burst);
        assert_eq!(meter.take_offences(), vec![(peer, Offence::Greedy); 1000 - burst]);
        let slot = Duration::from_secs(SECONDS_PER_SLOT);
        assert_eq!(admitted(&mut meter, peer, start + slot), SMALL.bytes_per_slot() / MIB);
    }

    #[test]
    fn small_messages_are_counted() {
        let (peer, start) = (PeerId::random(), Instant::now());
        let mut meter = meter_of(&[peer]);
        meter.listen_to(Some(peer));
        let admitted = |meter: &mut Meter, now| {
            (0..1000).filter(|_| meter.admit(300, 300, now) == Admission::Admitted).count()
        };
        // Four votes, three blocks and sixteen aggregates, twice over; four slots of that at once.
        assert_eq!(admitted(&mut meter, start), 4 * 2 * 23);
        assert_eq!(admitted(&mut meter, start + Duration::from_secs(SECONDS_PER_SLOT)), 2 * 23);
        // In the largest network that is some two votes, so that votes alone are bounded by their number, too.
        assert_eq!(NetworkSize::default().least_price(), 6172);
    }

    #[test]
    fn strangers_at_one_address_share_and_cannot_use_up_what_others_there_have() {
        let peers: Vec<PeerId> = std::iter::repeat_with(PeerId::random).take(20).collect();
        let now = Instant::now();
        let mut meter = meter_of(&peers);
        let (honest, late) = (peers[18], peers[19]);
        meter.prove(honest);
        let burst = 4 * SMALL.bytes_per_slot() / MIB;
        let all: usize = peers[..18].iter().map(|peer| admitted(&mut meter, *peer, now)).sum();
        assert!((8 * burst..=8 * (burst + 1)).contains(&all), "{all}");
        assert_eq!(admitted(&mut meter, late, now), 0);
        assert_eq!(admitted(&mut meter, honest, now), burst);
    }

    #[test]
    fn the_wire_counts_where_less_is_claimed() {
        let (peer, now) = (PeerId::random(), Instant::now());
        let mut meter = meter_of(&[peer]);
        meter.listen_to(Some(peer));
        let admitted = (0..1000).filter(|_| meter.admit(MIB, 0, now) == Admission::Admitted).count();
        assert_eq!(admitted, 4 * SMALL.bytes_per_slot() / MIB);
        meter.listen_to(None);
        assert_eq!(meter.admit(usize::MAX, 0, now), Admission::Admitted);
    }
}
