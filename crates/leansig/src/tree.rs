//! Sparse trees: of every level only the nodes above the leaves in use, and the pads that complete their pairs.
//!
//! A level that begins at an odd index gets a pad in front, one that ends at an even index gets one behind. What a pad
//! is does not matter to anyone but the root: verifiers see a sibling like any other.

use crate::field::{Element, LANES, Packed, broadcast, gather, lane};
use crate::hash::{Digest, PARAMETER, Parameter, node, tree_tweak};

/// Consecutive nodes of one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Index of the first node within the level.
    pub start: u32,
    /// The nodes, left to right; never empty.
    pub nodes: Vec<Digest>,
}

impl Layer {
    /// The node at an index of the level, if it is held.
    pub(crate) fn get(&self, index: u32) -> Option<&Digest> {
        self.nodes.get(index.checked_sub(self.start)? as usize)
    }

    /// The sibling of the node at an index.
    pub(crate) fn sibling(&self, index: u32) -> Option<&Digest> {
        self.get(index ^ 1)
    }

    /// Completes the pairs at both ends.
    pub(crate) fn padded(mut self, level: u8, pad: &impl Fn(u8, u32) -> Digest) -> Self {
        if self.start % 2 == 1 {
            self.start -= 1;
            self.nodes.insert(0, pad(level, self.start));
        }
        if self.nodes.len() % 2 == 1 {
            self.nodes.push(pad(level, self.start + self.nodes.len() as u32));
        }
        self
    }

    /// The parents of a padded layer. `level` is theirs.
    pub(crate) fn parents(&self, parameter: &Parameter, level: u8) -> Self {
        debug_assert!(self.start.is_multiple_of(2) && self.nodes.len().is_multiple_of(2));
        let start = self.start / 2;
        let pairs = self.nodes.as_chunks::<2>().0;
        let mut nodes = Vec::with_capacity(pairs.len());
        let parameters = broadcast::<Packed, PARAMETER>(parameter);
        for (group, pairs) in pairs.chunks(LANES).enumerate() {
            let first = start + (group * LANES) as u32;
            if pairs.len() * 2 < LANES {
                nodes.extend(pairs.iter().zip(first..).map(|([left, right], index)| {
                    node::<Element>(parameter, tree_tweak(level, index), left, right)
                }));
                continue;
            }
            let pair = |lane: usize| &pairs[lane.min(pairs.len() - 1)];
            let parents = node::<Packed>(
                &parameters,
                gather(|lane| tree_tweak(level, first + lane as u32)),
                &gather(|lane| pair(lane)[0]),
                &gather(|lane| pair(lane)[1]),
            );
            nodes.extend((0..pairs.len()).map(|index| lane(&parents, index)));
        }
        Self { start, nodes }
    }
}

/// Every layer from the given one, which is at level `from`, up to the single node at level `to`. All but the last are
/// padded. The nodes given must lie under one node of level `to`.
pub(crate) fn grow(
    parameter: &Parameter,
    lowest: Layer,
    from: u8,
    to: u8,
    pad: &impl Fn(u8, u32) -> Digest,
) -> Vec<Layer> {
    let mut layers = Vec::with_capacity(usize::from(to - from) + 1);
    let mut current = lowest;
    for level in from..to {
        current = current.padded(level, pad);
        let parents = current.parents(parameter, level + 1);
        layers.push(std::mem::replace(&mut current, parents));
    }
    debug_assert_eq!(current.nodes.len(), 1);
    layers.push(current);
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(value: u32) -> Digest {
        std::array::from_fn(|i| Element::new(value * 8 + i as u32))
    }

    fn pad(level: u8, index: u32) -> Digest {
        digest(1_000_000 + u32::from(level) * 1000 + index)
    }

    #[test]
    fn every_leaf_has_a_path_to_the_root() {
        let parameter = std::array::from_fn(|i| Element::new(i as u32));
        for (start, count) in [(0, 1), (5, 1), (3, 17), (0, 64), (63, 1), (40, 24), (1, 62)] {
            let lowest = Layer { start, nodes: (0..count).map(digest).collect() };
            let layers = grow(&parameter, lowest, 0, 6, &pad);
            assert_eq!(layers.len(), 7);
            assert_eq!((layers[6].start, layers[6].nodes.len()), (0, 1));
            for index in start..start + count {
                let mut current = digest(index - start);
                for (level, layer) in layers.iter().take(6).enumerate() {
                    let index = index >> level;
                    assert_eq!(layer.get(index), Some(&current));
                    let sibling = *layer.sibling(index).unwrap();
                    let (left, right) = if index % 2 == 0 { (current, sibling) } else { (sibling, current) };
                    let tweak = tree_tweak(level as u8 + 1, index / 2);
                    current = node::<Element>(&parameter, tweak, &left, &right);
                }
                assert_eq!(current, layers[6].nodes[0]);
            }
        }
    }
}
