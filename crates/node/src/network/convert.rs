//! The engine's words in the network's, and back.

use lathe_engine::{FetchFailure, FetchWhat, GossipVerdict, MessageId, Offence, Publication};
use lathe_network::{GossipMessage, Request, RequestFailure, Verdict};

pub(super) fn verdict(verdict: GossipVerdict) -> Verdict {
    match verdict {
        GossipVerdict::Accept => Verdict::Accept,
        GossipVerdict::Ignore => Verdict::Ignore,
        GossipVerdict::Reject => Verdict::Reject,
    }
}

pub(super) fn message_id(id: MessageId) -> lathe_network::MessageId {
    lathe_network::MessageId(id.0)
}

pub(super) fn offence(offence: Offence) -> lathe_network::Offence {
    match offence {
        Offence::Invalid => lathe_network::Offence::Invalid,
        Offence::Unrequested => lathe_network::Offence::Unrequested,
        Offence::Unresponsive => lathe_network::Offence::Unresponsive,
    }
}

pub(super) fn request(what: FetchWhat) -> Request {
    match what {
        FetchWhat::ByRoot(roots) => Request::BlocksByRoot(roots),
        FetchWhat::ByRange { start, count } => Request::BlocksByRange { start_slot: start, count },
    }
}

pub(super) fn failure(failure: RequestFailure) -> FetchFailure {
    match failure {
        RequestFailure::Timeout => FetchFailure::Timeout,
        RequestFailure::Transport => FetchFailure::Transport,
        RequestFailure::Unsupported => FetchFailure::Unsupported,
        RequestFailure::Unavailable => FetchFailure::Unavailable,
        RequestFailure::Invalid => FetchFailure::Invalid,
        RequestFailure::Truncated => FetchFailure::Truncated,
    }
}

pub(super) fn message(publication: Publication) -> GossipMessage {
    match publication {
        Publication::Block(block) => GossipMessage::Block(block),
        Publication::Attestation { attestation, subnet } => {
            GossipMessage::Attestation { subnet, attestation }
        }
        Publication::Aggregate(aggregate) => GossipMessage::Aggregate(aggregate),
    }
}
