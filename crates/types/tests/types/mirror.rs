//! The containers declared a second time, for another SSZ library. Values are carried over field by field, so that two
//! fields in the wrong order are seen.

#![allow(unused_qualifications, reason = "the derive macro spells out every name")]

use lathe_types as ours;
use ssz_rs::prelude::*;

pub(crate) type Bytes32 = [u8; 32];
pub(crate) type Bytes52 = Vector<u8, 52>;
pub(crate) type AggregationBits = Bitlist<4096>;
pub(crate) type ByteList512KiB = List<u8, 524288>;

/// What a container of ours looks like over there.
pub(crate) trait Mirrored {
    type Mirror: SimpleSerialize;
    fn mirror(&self) -> Self::Mirror;
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct Checkpoint {
    pub root: Bytes32,
    pub slot: u64,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct AttestationData {
    pub slot: u64,
    pub head: Checkpoint,
    pub target: Checkpoint,
    pub source: Checkpoint,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct Attestation {
    pub validator_index: u64,
    pub data: AttestationData,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct AggregatedAttestation {
    pub aggregation_bits: AggregationBits,
    pub data: AttestationData,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct SingleMessageAggregate {
    pub participants: AggregationBits,
    pub proof: ByteList512KiB,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct MultiMessageAggregate {
    pub proof: ByteList512KiB,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct SignedAggregatedAttestation {
    pub data: AttestationData,
    pub proof: SingleMessageAggregate,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct BlockBody {
    pub attestations: List<AggregatedAttestation, 4096>,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct Block {
    pub slot: u64,
    pub proposer_index: u64,
    pub parent_root: Bytes32,
    pub state_root: Bytes32,
    pub body: BlockBody,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct BlockHeader {
    pub slot: u64,
    pub proposer_index: u64,
    pub parent_root: Bytes32,
    pub state_root: Bytes32,
    pub body_root: Bytes32,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct SignedBlock {
    pub block: Block,
    pub proof: MultiMessageAggregate,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct GenesisConfig {
    pub genesis_time: u64,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct Validator {
    pub attestation_public_key: Bytes52,
    pub proposal_public_key: Bytes52,
    pub index: u64,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct State {
    pub config: GenesisConfig,
    pub slot: u64,
    pub latest_block_header: BlockHeader,
    pub latest_justified: Checkpoint,
    pub latest_finalized: Checkpoint,
    pub historical_block_hashes: List<Bytes32, 262144>,
    pub justified_slots: Bitlist<262144>,
    pub validators: List<Validator, 4096>,
    pub justifications_roots: List<Bytes32, 262144>,
    pub justifications_validators: Bitlist<1073741824>,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct Status {
    pub finalized: Checkpoint,
    pub head: Checkpoint,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct BlocksByRootRequest {
    pub roots: List<Bytes32, 1024>,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct BlocksByRangeRequest {
    pub start_slot: u64,
    pub count: u64,
}

macro_rules! mirrored {
    ($($name:ident { $($field:ident),+ })+) => {
        $(impl Mirrored for ours::$name {
            type Mirror = $name;
            fn mirror(&self) -> $name {
                $name { $($field: self.$field.mirror()),+ }
            }
        })+
    };
}

mirrored! {
    Checkpoint { root, slot }
    AttestationData { slot, head, target, source }
    Attestation { validator_index, data }
    AggregatedAttestation { aggregation_bits, data }
    SingleMessageAggregate { participants, proof }
    MultiMessageAggregate { proof }
    SignedAggregatedAttestation { data, proof }
    BlockBody { attestations }
    Block { slot, proposer_index, parent_root, state_root, body }
    BlockHeader { slot, proposer_index, parent_root, state_root, body_root }
    SignedBlock { block, proof }
    GenesisConfig { genesis_time }
    Validator { attestation_public_key, proposal_public_key, index }
    State { config, slot, latest_block_header, latest_justified, latest_finalized, historical_block_hashes, justified_slots, validators, justifications_roots, justifications_validators }
    Status { finalized, head }
    BlocksByRootRequest { roots }
    BlocksByRangeRequest { start_slot, count }
}

/// The Merkle path of a signature; `N` is the scheme's limit of nodes in a layer.
#[derive(Default, SimpleSerialize)]
pub(crate) struct HashTreeOpening<const N: usize> {
    pub siblings: List<Vector<u32, 8>, N>,
}

#[derive(Default, SimpleSerialize)]
pub(crate) struct Signature<const N: usize> {
    pub path: HashTreeOpening<N>,
    pub rho: Vector<u32, 7>,
    pub hashes: List<Vector<u32, 8>, N>,
}

/// Only its root is comparable: on the wire the specification gives the signature a fixed size.
#[derive(Default, SimpleSerialize)]
pub(crate) struct SignedAttestation<const N: usize> {
    pub validator_index: u64,
    pub data: AttestationData,
    pub signature: Signature<N>,
}

impl<const N: usize> Signature<N> {
    /// From all field elements in wire order: the randomness first, then siblings and chain hashes.
    pub(crate) fn of(elements: &[u32], siblings: usize) -> Self {
        let (rho, digests) = elements.split_at(7);
        let digest = |words: &[u32]| Vector::try_from(words.to_vec()).unwrap();
        let mut digests: Vec<_> = digests.chunks_exact(8).map(digest).collect();
        let hashes = digests.split_off(siblings);
        Self {
            path: HashTreeOpening { siblings: list(digests) },
            rho: Vector::try_from(rho.to_vec()).unwrap(),
            hashes: list(hashes),
        }
    }
}

macro_rules! numbers {
    ($($name:ident),+) => {
        $(impl Mirrored for ours::$name {
            type Mirror = u64;
            fn mirror(&self) -> u64 {
                self.0
            }
        })+
    };
}

numbers!(Slot, ValidatorIndex);

impl Mirrored for u64 {
    type Mirror = Self;
    fn mirror(&self) -> Self {
        *self
    }
}

impl Mirrored for ours::Root {
    type Mirror = Bytes32;
    fn mirror(&self) -> Bytes32 {
        self.0
    }
}

impl Mirrored for ours::PublicKey {
    type Mirror = Bytes52;
    fn mirror(&self) -> Bytes52 {
        Vector::try_from(self.as_bytes().to_vec()).unwrap()
    }
}

macro_rules! bitlists {
    ($($name:ident, $limit:literal;)+) => {
        $(impl Mirrored for ours::$name {
            type Mirror = Bitlist<$limit>;
            fn mirror(&self) -> Self::Mirror {
                Bitlist::try_from(self.iter().collect::<Vec<_>>().as_slice()).unwrap()
            }
        })+
    };
}

bitlists! {
    AggregationBits, 4096;
    JustifiedSlots, 262144;
    JustificationValidators, 1073741824;
}

macro_rules! lists {
    ($($name:ty, $item:ty, $limit:literal;)+) => {
        $(impl Mirrored for $name {
            type Mirror = List<$item, $limit>;
            fn mirror(&self) -> Self::Mirror {
                list(self.iter().map(Mirrored::mirror).collect())
            }
        })+
    };
}

lists! {
    ours::AggregatedAttestations, AggregatedAttestation, 4096;
    ours::HistoricalBlockHashes, Bytes32, 262144;
    ours::Validators, Validator, 4096;
    ssz_types::VariableList<ours::Root, typenum::U1024>, Bytes32, 1024;
}

impl Mirrored for ours::ProofBytes {
    type Mirror = ByteList512KiB;
    fn mirror(&self) -> ByteList512KiB {
        list(self.to_vec())
    }
}

fn list<T: SimpleSerialize, const N: usize>(items: Vec<T>) -> List<T, N> {
    List::try_from(items).map_err(|(_, error)| error).unwrap()
}
