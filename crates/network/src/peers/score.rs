//! What a peer's behaviour adds up to.
//!
//! Mild on purpose: honest peers that relay without validating carry other people's junk. Every accepted message
//! makes up for a rejected one, and everything fades, so that only a peer that sends mostly junk is ever cut off.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use libp2p::PeerId;

/// Below this a peer is disconnected and may come back after [`COOL_DOWN`].
const DISCONNECT_BELOW: f64 = -20.0;
/// Below this a peer is banned for [`BAN`].
const BAN_BELOW: f64 = -50.0;
/// Credit does not pile up beyond this, so that good behaviour buys little abuse.
const MAX_SCORE: f64 = 20.0;
/// Scores halve in this time.
const HALF_LIFE: Duration = Duration::from_secs(60);
/// How long a disconnected peer stays away.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// How long a banned peer stays away.
const BAN: Duration = Duration::from_secs(300);
/// Scores remembered, gone peers included, so that reconnecting does not wash a peer clean.
const MAX_PEERS: usize = 1024;
/// A score this close to zero says nothing and may be forgotten.
const NEGLIGIBLE: f64 = 1.0;

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offence {
    /// It forwarded a message that is invalid. Others may have made it.
    InvalidGossip,
    /// It sent something that no honest node sends.
    Invalid,
    /// It answered a request with something that was not asked for.
    Unrequested,
    /// It keeps failing to answer.
    Unresponsive,
    /// It asks for more than its share, or floods us.
    Greedy,
    /// It asked for something that breaks the protocol.
    MalformedRequest,
}

impl Offence {
    pub(crate) const fn penalty(self) -> f64 {
        match self {
            Self::InvalidGossip | Self::Greedy => 1.0,
            Self::Unresponsive | Self::MalformedRequest => 2.0,
            Self::Invalid | Self::Unrequested => 10.0,
        }
    }
}

/// What follows from an offence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Nothing yet.
    None,
    /// Disconnect, and refuse the peer until then.
    Refuse(Instant),
}

#[derive(Debug)]
struct Score {
    value: f64,
    updated: Instant,
}

/// The scores of all peers, or of all places that peers come from.
#[derive(Debug)]
pub(crate) struct Scores<K> {
    scores: HashMap<K, Score>,
}

impl<K> Default for Scores<K> {
    fn default() -> Self {
        Self { scores: HashMap::new() }
    }
}

impl Scores<PeerId> {
    /// Counts an offence.
    pub(crate) fn penalise(&mut self, peer: PeerId, offence: Offence, now: Instant) -> Consequence {
        let value = self.add(peer, -offence.penalty(), now);
        if value < BAN_BELOW {
            Consequence::Refuse(now + BAN)
        } else if value < DISCONNECT_BELOW {
            Consequence::Refuse(now + COOL_DOWN)
        } else {
            Consequence::None
        }
    }

    /// Counts an accepted message.
    pub(crate) fn reward(&mut self, peer: PeerId, now: Instant) {
        self.add(peer, 1.0, now);
    }
}

impl<K: Copy + Eq + Hash> Scores<K> {
    /// The present score.
    pub(crate) fn get(&self, holder: &K, now: Instant) -> f64 {
        self.scores.get(holder).map_or(0.0, |score| score.at(now))
    }

    /// Changes a score and tells what it is now.
    pub(crate) fn add(&mut self, holder: K, change: f64, now: Instant) -> f64 {
        if self.scores.len() >= MAX_PEERS && !self.scores.contains_key(&holder) {
            self.make_room(now);
        }
        let score = self.scores.entry(holder).or_insert(Score { value: 0.0, updated: now });
        score.value = (score.at(now) + change).min(MAX_SCORE);
        score.updated = now;
        score.value
    }

    /// Forgets what no longer matters, else whoever was heard of longest ago.
    fn make_room(&mut self, now: Instant) {
        self.scores.retain(|_, score| score.at(now).abs() >= NEGLIGIBLE);
        if self.scores.len() >= MAX_PEERS {
            let oldest = self.scores.iter().min_by_key(|(_, score)| score.updated).map(|(peer, _)| *peer);
            oldest.map(|peer| self.scores.remove(&peer));
        }
    }
}

impl Score {
    fn at(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.updated);
        self.value * (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thresholds_are_exact() {
        let (peer, now) = (PeerId::random(), Instant::now());
        let mut scores = Scores::default();
        for _ in 0..20 {
            assert_eq!(scores.penalise(peer, Offence::InvalidGossip, now), Consequence::None);
        }
        for _ in 20..50 {
            assert_eq!(
                scores.penalise(peer, Offence::InvalidGossip, now),
                Consequence::Refuse(now + COOL_DOWN)
            );
        }
        assert_eq!(scores.penalise(peer, Offence::InvalidGossip, now), Consequence::Refuse(now + BAN));
        assert_eq!(scores.get(&peer, now), -51.0);
    }

    #[test]
    fn scores_fade_and_credit_is_bounded() {
        let (peer, now) = (PeerId::random(), Instant::now());
        let mut scores = Scores::default();
        scores.penalise(peer, Offence::Invalid, now);
        assert_eq!(scores.get(&peer, now + HALF_LIFE), -5.0);
        for _ in 0..1000 {
            scores.reward(peer, now);
        }
        assert_eq!(scores.get(&peer, now), MAX_SCORE);
    }

    /// An honest relay that validates nothing: of all junk in the network it forwards its share and more.
    #[test]
    fn honest_relays_of_a_little_junk_are_never_refused() {
        let (peer, start) = (PeerId::random(), Instant::now());
        let mut scores = Scores::default();
        for second in 0..3600 {
            let now = start + Duration::from_secs(second);
            for message in 0..100 {
                // It is the first to bring us an eighth of the good messages, and all of the 5% junk.
                if message < 12 {
                    scores.reward(peer, now);
                } else if message >= 95 {
                    assert_eq!(
                        scores.penalise(peer, Offence::InvalidGossip, now),
                        Consequence::None,
                        "{second}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_flood_of_junk_is_refused_at_once_and_the_table_is_bounded() {
        let (peer, now) = (PeerId::random(), Instant::now());
        let mut scores = Scores::default();
        let tolerated = (0..10_000)
            .take_while(|_| scores.penalise(peer, Offence::InvalidGossip, now) == Consequence::None)
            .count();
        assert_eq!(tolerated, 20);
        for _ in 0..2 * MAX_PEERS {
            scores.penalise(PeerId::random(), Offence::Invalid, now);
        }
        assert_eq!(scores.scores.len(), MAX_PEERS);
    }
}
