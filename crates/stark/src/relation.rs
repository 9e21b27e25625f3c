//! What a table states, taken apart for the prover.
//!
//! A row of a table satisfies polynomials in its cells, and puts fractions on buses. Weighted by challenges they are
//! one polynomial, a short one: nothing in the tables is more than a linear form in the cells, a product of two
//! such forms, or the cube of one, and in the chain table the cube of a sum of cubes. So the weights of the linear maps
//! that a permutation ends a round with can be put together before any row is looked at, and what is left for each row
//! is the cubes. The library, which sees constraints one by one, evaluates the maps in every row and at every point.
//!
//! [`Relation`] is read from the symbols of the table's own constraints and messages, so the two cannot drift apart. It
//! only serves the prover: a mistake here makes proofs that the verifier rejects.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use p3_air::symbolic::{BaseEntry, BaseLeaf, SymbolicExpr, SymbolicExpression};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::SymbolicInteraction;

use crate::error::Error;
use crate::system::{Challenge, F};

/// Cubes in one sum, at most: what the prover has room for.
pub(crate) const INNER: usize = 16;

type Expr = SymbolicExpression<F>;

/// A linear form in the cells of a row, the columns of the verifier after them, and a constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Linear<T> {
    /// The constant.
    pub constant: T,
    /// Cells and their coefficients, ascending, none twice.
    pub cells: Vec<(usize, T)>,
}

/// Cubes of sums of cubes, which all read the same cubes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    /// The cubes that are read, of those in [`Relation::cubes`].
    pub inner: std::ops::Range<usize>,
    /// For each cube of a sum: the constant, and a factor for each cube that is read.
    pub sums: Vec<(F, Vec<F>)>,
}

/// A table's constraints and messages.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// Linear forms of which there are cubes: first those in segments, then those that stand alone.
    pub cubes: Vec<Linear<F>>,
    /// Cubes of sums of cubes.
    pub segments: Vec<Segment>,
    /// Cells that other linear forms are multiplied by.
    pub factors: Vec<usize>,
    cells: usize,
    atoms: Vec<Place>,
    constraints: Vec<Form>,
    messages: Vec<(Form, Vec<Form>)>,
}

/// The polynomial that a row adds, weighted by challenges.
#[derive(Clone, Debug)]
pub(crate) struct Weighted {
    /// The linear part.
    pub linear: Linear<Challenge>,
    /// Weight of each of [`Relation::cubes`]; zero for those in segments.
    pub cubes: Vec<Challenge>,
    /// Weights of the cubes of sums, segment by segment.
    pub sums: Vec<Vec<Challenge>>,
    /// What each of [`Relation::factors`] is multiplied by.
    pub factors: Vec<Linear<Challenge>>,
}

/// How a message becomes a fraction, weighted.
pub(crate) struct MessageWeight {
    /// Weight of the count.
    pub count: Challenge,
    /// Weights of the elements.
    pub fields: Vec<Challenge>,
    /// What is added whatever the row.
    pub constant: Challenge,
}

/// A sum of multiples of atoms.
#[derive(Clone, Debug, Default, PartialEq)]
struct Form {
    constant: F,
    terms: BTreeMap<usize, F>,
}

/// What is not a sum.
#[derive(PartialEq)]
enum Atom {
    Cell,
    Square(Form),
    Cube(Form),
    Product(Form, Form),
}

/// Where an atom went.
#[derive(Clone, Debug)]
enum Place {
    Cell(usize),
    Cube(usize),
    Sum(usize, usize),
    /// Linear forms by the factor that they are multiplied by, and one that is not.
    Product(Vec<(usize, Linear<F>)>, Linear<F>),
}

impl Form {
    fn add(&mut self, other: &Self, times: F) {
        self.constant += other.constant * times;
        for (atom, coefficient) in &other.terms {
            *self.terms.entry(*atom).or_default() += *coefficient * times;
        }
        self.terms.retain(|_, coefficient| *coefficient != F::ZERO);
    }

    fn atom(atom: usize) -> Self {
        Self { constant: F::ZERO, terms: [(atom, F::ONE)].into() }
    }

