//! One row per tweak that a chain or a path may need at one of the statement's slots. The verifier computes all of it
//! by itself, in integers, so no constraint has to know how a tweak splits into limbs.

use lathe_leansig::circuit::{BASE, chain_tweak, split, tree_tweak};
use p3_air::AirBuilder;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::InteractionBuilder;

use super::{assert_public, row};
use crate::buses;
use crate::layout::{CHAINS, LEVELS};
use crate::statement::Statement;
use crate::system::F;

// The columns of the verifier, in order: number of the slot, from 1, or 0 in padding, which therefore answers no
// lookup; position on a chain, or `TREE` plus the level of a node; the tweak, two limbs; whether the path to the node
// comes from its right child.
/// Columns up to here are the verifier's own.
pub(crate) const PUBLIC: usize = 5;
/// How many lookups the row answers.
pub(crate) const LOOKUPS: usize = 5;
/// Columns.
pub(crate) const WIDTH: usize = 6;

/// Rows per slot: steps 1 to 7 of every chain, levels 1 to 32 of the path.
pub(crate) const ROWS: usize = CHAINS * STEPS + LEVELS;
/// Positions of nodes begin above those of chains.
pub(crate) const TREE: u32 = 512;

const STEPS: usize = BASE as usize - 1;

/// The constraints, and the messages.
pub(crate) fn eval<AB: AirBuilder<F = F> + InteractionBuilder>(builder: &mut AB) {
    let cells = row(builder);
    assert_public(builder, &cells[..PUBLIC]);
    buses::provide(builder, buses::TWEAK, cells[..PUBLIC].to_vec(), cells[LOOKUPS].clone());
}

/// The columns that the verifier computes itself, from the statement alone.
pub(crate) fn public_columns(statement: &Statement, height: usize) -> Vec<Vec<F>> {
    let mut columns = vec![vec![F::ZERO; height]; PUBLIC];
    let mut index = 0;
    let mut push = |group: usize, position: u32, tweak: [F; 2], right: bool| {
        let [low, high] = tweak;
        let row = [F::from_usize(group), F::new(position), low, high, F::from_bool(right)];
        for (column, value) in columns.iter_mut().zip(row) {
            column[index] = value;
        }
        index += 1;
    };
    for (group, slot) in (1..).zip(statement.slots()) {
        for chain in 0..CHAINS {
            for step in 1..=STEPS as u32 {
                let position = 8 * chain as u32 + step;
                push(group, position, split(chain_tweak(*slot, chain, step)), false);
            }
        }
        for level in 1..=LEVELS as u32 {
            let right = (slot >> (level - 1)) & 1 == 1;
            let index = slot.checked_shr(level).unwrap_or(0);
            push(group, TREE + level, tree_tweak(level as u8, index), right);
        }
    }
    columns
}

/// Row of the tweak for `position` on a chain, within the rows of its slot.
pub(crate) fn chain_row(position: u32) -> usize {
    let [chain, step] = [position / 8, position % 8].map(|part| part as usize);
    chain * STEPS + step - 1
}

/// Row of the tweak for a node at `level`, within the rows of its slot.
pub(crate) fn node_row(level: usize) -> usize {
    CHAINS * STEPS + level - 1
}
