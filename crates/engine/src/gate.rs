//! The sync gate: duties are withheld while our chain is behind one that others have, and only then.
//!
//! The specification takes the newest block in the store for a sign that the network has moved on. But a block that we
//! hold is not one that we have to catch up with: if fork choice prefers an older head to it, then everybody who sees
//! the same is needed to vote for that head. Taken literally, one validator that keeps building a fork of its own
//! silences all others for good. So what counts is a newer head that a peer claims and that is *not* in the store; nor
//! is a head ahead of us that was refused, or builds on a block that was.
//!
//! A claim is not evidence: nobody has signed it. It asks for a fetch, and may hold duties back for as long as an
//! honest peer takes to deliver ([`CLAIM_PATIENCE_SLOTS`]), over all peers and addresses together. Only blocks that are
//! imported and move our head on, which validators have signed, let claims count anew.

use lathe_types::Slot;

/// Lag, in slots, past which the local chain is too old to vote from (leanSpec `SYNC_LAG_THRESHOLD`).
pub(crate) const SYNC_LAG_THRESHOLD: u64 = 4;
/// Hysteresis: the gate reopens this far below the threshold (leanSpec `HYSTERESIS_BAND`).
pub(crate) const HYSTERESIS_BAND: u64 = 2;
/// Lag of the newest block anywhere that is taken for a stall of the whole network (leanSpec
/// `NETWORK_STALL_THRESHOLD`).
pub(crate) const NETWORK_STALL_THRESHOLD: u64 = 8;
/// Slots for which heads that peers only claim can close the gate, all peers together, unless our own head moves on
/// meanwhile. Claims cost nothing, so this is how long liars can delay duties; an honest peer has delivered something
/// of what it claims long before: a request is given up after 10 s, and two peers that do not answer leave a third its
/// turn.
pub(crate) const CLAIM_PATIENCE_SLOTS: u64 = 8;
/// Slots that a node which starts behind waits for the first word of a peer before it believes that nobody is ahead.
pub(crate) const STARTUP_GRACE_SLOTS: u64 = 4;

/// What the gate is judged by.
#[derive(Clone, Copy, Debug)]
pub struct ChainLag {
    /// Slot by the clock.
    pub clock: Slot,
    /// Slot of the head.
    pub head: Slot,
    /// Newest head that a peer claims, that it has not failed to prove, and that is neither in the store nor refused.
    pub newest_unheld: Option<Slot>,
    /// Whether any peer has told its status.
    pub heard_of_peers: bool,
}

/// Open or closed, with the memory that hysteresis needs.
#[derive(Default)]
pub struct Gate {
    closed: bool,
    /// A node that starts behind does not trust its silence before this slot.
    grace_until: Option<Slot>,
    /// The newest head that we have had.
    best_head: Slot,
    /// When claims of newer heads began to count against us, as long as our head has not moved on since.
    claimed_since: Option<Slot>,
}

impl Gate {
    /// To be told once, at the first look at the clock.
    pub fn start(&mut self, clock: Slot, head: Slot) {
        self.best_head = head;
        if clock.0.saturating_sub(head.0) > SYNC_LAG_THRESHOLD {
            self.closed = true;
            self.claimed_since = Some(clock);
            self.grace_until = Some(Slot(clock.0.saturating_add(STARTUP_GRACE_SLOTS)));
        }
    }

    /// Whether duties rest.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Judges anew; true if the gate moved.
    pub fn update(&mut self, chain: ChainLag) -> bool {
        let was_closed = self.closed;
        self.closed = self.judge(chain);
        self.closed != was_closed
    }

