//! Label values of the network's metrics.

use lathe_network::{ConnectFailure, Direction, DisconnectReason};

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
