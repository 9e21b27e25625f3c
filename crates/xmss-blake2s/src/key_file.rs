//! Our key file: the seed and the nodes that a key keeps, with a header and a checksum.
//!
//! ```text
//! "LATHEKEY" | version u16 | scheme u16 | layout u16 | first slot u32 | last slot u32 | seed 32
//! | kept nodes, left to right, 16 bytes each
//! | SHA3-256 of everything before
//! ```
//! Integers are little-endian. The number of nodes follows from the slots, so nothing is allocated that the file does
//! not hold; the parameter and the upper nodes are computed again. The header begins and the checksum ends as in the
//! key files of our other scheme, so that each says of the other's files what they are. A key of 124 slots takes 214
//! bytes, one of 2^18 slots 8 KiB.

use sha3::{Digest as _, Sha3_256};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::lanes::{put, words};
use crate::layout::Layout;
use crate::postcard_file;
use crate::range::Slots;
use crate::secret_key::SecretKey;
use crate::seed::{SEED_BYTES, Source};
use crate::tree::Layer;

const MAGIC: &[u8; 8] = b"LATHEKEY";
const VERSION: u16 = 1;
/// The number of this scheme in key files. 1 and 2 are the parameter sets of leanSig.
const SCHEME: u16 = 3;
const CHECKSUM: usize = 32;
const NODE: usize = 16;
/// Version, scheme, layout and slots.
const HEADER: usize = 2 + 2 + 2 + 4 + 4;

/// The format of a key file, told by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// Ours.
    Lathe,
    /// The postcard encoding that other clients use.
    Postcard,
}

impl KeyFormat {
    /// What the bytes look like; `None` for neither. Key files of our other scheme look like ours, and say which they
    /// are when they are decoded.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(MAGIC) {
            return Some(Self::Lathe);
        }
        postcard_file::looks_like(bytes).then_some(Self::Postcard)
    }
}

impl SecretKey {
    /// Reads a key file of either format, for a network of the given layout. The nodes above the first slots are
    /// computed again from the seed (a few milliseconds for a key of 2^18 slots), because nothing else tells a key of
    /// another layout.
    ///
    /// # Errors
    /// Says what is wrong with the file; [`Error::NotAKey`] if it is of neither format.
    pub fn decode(layout: Layout, bytes: &[u8]) -> Result<Self, Error> {
        match KeyFormat::of(bytes) {
            Some(KeyFormat::Lathe) => decode(layout, bytes),
            Some(KeyFormat::Postcard) => postcard_file::decode(layout, bytes),
            None => Err(Error::NotAKey),
        }
    }

    /// The key as a file of ours. Wiped when dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let core = &self.core;
        let kept = &core.top[0].nodes;
        // Room for all of it at once: growing would leave copies of the seed behind.
        let len = MAGIC.len() + HEADER + SEED_BYTES + NODE * kept.len() + CHECKSUM;
        let mut out = Zeroizing::new(Vec::with_capacity(len));
        out.extend_from_slice(MAGIC);
        for number in [VERSION, SCHEME, self.layout().id()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put(&mut out, &[core.slots.first(), core.slots.last()]);
        out.extend_from_slice(core.source.expose_seed());
        put(&mut out, kept.as_flattened());
        let checksum = Sha3_256::digest(&*out);
        out.extend_from_slice(&checksum);
        out
    }
}

/// The beginning of the bytes, and what comes after it.
fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), Error> {
    bytes.split_first_chunk::<N>().ok_or(Error::Damaged("it ends early"))
}

fn decode(layout: Layout, bytes: &[u8]) -> Result<SecretKey, Error> {
    let (_magic, rest) = split::<{ MAGIC.len() }>(bytes)?;
    let (version, _) = split(rest)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(Error::Version { expected: VERSION, found: version });
    }
    let Some((content, checksum)) = bytes.split_last_chunk::<CHECKSUM>() else {
        return Err(Error::Damaged("it ends early"));
    };
    if Sha3_256::digest(content)[..] != checksum[..] {
        return Err(Error::Damaged("its checksum does not match"));
    }
    let rest = &rest[2..rest.len() - CHECKSUM];
    let (scheme, rest) = split(rest)?;
    let scheme = u16::from_le_bytes(*scheme);
    if scheme != SCHEME {
        return Err(Error::OtherScheme { expected: SCHEME, found: scheme });
    }
    let (found, rest) = split(rest)?;
    let found = u16::from_le_bytes(*found);
    if found != layout.id() {
        return Err(Error::OtherLayout { expected: layout, found });
    }
    let (slots, rest) = split::<8>(rest)?;
    let [first, last]: [u32; 2] = words(slots);
    let slots = Slots::new(&(u64::from(first)..u64::from(last) + 1))?;
    let (seed, nodes) = split::<SEED_BYTES>(rest)?;
    let kept = slots.nodes(slots.kept_level());
    let expected = NODE * (kept.end - kept.start) as usize;
    if nodes.len() != expected {
        return Err(Error::Damaged("it does not hold the nodes of its slots"));
    }
    let nodes = nodes.as_chunks::<NODE>().0.iter().map(|node| words(node)).collect();
    SecretKey::checked(Source::new(layout, seed), slots, Layer { start: kept.start, nodes })
}
