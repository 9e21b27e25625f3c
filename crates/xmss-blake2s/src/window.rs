//! The part of a tree around the slots that are about to be signed for.

use crate::hash::Digest;
use crate::leaves::leaves;
use crate::range::Slots;
use crate::seed::Source;
use crate::tree::{Layer, grow};

/// The subtree under one kept node.
pub(crate) struct Window {
    /// Index of the node: the slots under it shifted by its level.
    index: u64,
    /// From the leaves to below the node.
    layers: Vec<Layer>,
}

impl Window {
    /// Builds the subtree, and its node.
    pub(crate) fn build(source: &Source, slots: Slots, index: u64) -> (Self, Digest) {
        let level = slots.kept_level();
        let lowest = leaves(source, slots.under(level, &(index..index + 1)));
        let mut layers = grow(source, lowest, 0, level);
        let node = layers.pop().and_then(|layer| layer.nodes.first().copied()).unwrap_or_default();
        (Self { index, layers }, node)
    }

    /// Index of the window.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// The siblings of a leaf of this window, up to the kept node.
    pub(crate) fn path<'a>(&'a self, source: &'a Source, slot: u32) -> impl Iterator<Item = Digest> + 'a {
        (self.layers.iter().zip(0..))
            .map(move |(layer, level)| layer.sibling(source, level, u64::from(slot) >> level))
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        let nodes =
            self.layers.iter().map(|layer| layer.nodes.capacity() * size_of::<Digest>()).sum::<usize>();
        nodes + self.layers.capacity() * size_of::<Layer>()
    }
}
