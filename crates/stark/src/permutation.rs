//! Poseidon1 as a walk that commits to some of its intermediate values.
//!
//! The same walk computes the witness and states the constraints, so that the two cannot drift apart. What differs is
//! what happens at a commitment: the witness writes the value into the next cell of the row and goes on with it; the
//! constraints assert that the next cell equals the expression and go on with the cell, which has degree one again.

use std::array::from_fn;
use std::sync::LazyLock;

use p3_field::{PackedValue, PrimeCharacteristicRing};
use p3_koala_bear::{
    KOALABEAR_POSEIDON_HALF_FULL_ROUNDS, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16,
    KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24, KOALABEAR_POSEIDON1_RC_16, KOALABEAR_POSEIDON1_RC_24,
    MDSKoalaBearData,
};
use p3_monty_31::MDSUtils;
use p3_poseidon1::{FullRoundConstants, PartialRoundConstants, Poseidon1Constants};

use crate::ring::{LANES, Lanes, Ring, TERMS};
use crate::system::F;

const HALF: usize = KOALABEAR_POSEIDON_HALF_FULL_ROUNDS;

/// The permutation of width 16, with a commitment after every second full round.
///
/// Constraints reach degree 9, for 60 cells less in each row of the tallest table than a commitment after every round
/// takes; that keeps a power of two of signatures below the next power of two of cells.
pub(crate) static CHAIN: LazyLock<Permutation<16>> = LazyLock::new(|| {
    let (full, partial) = Poseidon1Constants {
        rounds_f: 2 * HALF,
        rounds_p: KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16,
        mds_circ_col: MDSKoalaBearData::MATRIX_CIRC_MDS_16_COL,
        round_constants: KOALABEAR_POSEIDON1_RC_16.to_vec(),
    }
    .to_optimized();
    Permutation::new(full, &partial, 2, CHAIN_OUTPUTS)
});

/// The permutation of width 24, with a commitment after every full round: constraints of degree 3.
pub(crate) static NODE: LazyLock<Permutation<24>> = LazyLock::new(|| {
    let (full, partial) = Poseidon1Constants {
        rounds_f: 2 * HALF,
        rounds_p: KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24,
        mds_circ_col: MDSKoalaBearData::MATRIX_CIRC_MDS_24_COL,
        round_constants: KOALABEAR_POSEIDON1_RC_24.to_vec(),
    }
    .to_optimized();
    Permutation::new(full, &partial, 1, NODE_OUTPUTS)
});

/// Elements of the last state of [`CHAIN`] that anything reads: a digest.
pub(crate) const CHAIN_OUTPUTS: usize = 8;
/// Elements of the last state of [`NODE`] that anything reads: the capacity of a sponge, and a digest from its rate.
pub(crate) const NODE_OUTPUTS: usize = 17;

/// Cells of one walk of [`CHAIN`]; the last [`CHAIN_OUTPUTS`] of them are the output.
pub(crate) const CHAIN_CELLS: usize = cells(16, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16, 2, CHAIN_OUTPUTS);
/// Cells of one walk of [`NODE`]; the last [`NODE_OUTPUTS`] of them are the output.
pub(crate) const NODE_CELLS: usize = cells(24, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24, 1, NODE_OUTPUTS);

const fn cells(width: usize, partial_rounds: usize, every: usize, outputs: usize) -> usize {
    (2 * HALF / every - 1) * width + partial_rounds + outputs
}

/// Constants of one permutation, and where its walk commits.
pub(crate) struct Permutation<const WIDTH: usize> {
    full: FullRoundConstants<F, WIDTH>,
    partial: PartialRounds<WIDTH>,
    /// Full rounds from one commitment to the next.
    every: usize,
    outputs: usize,
}

/// The partial rounds as sums over what goes into them.
///
/// In the sparse form a round adds a multiple of its S-box to each element but the first, which only the first row of
/// later rounds reads. So nothing is added until the end: the input of an S-box is one sum over the state that the
/// rounds began with and all S-boxes before, and the last state is one such sum for each element.
struct PartialRounds<const WIDTH: usize> {
    /// Added before the rounds.
    constants: [F; WIDTH],
    /// Rows of the matrix before the rounds, but the first, which changes nothing.
    before: Vec<Vec<F>>,
    /// Added to each S-box.
    round_constants: Vec<F>,
    /// For each round: factors of the state but for its first element, and of the S-boxes up to this round's.
    inputs: Vec<Vec<F>>,
    /// For each element but the first: factors of all S-boxes in the last state.
    outputs: Vec<Vec<F>>,
}

