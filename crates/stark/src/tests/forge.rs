//! Witnesses with something broken, and the verdict of the verifier about them.

use lathe_leansig::circuit::limb;
use p3_field::PrimeCharacteristicRing;

use super::Signed;
use crate::layout::{BLOCKS, Layout};
use crate::permutation::{NODE, NODE_OUTPUTS};
use crate::proof::prove_trace;
use crate::ring::LANES;
use crate::system::F;
use crate::tables::{Table, WIDTHS, node, signature};
use crate::trace::{self, Trace};
use crate::{Error, Statement, verify};

/// A statement and the rows that prove it, until something is done to them.
pub struct Forgery {
    pub statement: Statement,
    pub trace: Trace,
    /// Buses that the rows do not balance. The library's prover refuses to go on with such; this one claims that
    /// nothing is on them at all, and the verifier, which knows what is, has to notice.
    pub muted: &'static [&'static str],
}

impl Forgery {
    /// The rows of one valid signature.
    pub fn new() -> Self {
        let signed = Signed::one();
        let statement = signed.statement();
        let layout = Layout::of(&statement);
        let tables = Table::all(&statement, &layout).unwrap();
        let trace = Trace::new(&statement, &layout, &tables, &signed.bytes()).unwrap();
        Self { statement, trace, muted: &[] }
    }

    pub fn row(&mut self, table: usize, row: usize) -> &mut [F] {
        let width = WIDTHS[table];
        &mut self.trace.tables[table][row * width..(row + 1) * width]
    }

    pub fn cell(&mut self, table: usize, row: usize, column: usize) -> &mut F {
        &mut self.row(table, row)[column]
    }

    /// The last row of a table: padding in all of them.
    pub fn padding(&self, table: usize) -> usize {
        self.trace.tables[table].len() / WIDTHS[table] - 1
    }

    /// Counts a row twice, and once less in the last row of the table, which becomes its copy. The buses stay balanced.
    pub fn count_twice(&mut self, table: usize, row: usize, flag: usize) {
        let mut copy = self.row(table, row).to_vec();
        *self.cell(table, row, flag) = F::TWO;
        copy[flag] = F::NEG_ONE;
        let padding = self.padding(table);
        self.row(table, padding).copy_from_slice(&copy);
    }

    /// Computes sponge and path again from the inputs of their rows, and gives the statement the key that they end in.
    /// Whatever was done to those inputs then fits everything but the relation that it breaks.
    pub fn repair(&mut self) {
        let output =
            |row: &[F]| -> [F; NODE_OUTPUTS] { row[node::WIDTH - NODE_OUTPUTS..].try_into().unwrap() };
        let permute = |row: &mut [F]| {
            let inputs = [row[..24].try_into().unwrap(); LANES];
            let mut rows = row.repeat(LANES);
            NODE.fill(&inputs, &mut rows, node::WIDTH, node::CELLS);
            row.copy_from_slice(&rows[..node::WIDTH]);
        };
        let mut state = [F::ZERO; NODE_OUTPUTS];
        for block in 1..=BLOCKS {
            let row = self.row(trace::NODE, block);
            if block > 1 {
                row[..9].copy_from_slice(&state[..9]);
            }
            permute(row);
            state = output(row);
        }
        let mut child: [F; 8] = state[9..].try_into().unwrap();
        self.row(trace::SIGNATURE, 0)[signature::LEAF..].copy_from_slice(&child);
        for level in 0..32 {
            let row = self.row(trace::NODE, 1 + BLOCKS + level);
            let at = if row[node::RIGHT] == F::ONE { 15 } else { 7 };
            row[at..at + 8].copy_from_slice(&child);
            permute(row);
            let out = output(row);
            child = std::array::from_fn(|i| out[i] + row[i]);
        }
        self.row(trace::SIGNATURE, 0)[signature::ROOT..signature::ROOT + 8].copy_from_slice(&child);
        let mut claim = self.statement.claims()[0];
        for (bytes, element) in claim.public_key.chunks_exact_mut(4).zip(child) {
            bytes.copy_from_slice(&limb(element).to_le_bytes());
        }
        self.statement = Statement::new(vec![claim]).unwrap();
    }

    /// What the verifier says.
    pub fn verdict(self) -> Result<(), Error> {
        let layout = Layout::of(&self.statement);
        let mut tables = Table::all(&self.statement, &layout).unwrap();
        tables.iter_mut().for_each(|table| table.buses.muted = self.muted);
        let proof = prove_trace(&self.statement, &layout, &tables, self.trace).unwrap();
        verify(&self.statement, &proof)
    }
}

/// Asserts that the verifier rejects one signature's rows after `edit`, which leaves all buses balanced.
#[track_caller]
pub fn rejected(what: &str, edit: impl FnOnce(&mut Forgery)) {
    unbalanced(&[], what, edit);
}

/// Asserts that the verifier rejects one signature's rows after `edit`, which leaves all but these buses balanced.
#[track_caller]
pub fn unbalanced(muted: &'static [&'static str], what: &str, edit: impl FnOnce(&mut Forgery)) {
    let mut forgery = Forgery::new();
    forgery.muted = muted;
    edit(&mut forgery);
    let verdict = forgery.verdict();
    assert!(matches!(verdict, Err(Error::Rejected(_))), "{what}: {verdict:?}");
}
