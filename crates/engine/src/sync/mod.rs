//! Catching up: who is ahead, what to ask of whom, and when to ask again.
//!
//! Two ways lead to a missing block. A *range* of at most 64 slots at a time follows a peer that claims a head further
//! on; single *roots* fill the holes: the parents of blocks that wait, walking back. Answers may be partial, empty or
//! missing; each costs the peer something and moves the question to another. Nothing is asked twice at once, nothing
//! is asked for ever, and no peer's word is needed for anything but where to look.

mod peers;
mod range;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use lathe_types::{Root, Slot, Status};

use crate::io::{Effect, FetchFailure, FetchWhat, Millis, Offence, Peer, RequestId};
use crate::share::Sender;
use crate::time::Timer;
use peers::Peers;
use range::RangeSync;
use wanted::Wanted;

/// Blocks asked for in one range request: the answer's budget is 32 MiB, and a block has at most 0.5 MiB.
pub(crate) const MAX_BLOCKS_PER_REQUEST: u64 = 64;
/// Requests that one peer answers at a time.
pub(crate) const MAX_OPEN_PER_PEER: usize = 2;
/// How often open questions are looked at.
const DRIVE_EVERY_MS: u64 = 250;
/// Steps back from parent to parent after which the gap is fetched as a range from the finalized block.
const WALK_BEFORE_RANGE: u32 = 8;
/// Distance between a waiting block and the head from which the gap is fetched as a range.
const GAP_FOR_RANGE: u64 = 3;
/// Pause after a range that brought nothing, so that it is not asked for in a circle: one slot.
const RANGE_PAUSE_MS: u64 = 4_000;

/// What the decisions are based on.
pub(crate) struct Situation<'a> {
    pub(crate) now: Millis,
    pub(crate) clock: Slot,
    pub(crate) head: Slot,
    pub(crate) finalized: Slot,
    /// Blocks that were asked for and wait, and blocks in check.
    pub(crate) waiting: usize,
    /// Whether a block is held and waits.
    pub(crate) holds: &'a dyn Fn(&Root) -> bool,
    /// Whether a block is in the store, or refused for good.
    pub(crate) judged: &'a dyn Fn(&Root) -> bool,
}

enum Request {
    Roots { peer: Peer, roots: BTreeSet<Root>, received: BTreeSet<Root> },
    Range { peer: Peer, start: Slot, count: u64, newest: Option<Slot> },
}

/// The state of catching up.
#[derive(Default)]
pub(crate) struct Sync {
    peers: Peers,
    wanted: Wanted,
    range: Option<RangeSync>,
    range_pause: Option<Timer>,
    requests: BTreeMap<RequestId, Request>,
    next_request: u64,
    drive: Option<Timer>,
}

impl Sync {
    pub(crate) fn connected(&mut self, now: Millis, peer: Sender) -> Option<Effect> {
        let Sender { group, peer } = peer;
        self.peers.insert(now, peer, group).then_some(Effect::RequestStatus { peer })
    }

    pub(crate) fn disconnected(&mut self, peer: Peer) {
        self.peers.remove(peer);
        self.wanted.forget(peer);
    }

    /// Notes a peer's claim. One that falls below what it finalized or claims an impossible order is not used.
    pub(crate) fn status(&mut self, now: Millis, Sender { group, peer }: Sender, status: Status) {
        if self.peers.insert(now, peer, group)
            && let Some(info) = self.peers.get_mut(peer)
        {
            info.status = (status.head.slot >= status.finalized.slot).then_some(status);
        }
        self.drive = Some(Timer::after(now, 0));
    }

    /// Time to look at open questions, such as stale statuses.
    pub(crate) fn nudge(&mut self, now: Millis) {
        self.drive = Some(Timer::after(now, 0));
    }

    pub(crate) fn heard_of_peers(&self) -> bool {
        self.peers.heard_of_any()
    }

    /// The newest head that a peer claims, is believed about, and that is neither in the store nor known to be bad: a
    /// peer that goes on building on a refused block is ahead of nobody.
    pub(crate) fn newest_claim(&self, situation: &Situation<'_>) -> Option<Slot> {
        let claims = self.peers.iter().filter_map(|(_, info)| info.claim());
        claims.filter(|(_, root)| !(situation.judged)(root)).map(|(slot, _)| slot).max()
    }

