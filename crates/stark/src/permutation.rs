//! Poseidon1 as a walk that commits to some of its intermediate values.
//!
//! The same walk computes the witness and states the constraints, so that the two cannot drift apart. What differs is
//! what happens at a commitment: the witness writes the value into the next cell of the row and goes on with it; the
//! constraints assert that the next cell equals the expression and go on with the cell, which has degree one again.

use std::sync::LazyLock;

use p3_field::Algebra;
use p3_koala_bear::{
    KOALABEAR_POSEIDON_HALF_FULL_ROUNDS, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16,
    KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24, KOALABEAR_POSEIDON1_RC_16, KOALABEAR_POSEIDON1_RC_24,
    MDSKoalaBearData,
};
use p3_mds::karatsuba_convolution::{mds_circulant_karatsuba_16, mds_circulant_karatsuba_24};
use p3_mds::util::mds_multiply;
use p3_monty_31::MDSUtils;
use p3_poseidon1::{FullRoundConstants, PartialRoundConstants, Poseidon1Constants};

use crate::system::F;

const HALF: usize = KOALABEAR_POSEIDON_HALF_FULL_ROUNDS;

/// The permutation of width 16, with a commitment after every second full round.
///
/// Constraints reach degree 9, for 60 cells less in each row of the tallest table than a commitment after every round
/// takes; that keeps a power of two of signatures below the next power of two of cells.
pub static CHAIN: LazyLock<Permutation<16>> = LazyLock::new(|| {
    let (full, partial) = Poseidon1Constants {
        rounds_f: 2 * HALF,
        rounds_p: KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16,
        mds_circ_col: MDSKoalaBearData::MATRIX_CIRC_MDS_16_COL,
        round_constants: KOALABEAR_POSEIDON1_RC_16.to_vec(),
    }
    .to_optimized();
    Permutation::new(full, partial, 2, CHAIN_OUTPUTS)
});

/// The permutation of width 24, with a commitment after every full round: constraints of degree 3.
pub static NODE: LazyLock<Permutation<24>> = LazyLock::new(|| {
    let (full, partial) = Poseidon1Constants {
        rounds_f: 2 * HALF,
        rounds_p: KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24,
        mds_circ_col: MDSKoalaBearData::MATRIX_CIRC_MDS_24_COL,
        round_constants: KOALABEAR_POSEIDON1_RC_24.to_vec(),
    }
    .to_optimized();
    Permutation::new(full, partial, 1, NODE_OUTPUTS)
});

/// Elements of the last state of [`CHAIN`] that anything reads: a digest.
pub const CHAIN_OUTPUTS: usize = 8;
/// Elements of the last state of [`NODE`] that anything reads: the capacity of a sponge, and a digest from its rate.
pub const NODE_OUTPUTS: usize = 17;

/// Cells of one walk of [`CHAIN`]; the last [`CHAIN_OUTPUTS`] of them are the output.
pub const CHAIN_CELLS: usize = cells(16, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_16, 2, CHAIN_OUTPUTS);
/// Cells of one walk of [`NODE`]; the last [`NODE_OUTPUTS`] of them are the output.
pub const NODE_CELLS: usize = cells(24, KOALABEAR_POSEIDON_PARTIAL_ROUNDS_24, 1, NODE_OUTPUTS);

const fn cells(width: usize, partial_rounds: usize, every: usize, outputs: usize) -> usize {
    (2 * HALF / every - 1) * width + partial_rounds + outputs
}

/// Constants of one permutation, and where its walk commits.
pub struct Permutation<const WIDTH: usize> {
    full: FullRoundConstants<F, WIDTH>,
    partial: PartialRoundConstants<F, WIDTH>,
    /// First column of the circulant matrix.
    circulant: [F; WIDTH],
    /// Full rounds from one commitment to the next.
    every: usize,
    outputs: usize,
}

