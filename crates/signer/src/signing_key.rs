//! A secret key of any scheme.

use std::ops::Range;
use std::sync::Arc;

use lathe_leansig::{Prod, Scheme};
use lathe_types::{Decode as _, PublicKey, Root, Signature, SignatureScheme, SignatureShape};
use lathe_xmss_blake2s::Layout;

use crate::outside::{OutsideKey, OutsideSigner, OutsideTask};

/// A secret key. Its seed is wiped when it is dropped.
// A store holds a handful, each behind a lock of its own.
#[derive(Debug)]
pub enum SigningKey<S: Scheme = Prod> {
    /// Of leanSig's scheme, or of its test set.
    Leansig(lathe_leansig::SecretKey<S>),
    /// Of XMSS over BLAKE2s.
    XmssBlake2s(lathe_xmss_blake2s::SecretKey),
    /// Of a scheme that a worker signs for.
    Outside(OutsideKey),
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A key of leanSig's scheme.
    #[error(transparent)]
    Leansig(#[from] lathe_leansig::Error),
    /// A key of XMSS over BLAKE2s.
    #[error(transparent)]
    XmssBlake2s(#[from] lathe_xmss_blake2s::Error),
    /// No signer of this scheme is built in.
    #[error("the signature scheme {0} has no signer in this build")]
    NoSigner(SignatureScheme),
    /// The worker that signs failed.
    #[error("the worker that signs: {0}")]
    Outside(String),
    /// A file holds no key that a worker signs with.
    #[error("not a key file of that scheme")]
    NotAKey,
    /// A signature is not one that the wire carries.
    #[error("a signature of {0} bytes is not one of any network")]
    Malformed(usize),
}

impl<S: Scheme> SigningKey<S> {
    /// Reads a key file of a network of the scheme; each scheme's formats are told apart by their content. Where no
    /// signer is built in, `outside` signs.
    pub fn decode(
        scheme: SignatureScheme,
        bytes: &[u8],
        outside: Option<&Arc<dyn OutsideSigner>>,
    ) -> Result<Self, KeyError> {
        match layout_of(scheme) {
            Some(layout) => Ok(Self::XmssBlake2s(lathe_xmss_blake2s::SecretKey::decode(layout, bytes)?)),
            None if scheme == SignatureScheme::Leansig => {
                Ok(Self::Leansig(lathe_leansig::SecretKey::decode(bytes)?))
            }
            None => {
                let signer = outside.ok_or(KeyError::NoSigner(scheme))?;
                OutsideKey::decode(bytes, signer.clone()).map(Self::Outside).ok_or(KeyError::NotAKey)
            }
        }
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        match self {
            Self::Leansig(key) => key.public_key().encode().into(),
            Self::XmssBlake2s(key) => key.public_key().encode().into(),
            Self::Outside(key) => key.public_key(),
        }
    }

    /// The slots that it can sign for.
    pub fn slots(&self) -> Range<u64> {
        match self {
            Self::Leansig(key) => key.slots(),
            Self::XmssBlake2s(key) => key.slots(),
            Self::Outside(key) => key.slots(),
        }
    }

    /// Whether it could sign for the slot right now.
    pub fn is_prepared(&self, slot: u64) -> bool {
        match self {
            Self::Leansig(key) => key.is_prepared(slot),
            Self::XmssBlake2s(key) => key.is_prepared(slot),
            Self::Outside(key) => key.is_prepared(slot),
        }
    }

    /// The most urgent work for a signer that is at `slot`.
    pub(crate) fn prepare(&self, slot: u64) -> Option<Task<S>> {
        match self {
            Self::Leansig(key) => key.prepare(slot).map(Task::Leansig),
            Self::XmssBlake2s(key) => key.prepare(slot).map(Task::XmssBlake2s),
            Self::Outside(key) => key.prepare(slot).map(Task::Outside),
        }
    }

    /// Takes over what a task of this key has built; what another scheme's has built is not taken.
    pub(crate) fn install(&mut self, subtree: Subtree<S>) {
        match (self, subtree) {
            (Self::Leansig(key), Subtree::Leansig(subtree)) => key.install(subtree),
            (Self::XmssBlake2s(key), Subtree::XmssBlake2s(subtree)) => key.install(subtree),
            (Self::Outside(key), Subtree::Outside(subtree)) => key.install(subtree),
            (Self::Leansig(_) | Self::XmssBlake2s(_) | Self::Outside(_), _) => (),
        }
    }

    /// Signs. Which messages it may sign is the ledger's to say.
    pub(crate) fn sign(&self, slot: u64, message: &Root) -> Result<Signature, KeyError> {
        let bytes = match self {
            Self::Leansig(key) => key.sign(slot, &message.0)?.encode(),
            Self::XmssBlake2s(key) => key.sign(slot, &message.0)?.encode(),
            Self::Outside(key) => return key.sign(slot, message).map_err(KeyError::Outside),
        };
        // Cannot fail for a scheme whose signatures the wire carries; no other scheme signs here.
        debug_assert!(SignatureShape::of_len(bytes.len()).is_some());
        Signature::from_ssz_bytes(&bytes).map_err(|_| KeyError::Malformed(bytes.len()))
    }
}

impl<S: Scheme> From<lathe_leansig::SecretKey<S>> for SigningKey<S> {
    fn from(key: lathe_leansig::SecretKey<S>) -> Self {
        Self::Leansig(key)
    }
}

impl<S: Scheme> From<lathe_xmss_blake2s::SecretKey> for SigningKey<S> {
    fn from(key: lathe_xmss_blake2s::SecretKey) -> Self {
        Self::XmssBlake2s(key)
    }
}

/// Heavy work for a key.
pub(crate) enum Task<S: Scheme> {
    Leansig(lathe_leansig::Task<S>),
    XmssBlake2s(lathe_xmss_blake2s::Task),
    Outside(OutsideTask),
}

/// What it has built.
pub(crate) enum Subtree<S: Scheme> {
    Leansig(lathe_leansig::Subtree<S>),
    XmssBlake2s(lathe_xmss_blake2s::Subtree),
    Outside(u64),
}

impl<S: Scheme> Task<S> {
    pub(crate) fn run(self) -> Result<Subtree<S>, KeyError> {
        Ok(match self {
            Self::Leansig(task) => Subtree::Leansig(task.run()?),
            Self::XmssBlake2s(task) => Subtree::XmssBlake2s(task.run()?),
            Self::Outside(task) => Subtree::Outside(task.run().map_err(KeyError::Outside)?),
        })
    }
}

/// The layout of a scheme that is XMSS over BLAKE2s.
fn layout_of(scheme: SignatureScheme) -> Option<Layout> {
    scheme.xmss_layout().and_then(|name| name.parse().ok())
}