    /// Whether any peer claims a newer head than ours that we have not judged, believed or not.
    pub(crate) fn is_outrun(&self, situation: &Situation<'_>) -> bool {
        let newer =
            |status: &Status| status.head.slot > situation.head && !(situation.judged)(&status.head.root);
        self.peers.addresses(newer).0 > 0
    }

    /// At how many addresses peers say something of their chain, and at how many there are peers that told of it.
    pub(crate) fn addresses(&self, is_so: impl Fn(&Status) -> bool) -> (usize, usize) {
        self.peers.addresses(is_so)
    }

    /// A block of `peer` entered the store.
    pub(crate) fn delivered(&mut self, peer: Peer) {
        self.peers.forgive(peer);
    }

    /// The parent of a block that waits is missing. `from` sent the block and is asked first.
    pub(crate) fn want_parent(
        &mut self,
        situation: &Situation<'_>,
        parent: Root,
        child: Slot,
        from: Option<Sender>,
    ) {
        let depth = self.wanted.insert(situation.now, parent, from);
        let deep = depth >= WALK_BEFORE_RANGE;
        let wide = child.0 > situation.head.0.saturating_add(GAP_FOR_RANGE);
        if (deep || wide) && self.may_start_range(situation.now) {
            let start = if deep { situation.finalized } else { situation.head };
            let end = Slot(child.0.saturating_sub(1).min(situation.clock.0));
            self.start_range(Slot(start.0 + 1), end);
            self.wanted.postpone(situation.now, &parent);
        }
        self.drive = Some(Timer::after(situation.now, 0));
    }

    /// A block is held now, or will never be: it is not missing any more.
    pub(crate) fn not_missing(&mut self, root: &Root) {
        self.wanted.remove(root);
    }

    /// A block entered the store, so a walk back has found what it looked for.
    pub(crate) fn imported(&mut self, root: &Root) {
        self.wanted.remove(root);
        self.wanted.walk_ended();
    }

    /// A block came with an answer; false if nobody asked for it.
    pub(crate) fn received(&mut self, id: RequestId, from: Peer, root: Root, slot: Slot) -> bool {
        match self.requests.get_mut(&id) {
            Some(Request::Roots { peer, roots, received }) => {
                *peer == from && roots.contains(&root) && received.insert(root)
            }
            Some(Request::Range { peer, start, count, newest }) => {
                // Ascending and inside the range, so an answer has at most `count` blocks.
                let fits = *peer == from
                    && slot >= *start
                    && slot.0 - start.0 < *count
                    && newest.is_none_or(|newest| newest < slot);
                if fits {
                    *newest = Some(slot);
                }
                fits
            }
            None => false,
        }
    }

    /// An answer ended.
    pub(crate) fn ended(
        &mut self,
        now: Millis,
        id: RequestId,
        outcome: Result<(), FetchFailure>,
    ) -> Option<Effect> {
        let request = self.requests.remove(&id)?;
        let (Request::Roots { peer, .. } | Request::Range { peer, .. }) = request;
        if let Some(info) = self.peers.get_mut(peer) {
            info.open = info.open.saturating_sub(1);
        }
        self.drive = Some(Timer::after(now, 0));
        let failed = match request {
            Request::Roots { roots, received, .. } => self.roots_ended(now, peer, &roots, &received, outcome),
            Request::Range { start, count, newest, .. } => {
                self.range_ended(peer, (start, count), newest, outcome)
            }
        };
        let penalise = failed && self.peers.strike(now, peer);
        penalise.then_some(Effect::Penalise { peer, offence: Offence::Unresponsive })
    }