impl<const WIDTH: usize> Permutation<WIDTH> {
    fn new(
        full: FullRoundConstants<F, WIDTH>,
        partial: PartialRoundConstants<F, WIDTH>,
        every: usize,
        outputs: usize,
    ) -> Self {
        let circulant = std::array::from_fn(|i| full.dense_mds[i][0]);
        Self { full, partial, circulant, every, outputs }
    }

    /// Walks from `state`; `commit` is given each committed value in order, and answers with what stands for it.
    #[inline]
    pub fn walk<A: Algebra<F> + Clone>(&self, mut state: [A; WIDTH], commit: &mut impl FnMut(A) -> A) {
        for round in 0..HALF {
            self.full_round(&mut state, &self.full.initial[round]);
            if (round + 1).is_multiple_of(self.every) {
                commit_all(&mut state, commit);
            }
        }
        for (element, constant) in state.iter_mut().zip(&self.partial.first_round_constants) {
            *element += *constant;
        }
        mds_multiply(&mut state, &self.partial.m_i);
        for (round, first_row) in self.partial.sparse_first_row.iter().enumerate() {
            let mut first = commit(state[0].cube());
            if let Some(constant) = self.partial.round_constants.get(round) {
                first += *constant;
            }
            state[0] = first.clone();
            state[0] = A::mixed_dot_product(&state, first_row);
            for (element, factor) in state[1..].iter_mut().zip(&self.partial.v[round]) {
                *element += first.clone() * *factor;
            }
        }
        for round in 0..HALF {
            self.full_round(&mut state, &self.full.terminal[round]);
            if round + 1 == HALF {
                commit_all(&mut state[..self.outputs], commit);
            } else if (round + 1).is_multiple_of(self.every) {
                commit_all(&mut state, commit);
            }
        }
    }

    // Not inlined: the convolution is large, and instantiated for every representation that constraints are evaluated in.
    #[inline(never)]
    fn full_round<A: Algebra<F> + Clone>(&self, state: &mut [A; WIDTH], constants: &[F; WIDTH]) {
        for (element, constant) in state.iter_mut().zip(constants) {
            *element += *constant;
            *element = element.cube();
        }
        // One of the two conversions succeeds for each width that exists; both are decided at compile time.
        if let (Ok(state), Ok(column)) =
            (state.as_mut_slice().try_into(), self.circulant.as_slice().try_into())
        {
            mds_circulant_karatsuba_16::<F, A>(state, column);
        } else if let (Ok(state), Ok(column)) =
            (state.as_mut_slice().try_into(), self.circulant.as_slice().try_into())
        {
            mds_circulant_karatsuba_24::<F, A>(state, column);
        }
    }

    /// Fills `cells` with the walk from `input`.
    pub fn fill(&self, input: &[F; WIDTH], cells: &mut [F]) {
        let mut next = cells.iter_mut();
        self.walk(*input, &mut |value| {
            if let Some(cell) = next.next() {
                *cell = value;
            }
            value
        });
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
    use lathe_leansig::poseidon;
    use p3_field::{PrimeCharacteristicRing, PrimeField32};

    fn check<const WIDTH: usize>(permutation: &Permutation<WIDTH>, cells: usize, outputs: usize) {
        let input: [F; WIDTH] = std::array::from_fn(|i| F::new(i as u32 * 77 + 5));
        let mut row = vec![F::ZERO; cells];
        permutation.fill(&input, &mut row);
        let limbs = poseidon(&input.map(|element| element.as_canonical_u32())).unwrap();
        let found: Vec<u32> = row[cells - outputs..].iter().map(PrimeField32::as_canonical_u32).collect();
        assert_eq!(found, limbs[..outputs]);
        let mut committed = 0;
        permutation.walk(input, &mut |value| {
            committed += 1;
            value
        });
        assert_eq!(committed, cells);
    }

    #[test]
    fn the_walks_end_where_the_permutations_do() {
        check(&CHAIN, CHAIN_CELLS, CHAIN_OUTPUTS);
        check(&NODE, NODE_CELLS, NODE_OUTPUTS);
    }
}
