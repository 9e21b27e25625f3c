//! What can go wrong, said so that the reader knows what to do.

use std::io;
use std::path::PathBuf;

use lathe_types::{Root, Slot};

use crate::model::NetworkId;

/// Why a database was not opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process holds the directory.
    #[error(
        "the database at {path} is in use by another process: stop that process or choose another data directory"
    )]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// The directory holds the chain of another network.
    #[error(
        "the database at {path} belongs to another network ({found}, this one is {expected}): choose another data \
         directory, or move the old one away if its network was started anew"
    )]
    ForeignNetwork {
        /// The database.
        path: PathBuf,
        /// Its network.
        found: Box<NetworkId>,
        /// The network asked for.
        expected: Box<NetworkId>,
    },
    /// The directory holds something else.
    #[error("{path} exists and is not a chain database: choose another data directory or move it away")]
    NotADatabase {
        /// The directory.
        path: PathBuf,
    },
    /// The database was written by a version with another format.
    #[error(
        "the database at {path} has format {found}, this version reads format {expected}: use the version that wrote \
         it, or move it away and synchronise anew"
    )]
    Format {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Our format.
        expected: u32,
    },
    /// The file system failed while the database was opened.
    #[error("cannot open the database at {path}: {source}")]
    Open {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The backend failed.
    #[error("the database failed: {0}")]
    Backend(String),
    /// An earlier write failed; the database has to be opened again.
    #[error("an earlier write to the database failed, so no more are accepted")]
    HandleFailed,
    /// Stored bytes do not make sense.
    #[error(
        "the database is corrupt ({what}): move it away and synchronise anew; the signing ledger is not affected"
    )]
    Corrupt {
        /// Where, and what is wrong.
        what: String,
    },
    /// A batch contradicts itself or what is stored. Nothing of it was written.
    #[error("refused to write an inconsistent batch: {0}")]
    Inconsistent(BatchFlaw),
}

/// What is wrong with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchFlaw {
    /// The state after a block must remember one root per slot before it.
    #[error("the state of block {root} at slot {slot} remembers {roots} block roots")]
    History {
        /// The block.
        root: Root,
        /// Its slot.
        slot: Slot,
        /// Length of the state's history.
        roots: usize,
    },
    /// The database starts from a finalized block with its state.
    #[error("the first batch must finalize a block that it contains")]
    NoAnchor,
    /// The finalized block or its state is missing, or it does not descend from the one stored.
    #[error(
        "the finalized block {root} at slot {slot} does not descend from the stored one, or its state is missing"
    )]
    Finalized {
        /// The block.
        root: Root,
        /// Its slot.
        slot: Slot,
    },
}

impl StorageError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}
