//! The tables. Each is a file: its columns, its constraints, what it sends and receives, and how its rows are filled.
//!
//! No constraint reads a second row: rows are tied to each other by the buses alone, so they may stand in any order
//! and a signature needs no aligned block of rows.

pub(crate) mod chain;
pub(crate) mod digits;
pub(crate) mod leaf;
pub(crate) mod node;
pub(crate) mod signature;
pub(crate) mod symbols;
pub(crate) mod tweak;

use std::borrow::Cow;

use p3_air::{Air, AirBuilder, BaseAir};
use p3_bus::BusSymbolicBuilder;
use p3_field::Algebra;
use p3_lookup::{InteractionBuilder, InteractionSymbolicBuilder};
use p3_multi_stark::folder::{InteractionMultilinearFolder, MultilinearFolder};

use crate::layout::{Layout, TABLES};
use crate::ring::Ring;
use crate::statement::Statement;
use crate::system::{Challenge, F};
use symbols::Symbols;

/// Widths of all tables, in the order of [`Layout::log_heights`].
pub(crate) const WIDTHS: [usize; TABLES] =
    [chain::WIDTH, node::WIDTH, digits::WIDTH, leaf::WIDTH, signature::WIDTH, tweak::WIDTH];

/// One of the tables, as the proof system sees it.
pub(crate) struct Table {
    kind: Kind,
    /// What the prover of a test claims to have put on the buses beside what its rows say.
    #[cfg(test)]
    pub lies: Vec<crate::tests::liar::Lie>,
}

/// The variants are in the order of [`Layout::log_heights`].
enum Kind {
    /// Steps along the chains.
    Chain,
    /// Message hash, sponge, path.
    Node,
    /// From the hash of the message to the starts of the chains.
    Digits,
    /// From the ends of the chains to the blocks of the sponge.
    Leaf,
    /// The signatures of the statement; the columns that the verifier computes itself.
    Signature(Vec<Vec<F>>),
    /// The tweaks of the statement's slots; the columns that the verifier computes itself.
    Tweak(Vec<Vec<F>>),
}

impl Table {
    /// All tables for a statement.
    ///
    /// # Errors
    /// A public key is malformed.
    pub(crate) fn all(statement: &Statement, layout: &Layout) -> Result<[Self; TABLES], crate::Error> {
        let [.., signature_height, tweak_height] = layout.log_heights.map(|log_height| 1 << log_height);
        let kinds = [
            Kind::Chain,
            Kind::Node,
            Kind::Digits,
            Kind::Leaf,
            Kind::Signature(signature::public_columns(statement, signature_height)?),
            Kind::Tweak(tweak::public_columns(statement, tweak_height)),
        ];
        Ok(kinds.map(|kind| Self {
            kind,
            #[cfg(test)]
            lies: Vec::new(),
        }))
    }

    /// Columns that the verifier computes itself.
    pub(crate) fn public(&self) -> &[Vec<F>] {
        match &self.kind {
            Kind::Signature(columns) | Kind::Tweak(columns) => columns,
            _ => &[],
        }
    }

    /// Loses the last column that the verifier computes.
    #[cfg(test)]
    pub(crate) fn forget_column(&mut self) {
        if let Kind::Signature(columns) | Kind::Tweak(columns) = &mut self.kind {
            columns.pop();
        }
    }
}

impl BaseAir<F> for Table {
    fn width(&self) -> usize {
        match self.kind {
            Kind::Chain => chain::WIDTH,
            Kind::Node => node::WIDTH,
            Kind::Digits => digits::WIDTH,
            Kind::Leaf => leaf::WIDTH,
            Kind::Signature(_) => signature::WIDTH,
            Kind::Tweak(_) => tweak::WIDTH,
        }
    }

    fn main_next_row_columns(&self) -> Vec<usize> {
        Vec::new()
    }

    fn num_periodic_columns(&self) -> usize {
        self.public().len()
    }

    fn periodic_columns(&self) -> Cow<'_, [Vec<F>]> {
        Cow::Borrowed(self.public())
    }
}

impl Table {
    /// The constraints, and the messages.
    pub(crate) fn state<AB: AirBuilder<F = F, Expr: Ring> + InteractionBuilder>(&self, builder: &mut AB) {
        match self.kind {
            Kind::Chain => chain::eval(builder),
            Kind::Node => node::eval(builder),
            Kind::Digits => digits::eval(builder),
            Kind::Leaf => leaf::eval(builder),
            Kind::Signature(_) => signature::eval(builder),
            Kind::Tweak(_) => tweak::eval(builder),
        }
    }
}

impl<V, A> Air<MultilinearFolder<'_, F, V, A>> for Table
where
    V: Ring + Copy + Send + Sync,
    A: Algebra<V> + Copy,
{
    fn eval(&self, builder: &mut MultilinearFolder<'_, F, V, A>) {
        self.state(builder);
    }
}

impl<V, A> Air<InteractionMultilinearFolder<'_, F, V, A>> for Table
where
    V: Ring + Copy + Send + Sync,
    A: Algebra<V> + Copy,
{
    fn eval(&self, builder: &mut InteractionMultilinearFolder<'_, F, V, A>) {
        self.state(builder);
    }
}

impl Air<InteractionSymbolicBuilder<F, Challenge>> for Table {
    fn eval(&self, builder: &mut InteractionSymbolicBuilder<F, Challenge>) {
        Symbols::of(self).state(builder);
    }
}

impl Air<BusSymbolicBuilder<F, Challenge>> for Table {
    /// Asks for the buses of another argument, for fields of characteristic two. There are none.
    fn eval(&self, _: &mut BusSymbolicBuilder<F, Challenge>) {}
}

/// The cells of the current row, as expressions.
fn row<AB: AirBuilder>(builder: &AB) -> Vec<AB::Expr> {
    use p3_air::WindowAccess;
    builder.main().current_slice().iter().map(|cell| (*cell).into()).collect()
}

/// Some cells, in order.
fn take<E: Clone>(cells: &[E], range: std::ops::Range<usize>) -> impl Iterator<Item = E> {
    cells[range].iter().cloned()
}

/// Asserts that the leading columns are the ones that the verifier computes itself.
///
/// # Panics
/// There are not as many of them: a row without its column would be held to nothing, and the statement would go with
/// it.
fn assert_public<AB: AirBuilder<F = F>>(builder: &mut AB, cells: &[AB::Expr]) {
    let public: Vec<AB::Expr> = builder.periodic_values().iter().map(|value| (*value).into()).collect();
    assert_eq!(public.len(), cells.len(), "each public cell has a column of the verifier");
    for (cell, value) in cells.iter().zip(public) {
        builder.assert_eq(cell.clone(), value);
    }
}
