//! A signature scheme that costs nothing and is checked all the same.
//!
//! A signature is a hash of the key, the slot and the message in the shape of the test scheme. It holds for what was
//! signed and for nothing else; whoever knows the public key can make it, which is for Byzantine nodes alone to use.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lathe_aggregation::{ProofError, ProofStatement, ProofSystem, SignatureCheck, Verifier};
use lathe_engine::KeyRole;
use lathe_types::{Decode, PublicKey, Root, Signature, SignatureShape, Slot, ValidatorIndex};

/// The public key of a validator in the network of `seed`.
pub(crate) fn public_key(seed: u64, validator: ValidatorIndex, role: KeyRole) -> PublicKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(&validator.0.to_le_bytes()).update(&[role as u8]);
    let mut bytes = [0; PublicKey::LEN];
    hasher.finalize_xof().fill(&mut bytes);
    PublicKey::from(bytes)
}

/// The key's signature over `message` at `slot`.
pub(crate) fn sign(key: &PublicKey, slot: Slot, message: &Root) -> Signature {
    let shape = SignatureShape::TEST;
    let mut bytes = vec![0; shape.encoded_len()];
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(&slot.0.to_le_bytes()).update(message.as_slice());
    hasher.finalize_xof().fill(&mut bytes);
    // Field elements are below the prime once their top bits are gone; the three offsets are those of the shape.
    for limb in bytes.chunks_exact_mut(4) {
        limb[3] &= 0x3f;
    }
    let hashes_offset = bytes.len() - 32 * shape.chains();
    bytes[0..4].copy_from_slice(&36_u32.to_le_bytes());
    bytes[32..36].copy_from_slice(&(hashes_offset as u32).to_le_bytes());
    bytes[36..40].copy_from_slice(&4_u32.to_le_bytes());
    Signature::from_ssz_bytes(&bytes)
        .unwrap_or_else(|error| unreachable!("the shape is that of the scheme: {error:?}"))
}

/// The check of these signatures, and proofs of them that say no more than what they prove. Clones are one machine's,
/// and panic when it is told to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scheme {
    panics: Arc<AtomicBool>,
}

impl Scheme {
    /// Does `work` with a scheme that panics as soon as it is used.
    pub(crate) fn while_broken<T>(&self, work: impl FnOnce() -> T) -> T {
        self.panics.store(true, Ordering::Relaxed);
        let done = work();
        self.panics.store(false, Ordering::Relaxed);
        done
    }
}

impl Verifier for Scheme {
    // Whatever a proof system does, it asks for the shape first.
    fn shape(&self) -> SignatureShape {
        if self.panics.load(Ordering::Relaxed) {
            // Without the message of a panic, which nobody could tell from one that is not meant.
            resume_unwind(Box::new("a scheme that was told to panic"));
        }
        SignatureShape::TEST
    }

    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        self.shape();
        checks
            .iter()
            .map(|check| sign(check.public_key, check.slot, &check.message) == *check.signature)
            .collect()
    }
}

impl ProofSystem for Scheme {
    fn prove(&self, statement: &ProofStatement, _: &[&[u8]]) -> Result<Vec<u8>, ProofError> {
        self.shape();
        let mut hasher = blake3::Hasher::new();
        statement.absorb(|bytes| _ = hasher.update(bytes));
        Ok(hasher.finalize().as_bytes().to_vec())
    }

    fn verify(&self, statement: &ProofStatement, proof: &[u8]) -> Result<(), ProofError> {
        let is_of_it = self.prove(statement, &[])? == proof;
        if is_of_it { Ok(()) } else { Err(ProofError::Rejected("another statement".into())) }
    }
}
