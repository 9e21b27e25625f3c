//! Signatures and proofs that cost nothing and are checked all the same.
//!
//! A signature is a hash of the key, the slot and the message in the shape of the test scheme, a proof is one such hash
//! per participant. They hold for what was signed and for nothing else; whoever knows the public key can make them,
//! which is for the simulator's Byzantine nodes alone to use.

use std::collections::BTreeMap;

use lathe_types::{
    AggregationBits, AttestationData, Decode, MultiMessageAggregate, Participation, ProofBytes, PublicKey,
    Root, Signature, SignatureShape, SignedBlock, SingleMessageAggregate, Slot, State, TreeHash,
    ValidatorIndex,
};

use lathe_engine::KeyRole;

/// Bytes that one participant takes in a proof.
const SHARE_LEN: usize = 32;

type Share = [u8; SHARE_LEN];

/// The public key of a validator in the network of `seed`.
pub fn public_key(seed: u64, validator: ValidatorIndex, role: KeyRole) -> PublicKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"key").update(&seed.to_le_bytes()).update(&validator.0.to_le_bytes());
    hasher.update(&[match role {
        KeyRole::Attestation => 0,
        KeyRole::Proposal => 1,
    }]);
    let mut bytes = [0; PublicKey::LEN];
    hasher.finalize_xof().fill(&mut bytes);
    PublicKey::from(bytes)
}

/// The key's signature over `message` at `slot`.
pub fn sign(key: &PublicKey, slot: Slot, message: &Root) -> Signature {
    let shape = SignatureShape::TEST;
    let mut bytes = vec![0; shape.encoded_len()];
    hasher(key, slot, message).finalize_xof().fill(&mut bytes);
    // Field elements are below the prime once their top bits are gone; the three offsets are those of the shape.
    for limb in bytes.chunks_exact_mut(4) {
        limb[3] &= 0x3f;
    }
    let hashes_offset = bytes.len() - SHARE_LEN * shape.chains();
    bytes[0..4].copy_from_slice(&36_u32.to_le_bytes());
    bytes[32..36].copy_from_slice(&(hashes_offset as u32).to_le_bytes());
    bytes[36..40].copy_from_slice(&4_u32.to_le_bytes());
    Signature::from_ssz_bytes(&bytes)
        .unwrap_or_else(|error| unreachable!("the shape is that of the scheme: {error:?}"))
}

/// Whether the signature is the key's.
pub fn verify(key: &PublicKey, slot: Slot, message: &Root, signature: &Signature) -> bool {
    sign(key, slot, message) == *signature
}

fn hasher(key: &PublicKey, slot: Slot, message: &Root) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(&slot.0.to_le_bytes()).update(message.as_slice());
    hasher
}

fn share(key: &PublicKey, slot: Slot, message: &Root) -> Share {
    *hasher(key, slot, message).finalize().as_bytes()
}

fn attestation_key(state: &State, validator: ValidatorIndex) -> Option<PublicKey> {
    Some(state.validators.get(usize::try_from(validator.0).ok()?)?.attestation_public_key)
}

/// Folds proofs and signatures over one data into one proof. `None` if a signature does not verify.
pub fn aggregate<'a>(
    state: &State,
    data: &AttestationData,
    children: impl IntoIterator<Item = &'a SingleMessageAggregate>,
    signatures: &[(ValidatorIndex, Signature)],
) -> Option<SingleMessageAggregate> {
    let message = data.tree_hash_root();
    let mut shares: BTreeMap<ValidatorIndex, Share> = BTreeMap::new();
    for child in children {
        shares.extend(shares_of(child)?);
    }
    for (validator, signature) in signatures {
        let key = attestation_key(state, *validator)?;
        if !verify(&key, data.slot, &message, signature) {
            return None;
        }
        shares.insert(*validator, share(&key, data.slot, &message));
    }
    proof_of(&shares)
}

