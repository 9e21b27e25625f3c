//! What a proof is worth, computed from the parameters of every size in use: by the library's own account, and by ours,
//! which takes nothing from the library but the parameters that it derived.
//!
//! Ours unites the error terms of WHIR (eprint 2024/1586, theorem 5.2), with the mutual correlated agreement of
//! Reed-Solomon codes up to the Johnson radius by either of two theorems, and those of the reductions above it.

use std::collections::BTreeMap;

use p3_air::symbolic::AirLayout;
use p3_lookup::InteractionSymbolicBuilder;
use p3_multi_stark::config::MultiStarkConfig as _;

use crate::layout::{Layout, TABLES};
use crate::system::{Challenge, Config, F};
use crate::tables::{Table, WIDTHS};
use crate::{Claim, MAX_SIGNATURES, MAX_SLOTS, SECURITY_BITS, Statement, security};

/// Codewords are looked for within 1 - sqrt(rho) - eta, where eta = sqrt(rho) / 20; then sqrt(rho) / (2 eta) is 10.
const MULTIPLICITY: f64 = 10.0;
/// Highest degree of a constraint, of which those of the chain table are.
const DEGREE: f64 = 9.0;
/// Individual degree of what the folds' sumchecks are about, as the theorem counts it.
const FOLD_DEGREE: f64 = 3.0;
/// The hash has 256 bits.
const COLLISION_BITS: f64 = 128.0;

fn claims(signatures: usize, slots: usize) -> Statement {
    let claim = |index: usize| Claim { public_key: [0; 52], message: [0; 32], slot: (index % slots) as u32 };
    Statement::new((0..signatures).map(claim).collect()).unwrap()
}

/// A statement for every combination of heights that there is.
fn every_layout() -> Vec<Statement> {
    let mut layouts = BTreeMap::new();
    for signatures in 1..=MAX_SIGNATURES {
        for slots in [1, 2, 4, 8, 16, MAX_SLOTS] {
            let statement = claims(signatures, slots.min(signatures));
            layouts.entry(Layout::of(&statement).log_heights).or_insert(statement);
        }
    }
    assert!(layouts.len() > 20, "all heights from the least to the largest: {}", layouts.len());
    layouts.into_values().collect()
}

/// A theorem on lines: the logarithm of how many challenges may make two words look close to a code of 2^`dimension`
/// words at rate 2^-`rate` of which one is not.
type Theorem = fn(dimension: f64, rate: f64) -> f64;

/// Dao, Kominers, Thaler (eprint 2026/2056), theorem 5.12: 8 n (m + 1/2)^3 / (3 rho'), where rho' = (k - 1) / n.
fn dkt26(dimension: f64, rate: f64) -> f64 {
    let n = (dimension + rate).exp2();
    (8.0 * n * (MULTIPLICITY + 0.5).powi(3) / (3.0 * (dimension.exp2() - 1.0) / n)).log2()
}

/// Ben-Sasson, Carmon, Habock, Kopparty, Saraf (eprint 2025/2055), theorems 1.5 and 4.6:
/// (2 (m + 1/2)^5 + 3 (m + 1/2) gamma rho) n / (3 rho^(3/2)) + (m + 1/2) / sqrt(rho).
fn bchks25(dimension: f64, rate: f64) -> f64 {
    let (n, rho, m) = ((dimension + rate).exp2(), (-rate).exp2(), MULTIPLICITY + 0.5);
    let gamma = 1.0 - rho.sqrt() * (1.0 + 0.5 / MULTIPLICITY);
    let first = (2.0 * m.powi(5) + 3.0 * m * gamma * rho) * n / (3.0 * rho.powf(1.5));
    (first + m / rho.sqrt()).log2()
}

/// The logarithm of how many codewords there are within that radius: 1 / (2 eta sqrt(rho)) by the Johnson bound.
fn list(rate: f64) -> f64 {
    (MULTIPLICITY * rate.exp2()).log2()
}

/// The logarithm of the field's size: the quintic extension of KoalaBear.
fn field() -> f64 {
    5.0 * (31f64.exp2() - 24f64.exp2() + 1.0).log2()
}

