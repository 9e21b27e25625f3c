//! A prover that goes through with buses that do not balance.
//!
//! The library's prover adds up its fractions and stops if they do not cancel. This one makes them cancel: rows of
//! padding claim to have sent what is missing, in the fractions alone. Everything else is the protocol, over the rows
//! as they are, so whatever it proves has to be rejected, and is accepted as soon as there is nothing to lie about.

use p3_air::symbolic::{BaseEntry, SymbolicExpression, SymbolicVariable};
use p3_field::{Field, PrimeCharacteristicRing};
use p3_lookup::SymbolicInteraction;

use super::checker::Messages;
use crate::buses;
use crate::layout::{CHAIN_STEPS, NODE_ROWS};
use crate::system::F;
use crate::tables::{chain, node};
use crate::trace;

type Expr = SymbolicExpression<F>;

/// What one row of padding claims to have put on a bus.
#[derive(Clone, Debug)]
pub(crate) struct Lie {
    /// The table that the row is in.
    pub table: usize,
    /// Number of the row among the rows of the table that lie, from 1; its third cell below says it.
    pub number: u32,
    /// How many rows of the table lie.
    pub among: u32,
    bus: String,
    message: Vec<F>,
    count: F,
}

/// Cells of a row of padding that no constraint reads: signature, group, position or counter. A row lies if its group
/// is 1 while its signature is 0; for any row of a proof of one signature it is the other way round.
fn cells(table: usize) -> [usize; 3] {
    if table == trace::CHAIN {
        [chain::SIGNATURE, chain::GROUP, chain::POSITION]
    } else {
        [node::SIGNATURE, node::GROUP, node::COUNTER]
    }
}

impl Lie {
    /// Lies that make up for these messages.
    pub(crate) fn about(messages: &Messages) -> Vec<Self> {
        let table = |bus: &str| if bus == buses::CHAIN { trace::CHAIN } else { trace::NODE };
        let among = |wanted| messages.keys().filter(|(bus, _)| table(bus) == wanted).count() as u32;
        let mut told = [0; 2];
        let lies = messages.iter().map(|((bus, message), count)| {
            let table = table(bus);
            told[table] += 1;
            Self {
                table,
                number: told[table],
                among: among(table),
                bus: bus.clone(),
                message: message.iter().copied().map(F::new).collect(),
                count: -*count,
            }
        });
        lies.collect()
    }

    /// A row of the table whose fractions are another expression of its cells, with the values that they have anyway.
    pub(crate) fn about_nothing(table: usize, bus: &str, message: Vec<F>) -> Self {
        Self { table, number: 1, among: 1, bus: bus.to_owned(), message, count: F::ZERO }
    }

    /// The row that lies, and what to write into it.
    pub(crate) fn mark(&self) -> (usize, [(usize, F); 3]) {
        let used = if self.table == trace::CHAIN { CHAIN_STEPS } else { NODE_ROWS };
        let [signature, group, number] = cells(self.table);
        let values = [(signature, F::ZERO), (group, F::ONE), (number, F::new(self.number))];
        (used + self.number as usize - 1, values)
    }

    /// Puts the lie into the messages of its table.
    pub(crate) fn tell(&self, messages: &mut [SymbolicInteraction<F>]) {
        let cell = |column| Expr::from(SymbolicVariable::new(BaseEntry::Main { offset: 0 }, column));
        let [signature, group, number] = cells(self.table).map(cell);
        // 1 in the row that lies, 0 in all others.
        let others = (1..=self.among).filter(|other| *other != self.number);
        let lies = others.fold((Expr::ONE - signature) * group, |lies, other| {
            let distance = F::new(self.number) - F::new(other);
            lies * (number.clone() - F::new(other)) * distance.inverse()
        });
        let message = messages.iter_mut().find(|message| message.bus_name == self.bus).unwrap();
        assert_eq!(message.fields.len(), self.message.len());
        for (field, claimed) in message.fields.iter_mut().zip(&self.message) {
            *field = field.clone() * (Expr::ONE - lies.clone()) + lies.clone() * *claimed;
        }
        message.count += lies * self.count;
    }
}
