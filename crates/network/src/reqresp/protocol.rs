//! The three protocols, their messages and limits.

use std::time::Duration;

use lathe_types::{
    BlocksByRangeRequest, BlocksByRootRequest, Decode, DecodeError, Encode, Root, Slot, Status,
};
use libp2p::StreamProtocol;

/// Blocks that one request may ask for (`MAX_REQUEST_BLOCKS`).
pub const MAX_REQUEST_BLOCKS: u64 = 1024;
/// Blocks that we ask for at once: what a peer can answer within the time limit and we can hold in memory.
pub const MAX_BLOCKS_PER_REQUEST: u64 = 64;
/// Uncompressed bytes after which we stop reading an answer, and after which we stop serving one.
pub const MAX_BYTES_PER_RESPONSE: usize = 32 * 1024 * 1024;
/// How long an exchange may wait for its peer in total (`RESP_TIMEOUT`).
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a status.
const STATUS_LEN: usize = 80;

/// A request/response protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Exchange of chain states.
    Status,
    /// Blocks by their roots.
    BlocksByRoot,
    /// Canonical blocks of a range of slots.
    BlocksByRange,
}

impl Protocol {
    /// All protocols that we speak.
    pub const ALL: [Self; 3] = [Self::Status, Self::BlocksByRoot, Self::BlocksByRange];

    /// The name that streams are negotiated by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "/leanconsensus/req/status/1/ssz_snappy",
            Self::BlocksByRoot => "/leanconsensus/req/blocks_by_root/1/ssz_snappy",
            Self::BlocksByRange => "/leanconsensus/req/blocks_by_range/1/ssz_snappy",
        }
    }

    pub(super) const fn stream_protocol(self) -> StreamProtocol {
        StreamProtocol::new(self.name())
    }

    /// The longest SSZ of a valid request, which bounds what is read before decoding.
    pub const fn max_request_len(self) -> usize {
        match self {
            Self::Status => STATUS_LEN,
            Self::BlocksByRoot => 4 + 32 * MAX_REQUEST_BLOCKS as usize,
            Self::BlocksByRange => 16,
        }
    }
}

/// A request, ours or a peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Our chain state for theirs.
    Status(Status),
    /// The blocks with these roots, in this order; unknown ones are skipped.
    BlocksByRoot(Vec<Root>),
    /// The canonical blocks of `count` slots; empty slots are skipped.
    BlocksByRange {
        /// First slot.
        start_slot: Slot,
        /// Number of slots.
        count: u64,
    },
}

impl Request {
    /// The protocol that it belongs to.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Status(_) => Protocol::Status,
            Self::BlocksByRoot(_) => Protocol::BlocksByRoot,
            Self::BlocksByRange { .. } => Protocol::BlocksByRange,
        }
    }

    /// Blocks that the answer holds at most.
    pub fn max_blocks(&self) -> u64 {
        match self {
            Self::Status(_) => 0,
            Self::BlocksByRoot(roots) => roots.len() as u64,
            Self::BlocksByRange { count, .. } => *count,
        }
    }

    /// What it costs us, in blocks: requests that bring nothing are not free.
    pub(crate) fn price(&self) -> f64 {
        const OVERHEAD: f64 = 8.0;
        OVERHEAD + self.max_blocks() as f64
    }

    /// The request cut to what we may ask for at once.
    pub(crate) fn clamped(mut self) -> Self {
        match &mut self {
            Self::Status(_) => {}
            Self::BlocksByRoot(roots) => roots.truncate(MAX_BLOCKS_PER_REQUEST as usize),
            Self::BlocksByRange { count, .. } => *count = (*count).min(MAX_BLOCKS_PER_REQUEST),
        }
        self
    }

    /// Its SSZ encoding.
    pub fn to_ssz(&self) -> Vec<u8> {
        match self {
            Self::Status(status) => status.as_ssz_bytes(),
            Self::BlocksByRoot(roots) => {
                let mut kept = roots.clone();
                kept.truncate(MAX_REQUEST_BLOCKS as usize);
                BlocksByRootRequest { roots: kept.try_into().unwrap_or_default() }.as_ssz_bytes()
            }
            &Self::BlocksByRange { start_slot, count } => {
                BlocksByRangeRequest { start_slot, count }.as_ssz_bytes()
            }
        }
    }

    /// Decodes a request of `protocol`. Over 1,024 roots do not decode; the range's count is not judged here.
    pub fn from_ssz(protocol: Protocol, ssz: &[u8]) -> Result<Self, DecodeError> {
        Ok(match protocol {
            Protocol::Status => Self::Status(Status::from_ssz_bytes(ssz)?),
            Protocol::BlocksByRoot => {
                Self::BlocksByRoot(BlocksByRootRequest::from_ssz_bytes(ssz)?.roots.into())
            }
            Protocol::BlocksByRange => {
                let BlocksByRangeRequest { start_slot, count } = BlocksByRangeRequest::from_ssz_bytes(ssz)?;
                Self::BlocksByRange { start_slot, count }
            }
        })
    }
}

