//! Our key file: what [`SecretKey`] holds, with a header and a checksum.
//!
//! ```text
//! "LATHEKEY" | version u16 | scheme u16 | first slot u64 | slot after the last u64 | seed 32 | parameter 20
//! | nodes of the top tree, level by level, padded
//! | per bottom tree: 1 and the nodes of its windows, or 0
//! | SHA3-256 of everything before
//! ```
//! Integers are little-endian, nodes are eight canonical limbs. Every length follows from the header, so nothing is
//! allocated that the file does not hold. A key of 124 slots takes about 1.3 KiB, one of 2^18 slots 34 KiB.

use std::sync::Arc;

use sha3::{Digest as _, Sha3_256};
use zeroize::Zeroizing;

use crate::codec::{Reader, put};
use crate::error::Error;
use crate::leansig_file;
use crate::prf::{SEED_BYTES, Seed};
use crate::range::Slots;
use crate::scheme::Scheme;
use crate::secret_key::{Core, SecretKey};
use crate::tree::Layer;

const MAGIC: &[u8; 8] = b"LATHEKEY";
const VERSION: u16 = 1;
const CHECKSUM: usize = 32;
const WHAT: &str = "key file";

/// The format of a key file, told by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// Ours.
    Lathe,
    /// leanSig's SSZ encoding of a secret key.
    LeanSig,
}

impl KeyFormat {
    /// What the bytes look like; `None` for neither.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(MAGIC) {
            return Some(Self::Lathe);
        }
        leansig_file::looks_like(bytes).then_some(Self::LeanSig)
    }
}

impl<S: Scheme> SecretKey<S> {
    /// Reads a key file of either format.
    ///
    /// # Errors
    /// Says what is wrong with the file; [`Error::NotAKey`] if it is neither ours nor leanSig's.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        match KeyFormat::of(bytes) {
            Some(KeyFormat::Lathe) => decode(bytes),
            Some(KeyFormat::LeanSig) => leansig_file::decode(bytes),
            None => Err(Error::NotAKey),
        }
    }

    /// The key as a file of ours. Wiped when dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let core = &self.core;
        let nodes: usize =
            core.top.iter().chain(self.kept.iter().flatten().map(Arc::as_ref)).map(|l| l.nodes.len()).sum();
        // Room for all of it at once: growing would leave copies of the seed behind.
        let mut out = Zeroizing::new(Vec::with_capacity(128 + self.kept.len() + 32 * nodes));
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&S::ID.to_le_bytes());
        out.extend_from_slice(&self.slots().start.to_le_bytes());
        out.extend_from_slice(&self.slots().end.to_le_bytes());
        out.extend_from_slice(core.seed.expose());
        put(&mut out, &core.parameter);
        for layer in &core.top {
            put(&mut out, layer.nodes.as_flattened());
        }
        for kept in &self.kept {
            out.push(u8::from(kept.is_some()));
            if let Some(kept) = kept {
                put(&mut out, kept.nodes.as_flattened());
            }
        }
        let checksum = Sha3_256::digest(&*out);
        out.extend_from_slice(&checksum);
        out
    }
}

fn decode<S: Scheme>(bytes: &[u8]) -> Result<SecretKey<S>, Error> {
    let Some((content, checksum)) = bytes.split_last_chunk::<CHECKSUM>() else {
        return Err(Error::Damaged("it ends early"));
    };
    let mut reader = Reader::new(WHAT, content);
    reader.take(MAGIC.len())?;
    let version = reader.u16()?;
    if version != VERSION {
        return Err(Error::Version { expected: VERSION, found: version });
    }
    if Sha3_256::digest(content)[..] != checksum[..] {
        return Err(Error::Damaged("its checksum does not match"));
    }
    let scheme = reader.u16()?;
    if scheme != S::ID {
        return Err(Error::OtherScheme { expected: S::ID, found: scheme });
    }
    let slots = Slots::new::<S>(&(reader.u64()?..reader.u64()?))?;
    let seed = Seed::new(reader.chunk::<SEED_BYTES>()?);
    let parameter = reader.elements()?;
    let top = (S::BOTTOM_LEVEL..=S::LOG_LIFETIME)
        .map(|level| {
            let indices = slots.padded_nodes(level);
            Ok(Layer { start: indices.start, nodes: reader.rows(indices.len())? })
        })
        .collect::<Result<_, Error>>()?;
    let kept = slots
        .nodes(S::BOTTOM_LEVEL)
        .map(|tree| match reader.array()? {
            [0] => Ok(None),
            [1] => {
                let windows = slots.under(S::BOTTOM_LEVEL, tree).nodes(S::WINDOW_LEVEL);
                Ok(Some(Arc::new(Layer { start: windows.start, nodes: reader.rows(windows.len())? })))
            }
            _ => Err(Error::Damaged("it holds a flag that is neither 0 nor 1")),
        })
        .collect::<Result<_, Error>>()?;
    reader.finish()?;
    SecretKey::assemble(Core { seed, parameter, slots, top }, kept)
}