    /// Whether the peer failed us.
    fn roots_ended(
        &mut self,
        now: Millis,
        peer: Peer,
        roots: &BTreeSet<Root>,
        received: &BTreeSet<Root>,
        outcome: Result<(), FetchFailure>,
    ) -> bool {
        let denied = matches!(outcome, Ok(()) | Err(FetchFailure::Unavailable));
        // A peer that sent a block holds its parent: without it the block was worth nothing.
        let mut broke_its_word = false;
        for root in roots {
            // A block that came and is still missing could not be kept: it was too early by our clock, there was no
            // room, or its proof was a bad one.
            let denied = denied && !received.contains(root);
            broke_its_word |= self.wanted.missed(now, root, denied) && denied;
        }
        let claim = self.peers.get_mut(peer).and_then(|info| info.claim()).map(|(_, root)| root);
        let own_head_missing = claim.is_some_and(|root| roots.contains(&root) && !received.contains(&root));
        match outcome {
            Ok(()) | Err(FetchFailure::Truncated | FetchFailure::Unavailable) => {
                own_head_missing || broke_its_word
            }
            Err(_) => true,
        }
    }

    /// Decides what to ask next.
    pub(crate) fn drive(&mut self, situation: &Situation<'_>) -> Vec<Effect> {
        let now = situation.now;
        let mut effects = Vec::new();
        let behind = situation.clock.0.saturating_sub(situation.head.0) > crate::gate::SYNC_LAG_THRESHOLD;
        effects
            .extend(self.peers.refresh(now, behind).into_iter().map(|peer| Effect::RequestStatus { peer }));
        self.pursue_claims(situation);
        effects.extend(self.ask_for_range(situation));
        effects.extend(self.ask_for_roots(now));
        let busy = self.range.is_some() || !self.wanted.is_empty();
        self.drive = busy.then(|| Timer::after(now, DRIVE_EVERY_MS));
        effects
    }

    pub(crate) fn is_due(&self, now: Millis) -> bool {
        self.drive.is_some_and(|timer| timer.is_due(now))
    }

    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        self.drive.map(Timer::at)
    }

    /// Goes after heads that peers claim and we do not hold: whoever is ahead by a gap as a range, other branches by
    /// their root. A lower finalized checkpoint does not matter, nor does a higher one.
    fn pursue_claims(&mut self, situation: &Situation<'_>) {
        let now = situation.now;
        let unknown: Vec<(Slot, Root, Sender)> = self
            .peers
            .iter()
            .filter(|(_, info)| info.may_be_pursued(now))
            .filter_map(|(peer, info)| {
                let sender = Sender { group: info.group, peer };
                info.claim().map(|(slot, root)| (slot, root, sender))
            })
            .filter(|(slot, root, _)| {
                *slot > situation.finalized && !(situation.holds)(root) && !(situation.judged)(root)
            })
            .collect();
        for (slot, root, peer) in unknown {
            if slot.0 > situation.head.0.saturating_add(1) {
                if !self.may_start_range(now) {
                    continue;
                }
                self.start_range(Slot(situation.head.0 + 1), slot.min(situation.clock));
            } else {
                self.wanted.insert(now, root, Some(peer));
            }
            if let Some(info) = self.peers.get_mut(peer.peer) {
                info.pursued(now);
            }
        }
    }

    fn ask_for_roots(&mut self, now: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        for root in self.wanted.due(now) {
            let tried = self.wanted.tried(&root);
            let mut holders = self.wanted.holders(&root);
            holders.retain(|peer| self.peers.get_mut(*peer).is_some());
            let peer = self.peers.choose(|peer, info, _| {
                let is_meant = holders.is_empty() || holders.contains(&peer);
                let usable = is_meant && info.may_be_asked(now, MAX_OPEN_PER_PEER);
                usable.then_some((!tried.contains(&peer), std::cmp::Reverse(info.strikes)))
            });
            let Some(peer) = peer else {
                continue;
            };
            self.wanted.asked(&root, peer);
            let id =
                self.open(peer, Request::Roots { peer, roots: [root].into(), received: BTreeSet::new() });
            effects.push(Effect::Fetch { request: id, peer, what: FetchWhat::ByRoot(vec![root]) });
        }
        effects
    }

    fn open(&mut self, peer: Peer, request: Request) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(id, request);
        if let Some(info) = self.peers.get_mut(peer) {
            info.open += 1;
        }
        id
    }
}

#[cfg(test)]
mod tests;