    fn judge(&mut self, chain: ChainLag) -> bool {
        if chain.head > self.best_head {
            self.best_head = chain.head;
            self.claimed_since = None;
        }
        let lag = chain.clock.0.saturating_sub(chain.head.0);
        if self
            .grace_until
            .is_some_and(|until| !chain.heard_of_peers && chain.clock < until && lag > HYSTERESIS_BAND)
        {
            return true;
        }
        self.grace_until = None;
        // Without a newer block anywhere there is nothing to catch up with, however large the lag.
        let Some(newest) = chain.newest_unheld.filter(|newest| *newest > chain.head) else {
            return false;
        };
        // A claim beyond the clock is worth no more than the clock: it proves at most that somebody is in time.
        if chain.clock.0.saturating_sub(newest.0) > NETWORK_STALL_THRESHOLD {
            return false;
        }
        let tolerated = if self.closed { SYNC_LAG_THRESHOLD - HYSTERESIS_BAND } else { SYNC_LAG_THRESHOLD };
        if lag <= tolerated {
            return false;
        }
        // A clock that steps back must not prolong it.
        let since = self.claimed_since.map_or(chain.clock, |since| since.min(chain.clock));
        self.claimed_since = Some(since);
        chain.clock.0 - since.0 < CLAIM_PATIENCE_SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(clock: u64, head: u64, newest_unheld: Option<u64>) -> ChainLag {
        ChainLag {
            clock: Slot(clock),
            head: Slot(head),
            newest_unheld: newest_unheld.map(Slot),
            heard_of_peers: true,
        }
    }

    #[test]
    fn what_nobody_delivers_closes_nothing_for_long() {
        let mut gate = Gate::default();
        for clock in 11..15 {
            gate.update(lag(clock, 10, Some(clock)));
            assert!(!gate.is_closed());
        }
        for clock in 15..15 + CLAIM_PATIENCE_SLOTS {
            gate.update(lag(clock, 10, Some(clock)));
            assert!(gate.is_closed(), "clock {clock}: somebody may deliver");
        }
        for clock in 15 + CLAIM_PATIENCE_SLOTS..100 {
            gate.update(lag(clock, 10, (clock % 3 > 0).then_some(clock)));
            assert!(!gate.is_closed(), "clock {clock}: new claims are worth no more than old ones");
        }
        gate.update(lag(100, 11, Some(100)));
        assert!(
            gate.is_closed(),
            "a block that was delivered shows that there is something to catch up with"
        );
        gate.update(lag(50, 11, Some(50)));
        assert!(gate.is_closed());
        gate.update(lag(50 + CLAIM_PATIENCE_SLOTS, 11, Some(100)));
        assert!(!gate.is_closed(), "a step back prolongs nothing");
    }

    #[test]
    fn closes_past_four_and_reopens_at_two() {
        let mut gate = Gate::default();
        assert!(!gate.update(lag(14, 10, Some(14))));
        assert!(gate.update(lag(15, 10, Some(15))));
        assert!(gate.is_closed());
        assert!(!gate.update(lag(15, 12, Some(15))), "three behind: still closed");
        assert!(gate.update(lag(15, 13, Some(15))));
        assert!(!gate.is_closed());
    }

    #[test]
    fn a_stall_of_everyone_keeps_it_open() {
        let mut gate = Gate::default();
        for clock in 10..30 {
            for claim in [None, Some(10)] {
                gate.update(lag(clock, 10, claim));
                assert!(!gate.is_closed(), "clock {clock}: nobody has a newer block");
            }
        }
    }

    #[test]
    fn a_stale_network_reopens_it_past_eight() {
        let mut gate = Gate::default();
        gate.update(lag(20, 10, Some(12)));
        assert!(gate.is_closed(), "the newest block is eight behind the clock");
        gate.update(lag(21, 10, Some(12)));
        assert!(!gate.is_closed());
    }

    #[test]
    fn a_claim_beyond_the_clock_closes_it_until_it_is_not_believed() {
        let mut gate = Gate::default();
        gate.update(lag(1000, 0, Some(u64::MAX)));
        assert!(gate.is_closed());
        gate.update(lag(1000, 0, None));
        assert!(!gate.is_closed());
    }

    #[test]
    fn a_node_that_starts_behind_waits_for_a_word() {
        let mut gate = Gate::default();
        gate.start(Slot(100), Slot(10));
        let silent = |clock| ChainLag { heard_of_peers: false, ..lag(clock, 10, None) };
        gate.update(silent(103));
        assert!(gate.is_closed());
        gate.update(silent(104));
        assert!(!gate.is_closed(), "grace is over");
        let mut gate = Gate::default();
        gate.start(Slot(100), Slot(10));
        gate.update(lag(100, 10, Some(10)));
        assert!(!gate.is_closed(), "a peer says that it has nothing newer either");
    }
}
