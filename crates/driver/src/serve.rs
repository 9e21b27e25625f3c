//! Which blocks a peer gets that asks for a range of slots.

use lathe_storage::{Database, HISTORY_SLOTS, StorageError};
use lathe_types::{Root, Slot};

/// Why a peer gets no blocks.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The range is older than what is kept.
    #[error("the range begins before what is kept")]
    NotHeld,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] StorageError),
}

/// Roots of the canonical blocks of `count` slots from `start` on, ascending, if all that there ever were are held;
/// `head` is the slot where our chain stands.
pub fn blocks_in_range(
    database: &dyn Database,
    start: Slot,
    count: u64,
    head: Slot,
) -> Result<Vec<Root>, Refusal> {
    if start.0 < head.0.saturating_sub(HISTORY_SLOTS) || database.earliest_slot()? > start {
        return Err(Refusal::NotHeld);
    }
    let range = database.canonical_range(start, count)?;
    Ok(range.into_iter().map(|(_, root)| root).collect())
}
