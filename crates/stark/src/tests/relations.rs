//! One test per relation: a witness in which exactly that relation is broken is rejected by the verifier.

use p3_field::PrimeCharacteristicRing;

use super::forge::{Forgery, rejected, unbalanced};
use crate::buses;
use crate::layout::BLOCKS;
use crate::permutation::{CHAIN_CELLS, NODE_CELLS};
use crate::system::F;
use crate::tables::{chain, digits, leaf, node, signature, tweak};
use crate::trace::{CHAIN, DIGITS, LEAF, NODE, SIGNATURE, TWEAK};

/// Row of the last node of the path.
const TOP: usize = BLOCKS + 32;

#[test]
fn the_forger_forges_nothing_by_itself() {
    let mut forgery = Forgery::new();
    forgery.repair();
    assert_eq!(forgery.statement.claims(), super::Signed::one().claims, "the same root");
    assert_eq!(forgery.verdict(), Ok(()));
    // Other siblings make another valid signature, of another key.
    let mut forgery = Forgery::new();
    *forgery.cell(NODE, TOP, 15) += F::ONE;
    forgery.repair();
    assert_eq!(forgery.verdict(), Ok(()));
}

#[test]
fn rows_count_once_or_not_at_all() {
    rejected("a step twice", |f| f.count_twice(CHAIN, 0, chain::ON));
    rejected("an element twice", |f| f.count_twice(DIGITS, 0, digits::ON));
    rejected("a leaf row twice", |f| f.count_twice(LEAF, 0, leaf::ON));
    unbalanced(&[buses::STATE], "a message twice", |f| f.count_twice(NODE, 0, node::IS_MESSAGE));
    unbalanced(&[buses::STATE], "a block twice", |f| f.count_twice(NODE, 1, node::IS_BLOCK));
    unbalanced(&[buses::STATE], "the last block twice", |f| f.count_twice(NODE, BLOCKS, node::IS_LAST));
    unbalanced(&[buses::STATE], "a node twice", |f| f.count_twice(NODE, TOP, node::IS_NODE));
}

#[test]
fn chain_steps_are_permutations() {
    // A row of padding is on no bus: only the constraint of the cell is broken.
    for cell in [0, 15, 16, 32, 51, 52, 67, CHAIN_CELLS - 1] {
        rejected(&format!("cell {cell}"), |f| {
            *f.cell(CHAIN, f.padding(CHAIN), chain::CELLS + cell) += F::ONE
        });
    }
}

#[test]
fn nodes_are_permutations() {
    for cell in [0, 23, 24, 95, 96, 118, 119, 142, NODE_CELLS - 1] {
        rejected(&format!("cell {cell}"), |f| *f.cell(NODE, f.padding(NODE), node::CELLS + cell) += F::ONE);
    }
}

#[test]
fn a_row_of_the_node_table_has_one_role() {
    unbalanced(&[buses::STATE], "a block and a message", |f| *f.cell(NODE, 1, node::IS_MESSAGE) = F::ONE);
    rejected("a direction without a node", |f| *f.cell(NODE, f.padding(NODE), node::RIGHT) = F::ONE);
    unbalanced(&[buses::TWEAK], "a direction that is no bit", |f| {
        // The path comes from where it did, and both children are the same.
        let row = f.row(NODE, TOP);
        let (left, right) = row[7..23].split_at_mut(8);
        right.copy_from_slice(left);
        row[node::RIGHT] = F::TWO;
        f.repair();
    });
}

#[test]
fn hashes_of_fixed_length_are_padded_with_zero() {
    rejected("a node with a longer input", |f| {
        *f.cell(NODE, TOP, 23) = F::ONE;
        f.repair();
    });
}

#[test]
fn digits_are_the_only_decomposition_of_an_element() {
    rejected("not the element", |f| *f.cell(DIGITS, f.padding(DIGITS), digits::ELEMENT) = F::ONE);
    rejected("a remainder that may be 127", |f| *f.cell(DIGITS, 0, digits::INVERSE) += F::ONE);
    for first in [digits::BITS, digits::BITS + 21, digits::REMAINDER] {
        rejected("a digit in other than bits", |f| {
            // Twice the lower bit stands for the next one; the number stays what it is.
            *f.cell(DIGITS, 0, first) += F::TWO;
            *f.cell(DIGITS, 0, first + 1) -= F::ONE;
        });
    }
    unbalanced(&[buses::CHAIN], "fewer digits in no row", |f| {
        *f.cell(DIGITS, f.padding(DIGITS), digits::SHORT) = F::ONE
    });
    unbalanced(&[buses::CHAIN], "fewer digits than are left out", |f| {
        *f.cell(DIGITS, f.padding(DIGITS), digits::SHORT) = F::TWO
    });
}

