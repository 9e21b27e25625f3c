//! The sumcheck that all constraints and all fractions end in, as p3-multi-stark runs it: the same challenges, the same
//! messages, and the same proof, from rounds of our own.

use p3_field::{Field, PrimeCharacteristicRing};
use p3_multi_stark::rounds::AirDegrees;
use p3_multi_stark::zerocheck::transcript::{ZerocheckChallenges, ZerocheckProverTranscript, ZerocheckShape};
use p3_multilinear_util::point::Point;
use p3_multilinear_util::poly::Poly;
use p3_sumcheck::generic_degree::{
    GenericDegreeProof, GenericDegreeShape, ProverTranscript, RoundPolyInterpolator,
};
use p3_sumcheck::layout::Table as CommittedTable;

use crate::error::Error;
use crate::fractions::Link;
use crate::layout::TABLES;
use crate::relation::Relation;
use crate::rounds::{DEGREE, Rounds};
use crate::system::{Challenge, Challenger, F, SUMCHECK_GRINDING_BITS};
use crate::tables::Table;

/// What the sumcheck leaves: its proof, and the point that all tables are opened at.
pub(crate) type Output = (GenericDegreeProof<F, Challenge>, Point<Challenge>);

/// A table on its way through the rounds.
struct Active<'a> {
    rounds: Rounds<'a>,
    has_sums: bool,
    /// What its rows add up to, given what is bound.
    claim: Challenge,
    /// Its polynomial of the round, at 0, 2, 3, ..., and the sum of its values at 0 and 1.
    polynomial: (Vec<Challenge>, Challenge),
}

/// Runs the sumcheck.
///
/// # Errors
/// The tables state something of another degree than they are known for.
pub(crate) fn prove(
    tables: &[Table; TABLES],
    relations: &[&Relation; TABLES],
    degrees: &[AirDegrees],
    cells: &[&CommittedTable<F>],
    link: &Link,
    challenger: &mut Challenger,
) -> Result<Output, Error> {
    if degrees.iter().map(|degrees| degrees.max()).max() != Some(DEGREE) {
        return Err(Error::System("the tables have another degree".to_owned()));
    }
    let heights: Vec<usize> = cells.iter().map(|table| table.num_variables()).collect();
    let tallest = heights.iter().copied().max().unwrap_or(0);
    let variables = tallest.max(link.point.num_variables());
    let shape = ZerocheckShape::new(degrees, variables, link.point.num_variables(), SUMCHECK_GRINDING_BITS);
    let mut transcript = ZerocheckProverTranscript::<Challenger, F, Challenge>::new(challenger, shape);
    let challenges = transcript.challenges(link.point.as_slice());
    let mut dormant: Vec<Dormant<'_>> = (0..TABLES)
        .map(|index| {
            let weighted = weigh(relations[index], index, &challenges, link);
            let rounds = Rounds::new(relations[index], weighted, cells[index], tables[index].public());
            let claim = challenges.eta * link.claims[index];
            Dormant { height: heights[index], rounds, has_sums: !relations[index].segments.is_empty(), claim }
        })
        .collect();
    let claimed_sum = challenges.eta * link.claimed_sum;
    let output = transcript.constraint_sumcheck(|challenger| {
        let shape = GenericDegreeShape::new(variables, DEGREE + 1, SUMCHECK_GRINDING_BITS);
        let mut sumcheck = ProverTranscript::<Challenger, F, Challenge>::new(challenger, shape, claimed_sum);
        let mut state = Sumcheck::new(&challenges.tau, tallest);
        let mut proof = GenericDegreeProof { claimed_sum, ..GenericDegreeProof::default() };
        let mut point = Vec::with_capacity(variables);
        for round in 0..variables {
            state.wake(&mut dormant, variables - round);
            let message = state.message(round, dormant.iter().map(|table| table.claim).sum());
            let (challenge, witness) = sumcheck.round(&message);
            proof.round_polys.push(message);
            proof.pow_witnesses.extend(witness);
            point.push(challenge);
            state.bind(round, challenge);
        }
        sumcheck.finish();
        (proof, Point::new(point))
    });
    transcript.finish();
    Ok(output)
}

