//! Label values of the network's metrics.

use lathe_network::{ConnectFailure, Direction, DisconnectReason, Request};
use lathe_types::{Encode as _, Root};

pub(super) const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

pub(super) const fn failure_name(failure: ConnectFailure) -> &'static str {
    match failure {
        ConnectFailure::Timeout => "timeout",
        ConnectFailure::Error => "error",
    }
}

pub(super) const fn disconnect_name(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::Timeout => "timeout",
        DisconnectReason::RemoteClose => "remote_close",
        DisconnectReason::LocalClose => "local_close",
        DisconnectReason::Error => "error",
    }
}

/// A request's protocol, and its bytes in SSZ.
pub(super) fn request_size(request: &Request) -> (&'static str, usize) {
    match request {
        Request::Status(status) => ("status", status.ssz_bytes_len()),
        // A container of one list: its offset, then the roots.
        Request::BlocksByRoot(roots) => ("blocks_by_root", 4 + roots.len() * size_of::<Root>()),
        Request::BlocksByRange { start_slot, count } => {
            ("blocks_by_range", start_slot.ssz_bytes_len() + count.ssz_bytes_len())
        }
    }
}
