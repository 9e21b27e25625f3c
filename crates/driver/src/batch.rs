//! Batches on their way to the database: several that wait share one write, and one sync.

use lathe_engine::Sequence;
use lathe_storage::Batch;

/// Blocks that one write may hold: bounds the memory of a merged batch to some 16 MiB of the largest blocks.
pub const BLOCKS_PER_WRITE: usize = 32;

/// A batch and its place in the order.
#[derive(Clone, Debug)]
pub struct Persist {
    /// The place.
    pub sequence: Sequence,
    /// What to write.
    pub batch: Batch,
}

/// `first` and as many of those that wait behind it as one write may hold, as one. Its sequence is that of the last.
pub fn gather(first: Persist, mut next: impl FnMut() -> Option<Persist>) -> Persist {
    let mut gathered = first;
    while gathered.batch.blocks.len() < BLOCKS_PER_WRITE
        && let Some(Persist { sequence, batch }) = next()
    {
        gathered = Persist { sequence, batch: merge(gathered.batch, batch) };
    }
    gathered
}

/// `first` and then `second` as one. Operations stay in order, so that the later one of two on a key counts.
fn merge(mut first: Batch, second: Batch) -> Batch {
    first.blocks.extend(second.blocks);
    first.canonical.extend(second.canonical);
    first.drop_states.extend(second.drop_states);
    Batch {
        head: second.head.or(first.head),
        justified: second.justified.or(first.justified),
        finalized: second.finalized.or(first.finalized),
        ..first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_storage::ImportedBlock;
    use lathe_types::{Checkpoint, Root, Slot};

    fn checkpoint(slot: u64) -> Checkpoint {
        Checkpoint { root: Root::repeat_byte(slot as u8), slot: Slot(slot) }
    }

    #[test]
    fn the_later_checkpoint_counts_and_order_is_kept() {
        let first = Batch {
            canonical: vec![(Slot(1), Some(checkpoint(1).root)), (Slot(2), None)],
            head: Some(checkpoint(1)),
            justified: Some(checkpoint(0)),
            drop_states: vec![checkpoint(7).root],
            ..Batch::default()
        };
        let second = Batch {
            canonical: vec![(Slot(2), Some(checkpoint(2).root))],
            head: Some(checkpoint(2)),
            finalized: Some(checkpoint(1)),
            ..Batch::default()
        };
        let merged = merge(first, second);
        let canonical =
            vec![(Slot(1), Some(checkpoint(1).root)), (Slot(2), None), (Slot(2), Some(checkpoint(2).root))];
        let expected = Batch {
            canonical,
            head: Some(checkpoint(2)),
            justified: Some(checkpoint(0)),
            finalized: Some(checkpoint(1)),
            drop_states: vec![checkpoint(7).root],
            blocks: Vec::new(),
            anchor: None,
        };
        assert_eq!(merged, expected);
    }

    #[test]
    fn a_write_takes_what_waits_up_to_its_bound() {
        let persist = |sequence, blocks| {
            let block = ImportedBlock {
                root: Root::ZERO,
                block: Default::default(),
                state: lathe_transition::generate_genesis(&genesis()).into(),
            };
            let batch = Batch { blocks: vec![block; blocks], ..Batch::default() };
            Persist { sequence: Sequence(sequence), batch }
        };
        let mut waiting = vec![persist(4, 1), persist(3, BLOCKS_PER_WRITE - 1), persist(2, 0)];
        let gathered = gather(persist(1, 1), || waiting.pop());
        assert_eq!((gathered.sequence, gathered.batch.blocks.len()), (Sequence(3), BLOCKS_PER_WRITE));
        assert_eq!(waiting.len(), 1);
    }

    fn genesis() -> lathe_types::Genesis {
        lathe_types::Genesis {
            genesis_time: 0,
            validators: Default::default(),
            execution_genesis: None,
            signature_scheme: Default::default(),
        }
    }
}
