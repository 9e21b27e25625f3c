//! One edit per relation: the checker finds that it breaks exactly what it is meant to break, and the verifier
//! rejects the proof of a prover who goes through with it.

use std::collections::BTreeSet;

use p3_field::PrimeCharacteristicRing;

use super::Signed;
use super::checker::{Broken, row};
use super::forge::Forgery;
use super::liar::Lie;
use crate::Error;
use crate::buses;
use crate::layout::{BLOCKS, Layout, TABLES};
use crate::permutation::{CHAIN_CELLS, NODE_CELLS};
use crate::system::F;
use crate::tables::{Table, WIDTHS, chain, digits, leaf, node, signature, tweak};
use crate::trace::{CHAIN, DIGITS, LEAF, NODE, SIGNATURE, TWEAK};

/// Row of the last node of the path.
const TOP: usize = BLOCKS + 32;

/// Something that an edit breaks.
#[derive(Clone, Copy, Debug)]
enum Part {
    Constraint(usize, usize),
    Bus(&'static str),
}
use Part::{Bus, Constraint};

const CHAIN_BUS: Part = Bus(buses::CHAIN);
const BLOCK: Part = Bus(buses::BLOCK);
const STATE: Part = Bus(buses::STATE);
const TWEAKS: Part = Bus(buses::TWEAK);

// Constraints, by their place in the order of their tables.
const CHAIN_ON: Part = Constraint(CHAIN, 0);
const FIRST_CHAIN_CELL: usize = 1;
const MESSAGE_FLAG: Part = Constraint(NODE, 0);
const BLOCK_FLAG: Part = Constraint(NODE, 1);
const LAST_FLAG: Part = Constraint(NODE, 2);
const NODE_FLAG: Part = Constraint(NODE, 3);
const RIGHT_FLAG: Part = Constraint(NODE, 4);
const ONE_ROLE: Part = Constraint(NODE, 5);
const RIGHT_OF_NODE: Part = Constraint(NODE, 6);
const FIXED_LENGTH: Part = Constraint(NODE, 7);
const FIRST_NODE_CELL: usize = 8;
const DIGITS_ON: Part = Constraint(DIGITS, 0);
const SHORT_FLAG: Part = Constraint(DIGITS, 1);
const FIRST_BIT: usize = 2;
const BITS: usize = 31;
const SHORT_WHERE_ON: Part = Constraint(DIGITS, FIRST_BIT + BITS);
const DECOMPOSITION: Part = Constraint(DIGITS, FIRST_BIT + BITS + 1);
const REMAINDER: Part = Constraint(DIGITS, FIRST_BIT + BITS + 2);
const LEAF_ON: Part = Constraint(LEAF, 0);

fn broken(parts: &[Part]) -> Broken {
    let mut broken = Broken::default();
    for part in parts {
        match part {
            Constraint(table, number) => broken.constraints.insert((*table, *number)),
            Bus(name) => broken.buses.insert((*name).to_owned()),
        };
    }
    broken
}

/// An edit of the rows of one signature.
struct Edit {
    what: String,
    breaks: Vec<Part>,
    edit: Box<dyn Fn(&mut Forgery)>,
}

fn edit(what: impl Into<String>, breaks: &[Part], edit: impl Fn(&mut Forgery) + 'static) -> Edit {
    Edit { what: what.into(), breaks: breaks.to_vec(), edit: Box::new(edit) }
}

impl Edit {
    fn forgery(&self) -> Forgery {
        let mut forgery = Forgery::new();
        (self.edit)(&mut forgery);
        forgery
    }

    /// Breaks what it says and nothing else, as the checker sees it.
    #[track_caller]
    fn is_found(&self) {
        assert_eq!(self.forgery().broken(), broken(&self.breaks), "{}", self.what);
    }

