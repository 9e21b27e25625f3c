//! The key file of other clients: their secret key type in postcard, whatever the name of the file says.
//!
//! ```text
//! first slot varint | last slot varint | parameter 16 | seed 32 | level of the kept nodes varint
//! | number of layers varint | per layer, from the kept nodes to the root: number of nodes varint, nodes 16 each
//! ```
//! It has no mark, no version and no checksum, and does not say which layout it belongs to. What it holds is computed
//! again from the seed as far as that is cheap: the parameter, everything above the kept nodes, and the first of
//! these.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::HEIGHT;
use crate::error::Error;
use crate::lanes::{put, words};
use crate::layout::Layout;
use crate::range::Slots;
use crate::secret_key::SecretKey;
use crate::seed::{SEED_BYTES, Source};
use crate::tree::Layer;

type Node = [u8; 16];

/// The fields in their order; the names are ours.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct File {
    first: u32,
    last: u32,
    parameter: Node,
    seed: [u8; SEED_BYTES],
    kept_level: u64,
    #[zeroize(skip)]
    layers: Vec<Vec<Node>>,
}

/// Reads the fields, whose numbers must be those that follow from the slots.
fn read(bytes: &[u8]) -> Option<(File, Slots)> {
    let (file, rest) = postcard::take_from_bytes::<File>(bytes).ok()?;
    let slots = Slots::new(&(u64::from(file.first)..u64::from(file.last) + 1)).ok()?;
    let level = slots.kept_level();
    let widths = (level..=HEIGHT).map(|level| slots.nodes(level)).map(|nodes| nodes.end - nodes.start);
    let matches = rest.is_empty()
        && file.kept_level == u64::from(level)
        && file.layers.iter().map(|layer| layer.len() as u64).eq(widths);
    matches.then_some((file, slots))
}

/// Whether bytes have the shape of such a file.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    read(bytes).is_some()
}

/// Reads a file, for a network of the given layout.
pub(crate) fn decode(layout: Layout, bytes: &[u8]) -> Result<SecretKey, Error> {
    let (file, slots) = read(bytes).ok_or(Error::NotAKey)?;
    let source = Source::new(layout, &file.seed);
    if source.parameter != words(&file.parameter) {
        return Err(Error::OtherTree { layout });
    }
    let mut layers = file.layers.iter().map(|layer| layer.iter().map(|node| words(node)).collect::<Vec<_>>());
    let kept = layers.next().ok_or(Error::NotAKey)?;
    let start = slots.nodes(slots.kept_level()).start;
    let key = SecretKey::checked(source, slots, Layer { start, nodes: kept })?;
    if key.core.top[1..].iter().map(|layer| &layer.nodes).eq(&layers.collect::<Vec<_>>()) {
        return Ok(key);
    }
    Err(Error::OtherTree { layout })
}

impl SecretKey {
    /// The key as other clients store it. Wiped when dropped.
    ///
    /// # Errors
    /// None that can be reached: everything that a key holds can be written.
    pub fn export_postcard(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let core = &self.core;
        let node = |words: &[u32; 4]| -> Node {
            let mut bytes = Vec::with_capacity(size_of::<Node>());
            put(&mut bytes, words);
            std::array::from_fn(|i| bytes[i])
        };
        let file = File {
            first: core.slots.first(),
            last: core.slots.last(),
            parameter: node(&core.source.parameter),
            seed: *core.source.expose_seed(),
            kept_level: u64::from(core.slots.kept_level()),
            layers: core.top.iter().map(|layer| layer.nodes.iter().map(node).collect()).collect(),
        };
        // Room for all of it at once: growing would leave copies of the seed behind.
        let nodes: usize = file.layers.iter().map(Vec::len).sum();
        let room = Vec::with_capacity(128 + 10 * file.layers.len() + size_of::<Node>() * nodes);
        let bytes = postcard::to_extend(&file, room).map_err(|_| Error::Damaged("it cannot be written"))?;
        Ok(Zeroizing::new(bytes))
    }
}
