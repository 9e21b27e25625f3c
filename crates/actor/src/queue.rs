//! The queue inside a mailbox: a pure structure that decides who stays when there is no room.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What happens to a message when its mailbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Never dropped once accepted. Without room the sender is told, or waits. A stale message gives way to it.
    Keep,
    /// Always accepted. For answers to the actor's own requests: as many can arrive as the actor asked for, so the
    /// actor bounds them itself, and refusing one could leave two actors waiting for each other.
    Answer,
    /// At most one with this key is queued: a newer one takes the older one's place in the line, full or not.
    Coalesce {
        /// Tells apart the kinds of coalescing messages of one mailbox.
        key: u64,
    },
    /// Gives way when there is no room: the message with the lowest freshness goes first.
    DropStale {
        /// Usually the slot.
        freshness: u64,
    },
}

/// Something that can be sent to an actor.
pub trait Message: Send + 'static {
    /// What happens when there is no room.
    fn policy(&self) -> Policy;

    /// Bytes held while queued, where that varies enough to matter.
    fn size_bytes(&self) -> usize {
        0
    }
}

/// How much a mailbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Number of messages.
    pub messages: usize,
    /// Sum of [`Message::size_bytes`]. A single larger message still fits into an empty mailbox.
    pub bytes: usize,
}

