//! Why keys or the ledger did not open, and why a signature was not made.

use std::io;
use std::path::PathBuf;

use lathe_types::{KeyRole, PublicKey, ValidatorIndex};

/// Why the signer does not start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the ledger.
    #[error(
        "the signing ledger in {directory} is in use by another process: two signers with the same keys destroy them, stop one"
    )]
    Locked {
        /// The ledger's directory.
        directory: PathBuf,
    },
    /// The ledger could not be read or written.
    #[error("the signing ledger {location}: {source}")]
    Io {
        /// The ledger.
        location: String,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes of the ledger are damaged beyond what a lost write explains.
    #[error(
        "the signing ledger {location} is corrupt ({what}): refusing to sign; restore the file from its disk, or move \
         it away and keep these keys idle for a few slots"
    )]
    Corrupt {
        /// The ledger.
        location: String,
        /// What is wrong.
        what: String,
    },
    /// The ledger was started for a chain with another genesis.
    #[error(
        "the signing ledger {location} belongs to the network with genesis time {found}, this one starts at \
         {expected}: slots begin anew with a genesis, so make new keys and choose another ledger directory"
    )]
    OtherGenesis {
        /// The ledger.
        location: String,
        /// Its genesis time.
        found: u64,
        /// Ours.
        expected: u64,
    },
    /// An interchange file does not make sense.
    #[error("the interchange file is not usable, line {line}: {what}")]
    Interchange {
        /// Line, from one.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A key file could not be read.
    #[error("cannot read the key file {path}: {source}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file is too large to be one.
    #[error("{path} has {bytes} bytes, more than any key file")]
    KeyFileSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A key file does not decode.
    #[error("the key file {path} is not usable: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: lathe_leansig::Error,
    },
    /// A key is not the one that the registry names.
    #[error(
        "the key file {path} holds the secret of {found}, but the {} key of validator {validator} is {expected}: \
         check the key directory and the assignment",
        role_name(*role)
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The validator.
        validator: ValidatorIndex,
        /// The role.
        role: KeyRole,
        /// What the file holds.
        found: Box<PublicKey>,
        /// What the registry says.
        expected: Box<PublicKey>,
    },
    /// One role of one validator is assigned twice.
    #[error("validator {validator} has two {} keys assigned", role_name(*role))]
    AssignedTwice {
        /// The validator.
        validator: ValidatorIndex,
        /// The role.
        role: KeyRole,
    },
}

fn role_name(role: KeyRole) -> &'static str {
    match role {
        KeyRole::Attestation => "attestation",
        KeyRole::Proposal => "proposal",
    }
}

/// Why one signature was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key has signed another message at this slot.
    #[error("the key has signed another message at slot {slot}")]
    AlreadySigned {
        /// The slot.
        slot: u64,
    },
    /// The ledger does not know any more, or never knew, what was signed at this slot.
    #[error("slot {slot} is below {watermark}, from where the ledger vouches for the key")]
    BelowWatermark {
        /// The slot.
        slot: u64,
        /// The lowest slot that may be signed.
        watermark: u64,
    },
    /// The slot lies outside the key's range.
    #[error("slot {slot} is outside the range of the key")]
    KeyExhausted {
        /// The slot.
        slot: u64,
    },
    /// The part of the key around the slot is not computed yet.
    #[error("the key is not prepared for slot {slot}")]
    NotPrepared {
        /// The slot.
        slot: u64,
    },
    /// There is no such key here.
    #[error("no such key")]
    UnknownKey,
    /// The ledger failed; nothing is signed until it is opened again.
    #[error("the signing ledger failed: {0}")]
    Ledger(String),
    /// The scheme failed.
    #[error(transparent)]
    Scheme(#[from] lathe_leansig::Error),
}
