//! The sum of fractions that shows that the buses balance, and its link to the cells.

use p3_field::PrimeCharacteristicRing;
use p3_lookup::Challenges;
use p3_multi_stark::fractional_gkr::{Fraction, FractionGkrProof, LeafNumerator, prove_fractional_gkr};
use p3_multi_stark::lookup::LookupPlan;
use p3_multi_stark::lookup::transcript::{LookupProverTranscript, LookupShape};
use p3_multilinear_util::point::Point;
use p3_multilinear_util::poly::{Poly, PolyMaybePacked};
use p3_multilinear_util::split_eq::SplitEq;
use p3_sumcheck::layout::Table as CommittedTable;

use crate::error::Error;
use crate::layout::TABLES;
use crate::relation::{MessageWeight, Relation, message_weight};
use crate::ring::LANES;
use crate::system::{Challenge, Challenger, F};
use crate::tables::Table;

/// What the sum of fractions leaves to be shown of the cells: what its leaves, the fractions of all messages in all
/// rows, add up to at one point.
pub(crate) struct Link {
    /// The point.
    pub point: Point<Challenge>,
    /// The claim about all tables.
    pub claimed_sum: Challenge,
    /// What each table contributes to it.
    pub claims: [Challenge; TABLES],
    /// For each table and message: the weight of its block of leaves, and the bus.
    blocks: [Vec<(Challenge, Challenge)>; TABLES],
    theta: Challenge,
    beta: Challenge,
}

impl Link {
    /// Weights of the messages of a table, each `eta` times what the link takes.
    pub(crate) fn weights(&self, table: usize, relation: &Relation, eta: Challenge) -> Vec<MessageWeight> {
        let messages = relation.message_widths().zip(&self.blocks[table]);
        messages
            .map(|(width, (block, prefix))| {
                message_weight(width, eta * *block, self.theta, *prefix, self.beta)
            })
            .collect()
    }
}

/// Proves that all fractions add up to nothing.
///
/// # Errors
/// The library refuses the messages of the tables.
pub(crate) fn prove(
    tables: &[Table; TABLES],
    relations: &[&Relation; TABLES],
    cells: &[&CommittedTable<F>],
    challenger: &mut Challenger,
) -> Result<(FractionGkrProof<Challenge>, Link), Error> {
    let airs = tables.each_ref();
    let heights: Vec<usize> = cells.iter().map(|table| table.num_variables()).collect();
    let plan = LookupPlan::<F>::build::<Challenge, Table>(&airs, &heights)
        .map_err(|error| Error::System(error.to_string()))?
        .ok_or_else(|| Error::System("the tables have no messages".to_owned()))?;
    let shape = LookupShape::new(&plan);
    let mut transcript = LookupProverTranscript::<Challenger, F, Challenge>::new(challenger, &shape);
    let (alpha, beta) = transcript.fingerprint_challenges();
    let leaves = plan.materialize_fraction(cells, &[None; TABLES], &[&[] as &[F]; TABLES], alpha, beta);
    let (proof, output) = transcript.reduction(|challenger| {
        prove_fractional_gkr(Fraction { n: LeafNumerator::Base(&leaves.n), d: &leaves.d }, challenger)
    });
    let theta = transcript.link_challenge();
    transcript.finish();

    let prefixes = Challenges::new(alpha, beta, shape.max_width, shape.num_buses).bus_prefix;
    let mut link = Link {
        claimed_sum: output.numerator + theta * (output.denominator - Challenge::ONE),
        point: output.point,
        claims: [Challenge::ZERO; TABLES],
        blocks: Default::default(),
        theta,
        beta,
    };
    for instance in &shape.instances {
        let table = instance.air_index;
        let (selectors, row) = link.point.split_at(link.point.num_variables() - instance.num_variables);
        let first = instance.base_offset >> instance.num_variables;
        let blocks = relations[table].message_widths().zip(&instance.bus_ids).zip(first..);
        for ((_, bus), block) in blocks {
            let vertex = Point::<F>::hypercube(block, selectors.num_variables());
            let weight = Point::eval_eq(vertex.as_slice(), selectors.as_slice());
            link.blocks[table].push((weight, prefixes[*bus]));
            link.claims[table] += weight * claim(&leaves, block, &row, theta);
        }
    }
    Ok((proof, link))
}

/// What one block of leaves comes to at a point.
fn claim(
    leaves: &Fraction<Poly<F>, PolyMaybePacked<F, Challenge>>,
    block: usize,
    row: &Point<Challenge>,
    theta: Challenge,
) -> Challenge {
    let equality = SplitEq::<F, Challenge>::new_packed(row, Challenge::ONE);
    let length = 1 << row.num_variables();
    let range = block * length..(block + 1) * length;
    let numerator = equality.eval_base(Poly::new(&leaves.n.as_slice()[range.clone()]));
    let denominator = match &leaves.d {
        PolyMaybePacked::Scalar(denominators) => {
            equality.eval_ext(Poly::new(&denominators.as_slice()[range]))
        }
        PolyMaybePacked::Packed(denominators) => {
            let range = range.start / LANES..range.end / LANES;
            equality.eval_packed(Poly::new(&denominators.as_slice()[range]))
        }
    };
    numerator + theta * (denominator - Challenge::ONE)
}
