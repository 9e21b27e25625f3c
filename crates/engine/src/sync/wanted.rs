//! Blocks that are missing by root: each asked for once at a time, more and more rarely, and not for ever.

use std::collections::BTreeMap;

use lathe_types::Root;

use crate::io::{Millis, Peer};
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

struct Entry {
    from: Option<Peer>,
    attempts: u32,
    tried: Vec<Peer>,
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
    pub(crate) fn insert(&mut self, now: Millis, root: Root, from: Option<Peer>) -> u32 {
        if !self.roots.contains_key(&root) && self.roots.len() < MAX_WANTED {
            self.walked += 1;
            let entry = Entry { from, attempts: 0, tried: Vec::new(), next: Some(Timer::after(now, 0)) };
            self.roots.insert(root, entry);
        }
        self.walked
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

    /// The peer that should have it, as long as it was not asked.
    pub(crate) fn first_choice(&self, root: &Root) -> Option<Peer> {
        self.roots.get(root).filter(|entry| entry.attempts == 0)?.from
    }

    pub(crate) fn asked(&mut self, root: &Root, peer: Peer) {
        if let Some(entry) = self.roots.get_mut(root) {
            entry.attempts += 1;
            entry.next = None;
            entry.tried.truncate(MAX_TRIED - 1);
            entry.tried.insert(0, peer);
        }
    }

    /// An answer came without it.
    pub(crate) fn missed(&mut self, now: Millis, root: &Root) {
        if let Some(entry) = self.roots.get_mut(root) {
            if entry.attempts >= MAX_ATTEMPTS {
                self.roots.remove(root);
                return;
            }
            let pause =
                RETRY_MS.checked_shl(entry.attempts - 1).map_or(MAX_RETRY_MS, |ms| ms.min(MAX_RETRY_MS));
            entry.next = Some(Timer::after(now, pause));
        }
    }
}
