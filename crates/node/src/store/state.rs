//! Merging batches, so that several share one write to the disk.

use lathe_storage::{Batch, ImportedBlock};

/// The engine's batch in the database's terms.
pub(super) fn convert(batch: lathe_engine::Batch) -> Batch {
    let blocks = batch.blocks.into_iter().map(|(root, block, state)| ImportedBlock { root, block, state });
    Batch {
        blocks: blocks.collect(),
        canonical: batch.canonical,
        head: batch.head,
        justified: batch.justified,
        finalized: batch.finalized,
        drop_states: batch.drop_states,
        // Where a chain begins is settled before it runs.
        anchor: None,
    }
}

/// `first` and then `second` as one. Operations stay in order, so that the later one of two on a key counts.
pub(super) fn merge(mut first: Batch, second: Batch) -> Batch {
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
}
