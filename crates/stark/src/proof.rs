//! Proving and verifying.

use std::panic::{AssertUnwindSafe, catch_unwind};

use p3_commit::MultilinearPcs;
use p3_multi_stark::config::{Commitment, MultiStarkConfig, PcsProof};
use p3_multi_stark::rounds::AirDegrees;
use p3_multi_stark::transcript::{MultiStarkProverTranscript, MultiStarkShape};
use p3_multi_stark::{MultiStarkProof, MultiStarkSecurityReport, VerifierInstance, VerifierInstances};
use p3_multilinear_util::point::Point;
use p3_sumcheck::OpeningBatch;
use p3_sumcheck::layout::{Layout as _, Table as CommittedTable};

use crate::error::Error;
use crate::layout::{Layout, TABLES};
use crate::relation::Relation;
use crate::statement::Statement;
use crate::system::{
    Challenge, Challenger, Config, F, KeptCodeword, SUMCHECK_GRINDING_BITS, Stacking, keys, transcript,
};
use crate::tables::symbols::Symbols;
use crate::tables::{Table, WIDTHS};
use crate::trace::Trace;
use crate::{fractions, zerocheck};

/// Bytes of the longest proof that is looked at. The largest statement takes less than this.
pub const MAX_PROOF_BYTES: usize = 384 * 1024;

pub(crate) type Proof = MultiStarkProof<Config>;

/// Proves a statement from its signatures, in the order of its claims. All of them are checked first.
///
/// # Errors
/// A signature is not valid, or not as many are given as the statement has claims.
pub fn prove(statement: &Statement, signatures: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let expected = statement.claims().len();
    if signatures.len() != expected {
        return Err(Error::SignatureCount { expected, found: signatures.len() });
    }
    isolated(|| {
        let layout = Layout::of(statement);
        let tables = Table::all(statement, &layout)?;
        let trace = Trace::new(statement, &layout, &tables, signatures)?;
        prove_trace(statement, &layout, &tables, trace)
    })
}

/// Proves that the rows satisfy the tables of the statement, whether they do or not.
pub(crate) fn prove_trace(
    statement: &Statement,
    layout: &Layout,
    tables: &[Table; TABLES],
    trace: Trace,
) -> Result<Vec<u8>, Error> {
    let config = Config::new(layout)?;
    let [chain, node, digits, leaf, signature, tweak] = tables.each_ref().map(Symbols::relation);
    let taken = [chain?, node?, digits?, leaf?, signature?, tweak?];
    let relations = taken.map(|(relation, _)| relation);
    let degrees = taken.map(|(_, degrees)| degrees);

    let mut challenger = transcript(statement, layout);
    let shape = MultiStarkShape::new::<F, Table>(
        &tables.each_ref(),
        &layout.log_heights,
        SUMCHECK_GRINDING_BITS,
        false,
        false,
    );
    let mut transcript = MultiStarkProverTranscript::<Challenger, F>::new(&mut challenger, shape);
    let steps = Steps { config: &config, layout, tables, relations, degrees };
    let proof = steps.run(trace, &mut transcript).inspect_err(|_| transcript.abort())?;
    transcript.finish();
    postcard::to_allocvec(&proof).map_err(|error| Error::System(error.to_string()))
}

/// The steps of a proof, which the transcript asks for in this order.
struct Steps<'a> {
    config: &'a Config,
    layout: &'a Layout,
    tables: &'a [Table; TABLES],
    relations: [&'a Relation; TABLES],
    degrees: [AirDegrees; TABLES],
}

impl Steps<'_> {
    fn run(
        &self,
        trace: Trace,
        transcript: &mut MultiStarkProverTranscript<'_, Challenger, F>,
    ) -> Result<Proof, Error> {
        let Self { config, layout, tables, relations, degrees } = self;
        transcript.preprocessed_commitment::<Commitment<Config>>(None);
        let witness = config.build_witness(trace.committed().into());
        let (columns, commitment, kept) = transcript.main_commitment(|challenger| {
            let committed = config.commit(witness);
            config.pcs().observe_commitment(&committed.1, challenger);
            committed
        });
        transcript.public_values(&[&[] as &[F]; TABLES]);
        let cells: Vec<&CommittedTable<F>> = (0..TABLES).map(|table| columns.table(table)).collect();
        let (lookup, link) = transcript
            .lookup_argument(|challenger| fractions::prove(tables, relations, &cells, challenger))?;
        let (sumcheck, point) = transcript.zerocheck(|challenger| {
            zerocheck::prove(tables, relations, degrees, &cells, &link, challenger)
        })?;
        let opening =
            transcript.main_opening(|challenger| open(config, layout, columns, kept, &point, challenger))?;
        Ok(Proof {
            commitment,
            lookup: Some(lookup),
            indexed: None,
            bus: None,
            sumcheck,
            opening,
            preprocessed_opening: None,
        })
    }
}

