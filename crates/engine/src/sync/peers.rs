//! What is known of each peer: its claims, and how well it keeps them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lathe_types::{Root, Slot, Status};

use crate::io::{Group, Millis, Peer};
use crate::time::Timer;

/// Peers that are remembered. The network keeps fewer connections than this.
pub(crate) const MAX_PEERS: usize = 512;
/// Failures in a row after which a peer's claim about its head is not believed any more.
pub(crate) const STRIKES_TO_DOUBT: u32 = 2;
/// Every so many failures in a row the network is told that the peer does not answer.
pub(crate) const STRIKES_TO_PENALISE: u32 = 4;
/// A peer's status is asked for again after this; half a minute keeps claims fresh at 80 bytes a time.
pub(crate) const STATUS_EVERY_MS: u64 = 32_000;
/// The same while we are behind: once a slot.
pub(crate) const STATUS_EVERY_BEHIND_MS: u64 = 4_000;
/// First pause after a failure; doubles with every further one.
const BACKOFF_MS: u64 = 500;
/// Longest pause. A peer that recovers is asked again within half a minute.
const MAX_BACKOFF_MS: u64 = 30_000;

/// Addresses whose failures are remembered beyond a connection.
const MAX_GROUPS: usize = 512;

/// One peer.
pub(crate) struct PeerInfo {
    pub(crate) group: Group,
    /// A block of it was of use.
    pub(crate) has_delivered: bool,
    pub(crate) status: Option<Status>,
    /// Failures in a row; forgiven by a block of use.
    pub(crate) strikes: u32,
    /// Not to be asked before this.
    backoff: Option<Timer>,
    /// Requests under way.
    pub(crate) open: usize,
    /// It said that it does not speak by-range. A transport error never says so.
    pub(crate) no_range: bool,
    /// It holds no range that begins below this.
    pub(crate) floor: Slot,
    refresh: Timer,
    /// Its claimed head is not gone after again before this.
    pursue: Option<Timer>,
}

impl PeerInfo {
    fn new(now: Millis, group: Group) -> Self {
        Self {
            group,
            has_delivered: false,
            status: None,
            strikes: 0,
            backoff: None,
            open: 0,
            no_range: false,
            floor: Slot(0),
            refresh: Timer::after(now, STATUS_EVERY_BEHIND_MS),
            pursue: None,
        }
    }

    /// Its head, as long as it is believed.
    pub(crate) fn claim(&self) -> Option<(Slot, Root)> {
        let status = self.status.filter(|_| self.strikes < STRIKES_TO_DOUBT)?;
        Some((status.head.slot, status.head.root))
    }

    pub(crate) fn claims_slot(&self, slot: Slot) -> bool {
        self.claim().is_some_and(|(head, _)| head >= slot)
    }

    pub(crate) fn may_be_asked(&self, now: Millis, max_open: usize) -> bool {
        self.open < max_open && self.backoff.is_none_or(|timer| timer.is_due(now))
    }

    pub(crate) fn may_be_pursued(&self, now: Millis) -> bool {
        self.pursue.is_none_or(|timer| timer.is_due(now))
    }

    pub(crate) fn pursued(&mut self, now: Millis) {
        self.pursue = Some(Timer::after(now, pause(self.strikes + 3)));
    }
}

fn pause(strikes: u32) -> u64 {
    BACKOFF_MS.checked_shl(strikes.min(16)).map_or(MAX_BACKOFF_MS, |millis| millis.min(MAX_BACKOFF_MS))
}

/// All peers.
#[derive(Default)]
pub(crate) struct Peers {
    known: BTreeMap<Peer, PeerInfo>,
    /// Failures by address since a block from there was last of use: a new identity is no better than the one before.
    failures: BTreeMap<Group, u32>,
    /// Where the search for the next peer starts, so that requests spread.
    rotation: u64,
}

impl Peers {
    /// A peer came; false if there is no room to remember it.
    pub(crate) fn insert(&mut self, now: Millis, peer: Peer, group: Group) -> bool {
        if self.known.len() >= MAX_PEERS && !self.known.contains_key(&peer) {
            return false;
        }
        self.known.entry(peer).or_insert_with(|| PeerInfo::new(now, group));
        true
    }

    pub(crate) fn remove(&mut self, peer: Peer) {
        self.known.remove(&peer);
    }

    pub(crate) fn get_mut(&mut self, peer: Peer) -> Option<&mut PeerInfo> {
        self.known.get_mut(&peer)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Peer, &PeerInfo)> {
        self.known.iter().map(|(peer, info)| (*peer, info))
    }

    pub(crate) fn heard_of_any(&self) -> bool {
        self.known.values().any(|info| info.status.is_some())
    }

    /// Counts a failure; true if the network should hear of it.
    pub(crate) fn strike(&mut self, now: Millis, peer: Peer) -> bool {
        let Some(info) = self.known.get_mut(&peer) else {
            return false;
        };
        info.strikes += 1;
        info.backoff = Some(Timer::after(now, pause(info.strikes - 1)));
        let (group, strikes) = (info.group, info.strikes);
        if self.failures.len() < MAX_GROUPS || self.failures.contains_key(&group) {
            let failures = self.failures.entry(group).or_default();
            *failures = failures.saturating_add(1);
        }
        strikes.is_multiple_of(STRIKES_TO_PENALISE)
    }

    /// A block of this peer was of use.
    pub(crate) fn forgive(&mut self, peer: Peer) {
        if let Some(info) = self.known.get_mut(&peer) {
            info.strikes = 0;
            info.backoff = None;
            info.has_delivered = true;
            self.failures.remove(&info.group);
        }
    }

    /// How many of the addresses that told a status told one of which `is_so`, and how many there are.
    pub(crate) fn addresses(&self, is_so: impl Fn(&Status) -> bool) -> (usize, usize) {
        let mut groups: BTreeMap<Group, bool> = BTreeMap::new();
        for (group, status) in
            self.known.values().filter_map(|info| Some((info.group, info.status.as_ref()?)))
        {
            *groups.entry(group).or_default() |= is_so(status);
        }
        (groups.values().filter(|is_so| **is_so).count(), groups.len())
    }

    /// Peers whose status is stale, which counts as asked for.
    pub(crate) fn refresh(&mut self, now: Millis, behind: bool) -> Vec<Peer> {
        let span = if behind { STATUS_EVERY_BEHIND_MS } else { STATUS_EVERY_MS };
        let due = self.known.iter_mut().filter(|(_, info)| {
            info.refresh.is_due(now) || behind && info.refresh.at() > now.plus(STATUS_EVERY_BEHIND_MS)
        });
        due.map(|(peer, info)| {
            info.refresh = Timer::after(now, span);
            *peer
        })
        .collect()
    }

    /// The best peer by `rank` (highest wins; `None` excludes), with ties going round. The rank may look at how little
    /// the peer's address has failed.
    pub(crate) fn choose<R: Ord>(
        &mut self,
        rank: impl Fn(Peer, &PeerInfo, Reverse<u32>) -> Option<R>,
    ) -> Option<Peer> {
        let count = self.known.len() as u64;
        let start = self.rotation.checked_rem(count)?;
        self.rotation = self.rotation.wrapping_add(1);
        let ranked = self.known.iter().enumerate().filter_map(|(position, (peer, info))| {
            let turn = (position as u64 + count - start) % count;
            let failures = Reverse(self.failures.get(&info.group).copied().unwrap_or_default());
            Some((rank(*peer, info, failures)?, Reverse(turn), *peer))
        });
        ranked.max().map(|(_, _, peer)| peer)
    }
}