fn shares_of(proof: &SingleMessageAggregate) -> Option<Vec<(ValidatorIndex, Share)>> {
    let (shares, rest) = proof.proof.as_chunks::<SHARE_LEN>();
    let participants: Vec<_> = proof.participants.indices().collect();
    (rest.is_empty() && shares.len() == participants.len())
        .then(|| participants.into_iter().zip(shares.iter().copied()).collect())
}

fn proof_of(shares: &BTreeMap<ValidatorIndex, Share>) -> Option<SingleMessageAggregate> {
    let participants = AggregationBits::from_indices(shares.keys().copied())?;
    let bytes: Vec<u8> = shares.values().flatten().copied().collect();
    Some(SingleMessageAggregate { participants, proof: ProofBytes::new(bytes).ok()? })
}

/// Whether the proof holds for `data` with the keys in `state`.
pub fn verify_aggregate(state: &State, data: &AttestationData, proof: &SingleMessageAggregate) -> bool {
    let message = data.tree_hash_root();
    let holds = |(validator, found): (ValidatorIndex, Share)| {
        attestation_key(state, validator).is_some_and(|key| share(&key, data.slot, &message) == found)
    };
    shares_of(proof).is_some_and(|shares| !shares.is_empty() && shares.into_iter().all(holds))
}

/// The proof of a block: its components one after the other, then the proposer's share.
pub fn seal(
    state: &State,
    slot: Slot,
    root: &Root,
    proposer: ValidatorIndex,
    components: &[SingleMessageAggregate],
    signature: &Signature,
) -> Option<MultiMessageAggregate> {
    let key = proposal_key(state, proposer)?;
    if !verify(&key, slot, root, signature) {
        return None;
    }
    let mut bytes: Vec<u8> =
        components.iter().flat_map(|component| component.proof.iter().copied()).collect();
    bytes.extend(share(&key, slot, root));
    Some(MultiMessageAggregate { proof: ProofBytes::new(bytes).ok()? })
}

fn proposal_key(state: &State, validator: ValidatorIndex) -> Option<PublicKey> {
    Some(state.validators.get(usize::try_from(validator.0).ok()?)?.proposal_public_key)
}

/// The parts of a block's proof, in body order, without the proposer's.
pub fn split(block: &SignedBlock) -> Option<Vec<(AttestationData, SingleMessageAggregate)>> {
    let mut rest: &[u8] = &block.proof.proof;
    let mut parts = Vec::new();
    for attestation in &block.block.body.attestations {
        let (part, others) =
            rest.split_at_checked(attestation.aggregation_bits.num_set_bits() * SHARE_LEN)?;
        let proof = ProofBytes::new(part.to_vec()).ok()?;
        parts.push((
            attestation.data,
            SingleMessageAggregate { participants: attestation.aggregation_bits.clone(), proof },
        ));
        rest = others;
    }
    (rest.len() == SHARE_LEN).then_some(parts)
}

/// Whether the block's proof holds with the keys in its parent's state.
pub fn verify_block(parent_state: &State, block: &SignedBlock) -> bool {
    let root = block.block.tree_hash_root();
    let proposed = proposal_key(parent_state, block.block.proposer_index)
        .is_some_and(|key| block.proof.proof.ends_with(&share(&key, block.block.slot, &root)));
    let voted = split(block)
        .is_some_and(|parts| parts.iter().all(|(data, proof)| verify_aggregate(parent_state, data, proof)));
    proposed && voted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_slot_and_message_only() {
        let key = public_key(1, ValidatorIndex(0), KeyRole::Attestation);
        let other = public_key(1, ValidatorIndex(0), KeyRole::Proposal);
        let message = Root::repeat_byte(7);
        let signature = sign(&key, Slot(3), &message);
        assert!(verify(&key, Slot(3), &message, &signature));
        assert!(!verify(&other, Slot(3), &message, &signature));
        assert!(!verify(&key, Slot(4), &message, &signature));
        assert!(!verify(&key, Slot(3), &Root::repeat_byte(8), &signature));
    }
}
