//! Which version of a method serves which fork.
//!
//! A consensus client of Lean does not know the execution chain's schedule, and it need not: the Engine API obliges the
//! execution client to refuse a version that does not fit a payload's timestamp (-38005). So the newest version that is
//! offered goes first and the refusal leads to the next. The order matters where a client is lenient: an older
//! `getPayload` would answer without the execution requests.

/// A fork of the execution chain that changes the methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fork {
    /// Blobs and the parent beacon block root.
    Cancun,
    /// Execution requests.
    Prague,
    /// Another form of the blobs' proofs.
    Osaka,
}

impl Fork {
    /// The forks, newest first.
    pub const NEWEST_FIRST: [Self; 3] = [Self::Osaka, Self::Prague, Self::Cancun];

    /// The method that fetches a payload of this fork.
    pub fn get_payload(self) -> &'static str {
        match self {
            Self::Cancun => "engine_getPayloadV3",
            Self::Prague => "engine_getPayloadV4",
            Self::Osaka => "engine_getPayloadV5",
        }
    }

    /// The method that hands over a payload of this fork.
    pub fn new_payload(self) -> &'static str {
        match self {
            Self::Cancun => "engine_newPayloadV3",
            Self::Prague | Self::Osaka => "engine_newPayloadV4",
        }
    }

    /// Whether payloads of this fork come with execution requests.
    pub fn has_requests(self) -> bool {
        self > Self::Cancun
    }
}