/// The byte in front of every response chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResponseCode {
    /// The chunk holds what was asked for.
    Success,
    /// The request broke a rule.
    InvalidRequest,
    /// The server failed.
    ServerError,
    /// The server does not hold what was asked for.
    ResourceUnavailable,
}

impl ResponseCode {
    /// The code's byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::InvalidRequest => 1,
            Self::ServerError => 2,
            Self::ResourceUnavailable => 3,
        }
    }

    /// What a byte means: 4 to 127 are server errors yet to be named, the rest is invalid.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Success,
            1 | 128.. => Self::InvalidRequest,
            3 => Self::ResourceUnavailable,
            2 | 4..=127 => Self::ServerError,
        }
    }
}

/// Names one of our requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Why one of our requests ended early. Blocks may have arrived before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestFailure {
    /// The peer did not answer in time.
    Timeout,
    /// The connection or the stream failed; says nothing about the peer's protocols.
    Transport,
    /// The peer does not speak the protocol.
    Unsupported,
    /// The peer says that it does not hold what we asked for.
    Unavailable,
    /// The peer answered with an error, with bytes that do not decode, or with more than we asked for.
    Invalid,
    /// Our limit on the answer's size was reached; what came before it counts.
    Truncated,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_codes_are_mapped() {
        for (byte, code) in [
            (0, ResponseCode::Success),
            (1, ResponseCode::InvalidRequest),
            (2, ResponseCode::ServerError),
            (3, ResponseCode::ResourceUnavailable),
            (4, ResponseCode::ServerError),
            (127, ResponseCode::ServerError),
            (128, ResponseCode::InvalidRequest),
            (255, ResponseCode::InvalidRequest),
        ] {
            assert_eq!(ResponseCode::from_byte(byte), code, "{byte}");
        }
        for byte in 0..4 {
            assert_eq!(ResponseCode::from_byte(byte).byte(), byte);
        }
    }

    #[test]
    fn requests_have_their_exact_encoding() {
        let empty = Request::BlocksByRoot(vec![]);
        assert_eq!(empty.to_ssz(), [4, 0, 0, 0]);
        assert_eq!(Request::from_ssz(Protocol::BlocksByRoot, &[4, 0, 0, 0]), Ok(empty));
        let full = Request::BlocksByRoot(vec![Root::repeat_byte(7); 1024]);
        assert_eq!(full.to_ssz().len(), Protocol::BlocksByRoot.max_request_len());
        assert_eq!(Request::from_ssz(Protocol::BlocksByRoot, &full.to_ssz()), Ok(full.clone()));
        let mut over = full.to_ssz();
        over.extend([7; 32]);
        assert!(Request::from_ssz(Protocol::BlocksByRoot, &over).is_err());

        let range = Request::BlocksByRange { start_slot: Slot(1), count: 2 };
        assert_eq!(range.to_ssz(), [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Request::from_ssz(Protocol::BlocksByRange, &range.to_ssz()), Ok(range));
        let status = Request::Status(Status::default());
        assert_eq!(status.to_ssz(), [0; STATUS_LEN]);
        assert!(Request::from_ssz(Protocol::Status, &[0; 79]).is_err());
    }

    #[test]
    fn our_own_requests_are_clamped() {
        let roots = Request::BlocksByRoot(vec![Root::ZERO; 65]).clamped();
        assert_eq!(roots.max_blocks(), MAX_BLOCKS_PER_REQUEST);
        let range = Request::BlocksByRange { start_slot: Slot(9), count: 1000 }.clamped();
        assert_eq!(range, Request::BlocksByRange { start_slot: Slot(9), count: 64 });
    }
}
