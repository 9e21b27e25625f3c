//! When it is worth asking the execution client: a circuit breaker with backoff, as a pure function of time.
//!
//! Any fault opens the circuit; nothing but a completed handshake closes it, because what comes back after a fault may
//! be another program with another chain. While it is open nobody waits for an answer that will not come.

use crate::error::Fault;

/// First pause after a fault, in milliseconds: a client that restarts within a second is found at once.
pub(crate) const FIRST_PAUSE_MS: u64 = 100;
/// Longest pause, in milliseconds: a quarter of a slot, so that a client that is back is used within the slot.
pub(crate) const LONGEST_PAUSE_MS: u64 = 1000;

/// How the execution client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has not been asked yet.
    Unknown,
    /// It answers and fits.
    Online,
    /// It does not.
    Offline(Fault),
}

/// The breaker. Times are milliseconds on any clock that does not go back.
#[derive(Clone, Debug)]
pub struct Health {
    condition: Condition,
    pause_ms: u64,
    retry_at_ms: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self { condition: Condition::Unknown, pause_ms: FIRST_PAUSE_MS, retry_at_ms: 0 }
    }
}

impl Health {
    /// How it is.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// Whether calls may go out.
    pub fn is_online(&self) -> bool {
        self.condition == Condition::Online
    }

    /// When to try the next handshake; `None` while none is needed.
    pub fn handshake_at_ms(&self) -> Option<u64> {
        (!self.is_online()).then_some(self.retry_at_ms)
    }

    /// A handshake succeeded. Returns whether that changes the condition.
    pub fn connected(&mut self) -> bool {
        let changed = !self.is_online();
        *self = Self { condition: Condition::Online, ..Self::default() };
        changed
    }

    /// A call or a handshake failed at `now_ms`. Returns whether that changes the condition.
    pub fn failed(&mut self, now_ms: u64, fault: Fault) -> bool {
        let changed = self.condition != Condition::Offline(fault);
        self.condition = Condition::Offline(fault);
        self.retry_at_ms = now_ms.saturating_add(self.pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(LONGEST_PAUSE_MS);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_opens_the_circuit_and_a_handshake_closes_it() {
        let mut health = Health::default();
        assert_eq!((health.condition(), health.handshake_at_ms()), (Condition::Unknown, Some(0)));
        assert!(health.connected());
        assert!(!health.connected());
        assert_eq!((health.is_online(), health.handshake_at_ms()), (true, None));
        assert!(health.failed(5_000, Fault::Timeout));
        assert_eq!(health.condition(), Condition::Offline(Fault::Timeout));
        assert_eq!((health.is_online(), health.handshake_at_ms()), (false, Some(5_100)));
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_a_handshake() {
        let mut health = Health::default();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            health.failed(10_000, Fault::Unreachable);
            pauses.push(health.handshake_at_ms().unwrap() - 10_000);
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        health.connected();
        health.failed(0, Fault::Unreachable);
        assert_eq!(health.handshake_at_ms(), Some(100));
    }

    #[test]
    fn a_change_is_told_once() {
        let mut health = Health::default();
        assert!(health.failed(0, Fault::Unreachable));
        assert!(!health.failed(100, Fault::Unreachable));
        assert!(health.failed(300, Fault::Unauthorised));
        assert!(health.connected());
    }
}
