//! A key file that tells by itself what it is.

use lathe_leansig::{Prod, Scheme};
use lathe_types::SignatureScheme;

use crate::format::KeyFormat;
use crate::signing_key::{KeyError, SigningKey};

/// What a secret key file holds.
#[derive(Debug)]
pub struct StoredKey<S: Scheme = Prod> {
    /// How its signatures are made.
    pub scheme: SignatureScheme,
    /// How it is stored.
    pub format: KeyFormat,
    /// The key.
    pub key: SigningKey<S>,
}

impl<S: Scheme> StoredKey<S> {
    /// Reads a key file of any scheme and format. A file of other clients does not say its layout: it is the one under
    /// which its tree follows from its seed.
    ///
    /// # Errors
    /// Says what is wrong with the file, as the scheme does that it looks like one of.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        use lathe_leansig::{Error as LeansigError, KeyFormat as LeansigFormat};
        use lathe_xmss_blake2s::{Error as XmssError, KeyFormat as XmssFormat};

        let format = match (LeansigFormat::of(bytes), XmssFormat::of(bytes)) {
            (Some(LeansigFormat::LeanSig), _) => KeyFormat::Leansig,
            (Some(LeansigFormat::Lathe), _) | (_, Some(XmssFormat::Lathe)) => KeyFormat::Lathe,
            (None, Some(XmssFormat::Postcard)) => KeyFormat::Postcard,
            (None, None) => return Err(KeyError::NotAKey),
        };
        let stored = |scheme, key| Self { scheme, format, key };
        if format != KeyFormat::Postcard {
            match SigningKey::decode(SignatureScheme::Leansig, bytes, None) {
                Err(KeyError::Leansig(LeansigError::OtherScheme { .. })) => {}
                decoded => return decoded.map(|key| stored(SignatureScheme::Leansig, key)),
            }
        }
        let mut refused = KeyError::NotAKey;
        for scheme in [SignatureScheme::XmssBlake2sL3, SignatureScheme::XmssBlake2s] {
            match SigningKey::decode(scheme, bytes, None) {
                Ok(key) => return Ok(stored(scheme, key)),
                // Of the layouts that no network of ours has, the default one has the last word.
                Err(
                    error
                    @ KeyError::XmssBlake2s(XmssError::OtherLayout { .. } | XmssError::OtherTree { .. }),
                ) => {
                    refused = error;
                }
                // A parameter set of leanSig's that this build does not sign with.
                Err(KeyError::XmssBlake2s(XmssError::OtherScheme { .. })) => {
                    return SigningKey::decode(SignatureScheme::Leansig, bytes, None)
                        .map(|key| stored(scheme, key));
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }
}