/// Opens every column of every table at the coordinates of the point that belong to its rows.
fn open(
    config: &Config,
    layout: &Layout,
    mut columns: Stacking,
    kept: KeptCodeword,
    point: &Point<Challenge>,
    challenger: &mut Challenger,
) -> Result<PcsProof<Config>, Error> {
    let samples = 0..config.pcs().commitment_ood_samples();
    let outside = samples.map(|_| columns.add_virtual_eval(challenger)).collect();
    let tables = layout.log_heights.iter().zip(WIDTHS).enumerate();
    let evals: Vec<_> = tables
        .map(|(table, (log_height, width))| {
            let (_, row) = point.split_at(point.num_variables() - log_height);
            let all = OpeningBatch::new((0..width).collect(), Vec::new());
            columns.eval_at(table, &all, &row, challenger)
        })
        .collect();
    let openings = evals.len();
    let whir = config
        .pcs()
        .prove(outside, challenger, columns, kept, openings)
        .map_err(|error| Error::System(error.to_string()))?;
    Ok(PcsProof::<Config> { whir, evals })
}

/// Whether `bytes` prove the statement.
///
/// # Errors
/// They do not, or they are not a proof. Never panics, and takes memory in proportion to the length of the bytes.
pub fn verify(statement: &Statement, bytes: &[u8]) -> Result<(), Error> {
    let layout = Layout::of(statement);
    let tables = Table::all(statement, &layout)?;
    let config = Config::new(&layout)?;
    let proof = decode(bytes)?;
    isolated(|| {
        let instances = instances(&layout, &tables)?;
        let mut transcript = transcript(statement, &layout);
        p3_multi_stark::verify(&config, instances, &proof, SUMCHECK_GRINDING_BITS, &mut transcript)
            .map_err(|error| Error::Rejected(error.to_string()))
    })
}

/// What a proof of the statement is worth, by the proof system's own accounting of every error term.
///
/// # Errors
/// A term cannot be assessed, or the statement has no configuration.
pub fn security(statement: &Statement) -> Result<MultiStarkSecurityReport, Error> {
    let layout = Layout::of(statement);
    let tables = Table::all(statement, &layout)?;
    p3_multi_stark::security_report(&Config::new(&layout)?, &instances(&layout, &tables)?)
        .map_err(|error| Error::System(error.to_string()))
}

fn instances<'a>(
    layout: &Layout,
    tables: &'a [Table; TABLES],
) -> Result<VerifierInstances<'a, Config, Table>, Error> {
    let (_, verifying_key) = keys()?;
    let instances = tables
        .iter()
        .zip(layout.log_heights)
        .map(|(table, log_height)| VerifierInstance::new(table, verifying_key, log_height, &[]))
        .collect();
    Ok(VerifierInstances::new(instances))
}

/// Reads a proof. Every list is at most as long as the bytes that are left, and whatever decodes is the only encoding
/// of what it decodes to.
fn decode(bytes: &[u8]) -> Result<Proof, Error> {
    if bytes.len() > MAX_PROOF_BYTES {
        return Err(Error::TooLong { found: bytes.len(), max: MAX_PROOF_BYTES });
    }
    let (proof, rest) = postcard::take_from_bytes::<Proof>(bytes)
        .map_err(|_| Error::Malformed("a part is missing or out of range"))?;
    if !rest.is_empty() {
        return Err(Error::Malformed("bytes are left"));
    }
    match postcard::to_allocvec(&proof) {
        Ok(again) if again == bytes => Ok(proof),
        _ => Err(Error::Malformed("not canonical")),
    }
}

/// Runs something of the proof system; a panic there is an error here. On a thread of the pool, because it forks into
/// hundreds of small pieces, and each of them would wait to be handed over to the pool from a thread outside.
fn isolated<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    rayon::scope(|_| catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Panicked)))
}

/// The same as [`prove_trace`], by the library alone.
#[cfg(test)]
pub(crate) fn prove_by_library(
    statement: &Statement,
    layout: &Layout,
    tables: &[Table; TABLES],
    trace: Trace,
) -> Vec<u8> {
    let (key, _) = keys().unwrap();
    let instances = tables.iter().zip(trace.committed());
    let instances =
        instances.map(|(table, cells)| p3_multi_stark::ProverInstance::new(table, cells, key, &[])).collect();
    let proof = p3_multi_stark::prove(
        &Config::new(layout).unwrap(),
        p3_multi_stark::ProverInstances::new(instances),
        SUMCHECK_GRINDING_BITS,
        &mut transcript(statement, layout),
    );
    postcard::to_allocvec(&proof.unwrap()).unwrap()
}
