//! Messages that mean ill: each well-formed as far as it gets, and none like another.

use std::sync::Arc;

use lathe_network::snappy::compress_block;
use lathe_types::{
    AttestationData, Block, Checkpoint, Decode as _, Encode as _, MultiMessageAggregate, Root, Signature,
    SignatureShape, SignedAttestation, SignedBlock, Slot, TreeHash as _, ValidatorIndex,
};

/// Bytes of a proof that proves nothing.
const PROOF_BYTES: usize = 60;

/// Signs a root for a slot, with an attestation key that the attacker really has.
pub type SignVote = Arc<dyn Fn(Slot, Root) -> Signature + Send + Sync>;
/// Makes the proof of a block with that root, with a proposal key that the attacker really has.
pub type SealBlock = Arc<dyn Fn(&Block, Root) -> MultiMessageAggregate + Send + Sync>;

/// Snappy of so many zeros: a few hundredths of that on the wire. No two with different numbers are the same message.
pub fn bomb(len: usize, number: u64) -> Vec<u8> {
    let mut zeros = vec![0; len];
    zeros[..8].copy_from_slice(&number.to_le_bytes());
    compress_block(&zeros).unwrap()
}

/// A block of some 300 bytes whose parent nobody has, as it goes over the wire.
pub fn orphan(slot: u64) -> Vec<u8> {
    let block = Block {
        slot: Slot(slot),
        proposer_index: ValidatorIndex(slot % 4),
        parent_root: random_root(),
        state_root: random_root(),
        ..Block::default()
    };
    let proof = MultiMessageAggregate { proof: vec![7; PROOF_BYTES].try_into().unwrap() };
    compress_block(&SignedBlock { block, proof }.as_ssz_bytes()).unwrap()
}

/// A vote with a signature of zeros, as it goes over the wire.
pub fn junk_vote(validator: u64, slot: u64, head: Checkpoint) -> Vec<u8> {
    let target = Checkpoint { root: random_root(), slot: head.slot };
    let data = AttestationData { slot: Slot(slot), head, target, ..AttestationData::default() };
    compress_block(&vote(validator, data, zero_signature()).as_ssz_bytes()).unwrap()
}

fn vote(validator: u64, data: AttestationData, signature: Signature) -> SignedAttestation {
    SignedAttestation { validator_index: ValidatorIndex(validator), data, signature }
}

fn zero_signature() -> Signature {
    let shape = SignatureShape::PROD;
    let mut signature = vec![0; shape.encoded_len()];
    signature[0..4].copy_from_slice(&36_u32.to_le_bytes());
    signature[32..36].copy_from_slice(&(40 + 32 * shape.siblings() as u32).to_le_bytes());
    signature[36..40].copy_from_slice(&4_u32.to_le_bytes());
    Signature::from_ssz_bytes(&signature).unwrap()
}

/// A root that no block has.
pub(crate) fn random_root() -> Root {
    Root::from(rand::random::<[u8; 32]>())
}

/// A validator with real keys that signs whatever it likes, as often as it likes.
#[derive(Clone)]
pub struct Forger {
    /// Its index.
    pub validator: ValidatorIndex,
    /// Validators of the network.
    pub count: u64,
    /// Its attestation key.
    pub sign: SignVote,
    /// Its proposal key.
    pub seal: SealBlock,
}

impl Forger {
    /// A block on `parent` whose proof holds; its state root does not. As it goes over the wire.
    pub fn block(&self, slot: u64, parent: Root) -> Vec<u8> {
        let block = Block {
            slot: Slot(slot),
            proposer_index: self.validator,
            parent_root: parent,
            state_root: random_root(),
            ..Block::default()
        };
        let root = block.tree_hash_root();
        let proof = (self.seal)(&block, root);
        compress_block(&SignedBlock { block, proof }.as_ssz_bytes()).unwrap()
    }

    /// A vote for `head` with a target of its own each time, rightly signed. As it goes over the wire.
    pub fn vote(&self, slot: u64, head: Checkpoint, source: Checkpoint, target: Checkpoint) -> Vec<u8> {
        let data = AttestationData { slot: Slot(slot), head, target, source };
        let signature = (self.sign)(Slot(slot), data.tree_hash_root());
        compress_block(&vote(self.validator.0, data, signature).as_ssz_bytes()).unwrap()
    }
}
