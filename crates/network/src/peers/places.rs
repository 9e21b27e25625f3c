//! Who has to leave when all places for inbound peers are taken.
//!
//! Identities are free, so a peer's place is worth what it brought: messages that turned out valid and new. Peers that
//! brought nothing give way, those of the place that holds most connections first. Peers that an operator named, and
//! those that we dialled, never have to.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use super::group::Group;

/// Connections that peers may have opened to us; the other places are for peers that we choose.
pub(crate) const MAX_INBOUND: usize = 96;
/// How long a new peer has to be of use before it may have to give way to one of its own place.
const NEWCOMER: Duration = Duration::from_secs(20);
/// How long a peer counts as useful after it brought something.
const USEFUL_FOR: Duration = Duration::from_secs(300);

/// An inbound peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub(crate) peer: PeerId,
    pub(crate) group: Group,
    pub(crate) since: Instant,
    /// When it last brought something.
    pub(crate) useful_at: Option<Instant>,
}

impl Guest {
    fn is_useful(&self, now: Instant) -> bool {
        self.useful_at.is_some_and(|at| now.saturating_duration_since(at) < USEFUL_FOR)
    }

    fn is_new(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < NEWCOMER
    }
}

/// Whether one more peer of `newcomer` may come in beside `guests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is room.
    Free,
    /// If this one leaves.
    Instead(PeerId),
    /// All are of more use than a stranger.
    Full,
}

/// Looks for room.
pub(crate) fn room(guests: &[Guest], newcomer: Group, now: Instant) -> Room {
    if guests.len() < MAX_INBOUND {
        return Room::Free;
    }
    let mut counts: HashMap<Group, usize> = HashMap::new();
    for guest in guests {
        *counts.entry(guest.group).or_default() += 1;
    }
    let count = |group: Group| counts.get(&group).copied().unwrap_or_default();
    let own = count(newcomer);
    // A place with more connections than the newcomer's would have gives one away at once; else those give way that
    // had their time.
    let gives = |guest: &&Guest| {
        let crowded = count(guest.group) > own + 1;
        !guest.is_useful(now) && (crowded || guest.group == newcomer && !guest.is_new(now))
    };
    let useless = guests.iter().filter(gives).max_by_key(|guest| (count(guest.group), Reverse(guest.since)));
    // Even useful peers leave one place to others if a single place holds most of all.
    let hoarded = |guest: &&Guest| count(guest.group) > MAX_INBOUND / 2 && guest.group != newcomer;
    let least = || guests.iter().filter(hoarded).min_by_key(|guest| guest.useful_at);
    useless.or_else(least).map_or(Room::Full, |guest| Room::Instead(guest.peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Group = Group::V4([10, 0, 0, 1]);
    const THERE: Group = Group::V4([10, 0, 0, 2]);

    /// Guests that fill all places, each a second younger than the one before, the oldest of them `age` old.
    fn full_house(group: Group, age: Duration, now: Instant) -> Vec<Guest> {
        let since = |at: u64| now - age + Duration::from_millis(at);
        let guest = |at| Guest { peer: PeerId::random(), group, since: since(at), useful_at: None };
        (0..MAX_INBOUND as u64).map(guest).collect()
    }

    fn now() -> Instant {
        Instant::now() + Duration::from_secs(10_000)
    }

    #[test]
    fn there_is_room_until_all_places_are_taken() {
        let now = now();
        let mut guests = full_house(HERE, NEWCOMER, now);
        guests.pop();
        assert_eq!(room(&guests, HERE, now), Room::Free);
    }

    #[test]
    fn silent_peers_give_way_to_one_of_their_own_place_after_their_time() {
        let now = now();
        let guests = full_house(HERE, NEWCOMER, now);
        assert_eq!(room(&guests, HERE, now), Room::Instead(guests[0].peer));
        let too_early = now - Duration::from_millis(1);
        assert_eq!(room(&guests, HERE, too_early), Room::Full);
    }

    #[test]
    fn a_crowded_place_gives_way_to_another_at_once() {
        let now = now();
        let guests = full_house(HERE, Duration::from_secs(1), now);
        assert_eq!(room(&guests, THERE, now), Room::Instead(guests[0].peer));
    }

    #[test]
    fn useful_peers_stay_and_strangers_of_their_place_stay_out() {
        let now = now();
        let mut guests = full_house(HERE, Duration::from_secs(1000), now);
        for guest in &mut guests {
            guest.useful_at = Some(now);
        }
        assert_eq!(room(&guests, HERE, now), Room::Full);
        guests[7].useful_at = Some(now - USEFUL_FOR);
        assert_eq!(room(&guests, HERE, now), Room::Instead(guests[7].peer));
        // Another place gets in all the same: the one that was useful longest ago leaves.
        guests[7].useful_at = Some(now - Duration::from_secs(1));
        assert_eq!(room(&guests, THERE, now), Room::Instead(guests[7].peer));
    }

    #[test]
    fn places_that_share_fairly_keep_what_they_have() {
        let now = now();
        let mut guests = full_house(HERE, Duration::from_secs(1), now);
        for (at, guest) in guests.iter_mut().enumerate() {
            guest.group = Group::V4([10, 0, 1, at as u8]);
        }
        assert_eq!(room(&guests, THERE, now), Room::Full);
    }
}
