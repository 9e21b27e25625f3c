//! The tables filled with rows, in the shape that is committed to.

use std::array::from_fn;

use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use p3_sumcheck::layout::Table as CommittedTable;
use rayon::prelude::*;

use crate::error::Error;
use crate::layout::{BLOCKS, LEAF_ROWS, Layout, TABLES};
use crate::ring::LANES;
use crate::statement::Statement;
use crate::system::F;
use crate::tables::{Table, WIDTHS, chain, digits, leaf, node, signature, tweak};
use crate::witness::{Walk, walk};

/// Position of a table in [`Trace::tables`].
pub(crate) const CHAIN: usize = 0;
/// See [`CHAIN`].
pub(crate) const NODE: usize = 1;
/// See [`CHAIN`].
pub(crate) const DIGITS: usize = 2;
/// See [`CHAIN`].
pub(crate) const LEAF: usize = 3;
/// See [`CHAIN`].
pub(crate) const SIGNATURE: usize = 4;
/// See [`CHAIN`].
pub(crate) const TWEAK: usize = 5;

/// All tables, row by row.
#[derive(Clone)]
pub(crate) struct Trace {
    /// Rows of [`WIDTHS`] cells, as many as the layout says.
    pub tables: [Vec<F>; TABLES],
}

impl Trace {
    /// Follows all signatures, which checks them, and fills the tables.
    ///
    /// # Errors
    /// A signature is not valid for its claim.
    pub(crate) fn new(
        statement: &Statement,
        layout: &Layout,
        tables: &[Table; TABLES],
        signatures: &[&[u8]],
    ) -> Result<Self, Error> {
        let ids: Vec<[u32; 2]> = (1..)
            .zip(statement.claims())
            .map(|(number, claim)| {
                let group = statement.slots().partition_point(|slot| *slot < claim.slot) + 1;
                [number, group as u32]
            })
            .collect();
        let chunks = statement.claims().par_chunks(LANES).zip(signatures.par_chunks(LANES));
        let chunks = chunks.zip(ids.par_chunks(LANES));
        let walks: Vec<Vec<Option<Walk>>> =
            chunks.map(|((claims, signatures), ids)| walk(claims, signatures, ids)).collect();
        let walks = walks.into_iter().flatten().enumerate();
        let walks = walks.map(|(index, walk)| walk.ok_or(Error::InvalidSignature { index }));
        let walks: Vec<Walk> = walks.collect::<Result<_, Error>>()?;
        let mut trace =
            Self { tables: from_fn(|table| F::zero_vec(WIDTHS[table] << layout.log_heights[table])) };
        trace.fill_hashes(&walks);
        trace.fill_small(&walks);
        trace.fill_public(tables);
        trace.fill_lookups(&walks);
        Ok(trace)
    }

    fn fill_hashes(&mut self, walks: &[Walk]) {
        let steps: Vec<&chain::Step> = walks.iter().flat_map(|walk| &walk.steps).collect();
        let rows = self.tables[CHAIN].par_chunks_exact_mut(LANES * chain::WIDTH);
        rows.enumerate().for_each(|(index, rows)| {
            chain::fill(rows, &from_fn(|lane| steps.get(LANES * index + lane).copied()));
        });
        let hashes: Vec<&node::Hash> = walks.iter().flat_map(|walk| &walk.hashes).collect();
        let rows = self.tables[NODE].par_chunks_exact_mut(LANES * node::WIDTH);
        rows.enumerate().for_each(|(index, rows)| {
            node::fill(rows, &from_fn(|lane| hashes.get(LANES * index + lane).copied()));
        });
    }

    fn fill_small(&mut self, walks: &[Walk]) {
        let elements = walks.iter().flat_map(|walk| &walk.elements);
        let rows = self.tables[DIGITS].chunks_exact_mut(digits::WIDTH);
        rows.zip(elements).for_each(|(row, element)| digits::fill(row, element));
        let mut rows = self.tables[LEAF].chunks_exact_mut(leaf::WIDTH);
        for walk in walks {
            let [signature, group] = walk.ids;
            let ends = walk.ends[1..].chunks_exact(leaf::CHAINS);
            for ((counter, ends), row) in (0..).zip(ends).zip(rows.by_ref().take(LEAF_ROWS)) {
                leaf::fill(row, [signature, group, counter], &walk.parameter, ends);
            }
        }
        let rows = self.tables[SIGNATURE].chunks_exact_mut(signature::WIDTH);
        rows.zip(walks).for_each(|(row, walk)| signature::fill(row, &walk.ends[0], &walk.leaf));
    }

    fn fill_public(&mut self, tables: &[Table; TABLES]) {
        for ((table, cells), width) in tables.iter().zip(&mut self.tables).zip(WIDTHS) {
            let columns = table.public();
            for (index, row) in cells.chunks_exact_mut(width).enumerate() {
                for (cell, column) in row.iter_mut().zip(columns) {
                    *cell = column[index];
                }
            }
        }
    }

    fn fill_lookups(&mut self, walks: &[Walk]) {
        let rows = &mut self.tables[TWEAK];
        let mut count = |group: u32, row: usize| {
            let row = (group as usize - 1) * tweak::ROWS + row;
            rows[row * tweak::WIDTH + tweak::LOOKUPS] += F::ONE;
        };
        for walk in walks {
            for step in &walk.steps {
                count(step.group, tweak::chain_row(step.position + 1));
            }
            for hash in &walk.hashes[1 + BLOCKS..] {
                count(hash.group, tweak::node_row(hash.counter as usize + 1));
            }
        }
    }

    /// The tables column by column, as they are committed to.
    pub(crate) fn committed(self) -> [CommittedTable<F>; TABLES] {
        let mut widths = WIDTHS.into_iter();
        self.tables.map(|cells| {
            let width = widths.next().unwrap_or(1);
            CommittedTable::new(RowMajorMatrix::new(cells, width).transpose())
        })
    }
}