impl Bounds {
    /// For messages of about the same size.
    pub const fn messages(messages: usize) -> Self {
        Self { messages, bytes: usize::MAX }
    }
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed<M> {
    Queued,
    Coalesced(M),
    Displaced(Vec<M>),
    Dropped(M),
    Full(M),
}

struct Entry<M> {
    message: M,
    bytes: usize,
    policy: Policy,
}

/// Messages in arrival order, with an index of those that may give way.
pub(crate) struct Queue<M> {
    bounds: Bounds,
    entries: BTreeMap<u64, Entry<M>>,
    /// `(freshness, position)` of every message that may give way, stalest first.
    stale: BTreeSet<(u64, u64)>,
    coalescing: HashMap<u64, u64>,
    /// Messages and bytes that count against the bounds: all but the answers.
    counted: usize,
    counted_bytes: usize,
    next_position: u64,
}

impl<M: Message> Queue<M> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: BTreeMap::new(),
            stale: BTreeSet::new(),
            coalescing: HashMap::new(),
            counted: 0,
            counted_bytes: 0,
            next_position: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.entries.values().map(|entry| entry.bytes).sum()
    }

    pub(crate) fn push(&mut self, message: M) -> Pushed<M> {
        let policy = message.policy();
        let bytes = message.size_bytes();
        if let Policy::Coalesce { key } = policy
            && let Some(&position) = self.coalescing.get(&key)
            && let Some(entry) = self.entries.get_mut(&position)
        {
            self.counted_bytes = self.counted_bytes - entry.bytes + bytes;
            let older = std::mem::replace(entry, Entry { message, bytes, policy });
            return Pushed::Coalesced(older.message);
        }
        let entry = Entry { message, bytes, policy };
        let displaced = match policy {
            Policy::Answer => Vec::new(),
            Policy::Keep | Policy::Coalesce { .. } => match self.make_room(bytes, u64::MAX) {
                Some(displaced) => displaced,
                None => return Pushed::Full(entry.message),
            },
            Policy::DropStale { freshness } => match self.make_room(bytes, freshness) {
                Some(displaced) => displaced,
                None => return Pushed::Dropped(entry.message),
            },
        };
        self.insert(entry);
        if displaced.is_empty() { Pushed::Queued } else { Pushed::Displaced(displaced) }
    }

    pub(crate) fn pop(&mut self) -> Option<M> {
        let (&position, _) = self.entries.first_key_value()?;
        self.remove(position)
    }

    /// Evicts messages staler than `freshness` until `bytes` more fit; touches nothing when that cannot be enough.
    fn make_room(&mut self, bytes: usize, freshness: u64) -> Option<Vec<M>> {
        let (mut count, mut held) = (self.counted, self.counted_bytes);
        let mut leaving = Vec::new();
        let mut candidates = self.stale.iter().take_while(|(candidate, _)| *candidate < freshness);
        while !self.fits(count, held, bytes) {
            let (_, position) = candidates.next()?;
            count -= 1;
            held -= self.entries.get(position).map_or(0, |entry| entry.bytes);
            leaving.push(*position);
        }
        Some(leaving.into_iter().filter_map(|position| self.remove(position)).collect())
    }

    fn fits(&self, count: usize, held: usize, bytes: usize) -> bool {
        count == 0 || (count < self.bounds.messages && held.saturating_add(bytes) <= self.bounds.bytes)
    }

    fn insert(&mut self, entry: Entry<M>) {
        let position = self.next_position;
        self.next_position += 1;
        match entry.policy {
            Policy::Coalesce { key } => {
                self.coalescing.insert(key, position);
            }
            Policy::DropStale { freshness } => {
                self.stale.insert((freshness, position));
            }
            Policy::Keep | Policy::Answer => {}
        }
        if entry.policy != Policy::Answer {
            self.counted += 1;
            self.counted_bytes += entry.bytes;
        }
        self.entries.insert(position, entry);
    }

    fn remove(&mut self, position: u64) -> Option<M> {
        let entry = self.entries.remove(&position)?;
        match entry.policy {
            Policy::Coalesce { key } => {
                self.coalescing.remove(&key);
            }
            Policy::DropStale { freshness } => {
                self.stale.remove(&(freshness, position));
            }
            Policy::Keep | Policy::Answer => {}
        }
        if entry.policy != Policy::Answer {
            self.counted -= 1;
            self.counted_bytes -= entry.bytes;
        }
        Some(entry.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Sample(&'static str, Policy, usize);

    impl Message for Sample {
        fn policy(&self) -> Policy {
            self.1
        }
        fn size_bytes(&self) -> usize {
            self.2
        }
    }

    fn keep(name: &'static str) -> Sample {
        Sample(name, Policy::Keep, 1)
    }

    fn vote(name: &'static str, slot: u64) -> Sample {
        Sample(name, Policy::DropStale { freshness: slot }, 1)
    }

    fn tick(name: &'static str) -> Sample {
        Sample(name, Policy::Coalesce { key: 0 }, 1)
    }

    fn names(queue: &mut Queue<Sample>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).map(|sample| sample.0).collect()
    }

    #[test]
    fn a_kept_message_is_refused_when_only_kept_ones_are_queued() {
        let mut queue = Queue::new(Bounds::messages(2));
        assert_eq!(queue.push(keep("a")), Pushed::Queued);
        assert_eq!(queue.push(keep("b")), Pushed::Queued);
        assert_eq!(queue.push(keep("c")), Pushed::Full(keep("c")));
        assert_eq!(names(&mut queue), ["a", "b"]);
    }

    #[test]
    fn the_stalest_vote_gives_way_to_a_kept_message_and_to_a_fresher_vote() {
        let mut queue = Queue::new(Bounds::messages(3));
        queue.push(vote("slot 7", 7));
        queue.push(vote("slot 5", 5));
        queue.push(vote("slot 6", 6));
        assert_eq!(queue.push(keep("block")), Pushed::Displaced(vec![vote("slot 5", 5)]));
        assert_eq!(queue.push(vote("slot 8", 8)), Pushed::Displaced(vec![vote("slot 6", 6)]));
        assert_eq!(names(&mut queue), ["slot 7", "block", "slot 8"]);
    }

    #[test]
    fn a_vote_no_fresher_than_the_stalest_is_itself_dropped() {
        let mut queue = Queue::new(Bounds::messages(1));
        queue.push(vote("first", 5));
        assert_eq!(queue.push(vote("second", 5)), Pushed::Dropped(vote("second", 5)));
        assert_eq!(names(&mut queue), ["first"]);
    }

    #[test]
    fn a_newer_tick_takes_the_place_of_the_older_one_in_the_line() {
        let mut queue = Queue::new(Bounds::messages(2));
        queue.push(tick("old"));
        queue.push(keep("block"));
        assert_eq!(queue.push(tick("new")), Pushed::Coalesced(tick("old")));
        assert_eq!(names(&mut queue), ["new", "block"]);
        assert_eq!(queue.push(tick("again")), Pushed::Queued);
    }

    #[test]
    fn an_answer_is_accepted_beyond_the_bounds_and_takes_nobodys_room() {
        let mut queue = Queue::new(Bounds::messages(1));
        assert_eq!(queue.push(Sample("answer", Policy::Answer, 1)), Pushed::Queued);
        assert_eq!(queue.push(keep("a")), Pushed::Queued);
        assert_eq!(queue.push(Sample("answer", Policy::Answer, 1)), Pushed::Queued);
        assert_eq!(queue.push(keep("b")), Pushed::Full(keep("b")));
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn bytes_are_bounded_and_several_small_messages_give_way_to_a_large_one() {
        let mut queue = Queue::new(Bounds { messages: 10, bytes: 4 });
        for slot in 1..=4 {
            assert_eq!(queue.push(vote("vote", slot)), Pushed::Queued);
        }
        let large = Sample("large", Policy::Keep, 2);
        assert_eq!(queue.push(large), Pushed::Displaced(vec![vote("vote", 1), vote("vote", 2)]));
        assert_eq!(queue.bytes(), 4);
        let larger = || Sample("larger", Policy::Keep, 3);
        assert_eq!(queue.push(larger()), Pushed::Full(larger()), "evicting all votes would not be enough");
        assert_eq!(queue.len(), 3, "so none was evicted");
    }

    #[test]
    fn a_message_larger_than_the_bound_fits_into_an_empty_queue() {
        let mut queue = Queue::new(Bounds { messages: 10, bytes: 4 });
        assert_eq!(queue.push(Sample("large", Policy::Keep, 9)), Pushed::Queued);
        assert_eq!(queue.push(keep("next")), Pushed::Full(keep("next")));
        assert_eq!(names(&mut queue), ["large"]);
        assert_eq!(queue.push(keep("next")), Pushed::Queued);
    }
}