    /// The atom, if the form is nothing else.
    fn only(&self) -> Option<usize> {
        let (atom, coefficient) = self.terms.first_key_value()?;
        (self.terms.len() == 1 && self.constant == F::ZERO && *coefficient == F::ONE).then_some(*atom)
    }
}

/// Reads symbols; every node once.
struct Reader {
    cells: usize,
    atoms: Vec<Atom>,
    known: HashMap<*const Expr, Form>,
}

const UNEXPECTED: &str = "a table states something that is no form, product or cube of cells";

fn unexpected<T>() -> Result<T, Error> {
    Err(Error::System(UNEXPECTED.to_owned()))
}

impl Reader {
    fn read(&mut self, expression: &Expr) -> Result<Form, Error> {
        if let Some(form) = self.known.get(&std::ptr::from_ref(expression)) {
            return Ok(form.clone());
        }
        let mut sum = |left: &Expr, right: &Expr, times: F| -> Result<Form, Error> {
            let mut form = self.read(left)?;
            form.add(&self.read(right)?, times);
            Ok(form)
        };
        let form = match expression {
            SymbolicExpr::Leaf(BaseLeaf::Constant(constant)) => {
                Form { constant: *constant, ..Form::default() }
            }
            SymbolicExpr::Leaf(BaseLeaf::Variable(variable)) => match variable.entry {
                BaseEntry::Main { offset: 0 } => Form::atom(variable.index),
                BaseEntry::Periodic => Form::atom(self.cells + variable.index),
                _ => return unexpected(),
            },
            SymbolicExpr::Leaf(_) => return unexpected(),
            SymbolicExpr::Add { x, y, .. } => sum(x, y, F::ONE)?,
            SymbolicExpr::Sub { x, y, .. } => sum(x, y, F::NEG_ONE)?,
            SymbolicExpr::Neg { x, .. } => {
                let mut form = Form::default();
                form.add(&self.read(x)?, F::NEG_ONE);
                form
            }
            SymbolicExpr::Mul { x, y, .. } => {
                let [left, right] = [self.read(x)?, self.read(y)?];
                self.product(left, right)
            }
        };
        self.known.insert(expression, form.clone());
        Ok(form)
    }

    fn product(&mut self, left: Form, right: Form) -> Form {
        for (constant, other) in [(&left, &right), (&right, &left)] {
            if constant.terms.is_empty() {
                let mut form = Form::default();
                form.add(other, constant.constant);
                return form;
            }
        }
        let square = |form: &Form| match form.only().map(|atom| &self.atoms[atom]) {
            Some(Atom::Square(root)) => Some(root.clone()),
            _ => None,
        };
        let atom = if left == right {
            Atom::Square(left)
        } else if square(&left).as_ref() == Some(&right) {
            Atom::Cube(right)
        } else if square(&right).as_ref() == Some(&left) {
            Atom::Cube(left)
        } else {
            Atom::Product(left, right)
        };
        // The same product may stand in several nodes.
        let made = &self.atoms[self.cells..];
        let known = made.iter().position(|other| *other == atom).map(|position| self.cells + position);
        Form::atom(known.unwrap_or_else(|| {
            self.atoms.push(atom);
            self.atoms.len() - 1
        }))
    }

    /// A form that is linear in the cells.
    fn linear(&self, form: &Form) -> Result<Linear<F>, Error> {
        let cells = form.terms.iter().map(|(atom, coefficient)| match self.atoms[*atom] {
            Atom::Cell => Ok((*atom, *coefficient)),
            _ => unexpected(),
        });
        Ok(Linear { constant: form.constant, cells: cells.collect::<Result<_, Error>>()? })
    }

    /// The product of two linear forms, as cells times forms: the shorter one is multiplied out.
    fn multiplied(&self, left: &Form, right: &Form) -> Result<Place, Error> {
        let [left, right] = [self.linear(left)?, self.linear(right)?];
        let (short, long) = if left.cells.len() <= right.cells.len() { (left, right) } else { (right, left) };
        let times = |factor: F| Linear {
            constant: long.constant * factor,
            cells: long.cells.iter().map(|(cell, coefficient)| (*cell, *coefficient * factor)).collect(),
        };
        let parts = short.cells.iter().map(|(cell, coefficient)| (*cell, times(*coefficient))).collect();
        Ok(Place::Product(parts, times(short.constant)))
    }
}

