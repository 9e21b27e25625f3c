//! The signature check that backends rest on.

use lathe_types::{PublicKey, Root, Signature, SignatureShape, Slot};

/// One XMSS signature to check.
#[derive(Clone, Copy, Debug)]
pub struct SignatureCheck<'a> {
    /// The signer's key.
    pub public_key: &'a PublicKey,
    /// The slot that it signed at.
    pub slot: Slot,
    /// What it signed.
    pub message: Root,
    /// The signature.
    pub signature: &'a Signature,
}

/// Checks signatures of one scheme.
pub trait Verifier: Send + Sync {
    /// The shape of the scheme's signatures.
    fn shape(&self) -> SignatureShape;

    /// One verdict per check, in order. Called from several threads with batches of moderate size; must not panic.
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool>;
}