/// Most terms of a sum in the partial rounds of either width.
const MOST_TERMS: usize = (24 - 1 + KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24).next_multiple_of(TERMS);

impl<const WIDTH: usize> PartialRounds<WIDTH> {
    fn new(sparse: &PartialRoundConstants<F, WIDTH>) -> Self {
        let rounds = sparse.v.len();
        let padded = |mut factors: Vec<F>| {
            factors.resize(factors.len().next_multiple_of(TERMS), F::ZERO);
            factors
        };
        let inputs =
            (0..rounds).map(|round| {
                let row = &sparse.sparse_first_row[round];
                let mut factors = row[1..].to_vec();
                factors.extend(sparse.v[..round].iter().map(|earlier| {
                    row[1..].iter().zip(earlier).map(|(left, right)| *left * *right).sum::<F>()
                }));
                factors.push(row[0]);
                padded(factors)
            });
        let outputs = (0..WIDTH - 1).map(|i| padded(sparse.v.iter().map(|column| column[i]).collect()));
        let mut round_constants = sparse.round_constants.clone();
        round_constants.resize(rounds, F::ZERO);
        Self {
            constants: sparse.first_round_constants,
            before: sparse.m_i[1..].iter().map(|row| padded(row.to_vec())).collect(),
            round_constants,
            inputs: inputs.collect(),
            outputs: outputs.collect(),
        }
    }

    #[inline]
    fn walk<A: Ring>(&self, state: &mut [A; WIDTH], commit: &mut impl FnMut(A) -> A) {
        for (element, constant) in state.iter_mut().zip(&self.constants) {
            *element += *constant;
        }
        // The state but for its first element, then the S-boxes.
        let mut terms: [A; MOST_TERMS] = from_fn(|_| A::ZERO);
        for (term, row) in terms.iter_mut().zip(&self.before) {
            *term = sum(state, row);
        }
        let mut input = state[0].clone();
        for (round, factors) in self.inputs.iter().enumerate() {
            terms[WIDTH - 1 + round] = commit(input.third_power()) + self.round_constants[round];
            input = sum(&terms, factors);
        }
        state[0] = input;
        let (tail, boxes) = terms.split_at(WIDTH - 1);
        for ((element, before), factors) in state[1..].iter_mut().zip(tail).zip(&self.outputs) {
            *element = before.clone() + sum(boxes, factors);
        }
    }
}

/// Adds up products, as many as there are factors; their number is a multiple of [`TERMS`].
#[inline]
fn sum<A: Ring>(values: &[A], factors: &[F]) -> A {
    let blocks = values.as_chunks::<TERMS>().0.iter().zip(factors.as_chunks::<TERMS>().0);
    blocks
        .map(|(values, factors)| A::dot(values, factors))
        .reduce(|left, right| left + right)
        .unwrap_or(A::ZERO)
}

impl<const WIDTH: usize> Permutation<WIDTH> {
    fn new(
        full: FullRoundConstants<F, WIDTH>,
        partial: &PartialRoundConstants<F, WIDTH>,
        every: usize,
        outputs: usize,
    ) -> Self {
        Self { full, partial: PartialRounds::new(partial), every, outputs }
    }

    /// Walks from `state`; `commit` is given each committed value in order, and answers with what stands for it.
    #[inline]
    pub(crate) fn walk<A: Ring>(&self, mut state: [A; WIDTH], commit: &mut impl FnMut(A) -> A) {
        for round in 0..HALF {
            full_round(&mut state, &self.full.initial[round]);
            if (round + 1).is_multiple_of(self.every) {
                commit_all(&mut state, commit);
            }
        }
        self.partial.walk(&mut state, commit);
        for round in 0..HALF {
            full_round(&mut state, &self.full.terminal[round]);
            if round + 1 == HALF {
                commit_all(&mut state[..self.outputs], commit);
            } else if (round + 1).is_multiple_of(self.every) {
                commit_all(&mut state, commit);
            }
        }
    }

