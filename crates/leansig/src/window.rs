//! The part of a tree around the slots that are about to be signed for.

use crate::field::Element;
use crate::hash::{Digest, Parameter, node, tree_tweak};
use crate::prf::Seed;
use crate::tree::Layer;

/// All that is needed for the paths of the leaves under one kept node, in 12 KiB.
///
/// The level above the leaves is left out: a node of it is one hash away, and with it two windows and the kept nodes of
/// four bottom trees would not fit into 64 KiB.
pub(crate) struct Window {
    index: u32,
    leaves: Layer,
    /// From level 2 to below the kept node.
    upper: Vec<Layer>,
    /// Siblings from the kept node to the root; the same for every leaf.
    siblings: Vec<Digest>,
}

impl Window {
    /// From the padded layers below the kept node, and the siblings from there on.
    pub(crate) fn new(index: u32, layers: Vec<Layer>, siblings: Vec<Digest>) -> Self {
        let mut layers = layers.into_iter();
        let leaves = layers.next().unwrap_or(Layer { start: 0, nodes: Vec::new() });
        let upper = layers.skip(1).collect();
        Self { index, leaves, upper, siblings }
    }

    /// Index of the window: its slots shifted by the level of the kept nodes.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The siblings of a leaf of this window, leaf to root.
    pub(crate) fn path(&self, parameter: &Parameter, seed: &Seed, slot: u32) -> Box<[Digest]> {
        let leaf = self.leaves.sibling(slot).copied();
        let parent = self.above_leaves(parameter, seed, (slot >> 1) ^ 1);
        let upper =
            self.upper.iter().zip(2..).filter_map(|(layer, level)| layer.sibling(slot >> level)).copied();
        leaf.into_iter().chain([parent]).chain(upper).chain(self.siblings.iter().copied()).collect()
    }

    /// The node at an index of level 1. Where there are no leaves below, it is the pad that stands there.
    fn above_leaves(&self, parameter: &Parameter, seed: &Seed, index: u32) -> Digest {
        match (self.leaves.get(index << 1), self.leaves.get((index << 1) | 1)) {
            (Some(left), Some(right)) => node::<Element>(parameter, tree_tweak(1, index), left, right),
            _ => seed.pad(1, index),
        }
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        let layer = |layer: &Layer| layer.nodes.capacity() * size_of::<Digest>();
        layer(&self.leaves)
            + self.upper.iter().map(layer).sum::<usize>()
            + self.upper.capacity() * size_of::<Layer>()
            + self.siblings.capacity() * size_of::<Digest>()
    }
}
