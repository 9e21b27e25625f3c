//! leanSig's `*_sk.ssz`: reading the compact parts of it, and writing it for keys that it has room for.
//!
//! The file holds every node of the top tree and of two adjacent bottom trees, 8.39 MB with the production parameters.
//! Of a bottom tree only the nodes of its windows are read. Trees that the file does not hold are rebuilt from the seed
//! when they are needed; all trees of the activation range can be, because they are full and have no pads.

use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::codec::{LIMB, Reader, put, put_offset};
use crate::error::Error;
use crate::hash::{Digest, HASH};
use crate::leaves::leaves_parallel;
use crate::prf::{SEED_BYTES, Seed};
use crate::range::Slots;
use crate::scheme::Scheme;
use crate::secret_key::{Core, SecretKey};
use crate::tree::{Layer, grow};

const WHAT: &str = "leanSig secret key";
/// Bytes before the trees.
const FIXED: usize = 88;
/// Where the fixed part says where the trees begin.
const TOP_OFFSET_AT: usize = 68;
/// Bytes of a tree before its layers, and of a layer before its nodes.
const TREE_FIXED: usize = 20;
const LAYER_FIXED: usize = 12;
const NODE: usize = HASH * LIMB;

/// Whether the bytes could be such a file: the one offset that never varies is where it must be.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    let offset = bytes.get(TOP_OFFSET_AT..TOP_OFFSET_AT + 4);
    bytes.len() > FIXED && offset == Some(&(FIXED as u32).to_le_bytes()[..])
}

/// The indices of the nodes on every level of a tree, lowest first. Everything about a tree follows from them.
struct Shape {
    lowest: u8,
    levels: Vec<Range<u32>>,
}

impl Shape {
    fn top<S: Scheme>(slots: &Slots) -> Self {
        let levels = (S::BOTTOM_LEVEL..=S::LOG_LIFETIME).map(|level| slots.padded_nodes(level)).collect();
        Self { lowest: S::BOTTOM_LEVEL, levels }
    }

    fn bottom<S: Scheme>(tree: u32) -> Self {
        // The end of level 0 of the last tree wraps to 0; `count` takes that into account.
        let index = |tree: u64, height: u8| (tree << height) as u32;
        let level = |height| index(tree.into(), height)..index(u64::from(tree) + 1, height);
        Self { lowest: 0, levels: (0..=S::BOTTOM_LEVEL).rev().map(level).collect() }
    }

    fn count(indices: &Range<u32>) -> usize {
        indices.end.wrapping_sub(indices.start) as usize
    }

    fn bytes(&self) -> usize {
        let layers: usize = self.levels.iter().map(|level| 4 + LAYER_FIXED + NODE * Self::count(level)).sum();
        TREE_FIXED + layers
    }

    /// Reads the nodes of the levels that are wanted and steps over the others.
    fn read<S: Scheme>(
        &self,
        reader: &mut Reader<'_>,
        wanted: impl Fn(u8) -> bool,
    ) -> Result<Vec<Layer>, Error> {
        if reader.u64()? != u64::from(S::LOG_LIFETIME) || reader.u64()? != u64::from(self.lowest) {
            return Err(Error::Damaged("a tree has another height than the scheme"));
        }
        reader.offset(TREE_FIXED)?;
        let mut at = 4 * self.levels.len();
        for level in &self.levels {
            reader.offset(at)?;
            at += LAYER_FIXED + NODE * Self::count(level);
        }
        let mut layers = Vec::new();
        for (indices, level) in self.levels.iter().zip(self.lowest..) {
            if reader.u64()? != u64::from(indices.start) {
                return Err(Error::Damaged("a layer begins at another place than its range asks for"));
            }
            reader.offset(LAYER_FIXED)?;
            if wanted(level) {
                layers.push(Layer { start: indices.start, nodes: reader.rows(Self::count(indices))? });
            } else {
                reader.take(NODE * Self::count(indices))?;
            }
        }
        Ok(layers)
    }

    fn write<S: Scheme>(&self, out: &mut Vec<u8>, layers: &[Layer]) {
        out.extend_from_slice(&u64::from(S::LOG_LIFETIME).to_le_bytes());
        out.extend_from_slice(&u64::from(self.lowest).to_le_bytes());
        put_offset(out, TREE_FIXED);
        let mut at = 4 * self.levels.len();
        for level in &self.levels {
            put_offset(out, at);
            at += LAYER_FIXED + NODE * Self::count(level);
        }
        for layer in layers {
            out.extend_from_slice(&u64::from(layer.start).to_le_bytes());
            put_offset(out, LAYER_FIXED);
            put(out, layer.nodes.as_flattened());
        }
    }
}

/// The bottom trees of a range that fits the format: whole trees, two at least.
fn whole_trees<S: Scheme>(slots: &Slots) -> Result<Range<u32>, Error> {
    let Range { start, end } = slots.bounds();
    let trees = slots.nodes(S::BOTTOM_LEVEL);
    let whole =
        start.is_multiple_of(S::BOTTOM_LEAVES) && end.is_multiple_of(S::BOTTOM_LEAVES) && trees.len() >= 2;
    if whole { Ok(trees) } else { Err(Error::NotExportable { start, end, span: S::BOTTOM_LEAVES }) }
}

