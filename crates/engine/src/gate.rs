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
//!
//! Where the clock shows much more than the chain, it may be the clock that is wrong: at a start, and after it has
//! jumped. Then duties wait for evidence: blocks that bring the head close to the clock end the wait, as do
//! [`DOUBT_SLOTS`] in which no block speaks against the clock; each one that does prolongs it
//! ([`crate::plausibility`] tells late blocks and says so aloud once there are enough). A stranger has none of these to
//! send: they are signed, and new to us.

use lathe_types::Slot;

use crate::plausibility::FAR_SLOTS;

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

/// Slots, the first not whole, for which a clock that may be wrong is held against what peers say. A network that runs
/// has sent a block by then, or two.
pub(crate) const DOUBT_SLOTS: u64 = 3;

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

/// How long a clock is doubted.
#[derive(Clone, Copy)]
enum Doubt {
    UntilAWord,
    Until(Slot),
}

/// Open or closed, with the memory that hysteresis needs.
#[derive(Default)]
pub struct Gate {
    closed: bool,
    /// A node that starts behind does not trust its silence before this slot.
    grace_until: Option<Slot>,
    /// A clock that is far ahead of the chain is not trusted before this slot, counted from the first word of a peer.
    doubt: Option<Doubt>,
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
            self.clock_jumped(clock, head);
        }
    }

    /// The clock shows a time that this node has not come to step by step.
    pub(crate) fn clock_jumped(&mut self, clock: Slot, head: Slot) {
        if clock.0.saturating_sub(head.0) >= FAR_SLOTS {
            self.doubt = Some(Doubt::UntilAWord);
        }
    }

    /// A block that others have signed lies far behind the clock.
    pub(crate) fn clock_contradicted(&mut self, clock: Slot) {
        self.doubt = self.doubt.map(|_| Doubt::Until(doubt_from(clock)));
    }

    /// The clock was set back: what it showed before does not matter any more.
    pub(crate) fn clock_corrected(&mut self) {
        (self.doubt, self.grace_until) = (None, None);
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
        if self.is_doubted(chain, lag) {
            // The patience with claims runs meanwhile, so that the two do not add up.
            self.claimed_since.get_or_insert(chain.clock);
            return true;
        }
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

    /// Whether the clock is still held against what others say. Without a peer there is nothing to hold it against.
    fn is_doubted(&mut self, chain: ChainLag, lag: u64) -> bool {
        if matches!(self.doubt, Some(Doubt::UntilAWord)) && chain.heard_of_peers {
            self.doubt = Some(Doubt::Until(doubt_from(chain.clock)));
        }
        let lasts = matches!(self.doubt, Some(Doubt::Until(until)) if chain.clock < until);
        if !lasts || lag <= HYSTERESIS_BAND {
            self.doubt = None;
        }
        self.doubt.is_some()
    }
}

fn doubt_from(clock: Slot) -> Slot {
    Slot(clock.0.saturating_add(DOUBT_SLOTS))
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
        gate.start(Slot(17), Slot(10));
        gate.update(lag(17, 10, Some(10)));
        assert!(!gate.is_closed(), "a peer says that it has nothing newer either");
    }

    /// The first slot from `start` on, by a clock 90 slots ahead of the head, in which the gate is open.
    fn opens(gate: &mut Gate, start: u64) -> u64 {
        let is_open = |clock: &u64| {
            gate.update(lag(*clock, 10, None));
            !gate.is_closed()
        };
        (start..start + 100).find(is_open).unwrap()
    }

    #[test]
    fn a_clock_far_ahead_of_the_chain_is_doubted_until_nothing_speaks_against_it() {
        for starts in [true, false] {
            let doubtful = || {
                let mut gate = Gate::default();
                if starts {
                    gate.start(Slot(100), Slot(10));
                } else {
                    gate.clock_jumped(Slot(100), Slot(10));
                }
                gate
            };
            assert_eq!(opens(&mut doubtful(), 100), 103, "peers are as far behind: a stall of everyone");
            let mut gate = doubtful();
            gate.update(lag(101, 10, None));
            gate.clock_contradicted(Slot(102));
            assert_eq!(opens(&mut gate, 102), 105);
            gate.clock_contradicted(Slot(106));
            assert_eq!(opens(&mut gate, 106), 106, "what has been trusted is not doubted again");
            let mut gate = doubtful();
            gate.update(lag(100, 98, None));
            assert_eq!(opens(&mut gate, 100), 100, "a chain that has come close proves the clock");
            let mut gate = doubtful();
            gate.update(lag(100, 10, None));
            gate.clock_corrected();
            assert_eq!(opens(&mut gate, 15), 15);
        }
        let mut gate = Gate::default();
        gate.clock_jumped(Slot(17), Slot(10));
        assert_eq!(opens(&mut gate, 17), 17, "what is a little late says nothing");
    }
}