/// The bits of every error term of the commitment.
fn commitment_terms(config: &Config, columns: usize, theorem: Theorem) -> Vec<f64> {
    let whir = config.pcs();
    let mut terms = Vec::new();
    let ood = |variables: f64, rate: f64, samples: usize| {
        (field() - variables) * samples as f64 + 1.0 - 2.0 * list(rate)
    };
    // Of the code after each fold: its words are half as many, and its domain is half as large.
    let folds = |terms: &mut Vec<f64>, variables: usize, rate: usize, folds: usize, grinding: usize| {
        let rate = rate as f64;
        for fold in 1..=folds {
            let gap = field() - theorem((variables - fold) as f64, rate);
            let sumcheck = field() - FOLD_DEGREE.log2() - list(rate);
            terms.extend([gap, sumcheck].map(|bits| bits + grinding as f64));
        }
    };
    // A query finds a word outside the radius with probability 1 - sqrt(rho) - eta.
    let queries = |rate: usize, queries: usize| {
        queries as f64 * (rate as f64 / 2.0 - (1.0 + 0.5 / MULTIPLICITY).log2())
    };
    let (variables, mut rate) = (whir.num_variables(), whir.params().starting_log_inv_rate);
    let openings = columns + whir.commitment_ood_samples();
    terms.push(field() - ((openings - 1) as f64).log2() - list(rate as f64));
    terms.push(ood(variables as f64, rate as f64, whir.commitment_ood_samples()));
    let schedule = whir.folding_schedule();
    folds(&mut terms, variables, rate, schedule[0], whir.starting_folding_pow_bits());
    for (round, folded) in whir.round_parameters().iter().zip(&schedule[1..]) {
        let grinding = round.pow_bits as f64;
        let new_rate = round.log_inv_rate as f64;
        terms.push(ood(round.num_variables as f64, new_rate, round.ood_samples));
        terms.push(queries(rate, round.num_queries) + grinding);
        let combined = ((round.ood_samples + round.num_queries) as f64).log2();
        terms.push(field() - combined - list(new_rate) + grinding);
        folds(&mut terms, round.num_variables, round.log_inv_rate, *folded, round.folding_pow_bits);
        rate = round.log_inv_rate;
    }
    terms.push(queries(rate, whir.terminal().num_queries) + whir.terminal().pow_bits as f64);
    let last = field() - 1.0 + whir.final_folding_pow_bits() as f64;
    terms.extend(vec![last; whir.final_sumcheck_rounds()]);
    terms
}

/// The bits of every error term of the reductions above the commitment, each once for every codeword that it leaves
/// open.
fn reduction_terms(layout: &Layout, tables: &[Table; TABLES], open: f64) -> Vec<f64> {
    let (mut constraints, mut fractions, mut width) = (0, 0, 0);
    for (table, log_height) in tables.iter().zip(layout.log_heights) {
        let mut builder = InteractionSymbolicBuilder::<F, Challenge>::new(AirLayout::from_air::<F>(table));
        table.state(&mut builder);
        constraints = constraints.max(builder.base_constraints().len());
        fractions += builder.global_interactions().len() << log_height;
        let widths = builder.global_interactions().iter().map(|message| message.fields.len());
        width = width.max(widths.max().unwrap());
    }
    let layers = (fractions as f64).log2().ceil();
    let variables = layout.log_heights.into_iter().max().unwrap() as f64;
    let variables = variables.max(layers);
    let degrees = [
        // Constraints of a table by powers of one challenge, tables by powers of another.
        constraints as f64 - 1.0,
        TABLES as f64 - 1.0,
        // The point of the zerocheck, and its rounds.
        variables,
        variables * (DEGREE + 1.0),
        // Fingerprints of messages: of each element, the bus, and the denominator.
        fractions as f64 * (width as f64 + 2.0),
        // Layers of the sum of fractions: two draws each, and a cubic sumcheck of as many rounds as are above.
        2.0 * layers + 1.5 * layers * (layers - 1.0),
        // Numerator and denominator in one claim, and that claim beside the constraints.
        1.0,
        1.0,
    ];
    degrees.map(|degree| field() - degree.log2() - open).to_vec()
}

