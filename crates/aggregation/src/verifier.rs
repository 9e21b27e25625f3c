//! The signature check that backends rest on.

use std::marker::PhantomData;

use lathe_leansig::{Claim, Prod, Scheme};
use lathe_types::{PublicKey, Root, Signature, SignatureScheme, SignatureShape, Slot};
use lathe_xmss_blake2s::{BytesClaim, Layout};

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

/// Checks XMSS signatures over BLAKE2s.
#[derive(Clone, Copy, Debug, Default)]
pub struct XmssBlake2s(pub Layout);

impl Verifier for XmssBlake2s {
    fn shape(&self) -> SignatureShape {
        SignatureShape::XmssBlake2s
    }

    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        // A key of another length is nobody's: its place is kept by a signature of no bytes, which is not valid.
        const NOBODY: [u8; 32] = [0; 32];
        let keys: Vec<Option<[u8; 32]>> =
            checks.iter().map(|check| check.public_key.as_bytes().try_into().ok()).collect();
        let claims: Vec<BytesClaim<'_>> = checks
            .iter()
            .zip(&keys)
            .map(|(check, key)| BytesClaim {
                public_key: key.as_ref().unwrap_or(&NOBODY),
                slot: check.slot.0,
                message: &check.message.0,
                signature: if key.is_some() { check.signature.as_bytes() } else { &[] },
            })
            .collect();
        lathe_xmss_blake2s::verify_bytes_batch(self.0, &claims)
    }
}

/// Checks the signatures of a network, by the scheme that its genesis names.
#[derive(Clone, Copy, Debug)]
pub enum SchemeVerifier {
    /// leanSig's.
    Leansig(Leansig<Prod>),
    /// XMSS over BLAKE2s.
    XmssBlake2s(XmssBlake2s),
}

impl SchemeVerifier {
    /// The verifier of a scheme, if one is built in.
    pub fn of(scheme: SignatureScheme) -> Option<Self> {
        if scheme == SignatureScheme::Leansig {
            return Some(Self::Leansig(Leansig::default()));
        }
        let layout = scheme.xmss_layout()?.parse().ok()?;
        Some(Self::XmssBlake2s(XmssBlake2s(layout)))
    }
}

impl Verifier for SchemeVerifier {
    fn shape(&self) -> SignatureShape {
        match self {
            Self::Leansig(verifier) => verifier.shape(),
            Self::XmssBlake2s(verifier) => verifier.shape(),
        }
    }

    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        match self {
            Self::Leansig(verifier) => verifier.verify_batch(checks),
            Self::XmssBlake2s(verifier) => verifier.verify_batch(checks),
        }
    }
}
