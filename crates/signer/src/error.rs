//! Why keys or the ledger did not open, and why a signature was not made.

use std::io;
use std::path::PathBuf;

use lathe_keys::KeyError;
use lathe_ledger::Refusal;
use lathe_types::{KeyRole, PublicKey, ValidatorIndex};

use crate::lock::Holder;

/// Why the signer does not start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the ledger.
    #[error(
        "the signing ledger {} is in use by {holder}: two signers with the same keys destroy them, stop one",
        path.display()
    )]
    Locked {
        /// The ledger.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// Another process holds a key.
    #[error(
        "the key file {} is in use by {holder}: two signers with the same keys destroy them, stop one",
        path.display()
    )]
    KeyInUse {
        /// The file.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// A key file cannot be locked, so nothing would keep a second process from using it.
    #[error(
        "the key file {} cannot be locked ({source}), so nothing would keep a second node from signing with it: put the \
         keys on a local file system",
        path.display()
    )]
    NotLockable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The ledger's rules, or its bytes.
    #[error(transparent)]
    Ledger(#[from] lathe_ledger::Error),
    /// A key file could not be read.
    #[error(
        "cannot read the key file {path}: {source}; check --hash-sig-keys-dir and the assignment of validators"
    )]
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
    #[error("the key file {path} is not usable: {source}; restore it, or make new keys for a new network")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
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
    /// One key serves twice.
    #[error(
        "one key serves as the {} key of validator {} and as the {} key of validator {}: a key signs one message per \
         slot, so one of them would lose its duties; give each a key of its own",
        role_name(first.1), first.0, role_name(second.1), second.0
    )]
    SharedKey {
        /// One use of it.
        first: (ValidatorIndex, KeyRole),
        /// The other one.
        second: (ValidatorIndex, KeyRole),
    },
}

impl Error {
    pub(crate) fn ledger(location: String, source: io::Error) -> Self {
        Self::Ledger(lathe_ledger::Error::Io { location, source })
    }
}

pub(crate) fn role_name(role: KeyRole) -> &'static str {
    match role {
        KeyRole::Attestation => "attestation",
        KeyRole::Proposal => "proposal",
    }
}

/// Why one signature was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The ledger does not allow it, or failed.
    #[error(transparent)]
    Refused(#[from] Refusal),
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
    /// The signer in another process cannot be reached, or failed.
    #[error("the signer is away: {0}")]
    Away(String),
    /// The signer in another process did not answer in time. It may have signed all the same.
    #[error("the signer did not answer in time")]
    Slow,
    /// The signer in another process does not serve this node.
    #[error("the signer refuses this node: {0}")]
    NotServed(String),
    /// The scheme failed.
    #[error(transparent)]
    Scheme(#[from] KeyError),
}
