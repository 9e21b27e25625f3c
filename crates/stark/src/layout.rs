//! How many rows each table has, from the numbers of signatures and slots alone.

use crate::statement::Statement;
use crate::system::FOLD;
use crate::tables::tweak;

/// Steps along the chains of one signature: every codeword adds up to the same, whatever the message.
pub(crate) const CHAIN_STEPS: usize = CHAINS * 7 - TARGET_SUM as usize;
/// Chains of a signature.
pub(crate) const CHAINS: usize = 46;
/// What the digits of a codeword add up to.
pub(crate) const TARGET_SUM: u32 = 200;
/// Levels of the tree.
pub(crate) const LEVELS: usize = 32;
/// Blocks of the sponge over the ends of the chains.
pub(crate) const BLOCKS: usize = 25;
/// Elements of the hash of a message that the codeword is read from.
pub(crate) const ELEMENTS: usize = 6;
/// Rows of the leaf table for one signature; the first chain and the first block are in the signature table.
pub(crate) const LEAF_ROWS: usize = 3;
/// Rows of the node table for one signature: the message, the blocks, the levels.
pub(crate) const NODE_ROWS: usize = 1 + BLOCKS + LEVELS;

/// Tables, in the order of [`Layout::log_heights`].
pub(crate) const TABLES: usize = 6;

/// Heights of all tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Signatures.
    pub signatures: usize,
    /// Different slots.
    pub slots: usize,
    /// Base-two logarithms of the heights: chain, node, digits, leaf, signature, tweak.
    pub log_heights: [usize; TABLES],
}

impl Layout {
    /// The layout for a statement. Rows beyond the used ones are padding.
    pub(crate) fn of(statement: &Statement) -> Self {
        let (signatures, slots) = (statement.claims().len(), statement.slots().len());
        let used = [
            signatures * CHAIN_STEPS,
            signatures * NODE_ROWS,
            signatures * ELEMENTS,
            signatures * LEAF_ROWS,
            signatures,
            slots * tweak::ROWS,
        ];
        let log_heights = used.map(|rows| (rows.next_power_of_two().trailing_zeros() as usize).max(FOLD));
        Self { signatures, slots, log_heights }
    }

    /// Variables of the polynomial that holds all tables.
    pub(crate) fn variables(&self, widths: [usize; TABLES]) -> usize {
        let cells: usize =
            self.log_heights.iter().zip(widths).map(|(log_height, width)| width << log_height).sum();
        cells.next_power_of_two().trailing_zeros() as usize
    }
}
