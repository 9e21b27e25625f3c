//! What can go wrong with keys and signatures.

use crate::layout::Layout;

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
    /// A range of slots is empty or leaves the lifetime of the scheme.
    #[error("slots {start}..{end} are not a range within the 2^32 slots of the scheme")]
    Range {
        /// First slot.
        start: u64,
        /// Slot after the last.
        end: u64,
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
    /// No randomizer encoded the message; has a probability below 2^-200000.
    #[error("no encoding of the message was found for slot {slot}")]
    NoEncoding {
        /// The slot asked for.
        slot: u64,
    },
    /// A key file is neither ours nor other clients' for this scheme.
    #[error("not a key file of xmss-blake2s: neither Lathe's nor the postcard format of other clients")]
    NotAKey,
    /// A key file of ours is of a version that this build does not read.
    #[error("key file version {found}, this build reads version {expected}")]
    Version {
        /// The version understood.
        expected: u16,
        /// The version found.
        found: u16,
    },
    /// A key file of ours belongs to another signature scheme.
    #[error("key file of signature scheme {found}, that of xmss-blake2s is {expected}")]
    OtherScheme {
        /// The number of this scheme.
        expected: u16,
        /// The number found.
        found: u16,
    },
    /// A key file of ours belongs to another layout.
    #[error("key file of {}, the network uses layout {expected}: make keys for it", layout_name(*.found))]
    OtherLayout {
        /// The layout asked for.
        expected: Layout,
        /// The number found.
        found: u16,
    },
    /// What a key file holds does not follow from its seed.
    #[error(
        "the key's tree does not follow from its seed under layout {layout}: the file is damaged, or of another layout"
    )]
    OtherTree {
        /// The layout it was checked with.
        layout: Layout,
    },
    /// A key file is damaged.
    #[error("key file is damaged: {0}")]
    Damaged(&'static str),
}

fn layout_name(id: u16) -> String {
    let known = Layout::ALL.into_iter().find(|layout| layout.id() == id);
    known.map_or_else(|| format!("unknown layout number {id}"), |layout| format!("layout {layout}"))
}
