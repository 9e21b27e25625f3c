//! Votes that came too early: their block is unknown, or their slot has not begun by our clock.
//!
//! They are kept for at most one slot. After that the vote is in an aggregate or useless.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lathe_types::{MILLISECONDS_PER_SLOT, Root, Slot};

use super::vote::Vote;
use crate::io::Millis;
use crate::time::Timer;

/// Votes and aggregates that may wait: one vote of each of 4,096 validators.
const MAX_HELD_VOTES: usize = 4_096;
/// Bytes that may wait: 4,096 votes of 2.7 KiB and a handful of aggregates.
const MAX_HELD_BYTES: usize = 16 << 20;

/// What a vote waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// An unknown block.
    Block(Root),
    /// The start of a slot.
    Slot(Slot),
}

/// The votes that wait.
#[derive(Default)]
pub(super) struct HeldVotes {
    votes: BTreeMap<u64, (Awaited, Vote)>,
    awaited: BTreeMap<Awaited, BTreeSet<u64>>,
    /// In order of arrival; entries of votes that are gone are skipped.
    expiry: VecDeque<(Timer, u64)>,
    bytes: usize,
    next: u64,
}

impl HeldVotes {
    pub(super) fn len(&self) -> usize {
        self.votes.len()
    }

    /// Keeps a vote. A full pool drops its oldest: newer votes are likelier to find their block soon.
    pub(super) fn insert(&mut self, now: Millis, awaited: Awaited, vote: Vote) {
        let bytes = vote.bytes();
        if bytes > MAX_HELD_BYTES {
            return;
        }
        while self.votes.len() >= MAX_HELD_VOTES || self.bytes + bytes > MAX_HELD_BYTES {
            let Some((&oldest, _)) = self.votes.first_key_value() else {
                break;
            };
            self.remove(oldest);
        }
        let key = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.awaited.entry(awaited).or_default().insert(key);
        self.votes.insert(key, (awaited, vote));
        self.expiry.push_back((Timer::after(now, MILLISECONDS_PER_SLOT), key));
    }

    /// Takes out what waited for `block`, in order of arrival.
    pub(super) fn take_for_block(&mut self, block: &Root) -> Vec<Vote> {
        self.take(Awaited::Block(*block))
    }

    /// Takes out what waited for slots up to `slot`.
    pub(super) fn take_for_slot(&mut self, slot: Slot) -> Vec<Vote> {
        let begun: Vec<Awaited> = self
            .awaited
            .range(Awaited::Slot(Slot(0))..=Awaited::Slot(slot))
            .map(|(awaited, _)| *awaited)
            .collect();
        begun.into_iter().flat_map(|awaited| self.take(awaited)).collect()
    }

    /// Drops what has waited for a slot.
    pub(super) fn expire(&mut self, now: Millis) {
        while let Some((timer, key)) = self.expiry.front().copied() {
            if self.votes.contains_key(&key) && !timer.is_due(now) {
                break;
            }
            self.expiry.pop_front();
            self.remove(key);
        }
    }

    fn take(&mut self, awaited: Awaited) -> Vec<Vote> {
        let keys = self.awaited.get(&awaited).cloned().unwrap_or_default();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    fn remove(&mut self, key: u64) -> Option<Vote> {
        let (awaited, vote) = self.votes.remove(&key)?;
        self.bytes -= vote.bytes();
        if let Some(keys) = self.awaited.get_mut(&awaited) {
            keys.remove(&key);
            if keys.is_empty() {
                self.awaited.remove(&awaited);
            }
        }
        Some(vote)
    }
}
