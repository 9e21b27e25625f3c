//! A secret key of any scheme.

use std::ops::Range;
use std::sync::Arc;

use lathe_leansig::{Prod, Scheme};
use lathe_types::{Decode as _, PublicKey, Root, Signature, SignatureScheme};
use lathe_xmss_blake2s::Layout;
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::format::KeyFormat;
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
    /// A key file is of no format of any scheme.
    #[error("not a key file: neither Lathe's, nor leanSig's, nor the postcard format of other clients")]
    NotAKey,
    /// A format has no room for keys of a scheme.
    #[error("{}'s files hold no keys of {scheme}", format.name())]
    NotStorable {
        /// The format.
        format: KeyFormat,
        /// The scheme.
        scheme: SignatureScheme,
    },
    /// A signature is not one that the wire carries.
    #[error("a signature of {0} bytes is not one of any network")]
    Malformed(usize),
}

impl<S: Scheme> SigningKey<S> {
    /// Makes a key for a range of slots, on all threads of the current pool. `progress` hears of the slots done, from
    /// any of them.
    ///
    /// # Errors
    /// If the range is empty or leaves the lifetime of the scheme, or if no signer of it is built in.
    pub fn generate(
        scheme: SignatureScheme,
        rng: &mut impl CryptoRng,
        slots: Range<u64>,
        progress: impl Fn(u64) + Sync,
    ) -> Result<Self, KeyError> {
        let progress = |done, _| progress(done);
        match layout_of(scheme) {
            Some(layout) => Ok(lathe_xmss_blake2s::SecretKey::generate(layout, rng, slots, progress)?.into()),
            None if scheme == SignatureScheme::Leansig => {
                Ok(lathe_leansig::SecretKey::generate(rng, slots, progress)?.into())
            }
            None => Err(KeyError::NoSigner(scheme)),
        }
    }

    /// The key as a file of that format. Wiped when dropped. `progress` hears of the slots done beyond those of making
    /// the key, [`KeyFormat::work`].
    ///
    /// # Errors
    /// If the format does not hold keys of this scheme, or not of this range.
    pub fn encode(
        &self,
        format: KeyFormat,
        progress: impl Fn(u64) + Sync,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match (self, format) {
            (Self::Leansig(key), KeyFormat::Lathe) => Ok(key.encode()),
            (Self::Leansig(key), KeyFormat::Leansig) => Ok(key.export_leansig(|done, _| progress(done))?),
            (Self::XmssBlake2s(key), KeyFormat::Lathe) => Ok(key.encode()),
            (Self::XmssBlake2s(key), KeyFormat::Postcard) => Ok(key.export_postcard()?),
            (Self::Leansig(_), KeyFormat::Postcard)
            | (Self::XmssBlake2s(_), KeyFormat::Leansig)
            | (Self::Outside(_), _) => Err(KeyError::NotStorable { format, scheme: self.scheme() }),
        }
    }

    /// The scheme that it signs with; of a layout that no network has, the one whose verifier takes its signatures.
    pub fn scheme(&self) -> SignatureScheme {
        match self {
            Self::Leansig(_) => SignatureScheme::Leansig,
            Self::XmssBlake2s(key) => match key.layout() {
                Layout::L3 => SignatureScheme::XmssBlake2sL3,
                Layout::L4 | Layout::L5 => SignatureScheme::XmssBlake2s,
            },
            Self::Outside(_) => SignatureScheme::LeanPq,
        }
    }

    /// Whether the same message at the same slot gives the same signature. Where it does not, a second one reveals more
    /// of the one-time key, and a ledger has to refuse it.
    pub fn is_deterministic(&self) -> bool {
        match self {
            Self::Leansig(_) => true,
            Self::XmssBlake2s(key) => key.layout().is_deterministic(),
            // A worker does not say.
            Self::Outside(_) => false,
        }
    }

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
    pub fn prepare(&self, slot: u64) -> Option<Task<S>> {
        match self {
            Self::Leansig(key) => key.prepare(slot).map(Task::Leansig),
            Self::XmssBlake2s(key) => key.prepare(slot).map(Task::XmssBlake2s),
            Self::Outside(key) => key.prepare(slot).map(Task::Outside),
        }
    }

    /// Takes over what a task of this key has built; what another scheme's has built is not taken.
    pub fn install(&mut self, subtree: Subtree<S>) {
        match (self, subtree) {
            (Self::Leansig(key), Subtree::Leansig(subtree)) => key.install(subtree),
            (Self::XmssBlake2s(key), Subtree::XmssBlake2s(subtree)) => key.install(subtree),
            (Self::Outside(key), Subtree::Outside(subtree)) => key.install(subtree),
            (Self::Leansig(_) | Self::XmssBlake2s(_) | Self::Outside(_), _) => (),
        }
    }

    /// Signs. Which messages it may sign is the ledger's to say.
    pub fn sign(&self, slot: u64, message: &Root) -> Result<Signature, KeyError> {
        let bytes = match self {
            Self::Leansig(key) => key.sign(slot, &message.0)?.encode(),
            Self::XmssBlake2s(key) => key.sign(slot, &message.0)?.encode(),
            Self::Outside(key) => return key.sign(slot, message).map_err(KeyError::Outside),
        };
        // Cannot fail for a scheme whose signatures the wire carries; no other scheme signs here.
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

/// Heavy work for a key, detached from it: runs on any thread while the key goes on signing.
pub enum Task<S: Scheme = Prod> {
    /// Of a key of leanSig's scheme.
    Leansig(lathe_leansig::Task<S>),
    /// Of a key of XMSS over BLAKE2s.
    XmssBlake2s(lathe_xmss_blake2s::Task),
    /// Of a key that a worker signs with.
    Outside(OutsideTask),
}

/// What a [`Task`] has built, for [`SigningKey::install`].
pub enum Subtree<S: Scheme = Prod> {
    /// For a key of leanSig's scheme.
    Leansig(lathe_leansig::Subtree<S>),
    /// For a key of XMSS over BLAKE2s.
    XmssBlake2s(lathe_xmss_blake2s::Subtree),
    /// For a key that a worker signs with: the number of the subtree.
    Outside(u64),
}

impl<S: Scheme> Task<S> {
    /// Does the work, on the calling thread.
    ///
    /// # Errors
    /// If the seed does not give what the key holds.
    pub fn run(self) -> Result<Subtree<S>, KeyError> {
        Ok(match self {
            Self::Leansig(task) => Subtree::Leansig(task.run()?),
            Self::XmssBlake2s(task) => Subtree::XmssBlake2s(task.run()?),
            Self::Outside(task) => Subtree::Outside(task.run().map_err(KeyError::Outside)?),
        })
    }
}

/// Whether keys of a scheme can be made and can sign here.
pub fn is_built_in(scheme: SignatureScheme) -> bool {
    scheme == SignatureScheme::Leansig || layout_of(scheme).is_some()
}

/// The layout of a scheme that is XMSS over BLAKE2s.
fn layout_of(scheme: SignatureScheme) -> Option<Layout> {
    scheme.xmss_layout().and_then(|name| name.parse().ok())
}