#[test]
fn every_column_of_the_verifier_is_its_own() {
    for column in (0..signature::PUBLIC).filter(|column| *column != signature::ON) {
        rejected(&format!("signature {column}"), |f| {
            *f.cell(SIGNATURE, f.padding(SIGNATURE), column) += F::ONE;
        });
    }
    let all = &[buses::CHAIN, buses::BLOCK, buses::STATE];
    unbalanced(all, "a signature too many", |f| {
        *f.cell(SIGNATURE, f.padding(SIGNATURE), signature::ON) = F::ONE
    });
    unbalanced(all, "a signature left out", |f| *f.cell(SIGNATURE, 0, signature::ON) = F::ZERO);
    for column in 0..tweak::PUBLIC {
        rejected(&format!("tweak {column}"), |f| *f.cell(TWEAK, f.padding(TWEAK), column) += F::ONE);
    }
}

#[test]
fn the_chain_bus_ties_starts_steps_and_ends() {
    unbalanced(&[buses::CHAIN], "a start that is not the signature's", |f| {
        *f.cell(DIGITS, 0, digits::VALUES) += F::ONE
    });
    unbalanced(&[buses::CHAIN, buses::TWEAK], "a step of no signature", |f| {
        *f.cell(CHAIN, f.padding(CHAIN), chain::ON) = F::ONE
    });
    unbalanced(&[buses::CHAIN, buses::TWEAK], "a step left out", |f| *f.cell(CHAIN, 0, chain::ON) = F::ZERO);
}

#[test]
fn the_block_bus_ties_ends_and_sponge() {
    unbalanced(&[buses::BLOCK], "a block that is not made of the ends", |f| {
        *f.cell(NODE, 7, 9) += F::ONE;
        f.repair();
    });
    unbalanced(&[buses::BLOCK], "a first block that is not made of the parameter", |f| {
        *f.cell(NODE, 1, 9) += F::ONE;
        f.repair();
    });
}

#[test]
fn the_state_bus_ties_the_rows_of_a_signature() {
    unbalanced(&[buses::STATE], "a sponge that starts elsewhere", |f| {
        *f.cell(NODE, 1, 0) += F::ONE;
        f.repair();
    });
    unbalanced(&[buses::STATE], "a root that is not the key's", |f| {
        *f.cell(NODE, TOP, 15) += F::ONE;
        let statement = f.statement.clone();
        f.repair();
        let root = signature::ROOT..signature::ROOT + 8;
        let (_, row) = (f.statement = statement, f.row(SIGNATURE, 0));
        let (key, _) = signature::key(&super::Signed::one().claims[0].public_key).unwrap();
        row[root].copy_from_slice(&key);
    });
    unbalanced(&[buses::STATE], "a sum that is not the target", |f| {
        *f.cell(DIGITS, 3, digits::SUM) += F::ONE
    });
    unbalanced(&[buses::STATE], "a leaf that is not the sponge's", |f| {
        *f.cell(SIGNATURE, 0, signature::LEAF) += F::ONE
    });
}

#[test]
fn the_tweak_bus_ties_tweaks_to_slots() {
    unbalanced(&[buses::TWEAK], "a node under another tweak", |f| {
        *f.cell(NODE, TOP, 5) += F::ONE;
        f.repair();
    });
    unbalanced(&[buses::TWEAK], "a node from the other child", |f| {
        // The last slot bit is 0; a path from the right ends in another root, which the key is given.
        *f.cell(NODE, TOP, node::RIGHT) = F::ONE;
        f.repair();
    });
    unbalanced(&[buses::TWEAK], "a lookup that is not counted", |f| {
        *f.cell(TWEAK, 0, tweak::LOOKUPS) += F::ONE
    });
}

/// The same for every cell of both permutations.
#[test]
#[ignore = "a hundred times as many proofs: make accept-proofs"]
fn every_cell_of_the_permutations_is_constrained() {
    for cell in 0..CHAIN_CELLS {
        rejected(&format!("chain {cell}"), |f| {
            *f.cell(CHAIN, f.padding(CHAIN), chain::CELLS + cell) += F::ONE
        });
    }
    for cell in 0..NODE_CELLS {
        rejected(&format!("node {cell}"), |f| *f.cell(NODE, f.padding(NODE), node::CELLS + cell) += F::ONE);
    }
}
