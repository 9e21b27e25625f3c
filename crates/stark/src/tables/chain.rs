//! One row per step along a chain: takes the value at a position and hands on the value at the next.

use p3_air::AirBuilder;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::InteractionBuilder;

use super::{row, take};
use crate::buses;
use crate::permutation::{CHAIN, CHAIN_CELLS, CHAIN_OUTPUTS};
use crate::ring::{LANES, Ring};
use crate::system::F;

/// The value before the step.
pub(crate) const VALUE: usize = 0;
/// Parameter of the key.
pub(crate) const PARAMETER: usize = 8;
/// Tweak of the value after the step.
pub(crate) const TWEAK: usize = 13;
/// Number of the signature, from 1.
pub(crate) const SIGNATURE: usize = 15;
/// Number of its slot, from 1.
pub(crate) const GROUP: usize = 16;
/// Position of the value before the step: 8 times the chain, plus the step.
pub(crate) const POSITION: usize = 17;
/// 1 in rows that count, 0 in padding.
pub(crate) const ON: usize = 18;
/// What the permutation commits to.
pub(crate) const CELLS: usize = 19;
/// Columns.
pub(crate) const WIDTH: usize = CELLS + CHAIN_CELLS;

const OUTPUT: usize = WIDTH - CHAIN_OUTPUTS;

/// The constraints, and the messages.
pub(crate) fn eval<AB: AirBuilder<F = F, Expr: Ring> + InteractionBuilder>(builder: &mut AB) {
    let cells = row(builder);
    let on = cells[ON].clone();
    builder.assert_bool(on.clone());
    // Value, parameter and tweak are the input of the hash, in this order; its last element is zero.
    let input: [AB::Expr; 16] =
        std::array::from_fn(|i| if i < SIGNATURE { cells[i].clone() } else { AB::Expr::ZERO });
    let mut committed = take(&cells, CELLS..WIDTH);
    CHAIN.walk(input, &mut |value| {
        let cell = committed.next().unwrap_or(AB::Expr::ZERO);
        builder.assert_eq(value, cell.clone());
        cell
    });

    let next = cells[POSITION].clone() + AB::Expr::ONE;
    let message = |position: AB::Expr, value: &dyn Fn(usize) -> AB::Expr| -> Vec<AB::Expr> {
        let mut message = vec![cells[SIGNATURE].clone(), cells[GROUP].clone(), position];
        message.extend((0..8).map(value));
        message.extend(take(&cells, PARAMETER..TWEAK));
        message
    };
    let before = message(cells[POSITION].clone(), &|i| cells[VALUE + i].clone());
    let after = message(next.clone(), &|i| cells[OUTPUT + i].clone() + cells[VALUE + i].clone());
    buses::receive(builder, buses::CHAIN, before, on.clone());
    buses::send(builder, buses::CHAIN, after, on.clone());
    let tweak =
        vec![cells[GROUP].clone(), next, cells[TWEAK].clone(), cells[TWEAK + 1].clone(), AB::Expr::ZERO];
    buses::send(builder, buses::TWEAK, tweak, on);
}

/// One step to prove.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Value, parameter and tweak; the last element is zero.
    pub input: [F; 16],
    /// Number of the signature.
    pub signature: u32,
    /// Number of its slot.
    pub group: u32,
    /// Position of the value before the step.
    pub position: u32,
}

/// Fills some rows, one for each lane; without a step, a row of padding.
pub(crate) fn fill(rows: &mut [F], steps: &[Option<&Step>; LANES]) {
    let inputs = steps.map(|step| step.map_or([F::ZERO; 16], |step| step.input));
    for ((row, step), input) in rows.chunks_exact_mut(WIDTH).zip(steps).zip(&inputs) {
        row[..SIGNATURE].copy_from_slice(&input[..SIGNATURE]);
        if let Some(step) = step {
            row[SIGNATURE] = F::new(step.signature);
            row[GROUP] = F::new(step.group);
            row[POSITION] = F::new(step.position);
            row[ON] = F::ONE;
        }
    }
    CHAIN.fill(&inputs, rows, WIDTH, CELLS);
}