    /// The verifier does not take a proof of it.
    #[track_caller]
    fn is_rejected(&self) {
        let verdict = self.forgery().verdict();
        assert!(matches!(verdict, Err(Error::Rejected(_))), "{}: {verdict:?}", self.what);
    }
}

/// Rows that count twice, or not as what they are.
fn flags() -> Vec<Edit> {
    vec![
        edit("a step twice", &[CHAIN_ON], |f| f.count_twice(CHAIN, 0, chain::ON)),
        edit("an element twice", &[DIGITS_ON, REMAINDER], |f| f.count_twice(DIGITS, 0, digits::ON)),
        edit("a leaf row twice", &[LEAF_ON], |f| f.count_twice(LEAF, 0, leaf::ON)),
        edit("a message twice", &[MESSAGE_FLAG, ONE_ROLE, STATE], |f| {
            f.count_twice(NODE, 0, node::IS_MESSAGE)
        }),
        edit("a block twice", &[BLOCK_FLAG, ONE_ROLE, STATE], |f| f.count_twice(NODE, 1, node::IS_BLOCK)),
        edit("the last block twice", &[LAST_FLAG, ONE_ROLE, STATE], |f| {
            f.count_twice(NODE, BLOCKS, node::IS_LAST)
        }),
        edit("a node twice", &[NODE_FLAG, ONE_ROLE, STATE], |f| f.count_twice(NODE, TOP, node::IS_NODE)),
        edit("a block that is a message too", &[ONE_ROLE, FIXED_LENGTH, STATE], |f| {
            *f.cell(NODE, 1, node::IS_MESSAGE) = F::ONE
        }),
        edit("a direction without a node", &[RIGHT_OF_NODE], |f| {
            *f.cell(NODE, f.padding(NODE), node::RIGHT) = F::ONE
        }),
        edit("a direction that is no bit", &[RIGHT_FLAG, TWEAKS], |f| {
            // The path comes from where it did, and both children are the same.
            let row = f.row(NODE, TOP);
            let (left, right) = row[7..23].split_at_mut(8);
            right.copy_from_slice(left);
            row[node::RIGHT] = F::TWO;
            f.repair();
        }),
        edit("a node with a longer input", &[FIXED_LENGTH], |f| {
            *f.cell(NODE, TOP, 23) = F::ONE;
            f.repair();
        }),
    ]
}

fn elements() -> Vec<Edit> {
    let mut edits = vec![
        edit("not the element", &[DECOMPOSITION], |f| {
            *f.cell(DIGITS, f.padding(DIGITS), digits::ELEMENT) = F::ONE
        }),
        edit("a remainder that may be 127", &[REMAINDER], |f| *f.cell(DIGITS, 0, digits::INVERSE) += F::ONE),
        edit("fewer digits where nothing counts", &[SHORT_WHERE_ON, CHAIN_BUS], |f| {
            *f.cell(DIGITS, f.padding(DIGITS), digits::SHORT) = F::ONE
        }),
        edit("fewer digits than there are", &[CHAIN_BUS, STATE], |f| {
            *f.cell(DIGITS, 0, digits::SHORT) = F::ONE
        }),
        edit("more digits than there are", &[CHAIN_BUS, STATE], |f| {
            *f.cell(DIGITS, 5, digits::SHORT) = F::ZERO
        }),
        edit("fewer digits than are left out", &[SHORT_FLAG, SHORT_WHERE_ON, CHAIN_BUS], |f| {
            *f.cell(DIGITS, f.padding(DIGITS), digits::SHORT) = F::TWO
        }),
    ];
    // In a row of padding nothing but the element reads the bits.
    edits.extend((0..BITS).map(|bit| {
        let parts = [Constraint(DIGITS, FIRST_BIT + bit), DECOMPOSITION];
        edit(format!("bit {bit} of the element that is none"), &parts, move |f| {
            *f.cell(DIGITS, f.padding(DIGITS), digits::REMAINDER + bit) = F::TWO
        })
    }));
    edits.extend([digits::BITS, digits::BITS + 21, digits::REMAINDER].map(|first| {
        let at = FIRST_BIT + first - digits::REMAINDER;
        let parts = [Constraint(DIGITS, at), Constraint(DIGITS, at + 1)];
        edit("a digit in other than bits", &parts, move |f| {
            // Twice the lower bit stands for the next one; the number stays what it is.
            *f.cell(DIGITS, 0, first) += F::TWO;
            *f.cell(DIGITS, 0, first + 1) -= F::ONE;
        })
    }));
    edits
}

/// Columns of the verifier.
fn columns() -> Vec<Edit> {
    let mut edits = vec![
        edit("a signature too many", &[Constraint(SIGNATURE, signature::ON), CHAIN_BUS, BLOCK, STATE], |f| {
            *f.cell(SIGNATURE, f.padding(SIGNATURE), signature::ON) = F::ONE
        }),
        edit("a signature left out", &[Constraint(SIGNATURE, signature::ON), CHAIN_BUS, BLOCK, STATE], |f| {
            *f.cell(SIGNATURE, 0, signature::ON) = F::ZERO
        }),
    ];
    edits.extend((0..signature::PUBLIC).filter(|column| *column != signature::ON).map(|column| {
        edit(format!("signature {column}"), &[Constraint(SIGNATURE, column)], move |f| {
            *f.cell(SIGNATURE, f.padding(SIGNATURE), column) += F::ONE;
        })
    }));
    edits.extend((0..tweak::PUBLIC).map(|column| {
        edit(format!("tweak {column}"), &[Constraint(TWEAK, column)], move |f| {
            *f.cell(TWEAK, f.padding(TWEAK), column) += F::ONE
        })
    }));
    edits
}

/// What the buses tie together.
fn ties() -> Vec<Edit> {
    vec![
        edit("a start that is not the signature's", &[CHAIN_BUS], |f| {
            *f.cell(DIGITS, 0, digits::VALUES) += F::ONE
        }),
        edit("a step of no signature", &[CHAIN_BUS, TWEAKS], |f| {
            *f.cell(CHAIN, f.padding(CHAIN), chain::ON) = F::ONE
        }),
        edit("a step left out", &[CHAIN_BUS, TWEAKS], |f| *f.cell(CHAIN, 0, chain::ON) = F::ZERO),
        edit("a block that is not made of the ends", &[BLOCK], |f| {
            *f.cell(NODE, 7, 9) += F::ONE;
            f.repair();
        }),
        edit("a first block that is not made of the parameter", &[BLOCK], |f| {
            *f.cell(NODE, 1, 9) += F::ONE;
            f.repair();
        }),
        edit("a sponge that starts elsewhere", &[STATE], |f| {
            *f.cell(NODE, 1, 0) += F::ONE;
            f.repair();
        }),
        edit("a root that is not the key's", &[STATE], |f| {
            *f.cell(NODE, TOP, 15) += F::ONE;
            let statement = f.statement.clone();
            f.repair();
            let root = signature::ROOT..signature::ROOT + 8;
            let (_, row) = (f.statement = statement, f.row(SIGNATURE, 0));
            let (key, _) = signature::key(&Signed::one().claims[0].public_key).unwrap();
            row[root].copy_from_slice(&key);
        }),
        edit("a sum that is not the target", &[STATE], |f| *f.cell(DIGITS, 3, digits::SUM) += F::ONE),
        edit("a leaf that is not the sponge's", &[STATE], |f| {
            *f.cell(SIGNATURE, 0, signature::LEAF) += F::ONE
        }),
        edit("a node under another tweak", &[TWEAKS], |f| {
            *f.cell(NODE, TOP, 5) += F::ONE;
            f.repair();
        }),
        edit("a node from the other child", &[TWEAKS], |f| {
            // The last slot bit is 0; a path from the right ends in another root, which the key is given.
            *f.cell(NODE, TOP, node::RIGHT) = F::ONE;
            f.repair();
        }),
        edit("a lookup that is not counted", &[TWEAKS], |f| *f.cell(TWEAK, 0, tweak::LOOKUPS) += F::ONE),
    ]
}

/// Cells of the permutations. A row of padding is on no bus: only the constraints that read the cell are broken, its
/// own first of all.
fn permutations() -> Vec<(usize, usize, usize)> {
    let chain = (0..CHAIN_CELLS).map(|cell| (CHAIN, FIRST_CHAIN_CELL + cell, chain::CELLS + cell));
    let node = (0..NODE_CELLS).map(|cell| (NODE, FIRST_NODE_CELL + cell, node::CELLS + cell));
    chain.chain(node).collect()
}

fn with_cell(table: usize, column: usize) -> Forgery {
    let mut forgery = Forgery::new();
    let row = forgery.padding(table);
    *forgery.cell(table, row, column) += F::ONE;
    forgery
}

#[test]
fn the_rows_of_signatures_hold() {
    for signed in [Signed::one(), Signed::some()] {
        assert_eq!(Forgery::of(signed).broken(), Broken::default());
    }
}

#[test]
fn the_forger_forges_nothing_by_itself() {
    let mut forgery = Forgery::new();
    forgery.repair();
    assert_eq!(forgery.statement.claims(), Signed::one().claims, "the same root");
    assert_eq!(forgery.verdict(), Ok(()));
    // Other siblings make another valid signature, of another key.
    let mut forgery = Forgery::new();
    *forgery.cell(NODE, TOP, 15) += F::ONE;
    forgery.repair();
    assert_eq!(forgery.broken(), Broken::default());
    assert_eq!(forgery.verdict(), Ok(()));
}

/// So what the verifier rejects below is the lie, and not the way in which it is told.
#[test]
fn the_liar_is_believed_when_it_has_nothing_to_lie_about() {
    let truth = |table: usize, bus: &str, width: usize| {
        let mut message = vec![F::ZERO; width];
        // What the marked row says on the bus anyway: signature 0, group 1 and number 1, where those are in the
        // message.
        let at = if bus == buses::CHAIN { [(1, F::ONE), (2, F::ONE)] } else { [(2, F::ONE), (3, F::ONE)] };
        at.into_iter().for_each(|(field, value)| message[field] = value);
        Lie::about_nothing(table, bus, message)
    };
    for lie in [truth(CHAIN, buses::CHAIN, 16), truth(NODE, buses::STATE, 4 + buses::STATE_PAYLOAD)] {
        assert_eq!(Forgery::new().verdict_with(&[lie]), Ok(()));
    }
}

#[test]
fn rows_count_once_or_not_at_all() {
    flags().iter().for_each(Edit::is_found);
    flags().iter().for_each(Edit::is_rejected);
}

#[test]
fn digits_are_the_only_decomposition_of_an_element() {
    elements().iter().for_each(Edit::is_found);
    elements().iter().step_by(4).for_each(Edit::is_rejected);
}

#[test]
fn every_column_of_the_verifier_is_its_own() {
    columns().iter().for_each(Edit::is_found);
    columns().iter().step_by(7).for_each(Edit::is_rejected);
}

#[test]
fn the_buses_tie_the_rows_of_a_signature() {
    ties().iter().for_each(Edit::is_found);
    ties().iter().for_each(Edit::is_rejected);
}

#[test]
fn each_cell_of_the_permutations_is_held_by_its_own_constraint() {
    for (table, constraint, column) in permutations() {
        let broken = with_cell(table, column).broken();
        assert_eq!(broken.constraints.first(), Some(&(table, constraint)), "table {table}, column {column}");
        assert_eq!(broken.buses, BTreeSet::new());
    }
}

/// No constraint of any table, and no bus, is without an edit that breaks it.
#[test]
fn every_relation_is_broken_by_some_edit() {
    let mut seen = Broken::default();
    for edit in [flags(), elements(), columns(), ties()].iter().flatten() {
        let broken = broken(&edit.breaks);
        seen.constraints.extend(broken.constraints);
        seen.buses.extend(broken.buses);
    }
    seen.constraints.extend(permutations().into_iter().map(|(table, constraint, _)| (table, constraint)));
    let forgery = Forgery::new();
    let tables = Table::all(&forgery.statement, &Layout::of(&forgery.statement)).unwrap();
    let stated = (0..TABLES).flat_map(|table| {
        let constraints = row(&tables[table], &forgery.trace.tables[table][..WIDTHS[table]], 0).constraints;
        (0..constraints).map(move |number| (table, number))
    });
    assert_eq!(seen.constraints, stated.collect());
    let all = [buses::BLOCK, buses::CHAIN, buses::STATE, buses::TWEAK];
    assert_eq!(seen.buses, all.map(str::to_owned).into());
}

/// A cell whose column the verifier forgot would be held to nothing.
#[test]
#[should_panic(expected = "each public cell has a column of the verifier")]
fn a_column_too_few_is_noticed() {
    let forgery = Forgery::new();
    let mut tables = Table::all(&forgery.statement, &Layout::of(&forgery.statement)).unwrap();
    tables[SIGNATURE].forget_column();
    row(&tables[SIGNATURE], &forgery.trace.tables[SIGNATURE][..WIDTHS[SIGNATURE]], 0);
}

/// A proof for each edit and for each cell.
#[test]
#[ignore = "hundreds of proofs: make accept-proofs"]
fn the_verifier_rejects_every_broken_relation() {
    [flags(), elements(), columns(), ties()].iter().flatten().for_each(Edit::is_rejected);
    for (table, _, column) in permutations() {
        let verdict = with_cell(table, column).verdict();
        assert!(matches!(verdict, Err(Error::Rejected(_))), "table {table}, column {column}: {verdict:?}");
    }
}
