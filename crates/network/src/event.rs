//! What the network tells its owner, and what it counts.

use std::sync::Arc;
use std::time::Duration;

use lathe_types::{SignedBlock, Status};
use libp2p::{Multiaddr, PeerId};

use crate::gossip::GossipMessage;
use crate::message_id::MessageId;
use crate::reqresp::{Request, RequestFailure, RequestId, Responder};

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// We did.
    Outbound,
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectFailure {
    /// Nobody answered in time.
    Timeout,
    /// Anything else: refused by either side, wrong identity, broken handshake.
    Error,
}

/// Why a peer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisconnectReason {
    /// It fell silent.
    Timeout,
    /// It closed the connection.
    RemoteClose,
    /// We closed the connection.
    LocalClose,
    /// The connection broke.
    Error,
}

/// Something that happened on the network.
#[derive(Debug)]
#[allow(missing_docs, reason = "fields without a comment are what their names say")]
pub enum NetworkEvent {
    /// We listen on this address.
    Listening { address: Multiaddr },
    /// A peer is connected. Its status follows as [`NetworkEvent::PeerStatus`] without being asked for.
    PeerConnected {
        peer: PeerId,
        /// Who opened the connection.
        direction: Direction,
    },
    /// A peer's last connection is closed. Its open requests end as well.
    PeerDisconnected {
        peer: PeerId,
        /// Who had opened the connection.
        direction: Direction,
        /// Why it ended.
        reason: DisconnectReason,
    },
    /// A connection could not be made.
    ConnectFailed {
        /// Who tried.
        direction: Direction,
        /// Why it failed.
        failure: ConnectFailure,
    },
    /// A peer said what software it runs.
    PeerIdentified {
        peer: PeerId,
        /// Its software, at most 128 characters. Untrusted text.
        agent: String,
    },
    /// A message arrived that was not seen before. Answer with [`crate::Service::report_verdict`] within three
    /// seconds; without a verdict it is not relayed.
    Gossip {
        /// The message, for the verdict.
        id: MessageId,
        /// The peer that forwarded it, for the verdict.
        peer: PeerId,
        /// What it says.
        message: GossipMessage,
        /// Length of its SSZ encoding in bytes.
        ssz_len: usize,
    },
    /// A peer said what its chain is.
    PeerStatus {
        peer: PeerId,
        /// Its chain.
        status: Status,
    },
    /// A peer asks for blocks, within the rules and its quota.
    Request {
        peer: PeerId,
        /// What it asks for; never a status, which is answered here.
        request: Request,
        /// Takes the answer.
        responder: Responder,
    },
    /// A block of an answer to our request. Not checked against what we asked for.
    ResponseChunk {
        /// Our request.
        request: RequestId,
        /// The peer that answers.
        peer: PeerId,
        block: Arc<SignedBlock>,
    },
    /// Our request is over. Comes exactly once for each, after its last chunk.
    ResponseEnd {
        /// Our request.
        request: RequestId,
        /// The peer that answered.
        peer: PeerId,
        /// How it ended.
        outcome: Result<(), RequestFailure>,
    },
}

/// A peer that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// The peer.
    pub peer: PeerId,
    /// Who opened the connection.
    pub direction: Direction,
    /// Its software, once it said so.
    pub agent: Option<String>,
    /// Its chain, as it said last.
    pub status: Option<Status>,
    /// How long it is connected.
    pub connected_for: Duration,
}

/// What happened so far, for metrics and tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that arrived for the first time and decoded.
    pub gossip_received: u64,
    /// Messages whose payload is no snappy of an allowed length.
    pub gossip_undecompressable: u64,
    /// Messages whose payload decompresses but does not decode.
    pub gossip_undecodable: u64,
    /// Messages that were dropped unread because the peer brought too many.
    pub gossip_over_quota: u64,
    /// Messages that we were told to relay.
    pub gossip_accepted: u64,
    /// Messages that we were told to ignore.
    pub gossip_ignored: u64,
    /// Messages that we were told to reject.
    pub gossip_rejected: u64,
    /// Verdicts that came too late: the message had left the cache.
    pub verdicts_too_late: u64,
    /// Our own messages that were handed to connections.
    pub published: u64,
    /// Our own messages that waited for a first peer on their topic and were then sent.
    pub published_late: u64,
    /// Our own messages that no peer got: no peer came in time, or every queue was full.
    pub publish_failed: u64,
    /// Times that a peer could not take messages as fast as they came.
    pub slow_peers: u64,
    /// Requests that were refused because the peer asked too much.
    pub requests_over_quota: u64,
    /// Requests that were refused because we serve as many as we can.
    pub requests_over_limit: u64,
    /// Requests that broke a rule.
    pub requests_malformed: u64,
    /// Peers that were disconnected for their behaviour.
    pub peers_refused: u64,
}
