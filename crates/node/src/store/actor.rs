//! The loop that writes.

use std::sync::Arc;
use std::time::Instant;

use lathe_actor::Inbox;
use lathe_engine::Input;
use lathe_storage::{Database, StorageError};

use super::mailbox::Persist;
use super::state::{convert, merge};
use crate::chain;
use crate::metrics::Metrics;

/// Blocks that one write may hold: bounds the memory of a merged batch to some 16 MiB of the largest blocks.
const BLOCKS_PER_WRITE: usize = 32;

/// Writes until the mailbox is closed and empty, so that a stop loses nothing. A failed write ends the node: what is
/// announced must not run away from what is kept.
pub(crate) fn run(
    database: &Arc<dyn Database>,
    mut inbox: Inbox<Persist>,
    chain: &chain::Mailbox,
    metrics: &Metrics,
) -> Result<(), StorageError> {
    while let Some(Persist { mut sequence, batch }) = inbox.recv_blocking() {
        let mut batch = convert(batch);
        while batch.blocks.len() < BLOCKS_PER_WRITE
            && let Some(next) = inbox.try_recv()
        {
            sequence = next.sequence;
            batch = merge(batch, convert(next.batch));
        }
        let started = Instant::now();
        database.write(&batch)?;
        metrics.workers.persisting.observe(started.elapsed().as_secs_f64());
        chain.answer(Input::Durable { sequence });
    }
    Ok(())
}
