//! The signature check that backends rest on.

use std::marker::PhantomData;

use lathe_leansig::{Claim, Prod, Scheme};
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

/// Checks XMSS signatures of the parameter set `S`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leansig<S = Prod>(PhantomData<S>);

impl<S: Scheme> Verifier for Leansig<S> {
    fn shape(&self) -> SignatureShape {
        SignatureShape::of_len(S::SIGNATURE_BYTES).unwrap_or(SignatureShape::PROD)
    }

    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        let decoded: Vec<_> = checks
            .iter()
            .map(|check| {
                let public_key = lathe_leansig::PublicKey::from_slice(check.public_key.as_bytes()).ok()?;
                let signature = lathe_leansig::Signature::<S>::decode(check.signature.as_bytes()).ok()?;
                Some((check, public_key, signature))
            })
            .collect();
        let claims: Vec<_> = decoded
            .iter()
            .flatten()
            .map(|(check, public_key, signature)| Claim {
                public_key,
                slot: check.slot.0,
                message: &check.message.0,
                signature,
            })
            .collect();
        let mut verdicts = lathe_leansig::verify_batch(&claims).into_iter();
        decoded.iter().map(|claim| claim.is_some() && verdicts.next().unwrap_or(false)).collect()
    }
}