/// The weights of everything that a table states: its constraints by powers of one challenge, tables by those of
/// another, messages by their place in the sum of fractions.
fn weigh(
    relation: &Relation,
    table: usize,
    challenges: &ZerocheckChallenges<Challenge>,
    link: &Link,
) -> crate::relation::Weighted {
    let beta = challenges.beta.exp_u64(table as u64);
    let mut constraints: Vec<Challenge> =
        challenges.alpha.powers().take(relation.constraints()).map(|power| power * beta).collect();
    constraints.reverse();
    relation.weigh(&constraints, &link.weights(table, relation, challenges.eta))
}

/// A table whose rows are fewer than what is left to bind.
struct Dormant<'a> {
    height: usize,
    rounds: Rounds<'a>,
    has_sums: bool,
    claim: Challenge,
}

/// The rounds of all tables together.
struct Sumcheck<'a> {
    tau: &'a [Challenge],
    tables: Vec<Active<'a>>,
    /// Equality with the challenges in `tau` that belong to variables after the one of the round; only as many as the
    /// tallest table has.
    weights: Vec<Challenge>,
    /// Equality with what is bound.
    prefix: Challenge,
    /// By degree.
    interpolators: [RoundPolyInterpolator<Challenge>; 2],
}

impl<'a> Sumcheck<'a> {
    fn new(tau: &'a [Challenge], tallest: usize) -> Self {
        let last = &tau[tau.len() + 1 - tallest..];
        Self {
            tau,
            tables: Vec::new(),
            weights: Poly::new_from_point(last, Challenge::ONE).into_evals(),
            prefix: Challenge::ONE,
            interpolators: [3, DEGREE].map(RoundPolyInterpolator::new),
        }
    }

    /// Takes in the tables that have as many variables as are left.
    fn wake(&mut self, dormant: &mut Vec<Dormant<'a>>, left: usize) {
        for table in dormant.extract_if(.., |table| table.height == left) {
            let Dormant { rounds, has_sums, claim, .. } = table;
            self.tables.push(Active { rounds, has_sums, claim, polynomial: (Vec::new(), Challenge::ZERO) });
        }
    }

    /// The message of a round: the polynomial at 0, 2, 3, ..., and above its degree once, for the equality of the
    /// variable itself. `asleep` is what all tables claim that have not begun.
    fn message(&mut self, round: usize, asleep: Challenge) -> Vec<Challenge> {
        let tau = self.tau[round];
        let mut sum = vec![asleep; DEGREE];
        let mut sum_of_ends = asleep.double();
        for table in &mut self.tables {
            let ([zero, one, two, three], sums) = table.rounds.round(&self.weights);
            let all_zero = zero + sums[0];
            // What the table claims gives the value at 1.
            let all_one = (table.claim - (Challenge::ONE - tau) * all_zero) * tau.inverse();
            let one = if table.has_sums { one } else { all_one };
            let mut polynomial = self.interpolators[0].extend_evals(&[zero, two, three], zero + one, DEGREE);
            polynomial.iter_mut().zip(sums).for_each(|(value, more)| *value += more);
            sum.iter_mut().zip(&polynomial).for_each(|(sum, value)| *sum += *value);
            sum_of_ends += all_zero + all_one;
            table.polynomial = (polynomial, all_zero + all_one);
        }
        let sum = self.interpolators[1].extend_evals(&sum, sum_of_ends, DEGREE + 1);
        let nodes = [0].into_iter().chain(2..).map(Challenge::interpolation_node);
        let weighted =
            nodes.zip(sum).map(|(node, value)| self.prefix * Point::eval_eq(&[tau], &[node]) * value);
        weighted.collect()
    }

    /// Binds the variable of the round.
    fn bind(&mut self, round: usize, challenge: Challenge) {
        for table in &mut self.tables {
            let (polynomial, sum_of_ends) = &table.polynomial;
            table.claim = self.interpolators[1].eval(polynomial, *sum_of_ends, challenge);
            table.rounds.fold(challenge);
        }
        self.prefix *= Point::eval_eq(&[self.tau[round]], &[challenge]);
        if !self.tables.is_empty() && self.weights.len() > 1 {
            let half = self.weights.len() / 2;
            let (low, high) = self.weights.split_at_mut(half);
            low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
            self.weights.truncate(half);
        }
    }
}
