//! The proof system behind the policy.

use std::fmt::Debug;

use lathe_stark::{Error, Statement};

/// What makes and checks proofs in place of signatures. When to prove, what and for how long is not its business.
pub trait ProofSystem: Debug + Send + Sync {
    /// Proves that all claims of the statement were signed, with one signature for each. Seconds of work.
    fn prove(&self, statement: &Statement, signatures: &[&[u8]]) -> Result<Vec<u8>, Error>;

    /// Whether the proof shows that.
    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Error>;
}

/// The STARK of production.
#[derive(Debug)]
pub(crate) struct Stark;

impl ProofSystem for Stark {
    fn prove(&self, statement: &Statement, signatures: &[&[u8]]) -> Result<Vec<u8>, Error> {
        lathe_stark::prove(statement, signatures)
    }

    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Error> {
        lathe_stark::verify(statement, proof)
    }
}