/// Reads a secret key of leanSig.
pub(crate) fn decode<S: Scheme>(bytes: &[u8]) -> Result<SecretKey<S>, Error> {
    let mut reader = Reader::new(WHAT, bytes);
    let seed = Seed::new(reader.chunk::<SEED_BYTES>()?);
    let parameter = reader.elements()?;
    let start = reader.u64()?;
    let slots = Slots::new::<S>(&(start..start.saturating_add(reader.u64()?)))?;
    let trees =
        whole_trees::<S>(&slots).map_err(|_| Error::Damaged("its range is not one of whole trees"))?;
    reader.offset(FIXED)?;
    let left = u32::try_from(reader.u64()?).unwrap_or(u32::MAX);
    if !trees.contains(&left) || !trees.contains(&left.saturating_add(1)) {
        return Err(Error::Damaged("the bottom trees it holds are outside its range"));
    }
    let shapes = [Shape::top::<S>(&slots), Shape::bottom::<S>(left), Shape::bottom::<S>(left + 1)];
    reader.offset(FIXED + shapes[0].bytes())?;
    reader.offset(FIXED + shapes[0].bytes() + shapes[1].bytes())?;
    let top = shapes[0].read::<S>(&mut reader, |_| true)?;
    let mut kept = vec![None; trees.len()];
    for (shape, tree) in shapes[1..].iter().zip(left..) {
        let layer = shape.read::<S>(&mut reader, |level| level == S::WINDOW_LEVEL)?.pop();
        kept[(tree - trees.start) as usize] = layer.map(Arc::new);
    }
    reader.finish()?;
    SecretKey::assemble(Core { seed, parameter, slots, top }, kept)
}

impl<S: Scheme> SecretKey<S> {
    /// The key as leanSig encodes it, with the first two bottom trees of its range. Computes all their leaves, on all
    /// threads of the pool; `progress` hears of the leaves done and of their total. Wiped when dropped.
    ///
    /// # Errors
    /// [`Error::NotExportable`] if the range is not one of whole bottom trees.
    pub fn export_leansig(&self, progress: impl Fn(u64, u64) + Sync) -> Result<Zeroizing<Vec<u8>>, Error> {
        let core = &self.core;
        let first = whole_trees::<S>(&core.slots)?.start;
        let shapes = [Shape::top::<S>(&core.slots), Shape::bottom::<S>(first), Shape::bottom::<S>(first + 1)];
        let [top, left, right] = [&shapes[0], &shapes[1], &shapes[2]].map(Shape::bytes);
        let mut out = Zeroizing::new(Vec::with_capacity(FIXED + top + left + right));
        out.extend_from_slice(core.seed.expose());
        put(&mut out, &core.parameter);
        out.extend_from_slice(&self.slots().start.to_le_bytes());
        out.extend_from_slice(&core.slots.count().to_le_bytes());
        put_offset(&mut out, FIXED);
        out.extend_from_slice(&u64::from(first).to_le_bytes());
        put_offset(&mut out, FIXED + top);
        put_offset(&mut out, FIXED + top + left);
        shapes[0].write::<S>(&mut out, &core.top);
        let finished = std::sync::atomic::AtomicU64::new(0);
        let done = |leaves| {
            let before = finished.fetch_add(leaves, std::sync::atomic::Ordering::Relaxed);
            progress(before + leaves, 2 * S::BOTTOM_LEAVES);
        };
        for (shape, tree) in shapes[1..].iter().zip(first..) {
            let slots = core.slots.under(S::BOTTOM_LEVEL, tree);
            let nodes = leaves_parallel::<S>(&core.seed, &core.parameter, slots, &done);
            let lowest = Layer { start: slots.first(), nodes };
            let pad = |_, _| Digest::default();
            shape.write::<S>(&mut out, &grow(&core.parameter, lowest, 0, S::BOTTOM_LEVEL, &pad));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Prod, Test};

    fn file_bytes<S: Scheme>(slots: Range<u64>) -> usize {
        let slots = Slots::new::<S>(&slots).unwrap();
        FIXED + Shape::top::<S>(&slots).bytes() + 2 * Shape::bottom::<S>(0).bytes()
    }

    #[test]
    fn files_are_as_long_as_those_of_leansig() {
        assert_eq!(file_bytes::<Prod>(0..1 << 18), 8_390_660);
        assert_eq!(file_bytes::<Prod>(0..1 << 17), 8_390_596);
        assert_eq!(file_bytes::<Test>(0..256), 3396);
    }

    #[test]
    fn the_last_bottom_tree_ends_with_the_lifetime() {
        let shape = Shape::bottom::<Prod>(u16::MAX.into());
        assert_eq!(shape.levels.len(), 17);
        assert_eq!((shape.levels[0].start, Shape::count(&shape.levels[0])), (0xffff_0000, 65_536));
        assert_eq!(shape.levels[16], 65_535..65_536);
    }
}
