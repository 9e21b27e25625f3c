//! The loop that writes.

use std::sync::Arc;
use std::time::Instant;

use lathe_actor::Inbox;
use lathe_driver::gather;
use lathe_engine::Input;
use lathe_storage::{Database, StorageError};

use super::mailbox::Write;
use crate::chain;
use crate::metrics::Metrics;

/// Writes until the mailbox is closed and empty, so that a stop loses nothing. A failed write ends the node: what is
/// announced must not run away from what is kept.
pub(crate) fn run(
    database: &Arc<dyn Database>,
    mut inbox: Inbox<Write>,
    chain: &chain::Mailbox,
    metrics: &Metrics,
) -> Result<(), StorageError> {
    while let Some(Write(first)) = inbox.recv_blocking() {
        let gathered = gather(first, || inbox.try_recv().map(|Write(next)| next));
        let started = Instant::now();
        database.write(&gathered.batch)?;
        metrics.workers.persisting.observe(started.elapsed().as_secs_f64());
        chain.answer(Input::Durable { sequence: gathered.sequence });
    }
    Ok(())
}
