//! Public keys and signatures as values, and their SSZ encodings.
//!
//! Decoding is stricter than SSZ alone asks for: every byte string that decodes is the only encoding of its value, its
//! lists have exactly the lengths of the scheme, and every limb is below the modulus.

use std::marker::PhantomData;

use crate::codec::{Reader, put, put_offset};
use crate::error::Error;
use crate::hash::{Digest, Parameter, Randomness};
use crate::scheme::Scheme;

/// Bytes of an encoded public key.
pub const PUBLIC_KEY_BYTES: usize = 52;

/// What a signature is verified against: the root of the tree over all one-time keys, and the parameter of its hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    pub(crate) root: Digest,
    pub(crate) parameter: Parameter,
}

impl PublicKey {
    /// Reads a key. No hashing, so there is nothing to gain from keeping the decoded form.
    ///
    /// # Errors
    /// A limb is not canonical.
    pub fn decode(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, Error> {
        let mut reader = Reader::new("public key", bytes);
        Ok(Self { root: reader.elements()?, parameter: reader.elements()? })
    }

    /// Like [`Self::decode`], for bytes of any length.
    ///
    /// # Errors
    /// The length is not [`PUBLIC_KEY_BYTES`], or a limb is not canonical.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let exact = bytes.try_into().map_err(|_| Error::Length {
            what: "public key",
            expected: PUBLIC_KEY_BYTES,
            found: bytes.len(),
        })?;
        Self::decode(exact)
    }

    /// The encoding.
    pub fn encode(&self) -> [u8; PUBLIC_KEY_BYTES] {
        let mut out = Vec::with_capacity(PUBLIC_KEY_BYTES);
        put(&mut out, &self.root);
        put(&mut out, &self.parameter);
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        bytes.copy_from_slice(&out);
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

/// A signature: the values of the chains at the digits of the codeword, and the siblings of the leaf's way to the root.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature<S: Scheme> {
    pub(crate) siblings: Box<[Digest]>,
    pub(crate) randomness: Randomness,
    pub(crate) hashes: Box<[Digest]>,
    pub(crate) scheme: PhantomData<S>,
}

/// Where the siblings begin: two offsets and the randomness come first.
const PATH_OFFSET: usize = 36;

impl<S: Scheme> Signature<S> {
    /// Where the chain hashes begin: the path is an offset and one sibling per level.
    const HASHES_OFFSET: usize = PATH_OFFSET + 4 + 32 * S::LOG_LIFETIME as usize;

    /// Reads a signature.
    ///
    /// # Errors
    /// The length is not that of the scheme, an offset is not the only valid one, or a limb is not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let what = "signature";
        if bytes.len() != S::SIGNATURE_BYTES {
            return Err(Error::Length { what, expected: S::SIGNATURE_BYTES, found: bytes.len() });
        }
        let mut reader = Reader::new(what, bytes);
        reader.offset(PATH_OFFSET)?;
        let randomness = reader.elements()?;
        reader.offset(Self::HASHES_OFFSET)?;
        reader.offset(4)?;
        let siblings = reader.rows(usize::from(S::LOG_LIFETIME))?.into_boxed_slice();
        let hashes = reader.rows(S::DIMENSION)?.into_boxed_slice();
        reader.finish()?;
        Ok(Self { siblings, randomness, hashes, scheme: PhantomData })
    }

    /// The encoding, `S::SIGNATURE_BYTES` long.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(S::SIGNATURE_BYTES);
        put_offset(&mut out, PATH_OFFSET);
        put(&mut out, &self.randomness);
        put_offset(&mut out, Self::HASHES_OFFSET);
        put_offset(&mut out, 4);
        put(&mut out, self.siblings.as_flattened());
        put(&mut out, self.hashes.as_flattened());
        out
    }
}

impl<S: Scheme> std::fmt::Debug for Signature<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature<{}>({} bytes)", S::NAME, S::SIGNATURE_BYTES)
    }
}
