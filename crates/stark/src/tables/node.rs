//! One row per permutation of width 24: the hash of the message, a block of the sponge, or a node of the path.

use p3_air::AirBuilder;
use p3_field::PrimeCharacteristicRing;
use p3_lookup::InteractionBuilder;

use super::{row, take};
use crate::buses::{self, Tag, state};
use crate::permutation::{NODE, NODE_CELLS, NODE_OUTPUTS};
use crate::ring::{LANES, Ring};
use crate::system::F;
use crate::tables::tweak;

/// Input of the permutation. Message: message 9, parameter 5, tweak 2, randomness 7, zero. Block: capacity 9, rate 15.
/// Node: parameter 5, tweak 2, left 8, right 8, zero.
pub(crate) const INPUT: usize = 0;
/// Number of the signature, from 1.
pub(crate) const SIGNATURE: usize = 24;
/// Number of its slot, from 1.
pub(crate) const GROUP: usize = 25;
/// Message: 0. Block: its number, from 1. Node: the level of its children.
pub(crate) const COUNTER: usize = 26;
/// Whether the row hashes the message.
pub(crate) const IS_MESSAGE: usize = 27;
/// Whether it absorbs a block that is not the last.
pub(crate) const IS_BLOCK: usize = 28;
/// Whether it absorbs the last block.
pub(crate) const IS_LAST: usize = 29;
/// Whether it hashes two children.
pub(crate) const IS_NODE: usize = 30;
/// Node: whether the path comes from the right child.
pub(crate) const RIGHT: usize = 31;
/// What the permutation commits to.
pub(crate) const CELLS: usize = 32;
/// Columns.
pub(crate) const WIDTH: usize = CELLS + NODE_CELLS;

const OUTPUT: usize = WIDTH - NODE_OUTPUTS;

/// The constraints, and the messages.
pub(crate) fn eval<AB: AirBuilder<F = F, Expr: Ring> + InteractionBuilder>(builder: &mut AB) {
    let cells = row(builder);
    let input = |i: usize| cells[INPUT + i].clone();
    let [message, block, last, node, right] =
        [IS_MESSAGE, IS_BLOCK, IS_LAST, IS_NODE, RIGHT].map(|column| cells[column].clone());
    for flag in [&message, &block, &last, &node, &right] {
        builder.assert_bool(flag.clone());
    }
    let on = message.clone() + block.clone() + last.clone() + node.clone();
    builder.assert_bool(on.clone());
    builder.assert_zero(right.clone() * (AB::Expr::ONE - node.clone()));
    // Both hashes of fixed length are padded with a zero.
    builder.assert_zero((message.clone() + node.clone()) * input(23));
    let mut committed = take(&cells, CELLS..WIDTH);
    NODE.walk(std::array::from_fn(input), &mut |value| {
        let cell = committed.next().unwrap_or(AB::Expr::ZERO);
        builder.assert_eq(value, cell.clone());
        cell
    });
    messages(builder, &cells);
}

/// What the row takes over, and what it hands on.
fn messages<AB>(builder: &mut AB, cells: &[AB::Expr])
where
    AB: AirBuilder<F = F> + InteractionBuilder,
{
    let input = |i: usize| cells[INPUT + i].clone();
    let output = |i: usize| cells[OUTPUT + i].clone();
    let [message, block, last, node, right] =
        [IS_MESSAGE, IS_BLOCK, IS_LAST, IS_NODE, RIGHT].map(|column| cells[column].clone());
    let on = message.clone() + block.clone() + last.clone() + node.clone();
    let sponge = block.clone() + last.clone();
    let ids = |counter: AB::Expr| [cells[SIGNATURE].clone(), cells[GROUP].clone(), counter];
    let tag = |tag: Tag, flag: &AB::Expr| flag.clone() * tag.element();
    // In: what the row takes over. At most one flag is set, so each sum has at most one term.
    let taken = (0..16).map(|i| {
        let mut element = AB::Expr::ZERO;
        element += message.clone() * input(i);
        if i < 9 {
            element += sponge.clone() * input(i);
        }
        element += match i {
            // `right` is 0 unless `node` is 1.
            0..8 => node.clone() * input(7 + i) + right.clone() * (input(15 + i) - input(7 + i)),
            8..13 => node.clone() * input(i - 8),
            _ => AB::Expr::ZERO,
        };
        element
    });
    let from = tag(Tag::Message, &message) + tag(Tag::Capacity, &sponge) + tag(Tag::Path, &node);
    let taken = state::<AB>(from, ids(cells[COUNTER].clone()), taken);
    buses::receive(builder, buses::STATE, taken, on.clone());
    // Out: what it hands on.
    let given = (0..16).map(|i| {
        let mut element = AB::Expr::ZERO;
        if i < 8 {
            element += node.clone() * (output(i) + input(i)) + last.clone() * output(9 + i);
        }
        if i < 9 {
            element += block.clone() * output(i);
        }
        element += match i {
            1..7 => message.clone() * (output(i - 1) + input(i - 1)),
            7..12 => message.clone() * input(i + 2),
            _ => AB::Expr::ZERO,
        };
        if (8..13).contains(&i) {
            element += node.clone() * input(i - 8);
        }
        element
    });
    let to = tag(Tag::Digits, &message)
        + tag(Tag::Capacity, &block)
        + tag(Tag::Leaf, &last)
        + tag(Tag::Path, &node);
    let counter = cells[COUNTER].clone() + block.clone() + node.clone();
    let given = state::<AB>(to, ids(counter), given);
    buses::send(builder, buses::STATE, given, on);

    let mut absorbed = vec![cells[SIGNATURE].clone(), cells[COUNTER].clone()];
    absorbed.extend((9..24).map(input));
    buses::receive(builder, buses::BLOCK, absorbed, sponge);
    let level = cells[COUNTER].clone() + AB::Expr::from(F::new(tweak::TREE + 1));
    let tweak = vec![cells[GROUP].clone(), level, input(5), input(6), right];
    buses::send(builder, buses::TWEAK, tweak, node);
}

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The hash of the message.
    Message,
    /// A block that is not the last.
    Block,
    /// The last block.
    Last,
    /// A node, reached from its left (`false`) or right (`true`) child.
    Node(bool),
}

/// One permutation to prove.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash {
    /// Input of the permutation.
    pub input: [F; 24],
    /// Number of the signature.
    pub signature: u32,
    /// Number of its slot.
    pub group: u32,
    /// See [`COUNTER`].
    pub counter: u32,
    /// What it is for.
    pub role: Role,
}

/// Fills some rows, one for each lane; without a hash, a row of padding.
pub(crate) fn fill(rows: &mut [F], hashes: &[Option<&Hash>; LANES]) {
    let inputs = hashes.map(|hash| hash.map_or([F::ZERO; 24], |hash| hash.input));
    for ((row, hash), input) in rows.chunks_exact_mut(WIDTH).zip(hashes).zip(&inputs) {
        row[INPUT..SIGNATURE].copy_from_slice(input);
        if let Some(hash) = hash {
            row[SIGNATURE] = F::new(hash.signature);
            row[GROUP] = F::new(hash.group);
            row[COUNTER] = F::new(hash.counter);
            let flag = match hash.role {
                Role::Message => IS_MESSAGE,
                Role::Block => IS_BLOCK,
                Role::Last => IS_LAST,
                Role::Node(_) => IS_NODE,
            };
            row[flag] = F::ONE;
            row[RIGHT] = F::from_bool(hash.role == Role::Node(true));
        }
    }
    NODE.fill(&inputs, rows, WIDTH, CELLS);
}
