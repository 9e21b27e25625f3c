//! One table's part in the rounds of the zerocheck.
//!
//! A round asks for the sum over all pairs of rows of what a row adds, at some points of the line through both, each
//! pair weighted by an equality polynomial; then a challenge folds each pair into one row. A row here is what
//! [`Relation`] needs of it: the forms that are cubed, the factors, and two kinds of forms whose coefficients are
//! challenges. None of that is kept for the table itself: its rows are put together from the cells as they are read.
//! The first rows that are kept are those after the first challenge, or after the second if the table is large.
//!
//! Two things keep the rounds short. A cube is at most of degree three along the line, so sums of cubes are evaluated
//! at four points and continued from there by differences. And a weighted cube is the cube of its base times the cube
//! root of the weight: the roots go into the rows when they are folded first, and weights are not needed again.

use std::array::from_fn;

use p3_field::{BasedVectorSpace, PackedFieldExtension, PackedValue, PrimeCharacteristicRing};
use p3_sumcheck::layout::Table as CommittedTable;
use rayon::prelude::*;

use crate::gather::{Gather, Gathered, widen};
use crate::relation::{INNER, Relation, Weighted};
use crate::ring::{ChallengeLanes, LANES, Lanes, TERMS, Value, Wide, cube_root};
use crate::system::{Challenge, F};

/// Degree of the cube of a sum of cubes, which nothing in the tables exceeds.
pub(crate) const DEGREE: usize = 9;
/// Points at which cubes are evaluated: 0, 1, 2, 3.
const POINTS: usize = 4;
/// Rows after the first challenge that are kept: 16 MiB of a table. More are put together again for the second round.
const KEPT: usize = 16 << 20;
/// Pairs of rows that are worth a thread's while.
const PAIRS: usize = 4;

/// What a round adds up: what is of degree three at 0, 1, 2, 3, and cubes of sums at 0, 2, 3, ..., 9.
type Totals<S> = [S; POINTS + DEGREE];

/// One table in the rounds.
pub(crate) struct Rounds<'a> {
    relation: &'a Relation,
    weighted: Weighted,
    /// Cube roots of the weights of cubes of sums, segment by segment.
    roots: Vec<Vec<Challenge>>,
    wide: Weights<Wide>,
    /// The cells, column by column, then the columns of the verifier.
    columns: Vec<&'a [F]>,
    gather: Gather,
    rows: Rows,
}

/// The rows that are left.
enum Rows {
    /// Those of the table.
    Cells,
    /// Those of the table, whose first variable is bound.
    Bound(Box<Bound>),
    /// As many as there are lanes in each, row by row.
    Wide(Vec<Wide>),
    /// Row by row.
    Narrow(Vec<Challenge>),
}

/// What folds rows of the table.
struct Bound {
    /// The challenge.
    challenge: Wide,
    /// For each value in a row, what the lower and the upper one are multiplied by. The cube roots of the weights are
    /// in here.
    weights: Vec<[Wide; 2]>,
}

/// Weights in the representation that rows are added up in.
struct Weights<S> {
    alone: Vec<S>,
    segments: Vec<SegmentWeights<S>>,
}

struct SegmentWeights<S> {
    sums: Vec<S>,
    roots: Vec<S>,
    factors: Vec<[F; INNER]>,
    constants: Vec<F>,
}

/// Two rows and what both hold. `values` are the forms that are cubed, then the factors; `sums` are what the factors
/// are multiplied by, then the linear part.
struct Row<'a, V: Value> {
    values: &'a [V],
    sums: &'a [V::Sum],
}

