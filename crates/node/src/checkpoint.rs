//! Starting from a state that another node calls final, instead of from genesis.
//!
//! Runs before any actor does. A stored chain that is as new is kept, and so is any when no server can be used: the
//! node then catches up from where it stands. Without a stored chain the node does not start, because the operator
//! asked for more than genesis. The signing ledger is no part of this.

use std::sync::Arc;

use lathe_checkpoint::{Anchor, Limits, Network, fetch};
use lathe_driver::{GenesisBlock, begin_at};
use lathe_storage::{Database, StorageError};
use lathe_types::Slot;
use tracing::{info, warn};

use crate::clock::Time;
use crate::error::NodeError;
use crate::options::NodeOptions;

/// Lets the stored chain begin at the newest finalized block that the servers in the options have, if they should be
/// asked at all and know a newer one.
pub(crate) async fn synchronise(
    options: &NodeOptions,
    database: &Arc<dyn Database>,
    genesis: &GenesisBlock,
    time: &Time,
) -> Result<(), NodeError> {
    if options.checkpoint_servers.is_empty() {
        return Ok(());
    }
    let servers = options.checkpoint_servers.clone();
    let network = Network {
        genesis_time: options.genesis.genesis_time,
        genesis_root: genesis.root,
        variant: options.genesis.variant(),
        validators: options.genesis.validators.clone(),
    };
    let (time, database) = (time.clone(), database.clone());
    let synchronise = move || {
        let fetched = fetch(&servers, &network, &|| time.now().slot(), &Limits::default());
        settle(&*database, fetched)
    };
    let settled = tokio::task::spawn_blocking(synchronise).await;
    settled.unwrap_or_else(|error| Err(StorageError::Backend(error.to_string()).into()))
}

/// Chooses between the stored chain and what was fetched.
fn settle(
    database: &dyn Database,
    fetched: Result<Anchor, lathe_checkpoint::Error>,
) -> Result<(), NodeError> {
    let stored = database.checkpoints()?.map(|checkpoints| checkpoints.head.slot);
    match (stored, fetched) {
        (None, Err(error)) => Err(error.into()),
        (Some(head), Err(error)) => {
            warn!(head_slot = head.0, "{error}: going on with the stored chain");
            Ok(())
        }
        (Some(head), Ok(anchor)) if head >= anchor.header.slot => {
            info!(head_slot = head.0, checkpoint_slot = anchor.header.slot.0, "the stored chain is as new");
            Ok(())
        }
        // Genesis is made here, whatever others say of it.
        (None, Ok(anchor)) if anchor.header.slot == Slot(0) => Ok(()),
        (_, Ok(Anchor { header, block, state })) => {
            info!(slot = header.slot.0, "the chain begins at a checkpoint");
            Ok(begin_at(database, header, block, state)?)
        }
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
