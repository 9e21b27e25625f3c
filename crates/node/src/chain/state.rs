//! What the chain actor remembers between turns, beside the engine: when blocks arrived.

use std::collections::VecDeque;
use std::time::Instant;

use lathe_types::Slot;

/// Arrivals that are remembered until the block is imported. Blocks of one slot are imported within the slot; the rest
/// is room for forks and for blocks that are never imported.
const MAX_ARRIVALS: usize = 16;

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