impl Relation {
    /// Reads constraints and messages of a table with that many cells in a row, and columns of the verifier.
    ///
    /// # Errors
    /// Something in them is of another kind, which a change of the tables could bring and any test would show.
    pub(crate) fn read(
        constraints: &[Expr],
        messages: &[SymbolicInteraction<F>],
        [cells, columns]: [usize; 2],
    ) -> Result<Self, Error> {
        let atoms = (0..cells + columns).map(|_| Atom::Cell).collect();
        let mut reader = Reader { cells, atoms, known: HashMap::new() };
        let constraints = constraints.iter().map(|one| reader.read(one)).collect::<Result<_, Error>>()?;
        let messages = messages.iter().map(|message| {
            let fields =
                message.fields.iter().map(|field| reader.read(field)).collect::<Result<_, Error>>()?;
            Ok((reader.read(&message.count)?, fields))
        });
        let messages = messages.collect::<Result<_, Error>>()?;
        let mut relation = Self {
            cubes: Vec::new(),
            segments: Vec::new(),
            factors: Vec::new(),
            cells: cells + columns,
            atoms: Vec::new(),
            constraints,
            messages,
        };
        relation.place(&reader)?;
        Ok(relation)
    }

    /// Finds a place for every atom: sums of cubes first, for the cubes in them stand together.
    fn place(&mut self, reader: &Reader) -> Result<(), Error> {
        let mut places: Vec<Option<Place>> = vec![None; reader.atoms.len()];
        for (index, atom) in reader.atoms.iter().enumerate() {
            let Atom::Cube(form) = atom else { continue };
            if reader.linear(form).is_err() {
                self.place_sum(reader, &mut places, index, form)?;
            }
        }
        for (index, atom) in reader.atoms.iter().enumerate() {
            let place = match atom {
                Atom::Cell => Place::Cell(index),
                Atom::Cube(form) if places[index].is_none() => {
                    self.cubes.push(reader.linear(form)?);
                    Place::Cube(self.cubes.len() - 1)
                }
                // Squares of sums of cubes are steps on the way to their cubes.
                Atom::Square(form) if reader.linear(form).is_err() => continue,
                Atom::Square(form) => reader.multiplied(form, form)?,
                Atom::Product(left, right) => reader.multiplied(left, right)?,
                Atom::Cube(_) => continue,
            };
            places[index] = Some(place);
        }
        let used: BTreeSet<usize> = self.outputs().flat_map(|form| form.terms.keys().copied()).collect();
        let factors = used.iter().filter_map(|atom| match &places[*atom] {
            Some(Place::Product(parts, _)) => Some(parts.iter().map(|(cell, _)| *cell)),
            _ => None,
        });
        self.factors = factors.flatten().collect::<BTreeSet<usize>>().into_iter().collect();
        // An atom that nothing reads may go anywhere.
        self.atoms = places.into_iter().map(|place| place.unwrap_or(Place::Cell(0))).collect();
        let stray = used.iter().any(|atom| match self.atoms[*atom] {
            Place::Cell(cell) => cell != *atom,
            Place::Cube(cube) => self.segments.iter().any(|segment| segment.inner.contains(&cube)),
            _ => false,
        });
        if stray { unexpected() } else { Ok(()) }
    }

    fn place_sum(
        &mut self,
        reader: &Reader,
        places: &mut [Option<Place>],
        index: usize,
        form: &Form,
    ) -> Result<(), Error> {
        let mut inner = Vec::new();
        let fresh = form.terms.keys().all(|atom| places[*atom].is_none());
        let start = self.cubes.len();
        for atom in form.terms.keys() {
            match (&reader.atoms[*atom], &places[*atom]) {
                (Atom::Cube(form), None) if fresh => {
                    places[*atom] = Some(Place::Cube(self.cubes.len()));
                    inner.push(self.cubes.len());
                    self.cubes.push(reader.linear(form)?);
                }
                (_, Some(Place::Cube(cube))) => inner.push(*cube),
                _ => return unexpected(),
            }
        }
        if fresh {
            self.segments.push(Segment { inner: start..self.cubes.len(), sums: Vec::new() });
        }
        let position =
            self.segments.iter().position(|segment| segment.inner.clone().eq(inner.iter().copied()));
        let Some(position) = position.filter(|_| inner.len() <= INNER) else { return unexpected() };
        let sums = &mut self.segments[position].sums;
        sums.push((form.constant, form.terms.values().copied().collect()));
        places[index] = Some(Place::Sum(position, sums.len() - 1));
        Ok(())
    }