impl<S: Value<Sum = S>> Weights<S> {
    fn new(
        relation: &Relation,
        weighted: &Weighted,
        roots: &[Vec<Challenge>],
        lift: impl Fn(Challenge) -> S,
    ) -> Self {
        let inner = relation.segments.last().map_or(0, |segment| segment.inner.end);
        let lift_all = |weights: &[Challenge]| weights.iter().map(|weight| lift(*weight)).collect::<Vec<S>>();
        let segments = relation.segments.iter().zip(&weighted.sums).zip(roots);
        let segments = segments.map(|((segment, weights), roots)| {
            let factors = segment
                .sums
                .iter()
                .map(|(_, factors)| from_fn(|i| factors.get(i).copied().unwrap_or(F::ZERO)));
            SegmentWeights {
                sums: lift_all(weights),
                roots: lift_all(roots),
                factors: factors.collect(),
                constants: segment.sums.iter().map(|(constant, _)| *constant).collect(),
            }
        });
        Self { segments: segments.collect(), alone: lift_all(&weighted.cubes[inner..]) }
    }

    /// What a pair of rows adds.
    #[inline]
    fn evaluate<V: Value<Sum = S>>(
        &self,
        relation: &Relation,
        low: &Row<'_, V>,
        high: &Row<'_, V>,
    ) -> Totals<S> {
        let mut totals = [S::ZERO; POINTS + DEGREE];
        let cubes = relation.cubes.len();
        let inner = cubes - self.alone.len();
        let chunks = low.values[inner..cubes].chunks(TERMS).zip(high.values[inner..cubes].chunks(TERMS));
        for ((low, high), weights) in chunks.zip(self.alone.chunks(TERMS)) {
            let mut points = [[V::ZERO; TERMS]; POINTS];
            for (i, (low, high)) in low.iter().zip(high).enumerate() {
                for (point, value) in points.iter_mut().zip(line(*low, *high)) {
                    point[i] = value;
                }
            }
            for (point, total) in points.iter().zip(&mut totals) {
                *total += V::cubes(&point[..low.len()], weights);
            }
        }
        let factors = low.values[cubes..].iter().zip(&high.values[cubes..]);
        for ((low, high), (low_sum, high_sum)) in factors.zip(low.sums.iter().zip(high.sums)) {
            let terms = line(*low, *high).into_iter().zip(line(*low_sum, *high_sum));
            for ((factor, sum), total) in terms.zip(&mut totals) {
                *total += factor.weigh(sum);
            }
        }
        if let ([.., low], [.., high]) = (low.sums, high.sums) {
            for (linear, total) in line(*low, *high).into_iter().zip(&mut totals) {
                *total += linear;
            }
        }
        let (_, totals_of_sums) = totals.split_at_mut(POINTS);
        for (segment, weights) in relation.segments.iter().zip(&self.segments) {
            let inner = segment.inner.clone();
            weights.evaluate(&low.values[inner.clone()], &high.values[inner], totals_of_sums);
        }
        totals
    }
}

impl<S: Value<Sum = S>> SegmentWeights<S> {
    #[inline]
    fn evaluate<V: Value<Sum = S>>(&self, low: &[V], high: &[V], totals: &mut [S]) {
        let mut cubes = [[V::ZERO; INNER]; POINTS];
        for (i, (low, high)) in low.iter().zip(high).enumerate() {
            for (cubes, value) in cubes.iter_mut().zip(line(*low, *high)) {
                cubes[i] = value.third_power();
            }
        }
        let mut sums = [[V::ZERO; INNER]; POINTS];
        for (cubes, sums) in cubes.iter().zip(&mut sums) {
            let factors = self.factors.iter().zip(&self.constants).zip(&self.roots);
            for (sum, ((factors, constant), root)) in sums.iter_mut().zip(factors) {
                *sum = (dot(cubes, factors) + *constant).scale(*root);
            }
        }
        let used = self.sums.len();
        let [zero, one, two, mut sums] = sums;
        // Differences at the fourth point, by which a polynomial of degree three goes on.
        let mut first: [V; INNER] = from_fn(|i| sums[i] - two[i]);
        let mut second: [V; INNER] = from_fn(|i| first[i] - (two[i] - one[i]));
        let third: [V; INNER] = from_fn(|i| second[i] - (two[i] - one[i].double() + zero[i]));
        let [at_zero, at_two, rest @ ..] = totals else { return };
        *at_zero += V::cubes(&zero[..used], &self.sums);
        *at_two += V::cubes(&two[..used], &self.sums);
        for (index, total) in rest.iter_mut().enumerate() {
            if index > 0 {
                for i in 0..used {
                    second[i] += third[i];
                    first[i] += second[i];
                    sums[i] += first[i];
                }
            }
            *total += V::cubes(&sums[..used], &self.sums);
        }
    }
}

