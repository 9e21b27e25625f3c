//! A judge beside the proof system: it evaluates what the tables state over the field itself, row by row, and adds up
//! what is on the buses. It shares the tables with the prover and nothing else, so it can say *which* relation rows
//! break.

use std::collections::{BTreeMap, BTreeSet};

use p3_air::{AirBuilder, RowWindow};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_lookup::{Count, InteractionBuilder};

use crate::Statement;
use crate::layout::Layout;
use crate::system::F;
use crate::tables::{Table, WIDTHS};
use crate::trace::Trace;

/// Messages by bus and limbs, each with how much more often it is sent than received.
pub(super) type Messages = BTreeMap<(String, Vec<u32>), F>;

/// What does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Broken {
    /// Constraints, by table and by their number in the order of the table.
    pub constraints: BTreeSet<(usize, usize)>,
    /// Buses.
    pub buses: BTreeSet<String>,
}

/// What one row says.
pub(super) struct Said {
    /// Numbers of the constraints that it breaks.
    pub broken: Vec<usize>,
    /// How many constraints there are.
    pub constraints: usize,
    /// What it puts on the buses; what it both sends and receives is not in it.
    pub messages: Messages,
}

/// One row under evaluation.
struct Evaluation<'a> {
    row: &'a [F],
    public: Vec<F>,
    said: Said,
}

impl<'a> AirBuilder for Evaluation<'a> {
    type F = F;
    type Expr = F;
    type Var = F;
    type PreprocessedWindow = RowWindow<'a, F>;
    type MainWindow = RowWindow<'a, F>;
    type PublicVar = F;
    type PeriodicVar = F;

    fn main(&self) -> RowWindow<'a, F> {
        RowWindow::from_two_rows(self.row, self.row)
    }

    fn preprocessed(&self) -> &RowWindow<'a, F> {
        unreachable!("no table has such columns")
    }

    fn is_first_row(&self) -> F {
        unreachable!("rows may stand in any order")
    }

    fn is_last_row(&self) -> F {
        unreachable!("rows may stand in any order")
    }

    fn is_transition(&self) -> F {
        unreachable!("no constraint reads a second row")
    }

    fn assert_zero<I: Into<F>>(&mut self, value: I) {
        if value.into() != F::ZERO {
            self.said.broken.push(self.said.constraints);
        }
        self.said.constraints += 1;
    }

    fn periodic_values(&self) -> &[F] {
        &self.public
    }
}

impl InteractionBuilder for Evaluation<'_> {
    fn push_interaction<E: Into<F>>(
        &mut self,
        bus: &str,
        fields: impl IntoIterator<Item = E>,
        count: impl Into<Count<F>>,
    ) {
        let (count, _) = count.into().into_parts();
        let message = fields.into_iter().map(|field| field.into().as_canonical_u32()).collect();
        add(&mut self.said.messages, (bus.to_owned(), message), count);
    }

    fn push_local_interaction(&mut self, _: impl IntoIterator<Item = (Vec<F>, Count<F>)>) {
        unreachable!("every bus has a name")
    }
}

fn add(messages: &mut Messages, message: (String, Vec<u32>), count: F) {
    *messages.entry(message).or_default() += count;
}

/// What the row at `index` of a table says.
pub(super) fn row(table: &Table, row: &[F], index: usize) -> Said {
    let public = table.public().iter().map(|column| column[index]).collect();
    let said = Said { broken: Vec::new(), constraints: 0, messages: Messages::new() };
    let mut evaluation = Evaluation { row, public, said };
    table.state(&mut evaluation);
    evaluation.said.messages.retain(|_, count| *count != F::ZERO);
    evaluation.said
}

/// All that does not hold, and the messages that are not received as often as they are sent.
pub(super) fn check(statement: &Statement, trace: &Trace) -> (Broken, Messages) {
    let tables = Table::all(statement, &Layout::of(statement)).unwrap();
    let (mut broken, mut messages) = (Broken::default(), Messages::new());
    for (number, table) in tables.iter().enumerate() {
        for (index, cells) in trace.tables[number].chunks_exact(WIDTHS[number]).enumerate() {
            let said = row(table, cells, index);
            broken.constraints.extend(said.broken.into_iter().map(|constraint| (number, constraint)));
            said.messages.into_iter().for_each(|(message, count)| add(&mut messages, message, count));
        }
    }
    messages.retain(|_, count| *count != F::ZERO);
    broken.buses = messages.keys().map(|(bus, _)| bus.clone()).collect();
    (broken, messages)
}
