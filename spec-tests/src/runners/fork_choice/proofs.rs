//! Stand-ins for the proof system, as the fixtures were made with, and the real signature scheme.

use lathe_forkchoice::{AggregationJob, ValidatorSet};
use lathe_leansig as leansig;
use lathe_types::{
    AggregationBits, Decode, Participation, ProofBytes, PublicKey, Rejection, RejectionReason, Root,
    Signature, SignatureShape, SignedAggregatedAttestation, SignedAttestation, SingleMessageAggregate,
    TreeHash,
};

/// What every mocked proof begins with.
const MOCK_PROOF_PREFIX: &[u8] = b"\0MOCKED-AGGREGATION-PROOF\0";

/// A mocked proof: the prefix, and what tells it from others.
pub(super) fn mock_proof(data_root: &Root, voters: &ValidatorSet) -> ProofBytes {
    let participants = AggregationBits::from_indices(voters.iter()).map(|bits| bits.tree_hash_root());
    let fingerprint = (data_root.0, participants.unwrap_or_default().0);
    ProofBytes::new([MOCK_PROOF_PREFIX, &fingerprint.0, &fingerprint.1].concat()).unwrap_or_default()
}

pub(super) fn single(participants: AggregationBits, proof: ProofBytes) -> SingleMessageAggregate {
    SingleMessageAggregate { participants, proof }
}

/// Aggregates without proving anything.
pub(super) fn mock_aggregate(job: &AggregationJob) -> Option<SingleMessageAggregate> {
    let voters = job.participants();
    let participants = AggregationBits::from_indices(voters.iter())?;
    Some(single(participants, mock_proof(&job.data_root, &voters)))
}

/// Whether a proof is mocked, and so taken for valid.
pub(super) fn is_mock(aggregate: &SignedAggregatedAttestation) -> bool {
    aggregate.proof.proof.starts_with(MOCK_PROOF_PREFIX)
}

/// A signature that decodes, for votes whose signature nobody has.
pub(super) fn placeholder_signature() -> Signature {
    let shape = SignatureShape::TEST;
    let mut bytes = vec![0; shape.encoded_len()];
    let hashes_offset = 40 + 32 * shape.siblings() as u32;
    for (at, offset) in [(0, 36_u32), (32, hashes_offset), (36, 4)] {
        bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
    }
    Signature::from_ssz_bytes(&bytes).unwrap_or_else(|error| unreachable!("all zeros decode: {error:?}"))
}

/// Verifies a vote's signature for real, under the scheme that its length belongs to.
pub(super) fn verify_signature(
    public_key: &PublicKey,
    attestation: &SignedAttestation,
) -> Result<(), Rejection> {
    let valid = if attestation.signature.shape() == SignatureShape::TEST {
        verifies::<leansig::Test>(public_key, attestation)
    } else {
        verifies::<leansig::Prod>(public_key, attestation)
    };
    let refused = || Rejection::new(RejectionReason::InvalidSignature, "the signature does not verify");
    if valid { Ok(()) } else { Err(refused()) }
}

fn verifies<S: leansig::Scheme>(public_key: &PublicKey, attestation: &SignedAttestation) -> bool {
    let public_key = leansig::PublicKey::from_slice(public_key.as_bytes());
    let signature = leansig::Signature::<S>::decode(attestation.signature.as_bytes());
    let message = attestation.data.tree_hash_root();
    match (public_key, signature) {
        (Ok(public_key), Ok(signature)) => {
            leansig::verify(&public_key, attestation.data.slot.0, &message.0, &signature)
        }
        _ => false,
    }
}
