//! Proofs that many XMSS signatures are valid, in one STARK over KoalaBear.
//!
//! [`Statement`] says which keys signed which messages at which slots; [`prove`] takes the signatures, checks them and
//! makes a proof, [`verify`] takes the proof. Signatures of several messages and slots share one set of tables, so that
//! verification hardly grows with either. `docs/aggregation.md` has the tables, the parameters and the argument.
//!
//! Nothing from outside panics: bytes are bounded before they are read, and whatever the proof system does is isolated.

mod buses;
mod codeword;
mod error;
mod fractions;
mod gather;
mod grinding;
mod layout;
mod permutation;
mod proof;
mod relation;
mod ring;
mod rounds;
mod statement;
mod system;
mod tables;
mod trace;
mod witness;
mod zerocheck;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use proof::{MAX_PROOF_BYTES, prove, security, verify};
pub use statement::{Claim, MAX_SIGNATURES, MAX_SLOTS, Statement};
pub use system::{SECURITY_BITS, VERSION};
