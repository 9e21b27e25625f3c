//! Why a ledger does not open, and why it does not allow a signature.

use std::io;

use crate::mark::Mark;

/// Why a ledger, a mark or an interchange file is not used. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read or written.
    #[error("{location}: {source}")]
    Io {
        /// The ledger or the marks.
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
    /// The marks were written before they knew messages.
    #[error(
        "{location}, which says what the keys beside it have signed, is of an earlier version of Lathe: refusing to \
         sign; use new keys, or sign with the version that wrote it"
    )]
    EarlierMarks {
        /// The marks.
        location: String,
    },
    /// Bytes of the marks are damaged beyond what a lost write explains.
    #[error(
        "{location}, which says what the keys beside it have signed, is damaged ({what}): refusing to sign; restore it \
         from its disk, or use new keys"
    )]
    CorruptMarks {
        /// The marks.
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
    /// A key has signed for a network whose slots are counted from another moment.
    #[error(
        "key {} has signed for the network with genesis time {}, up to slot {}; this one starts at {expected} and would \
         use the same slots of it again: make new keys (lathe keys generate), or, for a throw-away network whose keys \
         guard nothing, start with --allow-key-reuse",
        mark.key.short(), mark.genesis_time, mark.newest.unwrap_or_default()
    )]
    UsedElsewhere {
        /// What is known of the key's use.
        mark: Mark,
        /// Genesis time of our network.
        expected: u64,
    },
    /// A key has signed for this network, what is not on record, and the clock says that the network has not begun.
    #[error(
        "key {} has signed for this network, up to slot {}, and {location} does not know what; the clock says that \
         the network has not begun: restore the newest ledger, or set the clock",
        mark.key.short(), mark.newest.unwrap_or_default()
    )]
    UsedBeforeGenesis {
        /// What is known of the key's use.
        mark: Mark,
        /// The ledger.
        location: String,
    },
    /// An interchange file does not make sense.
    #[error("the interchange file is not usable, line {line}: {what}")]
    Interchange {
        /// Line, from one.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// Why one message may not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
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
    /// Somebody else signs with the key.
    #[error(
        "a signature of this key at slot {slot} is not ours: it rests until `lathe signer resume`, see that no other \
         node holds the key first"
    )]
    Stopped {
        /// Where the foreign signature was seen.
        slot: u64,
    },
    /// The ledger failed; nothing is signed until it is opened again.
    #[error("the signing ledger failed: {0}")]
    Failed(String),
}
