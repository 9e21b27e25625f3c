//! Public keys and signatures as values, and their encodings: the concatenation of their parts. Every byte string of
//! the right length is one.

use crate::error::Error;
use crate::hash::{DIGEST, Digest, Parameter, RANDOMIZER, Randomizer};
use crate::lanes::{put, words};
use crate::{CHAINS, HEIGHT};

/// Bytes of an encoded public key.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Bytes of an encoded signature: the chain values, the randomizer, the siblings.
pub const SIGNATURE_BYTES: usize = RANDOMIZER_AT + 4 * RANDOMIZER + 4 * DIGEST * HEIGHT as usize;

const RANDOMIZER_AT: usize = 4 * DIGEST * CHAINS;

const _: () = assert!(SIGNATURE_BYTES == 1208);

/// What a signature is verified against: the root of the tree over all one-time keys, and the parameter of its hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    pub(crate) root: Digest,
    pub(crate) parameter: Parameter,
}

impl PublicKey {
    /// Reads a key.
    pub fn decode(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Self {
        let (root, parameter) = bytes.split_at(PUBLIC_KEY_BYTES / 2);
        Self { root: words(root), parameter: words(parameter) }
    }

    /// Like [`Self::decode`], for bytes of any length.
    ///
    /// # Errors
    /// The length is not [`PUBLIC_KEY_BYTES`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let exact = bytes.try_into().map_err(|_| Error::Length {
            what: "public key",
            expected: PUBLIC_KEY_BYTES,
            found: bytes.len(),
        })?;
        Ok(Self::decode(exact))
    }

    /// The encoding.
    pub fn encode(&self) -> [u8; PUBLIC_KEY_BYTES] {
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.root.iter().chain(&self.parameter)) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey(0x")?;
        self.encode().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A signature: the values of the chains at the digits of the encoding, the randomizer, and the siblings on the
/// leaf's way to the root.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    values: [Digest; CHAINS],
    randomizer: Randomizer,
    /// Leaf level first.
    path: [Digest; HEIGHT as usize],
}

impl Signature {
    pub(crate) fn new(
        values: [Digest; CHAINS],
        randomizer: Randomizer,
        path: [Digest; HEIGHT as usize],
    ) -> Self {
        Self(Box::new(Parts { values, randomizer, path }))
    }

    /// Reads a signature.
    ///
    /// # Errors
    /// The length is not [`SIGNATURE_BYTES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != SIGNATURE_BYTES {
            return Err(Error::Length { what: "signature", expected: SIGNATURE_BYTES, found: bytes.len() });
        }
        let digest = |index: usize| words(&bytes[index * 4 * DIGEST..]);
        let randomizer_end = RANDOMIZER_AT + 4 * RANDOMIZER;
        let sibling = |level: usize| words(&bytes[randomizer_end + level * 4 * DIGEST..]);
        Ok(Self::new(
            std::array::from_fn(digest),
            words(&bytes[RANDOMIZER_AT..]),
            std::array::from_fn(sibling),
        ))
    }

    /// The encoding, [`SIGNATURE_BYTES`] long.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SIGNATURE_BYTES);
        put(&mut out, self.0.values.as_flattened());
        put(&mut out, &self.0.randomizer);
        put(&mut out, self.0.path.as_flattened());
        out
    }

    /// The chain values.
    pub(crate) fn values(&self) -> &[Digest; CHAINS] {
        &self.0.values
    }

    /// The randomizer.
    pub(crate) fn randomizer(&self) -> Randomizer {
        self.0.randomizer
    }

    /// The siblings, leaf level first.
    pub(crate) fn path(&self) -> &[Digest; HEIGHT as usize] {
        &self.0.path
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature<xmss-blake2s>({SIGNATURE_BYTES} bytes)")
    }
}
