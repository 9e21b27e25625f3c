//! The signature schemes that networks use.
//!
//! A scheme belongs to a network, from its genesis on ([`SignatureScheme`]): it fixes the lengths of keys and
//! signatures, and with them the bytes of a registry, of a state and of a vote. Containers of every scheme decode, each
//! by the lengths it has; whoever lets one in asks [`SignatureScheme::admits_key`] or
//! [`SignatureScheme::admits_signature`] whether it belongs here.

use std::fmt;
use std::str::FromStr;

use crate::primitives::PublicKey;
use crate::signature::{Signature, SignatureShape};

/// How the validators of a network sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// leanSpec's own: XMSS over KoalaBear and Poseidon1, as in leanSig.
    #[default]
    Leansig,
    /// XMSS over BLAKE2s, as `ethereum/cryptography-specs` has it (layout L5 of its hash calls).
    XmssBlake2s,
    /// XMSS over BLAKE2s in layout L3, of leanVM's written specification. The same sizes, other signatures.
    XmssBlake2sL3,
    /// leanVM's XMSS in its published bindings, `lean-pq-bindings`.
    LeanPq,
}

/// A row of the table of schemes.
struct Row {
    name: &'static str,
    shape: SignatureShape,
    public_key_bytes: usize,
}

impl SignatureScheme {
    /// All of them. Where keys are of equal length, the first is meant if a network names none.
    pub const ALL: [Self; 4] = [Self::Leansig, Self::XmssBlake2s, Self::XmssBlake2sL3, Self::LeanPq];

    const fn row(self) -> Row {
        match self {
            Self::Leansig => {
                Row { name: "leansig", shape: SignatureShape::Leansig, public_key_bytes: PublicKey::LEN }
            }
            Self::XmssBlake2s => {
                Row { name: "xmss-blake2s", shape: SignatureShape::XmssBlake2s, public_key_bytes: 32 }
            }
            Self::XmssBlake2sL3 => {
                Row { name: "xmss-blake2s-l3", shape: SignatureShape::XmssBlake2s, public_key_bytes: 32 }
            }
            Self::LeanPq => Row { name: "lean-pq", shape: SignatureShape::LeanPq, public_key_bytes: 32 },
        }
    }

    /// Its name in a network's files and digest.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Bytes of a public key.
    pub const fn public_key_bytes(self) -> usize {
        self.row().public_key_bytes
    }

    /// The shape of its signatures.
    pub const fn shape(self) -> SignatureShape {
        self.row().shape
    }

    /// Bytes of a signature.
    pub const fn signature_bytes(self) -> usize {
        self.shape().encoded_len()
    }

    /// The layout of the hash calls, for what is XMSS over BLAKE2s.
    pub const fn xmss_layout(self) -> Option<&'static str> {
        match self {
            Self::XmssBlake2s => Some("L5"),
            Self::XmssBlake2sL3 => Some("L3"),
            Self::Leansig | Self::LeanPq => None,
        }
    }

    /// Whether a key is as long as one of this scheme.
    pub const fn admits_key(self, key: &PublicKey) -> bool {
        key.as_bytes().len() == self.public_key_bytes()
    }

    /// Whether a signature is as long as one of this scheme.
    pub fn admits_signature(self, signature: &Signature) -> bool {
        signature.as_bytes().len() == self.signature_bytes()
    }

    /// The scheme that is meant by keys of so many bytes, where nothing else says.
    pub fn of_key_bytes(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.public_key_bytes() == bytes)
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none of a signature scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no signature scheme is called {name:?}; there are {}", SignatureScheme::ALL.map(SignatureScheme::name).join(", "))]
pub struct UnknownScheme {
    /// The name.
    pub name: String,
}

impl FromStr for SignatureScheme {
    type Err = UnknownScheme;

    fn from_str(name: &str) -> Result<Self, UnknownScheme> {
        let unknown = || UnknownScheme { name: name.chars().take(40).collect() };
        Self::ALL.into_iter().find(|scheme| scheme.name() == name).ok_or_else(unknown)
    }
}
