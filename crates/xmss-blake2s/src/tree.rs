//! Sparse trees: of every level only the nodes above the slots of a key. Where a node of a pair is missing, a filler
//! that follows from the seed stands in.

use crate::hash::{Digest, parent};
use crate::lanes::{LANES, gather_rows, gather_word, lane};
use crate::seed::Source;

/// Consecutive nodes of one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Index of the first node within the level.
    pub start: u64,
    /// The nodes, left to right; never empty.
    pub nodes: Vec<Digest>,
}

impl Layer {
    /// The node at an index of the level, if it is held.
    pub(crate) fn get(&self, index: u64) -> Option<&Digest> {
        self.nodes.get(usize::try_from(index.checked_sub(self.start)?).ok()?)
    }

    /// The sibling of the node at an index of this layer, which is at `level`.
    pub(crate) fn sibling(&self, source: &Source, level: u8, index: u64) -> Digest {
        let sibling = index ^ 1;
        self.get(sibling).copied().unwrap_or_else(|| source.filler(level, sibling))
    }

    /// The parents of this layer. `level` is theirs.
    pub(crate) fn parents(&self, source: &Source, level: u8) -> Self {
        let end = self.start + self.nodes.len() as u64;
        let (start, count) = (self.start / 2, (end.div_ceil(2) - self.start / 2) as usize);
        // At most one node is missing at each end.
        let before = (self.start % 2 == 1).then(|| source.filler(level - 1, self.start - 1));
        let after = (end % 2 == 1).then(|| source.filler(level - 1, end));
        let node = |index: u64| {
            let outside = if index < self.start { before } else { after };
            self.get(index).copied().or(outside).unwrap_or_default()
        };
        let parameter = source.packed_parameter();
        let mut nodes = Vec::with_capacity(count);
        for group in (0..count).step_by(LANES) {
            let used = LANES.min(count - group);
            // Lanes beyond the last pair repeat it.
            let index = |lane: usize| start + (group + lane.min(used - 1)) as u64;
            let parents = parent(
                source.rules(),
                &parameter,
                level,
                gather_word(|lane| index(lane) as u32),
                &gather_rows(|lane| node(2 * index(lane))),
                &gather_rows(|lane| node(2 * index(lane) + 1)),
            );
            nodes.extend((0..used).map(|index| lane(&parents, index)));
        }
        Self { start, nodes }
    }
}

/// Every layer from the given one, which is at level `from`, up to level `to`.
pub(crate) fn grow(source: &Source, lowest: Layer, from: u8, to: u8) -> Vec<Layer> {
    let mut layers = Vec::with_capacity(usize::from(to - from) + 1);
    let mut current = lowest;
    for level in from..to {
        let parents = current.parents(source, level + 1);
        layers.push(std::mem::replace(&mut current, parents));
    }
    layers.push(current);
    layers
}

/// Like [`grow`], but only the last layer.
pub(crate) fn top_of(source: &Source, lowest: Layer, from: u8, to: u8) -> Layer {
    (from..to).fold(lowest, |layer, level| layer.parents(source, level + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Packed;
    use crate::layout::Layout;

    fn digest(value: u64) -> Digest {
        std::array::from_fn(|i| (value * 8) as u32 + i as u32)
    }

    /// The node of the definition, one by one.
    fn node(source: &Source, leaves: &std::ops::Range<u64>, level: u8, index: u64) -> Digest {
        if index < leaves.start >> level || index > (leaves.end - 1) >> level {
            return source.filler(level, index);
        }
        if level == 0 {
            return digest(index);
        }
        let [left, right] = [0, 1].map(|side| node(source, leaves, level - 1, 2 * index + side));
        let packed = parent(
            source.rules(),
            &source.packed_parameter(),
            level,
            Packed::splat(index as u32),
            &gather_rows(|_| left),
            &gather_rows(|_| right),
        );
        lane(&packed, 0)
    }

    #[test]
    fn layers_hold_the_nodes_of_the_definition() {
        let source = Source::new(Layout::L5, &[3; 32]);
        for (start, count) in [(0, 1), (5, 1), (3, 17), (0, 64), (63, 1), (40, 24), (1, 62)] {
            let leaves = start..start + count;
            let lowest = Layer { start, nodes: leaves.clone().map(digest).collect() };
            let layers = grow(&source, lowest.clone(), 0, 6);
            assert_eq!((layers.len(), layers[6].start, layers[6].nodes.len()), (7, 0, 1));
            for (layer, level) in layers.iter().zip(0..) {
                for index in 0..64_u64 >> level {
                    let expected = node(&source, &leaves, level, index);
                    match layer.get(index) {
                        Some(held) => assert_eq!(*held, expected),
                        None => assert_eq!(source.filler(level, index), expected),
                    }
                    if level < 6 {
                        assert_eq!(layer.sibling(&source, level, index ^ 1), expected);
                    }
                }
            }
            assert_eq!(top_of(&source, lowest, 0, 6), layers[6]);
        }
    }
}
