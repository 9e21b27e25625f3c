//! The formats of secret key files.

use lathe_leansig::{Prod, Scheme as _};
use lathe_types::SignatureScheme;

/// How a secret key is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyFormat {
    /// Ours: a few kilobytes, any range of slots, any scheme.
    #[default]
    Lathe,
    /// leanSig's, for keys of `leansig`: 8 MiB, whole spans of 65,536 slots and at least two of them.
    Leansig,
    /// What clients with XMSS over BLAKE2s use: a few kilobytes, any range of slots. It does not say its layout.
    Postcard,
}

impl KeyFormat {
    /// Its name on the command line and in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lathe => "lathe",
            Self::Leansig => "leansig",
            Self::Postcard => "postcard",
        }
    }

    /// The format that other clients of a scheme's networks read; ours where we know none.
    pub fn of_others(scheme: SignatureScheme) -> Self {
        match scheme {
            SignatureScheme::Leansig => Self::Leansig,
            SignatureScheme::XmssBlake2s | SignatureScheme::XmssBlake2sL3 => Self::Postcard,
            SignatureScheme::LeanPq => Self::Lathe,
        }
    }

    /// Whether keys of a scheme can be stored like that.
    pub fn holds(self, scheme: SignatureScheme) -> bool {
        self == Self::Lathe || self == Self::of_others(scheme)
    }

    /// What a number of slots must be a multiple of, at least twice; 1 where any number will do.
    pub const fn span(self) -> u64 {
        match self {
            Self::Lathe | Self::Postcard => 1,
            Self::Leansig => Prod::BOTTOM_LEAVES,
        }
    }

    /// The least number of slots that a key must have, where there is one.
    pub const fn least_slots(self) -> Option<u64> {
        match self {
            Self::Lathe | Self::Postcard => None,
            Self::Leansig => Some(2 * Prod::BOTTOM_LEAVES),
        }
    }

    /// Slots of work to write a key beside the making of it: an export to leanSig computes the leaves of two trees
    /// again.
    pub const fn work(self) -> u64 {
        match self {
            Self::Lathe | Self::Postcard => 0,
            Self::Leansig => 2 * Prod::BOTTOM_LEAVES,
        }
    }
}
