//! Constraints and messages in symbols, put together once for each table.
//!
//! Prover and verifier ask for them again and again, and putting them together costs as much as all the rest of a
//! verification. They depend on nothing in a statement.

use std::sync::OnceLock;

use p3_air::symbolic::{AirLayout, SymbolicExpression};
use p3_air::{AirBuilder, BaseAir};
use p3_lookup::{Count, InteractionBuilder, InteractionSymbolicBuilder, SymbolicInteraction};
use p3_multi_stark::rounds::AirDegrees;

use super::{Kind, Table};
use crate::error::Error;
use crate::layout::TABLES;
use crate::relation::Relation;
use crate::system::{Challenge, F};

/// What a table states.
#[derive(Clone)]
pub(crate) struct Symbols {
    constraints: Vec<SymbolicExpression<F>>,
    messages: Vec<SymbolicInteraction<F>>,
}

impl Symbols {
    /// Those of a table.
    pub(crate) fn of(table: &Table) -> Self {
        static ALL: [OnceLock<Symbols>; TABLES] = [const { OnceLock::new() }; TABLES];
        #[cfg(test)]
        if !table.lies.is_empty() {
            return Self::new(table).with_lies(&table.lies);
        }
        ALL[index(table)].get_or_init(|| Self::new(table)).clone()
    }

    /// What a table states, taken apart, and the degrees of its constraints and its messages.
    ///
    /// # Errors
    /// It states something that cannot be.
    pub(crate) fn relation(table: &Table) -> Result<(&'static Relation, AirDegrees), Error> {
        type Taken = Result<(Relation, AirDegrees), Error>;
        static ALL: [OnceLock<Taken>; TABLES] = [const { OnceLock::new() }; TABLES];
        let taken = ALL[index(table)].get_or_init(|| {
            let Self { constraints, messages } = Self::new(table);
            let sizes = [BaseAir::<F>::width(table), table.public().len()];
            let relation = Relation::read(&constraints, &messages, sizes)?;
            let degree = |expression: &SymbolicExpression<F>| expression.poly_degree(2, &[]);
            let parts = messages.iter().flat_map(|message| message.fields.iter().chain([&message.count]));
            let degrees = AirDegrees {
                constraints: constraints.iter().map(degree).max().unwrap_or(0),
                interactions: parts.map(degree).max().unwrap_or(0),
            };
            Ok((relation, degrees))
        });
        taken.as_ref().map(|(relation, degrees)| (relation, *degrees)).map_err(Clone::clone)
    }

    fn new(table: &Table) -> Self {
        let mut builder = InteractionSymbolicBuilder::<F, Challenge>::new(AirLayout::from_air::<F>(table));
        table.state(&mut builder);
        Self { constraints: builder.base_constraints(), messages: builder.global_interactions().to_vec() }
    }

    /// The same, and lies about what some rows put on the buses.
    #[cfg(test)]
    fn with_lies(mut self, lies: &[crate::tests::liar::Lie]) -> Self {
        lies.iter().for_each(|lie| lie.tell(&mut self.messages));
        self
    }

    /// States it all again.
    pub(crate) fn state(self, builder: &mut InteractionSymbolicBuilder<F, Challenge>) {
        for constraint in self.constraints {
            builder.assert_zero(constraint);
        }
        for message in self.messages {
            let count = Count::bounded(message.count, message.count_weight);
            builder.push_interaction(&message.bus_name, message.fields, count);
        }
    }
}

/// The place of a table among all.
fn index(table: &Table) -> usize {
    match table.kind {
        Kind::Chain => 0,
        Kind::Node => 1,
        Kind::Digits => 2,
        Kind::Leaf => 3,
        Kind::Signature(_) => 4,
        Kind::Tweak(_) => 5,
    }
}