/// The values at 0, 1, 2 and 3 on the line through the first two.
#[inline]
fn line<V: Value>(zero: V, one: V) -> [V; POINTS] {
    let step = one - zero;
    let two = one + step;
    [zero, one, two, two + step]
}

#[inline]
fn dot<V: Value>(values: &[V; INNER], factors: &[F; INNER]) -> V {
    let chunks = values.as_chunks::<TERMS>().0.iter().zip(factors.as_chunks::<TERMS>().0);
    chunks.map(|(values, factors)| V::dot(values, factors)).fold(V::ZERO, |sum, term| sum + term)
}

/// Adds up two lists.
fn merge<S: Value>(mut left: Totals<S>, right: Totals<S>) -> Totals<S> {
    left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
    left
}

fn lanes(value: Wide) -> impl Iterator<Item = Challenge> {
    PackedFieldExtension::<F, Challenge>::to_ext_iter([value.0])
}

/// Challenges in lanes, as many as there are lanes in each.
fn pack(challenges: &[Challenge]) -> Vec<Wide> {
    let pack = |chunk: &[Challenge]| {
        Wide::new(ChallengeLanes::from_basis_coefficients_fn(|index| {
            Lanes::from_fn(|lane| {
                let coefficients: &[F] = chunk[lane].as_basis_coefficients_slice();
                coefficients[index]
            })
        }))
    };
    challenges.chunks_exact(LANES).map(pack).collect()
}

impl<'a> Rounds<'a> {
    /// The rounds of a table, with the columns of the verifier that it has.
    pub(crate) fn new(
        relation: &'a Relation,
        weighted: Weighted,
        table: &'a CommittedTable<F>,
        public: &'a [Vec<F>],
    ) -> Self {
        let cells = table.columns().filter_map(|column| column.as_dense());
        let columns = cells.chain(public.iter().map(Vec::as_slice)).collect();
        let roots = |weights: &Vec<Challenge>| weights.iter().map(|weight| cube_root(*weight)).collect();
        let roots: Vec<Vec<Challenge>> = weighted.sums.iter().map(roots).collect();
        let wide = Weights::new(relation, &weighted, &roots, widen);
        let gather = Gather::new(relation, &weighted);
        Self { relation, weighted, roots, wide, columns, gather, rows: Rows::Cells }
    }

    /// Values in a row, of both kinds.
    fn width(&self) -> [usize; 2] {
        [self.relation.cubes.len() + self.relation.factors.len(), self.relation.factors.len() + 1]
    }

    /// What the table adds to a round. `weights` are those of the pairs of rows, of which there are as many.
    ///
    /// The first list is what is of degree three, at 0, 1, 2, 3; the second is the rest, at 0, 2, 3, ..., 9.
    pub(crate) fn round(&self, weights: &[Challenge]) -> ([Challenge; POINTS], [Challenge; DEGREE]) {
        let sum_lanes = |totals: Totals<Wide>| totals.map(|total| lanes(total).sum());
        let totals = match &self.rows {
            Rows::Cells => sum_lanes(self.first_round(weights)),
            Rows::Bound(bound) => sum_lanes(self.second_round(bound, weights)),
            Rows::Wide(rows) => {
                let (low, high) = rows.split_at(rows.len() / 2);
                let width = self.width().iter().sum();
                sum_lanes(sum(
                    weights,
                    || (),
                    |(), index| {
                        let [low, high] = [low, high].map(|rows| self.split(&rows[index * width..][..width]));
                        self.wide.evaluate(self.relation, &low, &high)
                    },
                ))
            }
            Rows::Narrow(rows) => {
                let kernel = Weights::new(self.relation, &self.weighted, &self.roots, |weight| weight);
                let (low, high) = rows.split_at(rows.len() / 2);
                let width = self.width().iter().sum();
                let pairs = low.chunks_exact(width).zip(high.chunks_exact(width)).zip(weights);
                pairs.fold([Challenge::ZERO; POINTS + DEGREE], |totals, ((low, high), weight)| {
                    let added = kernel.evaluate(self.relation, &self.split(low), &self.split(high));
                    merge(totals, added.map(|total| total * *weight))
                })
            }
        };
        (from_fn(|i| totals[i]), from_fn(|i| totals[POINTS + i]))
    }

