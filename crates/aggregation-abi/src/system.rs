//! What a proof system is asked to do.

use crate::protocol::{Capabilities, Component, Evidence, Purpose, SignatureClaim, Statement, Work};

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The proof or the signatures are malformed, or do not show the statement. Blames whoever sent them.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be done with this system.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// It failed, for reasons of its own. Blames nobody.
    #[error("{0}")]
    Failed(String),
    /// What it gave out is out of bounds: it is not to be used any further without a new start.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    fn unsupported<T>(what: &str) -> Result<T, Self> {
        Err(Self::Unsupported(what.into()))
    }
}

/// A proof system. Calls come one at a time; a process serves one purpose.
///
/// Proofs come from anybody: check every length inside them before allocating by it. What they say of messages, slots
/// and keys counts for nothing: compare it with the statements, which are the caller's.
pub trait ProofSystem: Sized {
    /// What it is and can do. Called before [`Self::set_up`]; it must not take long.
    fn capabilities() -> Capabilities;

    /// Sets up whatever would delay the first call. It has two minutes.
    fn set_up(purpose: Purpose) -> Result<Self, Failure>;

    /// Folds signatures and proofs over one message into a proof over the union of their keys.
    fn aggregate(&mut self, raw: &Evidence, children: &[Evidence]) -> Result<Vec<u8>, Failure>;

    /// Merges what shows several messages into one proof, in this order.
    fn merge(&mut self, components: &[Component]) -> Result<Vec<u8>, Failure> {
        let _ = components;
        Failure::unsupported("merging")
    }

    /// Whether a single-message proof shows its statement: exactly these keys, this message, this slot.
    fn verify_single(&mut self, claim: &Evidence) -> Result<(), Failure>;

    /// Whether a multi-message proof shows exactly these statements, in this order.
    fn verify_multi(&mut self, statements: &[Statement], proof: &[u8]) -> Result<(), Failure>;

    /// Takes one component out of a multi-message proof.
    fn split(&mut self, statements: &[Statement], proof: &[u8], index: usize) -> Result<Vec<u8>, Failure> {
        let _ = (statements, proof, index);
        Failure::unsupported("splitting")
    }

    /// Makes a key from a seed of 32 bytes: its public key and what signs with it.
    fn generate_key(&mut self, seed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let _ = seed;
        Failure::unsupported("making keys")
    }

    /// Does what would delay a signature at `leaf`.
    fn prepare_key(&mut self, secret: &[u8], leaf: u64) -> Result<(), Failure> {
        let _ = (secret, leaf);
        Ok(())
    }

    /// Signs at a leaf. The node's ledger has been asked.
    fn sign(&mut self, secret: &[u8], leaf: u64, message: &[u8; 32]) -> Result<Vec<u8>, Failure> {
        let _ = (secret, leaf, message);
        Failure::unsupported("signing")
    }

    /// One verdict per signature, in order.
    fn verify_signatures(&mut self, claims: &[SignatureClaim]) -> Result<Vec<bool>, Failure> {
        let _ = claims;
        Failure::unsupported("checking signatures")
    }

    /// How long work is going to take, in milliseconds, before any was done; `None` leaves that to the node, which
    /// measures.
    fn estimate_ms(&mut self, work: Work) -> Option<u64> {
        let _ = work;
        None
    }
}
