//! Blocks that are missing by root: each asked for once at a time, more and more rarely, and not for ever.

use std::collections::BTreeMap;

use lathe_types::Root;

use crate::io::{Group, Millis, Peer};
use crate::share::{Sender, largest_part};
use crate::time::Timer;

/// Roots that may be missing at once: as many as blocks may wait. More means somebody invents parents.
pub(crate) const MAX_WANTED: usize = 512;
/// Attempts for one root; with the pauses between them they span more than a minute. A later block or status that
/// needs the root starts anew.
pub(crate) const MAX_ATTEMPTS: u32 = 12;
/// First pause after an attempt that did not bring the block; doubles with every further one.
const RETRY_MS: u64 = 250;
/// Longest pause: two slots.
const MAX_RETRY_MS: u64 = 8_000;
/// Pause before a root is asked for when a range is under way that should bring it.
const POSTPONE_MS: u64 = 2_000;
/// Peers remembered as tried for one root.
const MAX_TRIED: usize = 16;

/// Peers that are known to hold one root.
const MAX_HOLDERS: usize = 4;
/// Attempts with others once a peer that should hold a block has failed to answer: if it is worth anything, its
/// children come from others too.
const ATTEMPTS_WITH_OTHERS: u32 = 3;
/// Stands for those who want a block on nobody's word.
const OURSELVES: Sender = Sender { group: Group(u64::MAX), peer: Peer(u64::MAX) };

struct Entry {
    /// Who sent what builds on it, and has not been asked: nobody relays a block without holding its parent.
    holders: Vec<Sender>,
    /// Whom it counts for.
    wanted_by: Sender,
    attempts: u32,
    /// Attempts after which it is given up.
    limit: u32,
    tried: Vec<Peer>,
    /// The peer that was asked last should have it.
    was_holder: bool,
    /// `None` while a request is under way.
    next: Option<Timer>,
}

/// The missing roots.
#[derive(Default)]
pub(crate) struct Wanted {
    roots: BTreeMap<Root, Entry>,
    /// Parents found missing one after the other without a gap: how far we have walked back.
    walked: u32,
}

impl Wanted {
    pub(crate) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Adds a root, and says how many were found in a row by walking back.
    pub(crate) fn insert(&mut self, now: Millis, root: Root, from: Option<Sender>) -> u32 {
        if let Some(entry) = self.roots.get_mut(&root) {
            if let Some(from) = from
                && entry.holders.len() < MAX_HOLDERS
                && !entry.holders.contains(&from)
                && !entry.tried.contains(&from.peer)
            {
                entry.holders.push(from);
            }
        } else if self.make_room(from.unwrap_or(OURSELVES)) {
            self.walked += 1;
            let entry = Entry {
                holders: from.into_iter().collect(),
                wanted_by: from.unwrap_or(OURSELVES),
                attempts: 0,
                limit: MAX_ATTEMPTS,
                tried: Vec::new(),
                was_holder: false,
                next: Some(Timer::after(now, 0)),
            };
            self.roots.insert(root, entry);
        }
        self.walked
    }

    /// Whoever wants most gives way.
    fn make_room(&mut self, newcomer: Sender) -> bool {
        if self.roots.len() < MAX_WANTED {
            return true;
        }
        let largest = largest_part(self.roots.values().map(|entry| entry.wanted_by), newcomer);
        let theirs = self.roots.iter().filter(|(_, entry)| entry.wanted_by == largest);
        // Rather one that is not being asked for at the moment.
        let victim = theirs.min_by_key(|(_, entry)| entry.next.is_none()).map(|(root, _)| *root);
        victim.is_some_and(|victim| self.roots.remove(&victim).is_some())
    }

    /// A peer is gone, and with it what only it could have told us more of.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.roots.retain(|_, entry| {
            let knew = entry.holders.iter().any(|holder| holder.peer == peer);
            entry.holders.retain(|holder| holder.peer != peer);
            !(knew && entry.holders.is_empty() && entry.attempts == 0)
        });
    }

    /// The root is not missing any more. When none is, the walk back is over.
    pub(crate) fn remove(&mut self, root: &Root) {
        self.roots.remove(root);
    }

    /// The walk reached a block that is known.
    pub(crate) fn walk_ended(&mut self) {
        self.walked = 0;
    }

    pub(crate) fn postpone(&mut self, now: Millis, root: &Root) {
        if let Some(entry) = self.roots.get_mut(root)
            && entry.next.is_some()
        {
            entry.next = Some(Timer::after(now, POSTPONE_MS));
        }
    }

    pub(crate) fn due(&self, now: Millis) -> Vec<Root> {
        let due = self.roots.iter().filter(|(_, entry)| entry.next.is_some_and(|timer| timer.is_due(now)));
        due.map(|(root, _)| *root).collect()
    }

    pub(crate) fn tried(&self, root: &Root) -> Vec<Peer> {
        self.roots.get(root).map(|entry| entry.tried.clone()).unwrap_or_default()
    }

    /// Peers that should have it and were not asked. As long as there are any, nobody else is: an invented parent costs
    /// only those who speak of it.
    pub(crate) fn holders(&self, root: &Root) -> Vec<Peer> {
        let holders = self.roots.get(root).map(|entry| entry.holders.as_slice()).unwrap_or_default();
        holders.iter().map(|holder| holder.peer).collect()
    }

    pub(crate) fn asked(&mut self, root: &Root, peer: Peer) {
        if let Some(entry) = self.roots.get_mut(root) {
            entry.attempts += 1;
            entry.next = None;
            entry.was_holder = entry.holders.iter().any(|holder| holder.peer == peer);
            entry.holders.retain(|holder| holder.peer != peer);
            entry.tried.truncate(MAX_TRIED - 1);
            entry.tried.insert(0, peer);
        }
    }

    /// An answer came without it, or with a copy that was no use. `denied` means that the peer has answered: what it
    /// should hold, it does not. Says whether it should have held it. A root that has been found meanwhile, and is
    /// missing again, is not concerned.
    pub(crate) fn missed(&mut self, now: Millis, root: &Root, denied: bool) -> bool {
        let entry = self.roots.get_mut(root).filter(|entry| entry.next.is_none());
        let Some(entry) = entry else { return false };
        let was_holder = std::mem::take(&mut entry.was_holder);
        if was_holder && entry.holders.is_empty() {
            entry.limit = entry.limit.min(entry.attempts + ATTEMPTS_WITH_OTHERS);
        }
        if entry.attempts >= entry.limit || was_holder && denied && entry.holders.is_empty() {
            self.roots.remove(root);
            return was_holder;
        }
        let pause = RETRY_MS.checked_shl(entry.attempts - 1).map_or(MAX_RETRY_MS, |ms| ms.min(MAX_RETRY_MS));
        entry.next = Some(Timer::after(now, pause));
        was_holder
    }
}
