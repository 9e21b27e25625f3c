//! Everything that can go wrong in this crate before and around the wire.

use std::ops::RangeInclusive;

use libp2p::Multiaddr;

/// Why an input was refused or the network could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The node key is not 64 hexadecimal digits, or not a secp256k1 scalar.
    #[error("bad node key: {0}; expected 64 hexadecimal digits of a secp256k1 secret")]
    NodeKey(&'static str),
    /// A node record does not parse, is too large or is not signed by its key.
    #[error("bad node record `{text}`: {detail}")]
    NodeRecord {
        /// The start of the record.
        text: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A bootnode is neither a node record nor a QUIC multiaddress.
    #[error(
        "bad bootnode `{text}`: {detail}; expected enr:... or /ip4/A/udp/P/quic-v1[/p2p/ID], also with ip6, dns4 or dns6"
    )]
    Bootnode {
        /// The entry.
        text: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A topic is not one of this protocol's.
    #[error("unknown gossip topic `{0}`")]
    Topic(String),
    /// A topic belongs to another network.
    #[error("topic of network `{actual}`, expected `{expected}`")]
    ForkMismatch {
        /// Our network.
        expected: String,
        /// The topic's.
        actual: String,
    },
    /// Bytes that are no valid frame.
    #[error("bad encoding: {0}")]
    Codec(&'static str),
    /// A payload, or the length that it claims, is over the limit.
    #[error("payload of {claimed} bytes, limit {limit}")]
    TooLarge {
        /// The claimed or actual length.
        claimed: u64,
        /// The limit that it breaks.
        limit: usize,
    },
    /// A gossip message claims a length that none of its topic has in this network.
    #[error("payload of {claimed} bytes; messages of this topic have {} to {}", allowed.start(), allowed.end())]
    Length {
        /// The claimed length.
        claimed: usize,
        /// The lengths there are.
        allowed: RangeInclusive<usize>,
    },
    /// The socket could not be opened.
    #[error("cannot listen on {address}: {detail}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        detail: String,
    },
    /// The configuration is contradictory.
    #[error("bad network configuration: {0}")]
    Config(String),
}

/// The first characters of untrusted text, fit for an error message.
pub(crate) fn excerpt(text: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push_str("..");
    }
    shown
}
