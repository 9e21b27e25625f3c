//! How many connections may be begun towards us: a handshake costs more than a millisecond of computing, and nothing is
//! known of the peer before.
//!
//! Counted per place that they come from. An address may be forged at this point, so a place that is refused is not
//! shut out: those that we know we dial ourselves.

use std::time::Instant;

use super::buckets::Buckets;
use super::group::Group;
use super::score::Scores;

/// Handshakes that one place may begin at once: a local network of 64 nodes on one address, every one of them twice.
const GROUP_BURST: f64 = 128.0;
/// Per second after that: a hundredth of a core.
const GROUP_PER_SECOND: f64 = 8.0;
/// Handshakes that all places together may begin at once.
const TOTAL_BURST: f64 = 256.0;
/// Per second after that: a twentieth of a core.
const TOTAL_PER_SECOND: f64 = 32.0;
/// Penalties of a place that make its handshakes cost one token more.
const BLAME_PER_TOKEN: f64 = 16.0;
/// Dearest handshake, so that a place with bad peers has one every few seconds for the good ones.
const DEAREST: f64 = 32.0;

/// The rate of inbound handshakes.
#[derive(Debug)]
pub(crate) struct Handshakes {
    groups: Buckets<Group>,
    total: Buckets<()>,
    blame: Scores<Group>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self {
            groups: Buckets::new(GROUP_BURST, GROUP_PER_SECOND),
            total: Buckets::new(TOTAL_BURST, TOTAL_PER_SECOND),
            blame: Scores::default(),
        }
    }
}

impl Handshakes {
    /// Whether a peer at `group` may begin a handshake now.
    pub(crate) fn admit(&mut self, group: Group, now: Instant) -> bool {
        let blame = (-self.blame.get(&group, now)).max(0.0);
        let price = (1.0 + blame / BLAME_PER_TOKEN).min(DEAREST);
        self.groups.take(group, price, now) && self.total.take((), 1.0, now)
    }

    /// Counts a penalty of a peer at `group`: the next identity from there comes in more slowly.
    pub(crate) fn blame(&mut self, group: Group, penalty: f64, now: Instant) {
        self.blame.add(group, -penalty, now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HERE: Group = Group::V4([10, 0, 0, 1]);
    const THERE: Group = Group::V4([10, 0, 0, 2]);

    fn admitted(handshakes: &mut Handshakes, group: Group, now: Instant) -> usize {
        (0..1000).filter(|_| handshakes.admit(group, now)).count()
    }

    #[test]
    fn a_place_has_its_burst_and_its_rate_and_others_have_theirs() {
        let (mut handshakes, start) = (Handshakes::default(), Instant::now());
        assert_eq!(admitted(&mut handshakes, HERE, start), 128);
        assert_eq!(admitted(&mut handshakes, HERE, start + Duration::from_secs(1)), 8);
        assert_eq!(admitted(&mut handshakes, THERE, start + Duration::from_secs(1)), 128);
    }

    #[test]
    fn all_places_together_are_bounded() {
        let (mut handshakes, now) = (Handshakes::default(), Instant::now());
        let all: usize = (0..100).map(|at| admitted(&mut handshakes, Group::V4([1, 1, 1, at]), now)).sum();
        assert_eq!(all, 256);
    }

    #[test]
    fn who_sends_bad_peers_sends_fewer_of_them_but_is_not_shut_out() {
        let (mut handshakes, start) = (Handshakes::default(), Instant::now());
        admitted(&mut handshakes, HERE, start);
        // Two peers that were banned at 50 each: a handshake costs 7.25 tokens.
        handshakes.blame(HERE, 100.0, start);
        assert_eq!(admitted(&mut handshakes, HERE, start + Duration::from_secs(2)), 2);
        handshakes.blame(HERE, 1e9, start + Duration::from_secs(2));
        assert_eq!(admitted(&mut handshakes, HERE, start + Duration::from_secs(3)), 0);
        let later = start + Duration::from_secs(7);
        assert_eq!(admitted(&mut handshakes, HERE, later), 1);
        // Blame fades; a trace of it costs one handshake of the burst.
        let much_later = start + Duration::from_secs(3600);
        assert_eq!(admitted(&mut handshakes, HERE, much_later), 127);
    }
}
