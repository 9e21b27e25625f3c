//! What the chain actor remembers between turns, beside the engine: publications that wait for their batch, and when
//! blocks arrived.

use std::collections::VecDeque;
use std::time::Instant;

use lathe_engine::{Publication, Sequence};
use lathe_types::Slot;

/// Arrivals that are remembered until the block is imported. Blocks of one slot are imported within the slot; the rest
/// is room for forks and for blocks that are never imported.
const MAX_ARRIVALS: usize = 16;

/// Publications that wait until a batch is durable, in order.
#[derive(Default)]
pub(super) struct Outbox {
    durable: Sequence,
    waiting: VecDeque<(Sequence, Publication)>,
}

impl Outbox {
    /// The publication, if it can leave at once.
    pub(super) fn offer(&mut self, message: Publication, after: Option<Sequence>) -> Option<Publication> {
        match after {
            Some(sequence) if sequence > self.durable => {
                self.waiting.push_back((sequence, message));
                None
            }
            _ => Some(message),
        }
    }

    /// What can leave now that everything up to `sequence` is durable.
    pub(super) fn durable(&mut self, sequence: Sequence) -> Vec<Publication> {
        self.durable = self.durable.max(sequence);
        let (ready, waiting): (VecDeque<_>, _) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(after, _)| *after <= self.durable);
        self.waiting = waiting;
        ready.into_iter().map(|(_, message)| message).collect()
    }
}

/// When the first block of a slot was read from the mailbox.
#[derive(Default)]
pub(super) struct Arrivals(VecDeque<(Slot, Instant)>);

impl Arrivals {
    pub(super) fn note(&mut self, slot: Slot, at: Instant) {
        if self.0.iter().any(|(known, _)| *known == slot) {
            return;
        }
        if self.0.len() == MAX_ARRIVALS {
            self.0.pop_front();
        }
        self.0.push_back((slot, at));
    }

    pub(super) fn take(&mut self, slot: Slot) -> Option<Instant> {
        let position = self.0.iter().position(|(known, _)| *known == slot)?;
        self.0.remove(position).map(|(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_types::SignedBlock;

    fn message(slot: u64) -> Publication {
        let mut block = SignedBlock::default();
        block.block.slot = Slot(slot);
        Publication::Block(block.into())
    }

    fn slots(messages: Vec<Publication>) -> Vec<u64> {
        messages
            .into_iter()
            .map(|message| match message {
                Publication::Block(block) => block.block.slot.0,
                _ => panic!("only blocks were offered"),
            })
            .collect()
    }

    #[test]
    fn a_publication_waits_for_its_batch_and_no_longer() {
        let mut outbox = Outbox::default();
        assert!(outbox.offer(message(1), None).is_some());
        assert!(outbox.offer(message(2), Some(Sequence(5))).is_none());
        assert!(outbox.offer(message(3), Some(Sequence(6))).is_none());
        assert!(outbox.durable(Sequence(4)).is_empty());
        assert_eq!(slots(outbox.durable(Sequence(5))), [2]);
        assert!(outbox.offer(message(4), Some(Sequence(5))).is_some());
        assert_eq!(slots(outbox.durable(Sequence(9))), [3]);
    }

    #[test]
    fn the_first_arrival_of_a_slot_counts_and_the_oldest_is_forgotten() {
        let (mut arrivals, start) = (Arrivals::default(), Instant::now());
        let later = start + std::time::Duration::from_secs(1);
        arrivals.note(Slot(0), start);
        arrivals.note(Slot(0), later);
        assert_eq!(arrivals.take(Slot(0)), Some(start));
        assert_eq!(arrivals.take(Slot(0)), None);
        for slot in 0..=MAX_ARRIVALS as u64 {
            arrivals.note(Slot(slot), start);
        }
        assert_eq!(arrivals.take(Slot(0)), None);
        assert_eq!(arrivals.take(Slot(1)), Some(start));
    }
}