/// The bits of the union over everything.
fn bits(statement: &Statement, theorem: Theorem) -> f64 {
    let layout = Layout::of(statement);
    let tables = Table::all(statement, &layout).unwrap();
    let config = Config::new(&layout).unwrap();
    let rate = config.pcs().params().starting_log_inv_rate;
    let mut terms = commitment_terms(&config, WIDTHS.iter().sum(), theorem);
    terms.extend(reduction_terms(&layout, &tables, list(rate as f64)));
    terms.push(COLLISION_BITS);
    -terms.into_iter().map(|bits| (-bits).exp2()).sum::<f64>().log2()
}

#[test]
fn every_layout_reaches_its_bits_under_either_theorem() {
    let mut worst = [f64::INFINITY; 3];
    for statement in every_layout() {
        let report = security(&statement).unwrap();
        report.require_security(SECURITY_BITS).unwrap();
        let reached = [bits(&statement, dkt26), bits(&statement, bchks25), report.security_bits().unwrap()];
        for (worst, reached) in worst.iter_mut().zip(reached) {
            *worst = worst.min(reached);
        }
    }
    println!("DKT26 {:.2}, BCHKS25 {:.2}, the library {:.2}", worst[0], worst[1], worst[2]);
    assert!(worst.into_iter().all(|bits| bits >= SECURITY_BITS as f64), "{worst:?}");
}

/// The bounds by hand: a code of 2^20 words at rate 1/4 and ten as multiplicity.
#[test]
fn the_theorems_are_evaluated_as_they_are_stated() {
    // log2(8 * 2^22 * 10.5^3 / (3 / 4)) and log2((2 * 10.5^5 + ...) * 2^22 / (3 / 8)).
    assert!((dkt26(20.0, 2.0) - 35.592).abs() < 0.001, "{}", dkt26(20.0, 2.0));
    assert!((bchks25(20.0, 2.0) - 41.377).abs() < 0.001, "{}", bchks25(20.0, 2.0));
    assert!((list(2.0) - 40f64.log2()).abs() < 1e-9);
}

/// Bits of grinding before the first folds, then for each later commitment: the logarithm of its inverse rate, the
/// queries to the one before with their grinding, and the grinding before its folds; queries to the last with their
/// grinding.
type Parameters = (usize, Vec<[usize; 4]>, [usize; 2]);

fn parameters(config: &Config) -> Parameters {
    let whir = config.pcs();
    let rounds = whir.round_parameters().iter();
    let rounds =
        rounds.map(|round| [round.log_inv_rate, round.num_queries, round.pow_bits, round.folding_pow_bits]);
    let last = [whir.terminal().num_queries, whir.terminal().pow_bits];
    (whir.starting_folding_pow_bits(), rounds.collect(), last)
}

/// The table of `docs/aggregation.md`, by the logarithm of the committed cells. An update of the library that derives
/// other parameters is seen here.
#[test]
fn parameters_are_pinned() {
    let first = |fold: usize| vec![[4, 125, 15, fold]];
    let second = |fold: usize| [first(fold), vec![[8, 61, 14, fold + 3]]].concat();
    let third = |fold: usize| vec![[4, 123, 17, fold], [8, 60, 16, fold + 3], [10, 30, 14, fold + 2]];
    let expected: BTreeMap<usize, Parameters> = [
        (17, (9, first(6), [61, 14])),
        (18, (10, first(7), [61, 14])),
        (19, (11, second(8), [30, 14])),
        (20, (12, second(9), [30, 14])),
        (21, (13, second(10), [30, 14])),
        (22, (14, second(11), [30, 14])),
        (23, (15, second(12), [30, 14])),
        (24, (16, third(13), [24, 13])),
        (25, (17, third(14), [24, 13])),
    ]
    .into();
    let found = every_layout().into_iter().map(|statement| {
        let layout = Layout::of(&statement);
        (layout.variables(WIDTHS), parameters(&Config::new(&layout).unwrap()))
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
}
