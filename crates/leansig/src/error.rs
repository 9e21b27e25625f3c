//! What can go wrong with keys and signatures.

/// Why a key or a signature could not be made, read or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A byte string has the wrong length.
    #[error("{what} has {found} bytes, expected {expected}")]
    Length {
        /// What was being read.
        what: &'static str,
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// An SSZ offset points elsewhere than the one place it may point to.
    #[error("{what} has an offset of {found}, expected {expected}")]
    Offset {
        /// What was being read.
        what: &'static str,
        /// The only valid offset.
        expected: usize,
        /// The offset given.
        found: usize,
    },
    /// A limb is not below the modulus.
    #[error("{what} holds a limb that is not below the field modulus")]
    NonCanonical {
        /// What was being read.
        what: &'static str,
    },
    /// A range of slots is empty or leaves the lifetime of the scheme.
    #[error("slots {start}..{end} are not a range within the {lifetime} slots of the scheme")]
    Range {
        /// First slot.
        start: u64,
        /// Slot after the last.
        end: u64,
        /// Slots of the scheme.
        lifetime: u64,
    },
    /// The key does not cover the slot.
    #[error("slot {slot} is outside the range of the key, {start}..{end}")]
    OutOfRange {
        /// The slot asked for.
        slot: u64,
        /// First slot of the key.
        start: u64,
        /// Slot after the last of the key.
        end: u64,
    },
    /// The part of the tree around the slot has not been built yet.
    #[error("the key is not prepared for slot {slot}")]
    NotPrepared {
        /// The slot asked for.
        slot: u64,
    },
    /// No attempt encoded the message; has a probability of about 2^-158.
    #[error("no encoding of the message was found for slot {slot}")]
    NoEncoding {
        /// The slot asked for.
        slot: u64,
    },
    /// A key file is neither ours nor leanSig's.
    #[error("not a key file: neither Lathe's nor leanSig's")]
    NotAKey,
    /// A key file of ours is of a version that this build does not read.
    #[error("key file version {found}, this build reads version {expected}")]
    Version {
        /// The version understood.
        expected: u16,
        /// The version found.
        found: u16,
    },
    /// A key file of ours belongs to another parameter set.
    #[error("key file of parameter set {found}, expected {expected}")]
    OtherScheme {
        /// The number of the set asked for.
        expected: u16,
        /// The number found.
        found: u16,
    },
    /// A key file is damaged.
    #[error("key file is damaged: {0}")]
    Damaged(&'static str),
    /// leanSig's format has no room for a key of this range.
    #[error(
        "slots {start}..{end} cannot be exported: leanSig's format holds whole spans of {span} slots, two at least"
    )]
    NotExportable {
        /// First slot of the key.
        start: u64,
        /// Slot after the last of the key.
        end: u64,
        /// Slots under one bottom tree.
        span: u64,
    },
}
