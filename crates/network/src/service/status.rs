//! The status exchange: the first thing that two peers say to each other.

use std::time::{Duration, Instant};

use lathe_types::{SECONDS_PER_SLOT, Status};
use libp2p::PeerId;

use super::Service;
use crate::event::{Direction, NetworkEvent};
use crate::reqresp::Request;

/// How long a peer that dialled us has to send its status before we ask.
const INBOUND_WAIT: Duration = Duration::from_secs(1);
/// Pause before we ask again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Questions in a row after which a silent peer is asked at the usual pace only.
const MAX_ATTEMPTS: u32 = 4;
/// How often a peer is asked again: chains move, and what a peer said once ages.
const PERIOD: Duration = Duration::from_secs(8 * SECONDS_PER_SLOT);
/// How often while finality lags: then somebody may know more, and it is not in any gossip.
const PERIOD_IN_A_GAP: Duration = Duration::from_secs(2 * SECONDS_PER_SLOT);
/// Slots between our head and our finalized block from which on finality lags: three are the least there can be.
const GAP_SLOTS: u64 = 8;

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
        let period = self.status_period();
        let mut due = Vec::new();
        for (peer, state) in &mut self.peers {
            if state.ask_status_at <= now {
                state.status_attempts += 1;
                let pause = if state.status_attempts < MAX_ATTEMPTS { RETRY_AFTER } else { period };
                state.ask_status_at = now + pause;
                due.push(*peer);
            }
        }
        for peer in due {
            self.request_status(peer);
        }
    }

    fn status_period(&self) -> Duration {
        let gap = self.status.map_or(0, |ours| ours.head.slot.0.saturating_sub(ours.finalized.slot.0));
        if gap > GAP_SLOTS { PERIOD_IN_A_GAP } else { PERIOD }
    }

    /// A peer told us its status, asked or not.
    pub(super) fn heard_status(&mut self, peer: PeerId, status: Status) {
        // Not all at once, however they came.
        let pause = self.status_period().mul_f64(0.75 + 0.5 * rand::random::<f64>());
        if let Some(state) = self.peers.get_mut(&peer) {
            state.ask_status_at = Instant::now() + pause;
            state.status_attempts = 0;
            state.status = Some(status);
            self.events.push_back(NetworkEvent::PeerStatus { peer, status });
        }
    }
}
