//! Starting from a state that another node calls final, instead of from genesis.
//!
//! Runs before any actor does. A stored chain that peers can continue is kept, and so is any when no server can be
//! used: the node then catches up from where it stands. Without a stored chain the node does not start, because the
//! operator asked for more than genesis. The signing ledger is no part of this.

use std::sync::Arc;

use lathe_aggregation::{Backend, verify_block};
use lathe_checkpoint::{CheckpointAnchor, Environment, Limits, Network, fetch};
use lathe_driver::{GenesisBlock, begin_at};
use lathe_storage::{Checkpoints, Database, HISTORY_SLOTS, StorageError};
use lathe_types::{SignedBlock, Slot, Validators};
use tracing::{info, warn};

use crate::clock::Time;
use crate::error::NodeError;
use crate::options::NodeOptions;

/// Slots that a stored chain may be behind and still be continued: half of what every peer keeps, so that it is not
/// gone before it is asked for.
const CONTINUED_SLOTS: u64 = HISTORY_SLOTS / 2;

/// Lets the stored chain begin at the newest finalized block that the servers in the options have, if they should be
/// asked at all and the stored chain cannot be continued. Answers with its slot if the chain begins there now.
pub(crate) async fn synchronise(
    options: &NodeOptions,
    database: &Arc<dyn Database>,
    genesis: &GenesisBlock,
    backend: &Arc<dyn Backend>,
    time: &Time,
) -> Result<Option<Slot>, NodeError> {
    if options.checkpoint_servers.is_empty() {
        return Ok(None);
    }
    let servers = options.checkpoint_servers.clone();
    let network = Network {
        genesis_time: options.genesis.genesis_time,
        genesis_root: genesis.root,
        variant: options.genesis.variant(),
        validators: options.genesis.validators.clone(),
    };
    let proxy = options.checkpoint_proxy.clone();
    let (time, database, backend) = (time.clone(), database.clone(), backend.clone());
    let synchronise = move || {
        let environment = Environment {
            clock: &|| time.now().slot(),
            proof_is_valid: &|block, registry| proof_is_valid(&*backend, block, registry),
            limits: Limits::default(),
            proxy,
        };
        settle(&*database, fetch(&servers, &network, &environment))
    };
    let settled = tokio::task::spawn_blocking(synchronise).await;
    settled.unwrap_or_else(|error| Err(StorageError::Backend(error.to_string()).into()))
}

/// A backend that cannot tell is no reason to refuse what the operator trusts anyway.
fn proof_is_valid(backend: &dyn Backend, block: &SignedBlock, registry: &Validators) -> bool {
    match verify_block(backend, registry, block) {
        Ok(verdict) => verdict.is_ok(),
        Err(error) => {
            warn!(%error, "the proof of the checkpoint's block cannot be judged here");
            true
        }
    }
}

/// Chooses between the stored chain and what was fetched; answers with the checkpoint's slot if that is taken.
fn settle(
    database: &dyn Database,
    fetched: Result<CheckpointAnchor, lathe_checkpoint::Error>,
) -> Result<Option<Slot>, NodeError> {
    let stored = database.checkpoints()?;
    match (stored, fetched) {
        (None, Err(error)) => Err(error.into()),
        (Some(stored), Err(error)) => {
            warn!(head_slot = stored.head.slot.0, "{error}: going on with the stored chain");
            Ok(None)
        }
        (Some(stored), Ok(anchor)) if stored.head.slot >= anchor.header.slot => {
            let head_slot = stored.head.slot.0;
            info!(head_slot, checkpoint_slot = anchor.header.slot.0, "the stored chain is as new");
            Ok(None)
        }
        (Some(stored), Ok(anchor)) if can_be_continued(&stored, &anchor) => {
            let head_slot = stored.head.slot.0;
            info!(
                head_slot,
                checkpoint_slot = anchor.header.slot.0,
                "the stored chain is kept: peers can continue it"
            );
            Ok(None)
        }
        // Genesis is made here, whatever others say of it.
        (None, Ok(anchor)) if anchor.header.slot == Slot(0) => Ok(None),
        (stored, Ok(anchor)) => {
            if let Some(stored) = stored.filter(|stored| !is_on_its_chain(stored, &anchor)) {
                warn!(
                    slot = stored.finalized.slot.0,
                    root = %stored.finalized.root,
                    "the checkpoint contradicts what this node held for final; the stored chain is given up"
                );
            }
            info!(slot = anchor.header.slot.0, "the chain begins at a checkpoint");
            let CheckpointAnchor { header, block, state } = anchor;
            let slot = header.slot;
            begin_at(database, header, block, state)?;
            Ok(Some(slot))
        }
    }
}

/// Whether our finalized block is an ancestor of the checkpoint.
fn is_on_its_chain(stored: &Checkpoints, anchor: &CheckpointAnchor) -> bool {
    let at = usize::try_from(stored.finalized.slot.0).ok();
    at.and_then(|at| anchor.state.historical_block_hashes.get(at)) == Some(&stored.finalized.root)
}

/// Whether the stored chain leads to the checkpoint through blocks that every peer still has. Genesis alone is no chain
/// worth keeping.
fn can_be_continued(stored: &Checkpoints, anchor: &CheckpointAnchor) -> bool {
    let behind = anchor.header.slot.0.saturating_sub(stored.finalized.slot.0);
    stored.head.slot > Slot(0) && behind <= CONTINUED_SLOTS && is_on_its_chain(stored, anchor)
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
