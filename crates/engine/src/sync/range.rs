//! Following a peer's chain forward, at most 64 slots at a time.

use std::collections::BTreeSet;

use lathe_types::Slot;

use super::{MAX_BLOCKS_PER_REQUEST, MAX_OPEN_PER_PEER, RANGE_PAUSE_MS, Request, Situation, Sync};
use crate::io::{Effect, FetchFailure, FetchWhat, Millis, Peer};
use crate::time::Timer;

/// No further range is asked for while this many blocks wait: they are checked one after the other anyway, and the
/// answer must find room in the pool.
const MAX_WAITING: usize = 128;

/// A range of slots whose blocks we want.
pub(super) struct RangeSync {
    /// First slot that is still missing.
    next: Slot,
    /// Last slot wanted.
    end: Slot,
    asked: bool,
    /// Whether any block came at all.
    fruitful: bool,
    /// Peers that answered the current question with nothing.
    empty: BTreeSet<Peer>,
}

impl Sync {
    pub(super) fn may_start_range(&self, now: Millis) -> bool {
        self.range.is_none() && self.range_pause.is_none_or(|timer| timer.is_due(now))
    }

    pub(super) fn start_range(&mut self, start: Slot, end: Slot) {
        if start <= end {
            let empty = BTreeSet::new();
            self.range = Some(RangeSync { next: start, end, asked: false, fruitful: false, empty });
        }
    }

    /// The next question of the range, once the answer to the last one has been digested. A range that nobody can
    /// answer ends here.
    pub(super) fn ask_for_range(&mut self, situation: &Situation<'_>) -> Option<Effect> {
        let now = situation.now;
        let range = self.range.as_mut().filter(|range| !range.asked)?;
        // What was imported meanwhile need not be asked for. A head behind `next` says nothing: its blocks may wait.
        if range.next > range.end {
            self.finish_range(now);
            return None;
        }
        if situation.waiting >= MAX_WAITING {
            return None;
        }
        let start = range.next;
        let count = (range.end.0 - start.0 + 1).min(MAX_BLOCKS_PER_REQUEST);
        let empty = range.empty.clone();
        let can_serve = |peer: Peer, info: &super::peers::PeerInfo| {
            !info.no_range && info.floor <= start && !empty.contains(&peer)
        };
        let last = Slot(start.0 + count - 1);
        let chosen = self.peers.choose(|peer, info, address| {
            let usable = can_serve(peer, info) && info.may_be_asked(now, MAX_OPEN_PER_PEER);
            // Whoever has delivered before is believed first; then whose address has failed us least.
            usable.then_some((
                info.has_delivered && info.claims_slot(last),
                address,
                info.claims_slot(last),
                info.claims_slot(start),
                std::cmp::Reverse(info.strikes),
            ))
        });
        let Some(peer) = chosen else {
            if !self.peers.iter().any(|(peer, info)| can_serve(peer, info)) {
                self.finish_range(now);
            }
            return None;
        };
        if let Some(range) = self.range.as_mut() {
            range.asked = true;
        }
        let request = self.open(peer, Request::Range { peer, start, count, newest: None });
        Some(Effect::Fetch { request, peer, what: FetchWhat::ByRange { start, count } })
    }

    /// Whether the peer failed us.
    pub(super) fn range_ended(
        &mut self,
        peer: Peer,
        (start, count): (Slot, u64),
        newest: Option<Slot>,
        outcome: Result<(), FetchFailure>,
    ) -> bool {
        if let Some(info) = self.peers.get_mut(peer) {
            match outcome {
                Err(FetchFailure::Unsupported) => info.no_range = true,
                Err(FetchFailure::Unavailable) => info.floor = info.floor.max(Slot(start.0 + 1)),
                _ => {}
            }
        }
        let claims = self.peers.get_mut(peer).is_some_and(|info| info.claims_slot(Slot(start.0 + count - 1)));
        let failed = match outcome {
            Ok(()) => claims && newest.is_none(),
            Err(FetchFailure::Unsupported | FetchFailure::Unavailable) => false,
            Err(FetchFailure::Truncated) => newest.is_none(),
            Err(FetchFailure::Timeout | FetchFailure::Transport | FetchFailure::Invalid) => true,
        };
        let Some(range) = self.range.as_mut().filter(|range| range.asked) else {
            return failed;
        };
        range.asked = false;
        match newest {
            // A partial answer counts as far as it goes, however it ended.
            Some(newest) => {
                range.next = Slot(newest.0.saturating_add(1));
                range.fruitful = true;
                range.empty.clear();
            }
            None if outcome.is_ok() => self.empty_answer(peer, (start, count)),
            None => {}
        }
        failed
    }

    /// Nothing there, says one peer. The range moves on only if all who claim to be past it say so; otherwise an empty
    /// answer would hide blocks that somebody has.
    fn empty_answer(&mut self, peer: Peer, (start, count): (Slot, u64)) {
        let last = Slot(start.0 + count - 1);
        let Some(range) = self.range.as_mut() else {
            return;
        };
        range.empty.insert(peer);
        let past = self.peers.iter().filter(|(_, info)| info.claims_slot(last) && !info.no_range);
        let past: Vec<Peer> = past.map(|(peer, _)| peer).collect();
        if !past.is_empty() && past.iter().all(|peer| range.empty.contains(peer)) {
            range.next = Slot(start.0 + count);
            range.empty.clear();
        }
    }

    fn finish_range(&mut self, now: Millis) {
        if let Some(range) = self.range.take()
            && !range.fruitful
        {
            self.range_pause = Some(Timer::after(now, RANGE_PAUSE_MS));
        }
    }
}