    fn split<'b, S: Value<Sum = S>>(&self, row: &'b [S]) -> Row<'b, S> {
        let (values, sums) = row.split_at(self.width()[0]);
        Row { values, sums }
    }

    fn first_round(&self, weights: &[Challenge]) -> Totals<Wide> {
        let half = weights.len();
        sum(weights, <[Gathered; 2]>::default, |[low, high], index| {
            let row = index * LANES;
            self.gather.rows(&self.columns, row, low);
            self.gather.rows(&self.columns, half + row, high);
            let [low, high] = [low, high].map(|row| Row { values: &row.values, sums: &row.sums });
            self.wide.evaluate(self.relation, &low, &high)
        })
    }

    fn second_round(&self, bound: &Bound, weights: &[Challenge]) -> Totals<Wide> {
        let [half, quarter] = [2 * weights.len(), weights.len()];
        let width = self.width().iter().sum();
        let scratch = || (<[Gathered; 2]>::default(), [vec![Wide::ZERO; width], vec![Wide::ZERO; width]]);
        sum(weights, scratch, |(gathered, [low, high]), index| {
            let row = index * LANES;
            self.fold_cells(bound, [row, half + row], gathered, low);
            self.fold_cells(bound, [quarter + row, half + quarter + row], gathered, high);
            self.wide.evaluate(self.relation, &self.split(low), &self.split(high))
        })
    }

    /// Folds rows of the table, as many as there are lanes from each of two on.
    fn fold_cells(&self, bound: &Bound, rows: [usize; 2], gathered: &mut [Gathered; 2], folded: &mut [Wide]) {
        let [low, high] = gathered;
        self.gather.rows(&self.columns, rows[0], low);
        self.gather.rows(&self.columns, rows[1], high);
        let (values, sums) = folded.split_at_mut(low.values.len());
        let pairs = low.values.iter().zip(&high.values).zip(&bound.weights);
        for (folded, ((low, high), [low_weight, high_weight])) in values.iter_mut().zip(pairs) {
            *folded = low.weigh(*low_weight) + high.weigh(*high_weight);
        }
        for (folded, (low, high)) in sums.iter_mut().zip(low.sums.iter().zip(&high.sums)) {
            *folded = *low + (*high - *low).weigh(bound.challenge);
        }
    }

    /// Binds a variable.
    pub(crate) fn fold(&mut self, challenge: Challenge) {
        let rows = std::mem::replace(&mut self.rows, Rows::Cells);
        let width: usize = self.width().iter().sum();
        let height = self.columns.first().map_or(0, |column| column.len());
        self.rows = match rows {
            Rows::Cells => {
                let bound = self.bind(challenge);
                if height / 2 * width * size_of::<Challenge>() > KEPT {
                    Rows::Bound(Box::new(bound))
                } else {
                    let half = height / 2;
                    self.kept(half, |row, gathered, folded| {
                        self.fold_cells(&bound, [row, half + row], gathered, folded);
                    })
                }
            }
            Rows::Bound(bound) => {
                let [half, quarter] = [height / 2, height / 4];
                let challenge = widen(challenge);
                self.kept(quarter, |row, gathered, folded| {
                    let mut high = vec![Wide::ZERO; folded.len()];
                    self.fold_cells(&bound, [row, half + row], gathered, folded);
                    self.fold_cells(&bound, [quarter + row, half + quarter + row], gathered, &mut high);
                    for (low, high) in folded.iter_mut().zip(high) {
                        *low += (high - *low).weigh(challenge);
                    }
                })
            }
            Rows::Wide(mut rows) => {
                let challenge = widen(challenge);
                fold_rows(&mut rows, |low, high| *low += (high - *low).weigh(challenge));
                Rows::Wide(rows)
            }
            Rows::Narrow(mut rows) => {
                fold_rows(&mut rows, |low, high| *low += (high - *low) * challenge);
                Rows::Narrow(rows)
            }
        };
        // The last row that is as many as there are lanes is taken apart.
        if let Rows::Wide(row) = &self.rows
            && row.len() == width
        {
            let mut narrow = vec![Challenge::ZERO; width * LANES];
            for (column, value) in row.iter().enumerate() {
                for (index, challenge) in lanes(*value).enumerate() {
                    narrow[index * width + column] = challenge;
                }
            }
            self.rows = Rows::Narrow(narrow);
        }
    }

    /// What folds rows of the table at a challenge.
    fn bind(&self, challenge: Challenge) -> Bound {
        let inner = self.relation.segments.last().map_or(0, |segment| segment.inner.end);
        let alone = inner..self.relation.cubes.len();
        let roots = (0..self.width()[0]).map(|index| match self.weighted.cubes.get(index) {
            Some(weight) if alone.contains(&index) => cube_root(*weight),
            _ => Challenge::ONE,
        });
        let weights = roots.map(|root| [root * (Challenge::ONE - challenge), root * challenge].map(widen));
        Bound { weights: weights.collect(), challenge: widen(challenge) }
    }

    /// Rows to keep, that many, each put together by itself.
    fn kept(&self, rows: usize, fold: impl Fn(usize, &mut [Gathered; 2], &mut [Wide]) + Send + Sync) -> Rows {
        let width: usize = self.width().iter().sum();
        let mut kept = vec![Wide::ZERO; rows / LANES * width];
        kept.par_chunks_exact_mut(width)
            .with_min_len(PAIRS)
            .enumerate()
            .for_each_init(<[Gathered; 2]>::default, |gathered, (index, folded)| {
                fold(index * LANES, gathered, folded)
            });
        Rows::Wide(kept)
    }
}

