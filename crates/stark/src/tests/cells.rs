//! Every cell, changed on its own: some constraint or bus has to notice, or the cell has to be one that says nothing.

use std::collections::BTreeSet;

use p3_field::PrimeCharacteristicRing;

use super::Signed;
use super::checker::row;
use super::forge::Forgery;
use crate::layout::{CHAIN_STEPS, ELEMENTS, LEAF_ROWS, Layout, NODE_ROWS, TABLES};
use crate::system::F;
use crate::tables::{Table, WIDTHS, chain, digits, leaf, node, signature, tweak};
use crate::trace::{CHAIN, DIGITS, LEAF, NODE, SIGNATURE};

/// Cells of the first rows of a table, up to `rows`, of which one of these other values changes nothing: no
/// constraint of the row notices, and what it puts on the buses stays what it was. A message that changes is noticed
/// by its bus, as what one row sends and receives does not cancel.
fn free(forgery: &Forgery, table: usize, rows: std::ops::Range<usize>) -> BTreeSet<(usize, usize)> {
    let changes = [F::ONE, F::TWO, F::NEG_ONE, F::new(123_456_789)];
    let tables = Table::all(&forgery.statement, &Layout::of(&forgery.statement)).unwrap();
    let width = WIDTHS[table];
    let mut free = BTreeSet::new();
    for index in rows {
        let cells = &forgery.trace.tables[table][index * width..(index + 1) * width];
        let before = row(&tables[table], cells, index).messages;
        for column in 0..width {
            let is_free = changes.into_iter().any(|change| {
                let mut cells = cells.to_vec();
                cells[column] += change;
                let said = row(&tables[table], &cells, index);
                said.broken.is_empty() && said.messages == before
            });
            if is_free {
                free.insert((index, column));
            }
        }
    }
    free
}

#[test]
fn only_values_of_chains_that_do_not_exist_are_free_in_rows_that_count() {
    let forgery = Forgery::of(Signed::some());
    let signatures = forgery.statement.claims().len();
    let used = [
        signatures * CHAIN_STEPS,
        signatures * NODE_ROWS,
        signatures * ELEMENTS,
        signatures * LEAF_ROWS,
        signatures,
        forgery.statement.slots().len() * tweak::ROWS,
    ];
    for (table, rows) in used.into_iter().enumerate() {
        let mut expected = BTreeSet::new();
        if table == DIGITS {
            // The last element has six digits; the two values beside them are placed on chains 46 and 47.
            let last = (0..signatures).map(|signature| (signature + 1) * ELEMENTS - 1);
            let unused = digits::VALUES + 8 * digits::SHORT_DIGITS..digits::WIDTH;
            expected.extend(last.flat_map(|row| unused.clone().map(move |column| (row, column))));
            assert_eq!(expected.len(), 16 * signatures);
        }
        assert_eq!(free(&forgery, table, 0..rows), expected, "table {table}");
    }
}

/// Nothing that is free in padding is read by anything that counts.
#[test]
fn padding_is_free_only_where_nothing_reads_it() {
    let forgery = Forgery::new();
    let names = |columns: &[usize]| columns.iter().copied().collect::<BTreeSet<usize>>();
    let mut expected: [BTreeSet<usize>; TABLES] = Default::default();
    expected[CHAIN] = names(&[chain::SIGNATURE, chain::GROUP, chain::POSITION]);
    expected[NODE] = names(&[node::SIGNATURE, node::GROUP, node::COUNTER]);
    expected[DIGITS] = (0..digits::ELEMENT).chain(digits::ELEMENT + 1..digits::ON).collect();
    expected[DIGITS].extend(digits::VALUES..digits::WIDTH);
    expected[LEAF] = (0..leaf::WIDTH).filter(|column| *column != leaf::ON).collect();
    expected[SIGNATURE] = (signature::PUBLIC..signature::WIDTH).collect();
    for (table, expected) in expected.into_iter().enumerate() {
        let last = forgery.padding(table);
        let found = free(&forgery, table, last..last + 1).into_iter().map(|(_, column)| column);
        assert_eq!(found.collect::<BTreeSet<_>>(), expected, "table {table}");
    }
}
