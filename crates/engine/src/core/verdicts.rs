//! Gossip messages that await a verdict. The network forgets a message after three seconds, so each is answered
//! before that, exactly once, even when the check of it is still under way.

use std::collections::BTreeMap;

use crate::io::{MessageId, Millis, Peer};
use crate::time::Timer;

/// gossipsub keeps a message for three seconds while it is judged; a tenth of a second is left for the way there.
pub(super) const VERDICT_WITHIN_MS: u64 = 2_900;
/// Messages under judgement. At 10,000 messages/s the rest is dropped unread; honest traffic of 4,096 validators
/// stays below this within three seconds.
pub(super) const MAX_OPEN_VERDICTS: usize = 8_192;

/// The messages under judgement.
#[derive(Default)]
pub(super) struct Verdicts {
    open: BTreeMap<(MessageId, Peer), Timer>,
    by_time: BTreeMap<(Timer, MessageId, Peer), ()>,
}

impl Verdicts {
    /// Notes that a message is to be judged; false if it already is, or if too many are.
    pub(super) fn open(&mut self, now: Millis, id: MessageId, peer: Peer) -> bool {
        if self.open.len() >= MAX_OPEN_VERDICTS || self.open.contains_key(&(id, peer)) {
            return false;
        }
        let timer = Timer::after(now, VERDICT_WITHIN_MS);
        self.open.insert((id, peer), timer);
        self.by_time.insert((timer, id, peer), ());
        true
    }

    pub(super) fn is_open(&self, id: MessageId, peer: Peer) -> bool {
        self.open.contains_key(&(id, peer))
    }

    /// Whether the message was still unanswered; it is answered now.
    pub(super) fn close(&mut self, id: MessageId, peer: Peer) -> bool {
        let Some(timer) = self.open.remove(&(id, peer)) else {
            return false;
        };
        self.by_time.remove(&(timer, id, peer));
        true
    }

    /// A message that has waited for too long, closed by this.
    pub(super) fn expired(&mut self, now: Millis) -> Option<(MessageId, Peer)> {
        let (timer, id, peer) = *self.by_time.first_key_value()?.0;
        if !timer.is_due(now) {
            return None;
        }
        self.close(id, peer);
        Some((id, peer))
    }

    pub(super) fn next_timeout(&self) -> Option<Millis> {
        self.by_time.first_key_value().map(|((timer, ..), ())| timer.at())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_answered_once() {
        let mut verdicts = Verdicts::default();
        let (id, peer) = (MessageId([1; 20]), Peer(7));
        assert!(verdicts.open(Millis(0), id, peer));
        assert!(!verdicts.open(Millis(0), id, peer));
        assert!(verdicts.close(id, peer));
        assert!(!verdicts.close(id, peer));
        assert_eq!(verdicts.next_timeout(), None);
    }

    #[test]
    fn a_message_expires_at_its_time_not_before() {
        let mut verdicts = Verdicts::default();
        let (id, peer) = (MessageId([1; 20]), Peer(7));
        verdicts.open(Millis(0), id, peer);
        assert_eq!(verdicts.expired(Millis(2_899)), None);
        assert_eq!(verdicts.expired(Millis(2_900)), Some((id, peer)));
        assert!(!verdicts.close(id, peer), "the verdict was given");
    }

    #[test]
    fn no_more_than_the_bound() {
        let mut verdicts = Verdicts::default();
        for n in 0..MAX_OPEN_VERDICTS as u64 {
            assert!(verdicts.open(Millis(0), MessageId([0; 20]), Peer(n)));
        }
        assert!(!verdicts.open(Millis(0), MessageId([0; 20]), Peer(u64::MAX)));
    }
}
