//! Witnesses with something broken: what the checker finds, and what the verifier says about a proof of them.

use lathe_leansig::circuit::limb;
use p3_field::PrimeCharacteristicRing;

use super::Signed;
use super::checker::{Broken, check};
use super::liar::Lie;
use crate::layout::{BLOCKS, Layout};
use crate::permutation::{NODE, NODE_OUTPUTS};
use crate::proof::prove_trace;
use crate::ring::LANES;
use crate::system::F;
use crate::tables::{Table, WIDTHS, node, signature};
use crate::trace::{self, Trace};
use crate::{Error, Statement, verify};

/// A statement and the rows that prove it, until something is done to them.
pub(super) struct Forgery {
    pub statement: Statement,
    pub trace: Trace,
}

impl Forgery {
    /// The rows of one valid signature.
    pub(super) fn new() -> Self {
        Self::of(Signed::one())
    }

    /// The rows of some valid signatures.
    pub(super) fn of(signed: &Signed) -> Self {
        let statement = signed.statement();
        let layout = Layout::of(&statement);
        let tables = Table::all(&statement, &layout).unwrap();
        let trace = Trace::new(&statement, &layout, &tables, &signed.bytes()).unwrap();
        Self { statement, trace }
    }

    pub(super) fn row(&mut self, table: usize, row: usize) -> &mut [F] {
        let width = WIDTHS[table];
        &mut self.trace.tables[table][row * width..(row + 1) * width]
    }

    pub(super) fn cell(&mut self, table: usize, row: usize, column: usize) -> &mut F {
        &mut self.row(table, row)[column]
    }

    /// The last row of a table: padding in all of them.
    pub(super) fn padding(&self, table: usize) -> usize {
        self.trace.tables[table].len() / WIDTHS[table] - 1
    }

    /// Counts a row twice, and once less in the last row of the table, which becomes its copy. The buses stay balanced.
    pub(super) fn count_twice(&mut self, table: usize, row: usize, flag: usize) {
        let mut copy = self.row(table, row).to_vec();
        *self.cell(table, row, flag) = F::TWO;
        copy[flag] = F::NEG_ONE;
        let padding = self.padding(table);
        self.row(table, padding).copy_from_slice(&copy);
    }

    /// Computes sponge and path again from the inputs of their rows, and gives the statement the key that they end in.
    /// Whatever was done to those inputs then fits everything but the relation that it breaks.
    pub(super) fn repair(&mut self) {
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

    /// What does not hold.
    pub(super) fn broken(&self) -> Broken {
        check(&self.statement, &self.trace).0
    }

    /// What the verifier says about a proof of these rows, by a prover that lies about its buses where they do not
    /// balance.
    pub(super) fn verdict(self) -> Result<(), Error> {
        let (_, messages) = check(&self.statement, &self.trace);
        self.verdict_with(&Lie::about(&messages))
    }

    /// The same, with these lies.
    pub(super) fn verdict_with(mut self, lies: &[Lie]) -> Result<(), Error> {
        let layout = Layout::of(&self.statement);
        let mut tables = Table::all(&self.statement, &layout).unwrap();
        for lie in lies {
            let (row, values) = lie.mark();
            assert!(row < self.padding(lie.table), "more lies than there are rows for");
            values.into_iter().for_each(|(column, value)| *self.cell(lie.table, row, column) = value);
            tables[lie.table].lies.push(lie.clone());
        }
        let proof = prove_trace(&self.statement, &layout, &tables, self.trace)?;
        verify(&self.statement, &proof)
    }
}
