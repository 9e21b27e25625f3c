//! Sharing out what strangers can fill: when there is no room, whoever has most gives way.
//!
//! Identities are free, so the share is one per address group, and within a group one per peer. A group that holds
//! little always finds room, however many identities others bring; an honest peer behind a crowded address keeps its
//! share of that.

use std::collections::BTreeMap;

use crate::io::{Group, Peer};

/// A peer with the group that it counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sender {
    pub(crate) group: Group,
    pub(crate) peer: Peer,
}

/// Whose part is the largest when `newcomer` wants to add to what `holders` have: the group with most, and in it the
/// peer with most. The newcomer itself, if nobody has more.
pub(crate) fn largest_part(holders: impl Iterator<Item = Sender>, newcomer: Sender) -> Sender {
    let mut groups: BTreeMap<Group, BTreeMap<Peer, usize>> = BTreeMap::new();
    for sender in holders.chain([newcomer]) {
        *groups.entry(sender.group).or_default().entry(sender.peer).or_default() += 1;
    }
    let part = |(group, peers): &(Group, BTreeMap<Peer, usize>)| {
        (peers.values().sum::<usize>(), *group == newcomer.group)
    };
    let Some((group, peers)) = groups.into_iter().max_by_key(part) else { return newcomer };
    let most = peers.into_iter().max_by_key(|(peer, count)| (*count, *peer == newcomer.peer));
    most.map_or(newcomer, |(peer, _)| Sender { group, peer })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(group: u64, peer: u64) -> Sender {
        Sender { group: Group(group), peer: Peer(peer) }
    }

    #[test]
    fn the_largest_group_gives_way_and_in_it_the_largest_peer() {
        let crowd = [sender(1, 10), sender(1, 10), sender(1, 11), sender(2, 20), sender(2, 20)];
        assert_eq!(largest_part(crowd.into_iter(), sender(3, 30)), sender(1, 10));
        assert_eq!(largest_part(crowd.into_iter(), sender(2, 21)), sender(2, 20), "three each now");
        let identities = (0..50).map(|peer| sender(1, peer));
        assert_eq!(largest_part(identities, sender(2, 99)).group, Group(1), "identities are free");
    }

    #[test]
    fn whoever_has_as_much_as_anybody_gives_way_itself() {
        assert_eq!(largest_part([sender(1, 10)].into_iter(), sender(2, 20)), sender(2, 20));
        assert_eq!(largest_part([].into_iter(), sender(2, 20)), sender(2, 20));
    }
}