    fn outputs(&self) -> impl Iterator<Item = &Form> {
        let messages = self.messages.iter().flat_map(|(count, fields)| fields.iter().chain([count]));
        self.constraints.iter().chain(messages)
    }

    /// Number of constraints.
    pub(crate) fn constraints(&self) -> usize {
        self.constraints.len()
    }

    /// Everything weighted: constraints in order, then messages in order.
    pub(crate) fn weigh(&self, constraints: &[Challenge], messages: &[MessageWeight]) -> Weighted {
        let mut sum = Sum {
            relation: self,
            constant: Challenge::ZERO,
            cells: vec![Challenge::ZERO; self.cells],
            cubes: vec![Challenge::ZERO; self.cubes.len()],
            sums: self.segments.iter().map(|segment| vec![Challenge::ZERO; segment.sums.len()]).collect(),
            factors: vec![(Challenge::ZERO, BTreeMap::new()); self.factors.len()],
        };
        for (form, weight) in self.constraints.iter().zip(constraints) {
            sum.add(form, *weight);
        }
        for ((count, fields), weight) in self.messages.iter().zip(messages) {
            sum.constant += weight.constant;
            sum.add(count, weight.count);
            for (field, weight) in fields.iter().zip(&weight.fields) {
                sum.add(field, *weight);
            }
        }
        sum.finish()
    }
}

/// A weighted sum while it is put together.
struct Sum<'a> {
    relation: &'a Relation,
    constant: Challenge,
    cells: Vec<Challenge>,
    cubes: Vec<Challenge>,
    sums: Vec<Vec<Challenge>>,
    factors: Vec<(Challenge, BTreeMap<usize, Challenge>)>,
}

impl Sum<'_> {
    fn add(&mut self, form: &Form, weight: Challenge) {
        self.constant += weight * form.constant;
        for (atom, coefficient) in &form.terms {
            let weight = weight * *coefficient;
            match &self.relation.atoms[*atom] {
                Place::Cell(cell) => self.cells[*cell] += weight,
                Place::Cube(cube) => self.cubes[*cube] += weight,
                Place::Sum(segment, sum) => self.sums[*segment][*sum] += weight,
                Place::Product(parts, rest) => {
                    self.constant += weight * rest.constant;
                    for (cell, coefficient) in &rest.cells {
                        self.cells[*cell] += weight * *coefficient;
                    }
                    for (factor, linear) in parts {
                        let position = self.relation.factors.partition_point(|other| other < factor);
                        let (constant, cells) = &mut self.factors[position];
                        *constant += weight * linear.constant;
                        for (cell, coefficient) in &linear.cells {
                            *cells.entry(*cell).or_default() += weight * *coefficient;
                        }
                    }
                }
            }
        }
    }

    fn finish(self) -> Weighted {
        let factors = self.factors.into_iter();
        let factors =
            factors.map(|(constant, cells)| Linear { constant, cells: cells.into_iter().collect() });
        let cells = self.cells.into_iter().enumerate().filter(|(_, weight)| *weight != Challenge::ZERO);
        Weighted {
            linear: Linear { constant: self.constant, cells: cells.collect() },
            cubes: self.cubes,
            sums: self.sums,
            factors: factors.collect(),
        }
    }
}

/// The weights of a message that is a fraction: the count over the fingerprint, each in its block of the sum.
pub(crate) fn message_weight(
    width: usize,
    block: Challenge,
    theta: Challenge,
    prefix: Challenge,
    beta: Challenge,
) -> MessageWeight {
    let powers = beta.powers().take(width);
    MessageWeight {
        count: block,
        fields: powers.map(|power| -(block * theta * power)).collect(),
        constant: block * theta * (prefix - Challenge::ONE),
    }
}

impl Relation {
    /// Elements of each message.
    pub(crate) fn message_widths(&self) -> impl Iterator<Item = usize> {
        self.messages.iter().map(|(_, fields)| fields.len())
    }
}
