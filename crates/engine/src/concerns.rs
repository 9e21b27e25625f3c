//! What an operator is told about a network that does not share our chain, once it has lasted and again while it lasts.
//!
//! What peers claim is signed by nobody, so nothing follows from it but a word. It is counted by address, and more than
//! half of them have to agree.

use lathe_types::{Checkpoint, Slot};

use crate::io::Event;

/// Slots after which heads that peers claim, and that have not come to us, are worth a word. A fetch takes less.
const FOREIGN_FOR_SLOTS: u64 = 8;
/// Slots after which the operator is told again.
const AGAIN_AFTER_SLOTS: u64 = 32;

/// What lasts, and since when.
#[derive(Default)]
pub(crate) struct Concerns {
    foreign_since: Option<Slot>,
    conflict_since: Option<Slot>,
}

impl Concerns {
    /// Judges the counts of addresses that say so, and of all that say something, as `clock` begins.
    pub(crate) fn judge(
        &mut self,
        clock: Slot,
        heads: (usize, usize),
        conflicts: (usize, usize),
        ours: Checkpoint,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(slots) = lasts(&mut self.foreign_since, clock, heads)
            && slots >= FOREIGN_FOR_SLOTS
            && (slots - FOREIGN_FOR_SLOTS).is_multiple_of(AGAIN_AFTER_SLOTS)
        {
            events.push(Event::ForeignHeads { addresses: heads.0, of: heads.1, slots });
        }
        if let Some(slots) = lasts(&mut self.conflict_since, clock, conflicts)
            && slots.is_multiple_of(AGAIN_AFTER_SLOTS)
        {
            events.push(Event::FinalityConflict { addresses: conflicts.0, of: conflicts.1, ours });
        }
        events
    }
}

/// For how many slots more than half have said so.
fn lasts(since: &mut Option<Slot>, clock: Slot, (count, of): (usize, usize)) -> Option<u64> {
    *since = since.or(Some(clock)).filter(|_| 2 * count > of);
    since.map(|since| clock.0.saturating_sub(since.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(concerns: &mut Concerns, clock: u64, heads: (usize, usize), conflicts: (usize, usize)) -> usize {
        concerns.judge(Slot(clock), heads, conflicts, Checkpoint::default()).len()
    }

    #[test]
    fn foreign_heads_are_told_of_after_a_while_and_again() {
        let mut concerns = Concerns::default();
        let when: Vec<u64> =
            (0..80).filter(|clock| told(&mut concerns, *clock, (2, 3), (0, 3)) > 0).collect();
        assert_eq!(when, [8, 40, 72]);
        assert_eq!(told(&mut concerns, 80, (1, 3), (0, 3)), 0);
        let when: Vec<u64> =
            (81..100).filter(|clock| told(&mut concerns, *clock, (2, 3), (0, 3)) > 0).collect();
        assert_eq!(when, [89], "it begins anew");
    }

    #[test]
    fn a_minority_is_not_believed_and_a_conflict_is_told_of_at_once() {
        let mut concerns = Concerns::default();
        let minority = (0..80).filter(|clock| told(&mut concerns, *clock, (2, 4), (2, 4)) > 0);
        assert_eq!(minority.count(), 0);
        let when: Vec<u64> =
            (80..120).filter(|clock| told(&mut concerns, *clock, (0, 3), (2, 3)) > 0).collect();
        assert_eq!(when, [80, 112]);
    }
}
