//! Proving and verifying.

use std::panic::{AssertUnwindSafe, catch_unwind};

use p3_multi_stark::{
    MultiStarkProof, MultiStarkSecurityReport, ProverInstance, ProverInstances, VerifierInstance,
    VerifierInstances,
};

use crate::error::Error;
use crate::layout::{Layout, TABLES};
use crate::statement::Statement;
use crate::system::{Config, keys, transcript};
use crate::tables::Table;
use crate::trace::Trace;

/// Bytes of the longest proof that is looked at. The largest statement takes less than this.
pub const MAX_PROOF_BYTES: usize = 384 * 1024;

pub(crate) type Proof = MultiStarkProof<Config>;

/// Grinding in each round of the shared sumcheck: none, its field is large enough.
const SUMCHECK_GRINDING_BITS: usize = 0;

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
    let system = |error: &dyn std::fmt::Display| Error::System(error.to_string());
    let config = Config::new(layout)?;
    let (proving_key, _) = keys()?;
    let instances = tables
        .iter()
        .zip(trace.committed())
        .map(|(table, cells)| ProverInstance::new(table, cells, proving_key, &[]))
        .collect();
    let proof = p3_multi_stark::prove(
        &config,
        ProverInstances::new(instances),
        SUMCHECK_GRINDING_BITS,
        &mut transcript(statement, layout),
    )
    .map_err(|error| system(&error))?;
    postcard::to_allocvec(&proof).map_err(|error| system(&error))
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
