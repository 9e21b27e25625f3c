//! Fetches the blocks before a checkpoint that the chain began at, so that peers can be served with them.
//!
//! The finalized state remembers the roots, so peers are asked for nothing else, newest first, and a block is taken for
//! its root and its proof. Runs beside everything, slowly, and ends when the window that peers may ask for is there.
//! Until then, and if nobody has the blocks any more, peers hear that they are unavailable.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use lathe_actor::Shutdown;
use lathe_aggregation::{Backend, verify_block};
use lathe_storage::{Database, HISTORY_SLOTS, StorageError};
use lathe_types::{Root, SignedBlock, Slot, TreeHash as _, Validators};
use tracing::{info, warn};

use crate::metrics::Metrics;
use crate::network;

/// Slots that are fetched, verified and written together.
const BATCH_SLOTS: u64 = 16;
/// Peers that are asked for a block, one after the other.
const ATTEMPTS: usize = 4;
/// Longest wait for one peer's answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a batch: this is nobody's hurry, and peers have quotas.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause after a block could not be had; it doubles while that goes on. A node that has just started has no peer yet.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest such pause. Once it is reached, nobody seems to have the blocks.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What filling in works with.
pub(crate) struct Backfill {
    pub database: Arc<dyn Database>,
    pub network: network::Mailbox,
    pub backend: Arc<dyn Backend>,
    pub registry: Validators,
    pub metrics: Arc<Metrics>,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Fetch these blocks, newest first; then all slots from this one on are there.
    Fetch(Vec<Root>, Slot),
    /// All that peers may ask for is there.
    Complete,
}

impl Backfill {
    /// Works until all is there, then waits for `shutdown`. A failure ends the work, not the node: those whom it
    /// matters to will notice.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), Infallible> {
        tokio::select! {
            outcome = self.fill() => if let Err(error) = outcome {
                warn!(%error, "older blocks are no longer fetched");
            },
            () = shutdown.wait() => {}
        }
        shutdown.wait().await;
        Ok(())
    }

    async fn fill(&self) -> Result<(), StorageError> {
        let (mut told, mut complained, mut wait) = (false, false, FIRST_WAIT);
        loop {
            let database = self.database.clone();
            let (earliest, step) =
                blocking(move || Ok((database.earliest_slot()?, next(&*database)?))).await?;
            self.metrics.chain.earliest_block_slot.set(earliest.0 as i64);
            let Step::Fetch(roots, reached) = step else {
                if told {
                    info!(earliest_slot = earliest.0, "the blocks before the checkpoint are all there");
                }
                return Ok(());
            };
            if !told {
                told = true;
                info!(
                    earliest_slot = earliest.0,
                    "older blocks are not here yet, so peers cannot be served with them; fetching them in the background"
                );
            }
            match self.fetch(roots).await {
                Some(blocks) => {
                    let database = self.database.clone();
                    blocking(move || database.add_history(&blocks, reached)).await?;
                    wait = FIRST_WAIT;
                    tokio::time::sleep(PAUSE).await;
                }
                None => {
                    if !complained && earliest.0 > 0 && wait == LONGEST_WAIT {
                        complained = true;
                        warn!(
                            earliest_slot = earliest.0,
                            "no peer has the blocks before this slot; peers that need them must start at a checkpoint"
                        );
                    }
                    tokio::time::sleep(wait).await;
                    wait = LONGEST_WAIT.min(wait * 2);
                }
            }
        }
    }

    /// All of these blocks; `None` if one cannot be had.
    async fn fetch(&self, roots: Vec<Root>) -> Option<Vec<(Root, Arc<SignedBlock>)>> {
        let mut blocks = Vec::with_capacity(roots.len());
        for root in roots {
            blocks.push((root, self.fetch_one(root).await?));
        }
        Some(blocks)
    }

    async fn fetch_one(&self, root: Root) -> Option<Arc<SignedBlock>> {
        for _ in 0..ATTEMPTS {
            let answer = tokio::time::timeout(PATIENCE, self.network.look_up(root)).await;
            let Ok(Some(block)) = answer else { continue };
            let (backend, registry) = (self.backend.clone(), self.registry.clone());
            let judged = tokio::task::spawn_blocking(move || {
                is_the_block(&*backend, &registry, root, &block).then_some(block)
            });
            if let Ok(Some(block)) = judged.await {
                return Some(block);
            }
        }
        None
    }
}

/// The root says that it is the block; the proof, that it is as its proposer sent it. Genesis has none.
fn is_the_block(backend: &dyn Backend, registry: &Validators, root: Root, block: &SignedBlock) -> bool {
    block.block.tree_hash_root() == root
        && (block.block.slot == Slot(0)
            || verify_block(backend, registry, block).is_ok_and(|verdict| verdict.is_ok()))
}

/// Finds the slots right below those that are there.
fn next(database: &dyn Database) -> Result<Step, StorageError> {
    let Some(checkpoints) = database.checkpoints()? else { return Ok(Step::Complete) };
    let earliest = database.earliest_slot()?;
    let floor = Slot(checkpoints.finalized.slot.0.saturating_sub(HISTORY_SLOTS));
    if earliest <= floor {
        return Ok(Step::Complete);
    }
    let first = Slot(earliest.0.saturating_sub(BATCH_SLOTS)).max(floor);
    let mut roots = Vec::new();
    for slot in (first.0..earliest.0).rev() {
        match database.history_root(Slot(slot))? {
            Some(Root::ZERO) => {}
            Some(root) => roots.push(root),
            // The block that the chain began at, if only its state was there, is remembered by later states.
            None if Slot(slot) == checkpoints.finalized.slot => roots.push(checkpoints.finalized.root),
            None => return Err(StorageError::Corrupt { what: format!("no root for slot {slot}") }),
        }
    }
    Ok(Step::Fetch(roots, first))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StorageError::Backend(error.to_string())))
}

#[cfg(test)]
#[path = "backfill_tests.rs"]
mod tests;
