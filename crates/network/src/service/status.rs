//! The status exchange: the first thing that two peers say to each other.

use std::time::{Duration, Instant};

use lathe_types::Status;
use libp2p::PeerId;

use super::Service;
use crate::event::{Direction, NetworkEvent};
use crate::reqresp::Request;

/// How long a peer that dialled us has to send its status before we ask.
const INBOUND_WAIT: Duration = Duration::from_secs(1);
/// Pause before we ask again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Questions after which a silent peer is left alone.
const MAX_ATTEMPTS: u32 = 4;

impl Service {
    /// Sets what we tell peers about our chain. Until the first call their questions are answered with an error and
    /// none are asked.
    pub fn set_status(&mut self, status: Status) {
        self.status = Some(status);
        self.ask_due_statuses(Instant::now());
    }

    /// Asks a peer for its status; the answer comes as [`NetworkEvent::PeerStatus`], if at all.
    pub fn request_status(&mut self, peer: PeerId) {
        let Some(status) = self.status else { return };
        let id = self.request(peer, Request::Status(status));
        self.status_requests.insert(id);
    }

    /// When to ask a new peer.
    pub(super) fn first_question(direction: Direction, now: Instant) -> Instant {
        match direction {
            Direction::Outbound => now,
            Direction::Inbound => now + INBOUND_WAIT,
        }
    }

    /// Asks the peers whose turn it is.
    pub(super) fn ask_due_statuses(&mut self, now: Instant) {
        if self.status.is_none() {
            return;
        }
        let mut due = Vec::new();
        for (peer, state) in &mut self.peers {
            if state.ask_status_at.is_some_and(|at| at <= now) {
                state.status_attempts += 1;
                state.ask_status_at = (state.status_attempts < MAX_ATTEMPTS).then(|| now + RETRY_AFTER);
                due.push(*peer);
            }
        }
        for peer in due {
            self.request_status(peer);
        }
    }

    /// A peer told us its status, asked or not.
    pub(super) fn heard_status(&mut self, peer: PeerId, status: Status) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.ask_status_at = None;
            state.status = Some(status);
            self.events.push_back(NetworkEvent::PeerStatus { peer, status });
        }
    }
}