/// Adds up what pairs of rows add, each times its weight; as many pairs at once as there are lanes.
fn sum<T: Send>(
    weights: &[Challenge],
    scratch: impl Fn() -> T + Send + Sync,
    evaluate: impl Fn(&mut T, usize) -> Totals<Wide> + Send + Sync,
) -> Totals<Wide> {
    let zero = [Wide::ZERO; POINTS + DEGREE];
    let pairs = pack(weights).into_par_iter().enumerate().with_min_len(PAIRS);
    let folded = pairs.fold(
        || (zero, scratch()),
        |(totals, mut scratch), (index, weight)| {
            let added = evaluate(&mut scratch, index);
            (merge(totals, added.map(|total| total.weigh(weight))), scratch)
        },
    );
    folded.map(|(totals, _)| totals).reduce(|| zero, merge)
}

/// Folds the second half of the rows into the first, and gives the memory back.
fn fold_rows<S: Value>(rows: &mut Vec<S>, fold: impl Fn(&mut S, S) + Send + Sync) {
    const CHUNK: usize = 1024;
    let half = rows.len() / 2;
    let (low, high) = rows.split_at_mut(half);
    low.par_iter_mut().zip(high).with_min_len(CHUNK).for_each(|(low, high)| fold(low, *high));
    rows.truncate(half);
    rows.shrink_to_fit();
}