    /// Walks in some rows at once, one in each lane, and writes the cells to the columns from `cells` on.
    pub(crate) fn fill(&self, inputs: &[[F; WIDTH]; LANES], rows: &mut [F], width: usize, cells: usize) {
        let mut column = cells;
        self.walk(from_fn(|i| Lanes::from_fn(|lane| inputs[lane][i])), &mut |value| {
            for (row, element) in rows.chunks_exact_mut(width).zip(value.as_slice()) {
                row[column] = *element;
            }
            column += 1;
            value
        });
    }
}

// Not inlined: the matrix is large, and instantiated for every representation that constraints are evaluated in.
#[inline(never)]
fn full_round<A: Ring, const WIDTH: usize>(state: &mut [A; WIDTH], constants: &[F; WIDTH]) {
    for (element, constant) in state.iter_mut().zip(constants) {
        *element += *constant;
        *element = element.third_power();
    }
    // One of the two conversions succeeds for each width that exists; both are decided at compile time.
    if let Ok(state) = state.as_mut_slice().try_into() {
        A::mix_16(state);
    } else if let Ok(state) = state.as_mut_slice().try_into() {
        A::mix_24(state);
    }
}

#[inline]
fn commit_all<A: Clone>(state: &mut [A], commit: &mut impl FnMut(A) -> A) {
    for element in state {
        *element = commit(element.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::ChallengeLanes;
    use crate::system::Challenge;
    use lathe_leansig::poseidon;
    use p3_field::{BasedVectorSpace, PackedFieldExtension, PrimeField32};
    use p3_multi_stark::packed_ext::PackedExt;

    fn check<const WIDTH: usize>(permutation: &Permutation<WIDTH>, cells: usize, outputs: usize) {
        let inputs: [[F; WIDTH]; LANES] =
            from_fn(|lane| from_fn(|i| F::new((lane * WIDTH + i) as u32 * 77 + 5)));
        let mut rows = vec![F::ZERO; LANES * cells];
        permutation.fill(&inputs, &mut rows, cells, 0);
        for (input, row) in inputs.into_iter().zip(rows.chunks_exact(cells)) {
            let limbs = poseidon(&input.map(|element| element.as_canonical_u32())).unwrap();
            let found: Vec<u32> = row[cells - outputs..].iter().map(PrimeField32::as_canonical_u32).collect();
            assert_eq!(found, limbs[..outputs]);
            // The same walk, cell by cell, in the other representations that are no symbols.
            let mut cell = row.iter();
            permutation.walk(input, &mut |value| {
                assert_eq!(Some(&value), cell.next());
                value
            });
            assert_eq!(cell.next(), None);
            let mut cell = row.iter();
            permutation.walk(input.map(Challenge::from), &mut |value| {
                assert_eq!(Some(value), cell.next().copied().map(Challenge::from));
                value
            });
            assert_eq!(cell.next(), None);
        }
        // Lanes of challenges, whose coefficients are all of different size.
        let challenge = |lane: usize, i: usize| {
            Challenge::from_basis_coefficients_fn(|index| inputs[lane][(i + 3 * index) % WIDTH])
        };
        let mut walked = vec![Vec::new(); LANES];
        for (lane, cells) in walked.iter_mut().enumerate() {
            permutation.walk(from_fn(|i| challenge(lane, i)), &mut |value| {
                cells.push(value);
                value
            });
        }
        let mut cell = 0;
        let lanes = from_fn(|i| PackedExt::new(ChallengeLanes::from_ext_fn(|lane| challenge(lane, i))));
        permutation.walk(lanes, &mut |value: PackedExt<F, ChallengeLanes>| {
            let found: Vec<Challenge> =
                PackedFieldExtension::<F, Challenge>::to_ext_iter([value.0]).collect();
            assert_eq!(found, walked.iter().map(|cells| cells[cell]).collect::<Vec<_>>());
            cell += 1;
            value
        });
        assert_eq!(cell, cells);
    }

    #[test]
    fn the_walks_end_where_the_permutations_do() {
        check(&CHAIN, CHAIN_CELLS, CHAIN_OUTPUTS);
        check(&NODE, NODE_CELLS, NODE_OUTPUTS);
    }
}
