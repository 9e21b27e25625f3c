//! Rows of the zerocheck, put together from the cells of a table.

use p3_field::{PackedValue, PrimeCharacteristicRing};

use crate::relation::{Linear, Relation, Weighted};
use crate::ring::{ChallengeLanes, LANES, Lanes, Ring, TERMS, Value, Wide};
use crate::system::{Challenge, F};

/// How rows are put together from cells.
pub(crate) struct Gather {
    cubes: Vec<Combination<F>>,
    factors: Vec<usize>,
    sums: Vec<Combination<Wide>>,
}

/// A linear form, padded to a multiple of [`TERMS`].
struct Combination<T> {
    constant: T,
    cells: Vec<usize>,
    weights: Vec<T>,
}

impl<T: Copy> Combination<T> {
    fn new<U: Copy>(form: &Linear<U>, zero: T, lift: impl Fn(U) -> T) -> Self {
        let mut cells: Vec<usize> = form.cells.iter().map(|(cell, _)| *cell).collect();
        let mut weights: Vec<T> = form.cells.iter().map(|(_, weight)| lift(*weight)).collect();
        let padded = cells.len().next_multiple_of(TERMS);
        cells.resize(padded, 0);
        weights.resize(padded, zero);
        Self { constant: lift(form.constant), cells, weights }
    }

    #[inline]
    fn terms<'a>(&'a self, cells: &'a [Lanes]) -> impl Iterator<Item = ([Lanes; TERMS], &'a [T; TERMS])> {
        let chunks = self.cells.as_chunks::<TERMS>().0.iter().zip(self.weights.as_chunks::<TERMS>().0);
        chunks.map(|(chosen, weights)| (chosen.map(|cell| cells[cell]), weights))
    }
}

impl Gather {
    /// For a table's relation, weighted.
    pub(crate) fn new(relation: &Relation, weighted: &Weighted) -> Self {
        let cubes = relation.cubes.iter().map(|form| {
            let mut combination = Combination::new(form, F::ZERO, |element| element);
            // A cell and a constant need no sum.
            if let [(cell, F::ONE)] = form.cells[..] {
                combination.cells = vec![cell];
            }
            combination
        });
        let sums = weighted.factors.iter().chain([&weighted.linear]);
        let sums = sums.map(|form| Combination::new(form, Wide::ZERO, widen));
        Self { cubes: cubes.collect(), factors: relation.factors.clone(), sums: sums.collect() }
    }

    /// Puts together as many rows as there are lanes, from `row` on.
    #[inline]
    pub(crate) fn rows(&self, columns: &[&[F]], row: usize, rows: &mut Gathered) {
        rows.cells.clear();
        rows.cells.extend(columns.iter().map(|column| *Lanes::from_slice(&column[row..row + LANES])));
        let cells = &rows.cells;
        rows.values.clear();
        rows.values.extend(self.cubes.iter().map(|form| match form.cells[..] {
            [cell] => cells[cell] + form.constant,
            _ => form.terms(cells).fold(Lanes::from(form.constant), |sum, (values, weights)| {
                sum + <Lanes as Ring>::dot(&values, weights)
            }),
        }));
        rows.values.extend(self.factors.iter().map(|cell| cells[*cell]));
        rows.sums.clear();
        rows.sums.extend(self.sums.iter().map(|form| {
            let terms = form.terms(cells);
            terms.fold(form.constant, |sum, (values, weights)| sum + Lanes::weigh_all(&values, weights))
        }));
    }
}

/// Rows as they are put together.
#[derive(Clone, Default)]
pub(crate) struct Gathered {
    cells: Vec<Lanes>,
    /// The forms that are cubed, then the factors.
    pub values: Vec<Lanes>,
    /// What the factors are multiplied by, then the linear part.
    pub sums: Vec<Wide>,
}

/// A challenge in every lane.
pub(crate) fn widen(challenge: Challenge) -> Wide {
    Wide::new(ChallengeLanes::from(challenge))
}
