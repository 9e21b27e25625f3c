//! The store: writes what the chain wants kept, and reads blocks for everybody else.
//!
//! Writing is a thread of its own; batches that wait are merged and share one sync. Reading goes past it, straight to
//! the database, and never waits for a write.

mod actor;
mod mailbox;
mod reader;
mod state;

use std::sync::Arc;

use lathe_engine::Anchor;
use lathe_storage::{BareAnchor, Batch, Database, ImportedBlock, NetworkId, StorageError};
use lathe_types::{
    BlockHeader, Checkpoint, Genesis, MultiMessageAggregate, Root, SignedBlock, Slot, State, TreeHash as _,
};

pub(crate) use actor::run;
pub(crate) use mailbox::{Mailbox, Persist, open};
pub(crate) use reader::Reader;

/// Container variant of this build: part of what tells networks apart.
const VARIANT: &str = "lstar";

/// The genesis block with its state.
pub(crate) struct Origin {
    pub block: Arc<SignedBlock>,
    pub root: Root,
    pub state: Arc<State>,
}

impl Origin {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let state = lathe_transition::generate_genesis(genesis);
        let block = lathe_transition::genesis_block(&state);
        let root = block.tree_hash_root();
        // Nobody proposed genesis, so nobody signed it.
        let block = SignedBlock { block, proof: MultiMessageAggregate::default() };
        Self { block: block.into(), root, state: state.into() }
    }

    /// The identity of the network that starts here with the proofs of `backend`.
    pub(crate) fn network(&self, backend: &str) -> NetworkId {
        NetworkId { genesis: self.root, variant: format!("{VARIANT}/{backend}") }
    }
}

/// Where the chain goes on: what the database holds, or genesis if it is empty, which is then written.
pub(crate) fn resume(database: &dyn Database, origin: &Origin) -> Result<Anchor, StorageError> {
    let Some(checkpoints) = database.checkpoints()? else {
        let genesis = Checkpoint { root: origin.root, slot: Slot(0) };
        let block =
            ImportedBlock { root: origin.root, block: origin.block.clone(), state: origin.state.clone() };
        database.write(&Batch {
            blocks: vec![block],
            canonical: vec![(Slot(0), Some(origin.root))],
            head: Some(genesis),
            justified: Some(genesis),
            finalized: Some(genesis),
            ..Batch::default()
        })?;
        return Ok(Anchor::new(origin.block.block.header(), origin.state.clone()));
    };
    let mut later = database.unfinalized()?.collect::<Result<Vec<_>, _>>()?;
    let finalized = checkpoints.finalized;
    let (header, state) = if later.first().is_some_and(|first| first.root == finalized.root) {
        let anchor = later.remove(0);
        (anchor.block.block.header(), anchor.state)
    } else {
        bare_anchor(database, finalized)?
    };
    let later = later.into_iter().map(|block| (block.block, block.state)).collect();
    Ok(Anchor { header, state, later, head: Some(checkpoints.head.root) })
}

/// The finalized block where only its state is held, which contains its header.
fn bare_anchor(
    database: &dyn Database,
    finalized: Checkpoint,
) -> Result<(BlockHeader, Arc<State>), StorageError> {
    let corrupt = || StorageError::Corrupt { what: "the finalized block or its state is missing".into() };
    let state = database.state(finalized.root)?.ok_or_else(corrupt)?;
    let header = BlockHeader { state_root: state.tree_hash_root(), ..state.latest_block_header.clone() };
    if header.tree_hash_root() != finalized.root {
        return Err(corrupt());
    }
    Ok((header, state.into()))
}

/// Lets the stored chain begin at a block that another node calls final, in place of all that is stored.
pub(crate) fn begin_at(
    database: &dyn Database,
    anchor: lathe_checkpoint::Anchor,
) -> Result<(), StorageError> {
    let lathe_checkpoint::Anchor { header, block, state } = anchor;
    let (root, slot) = (header.tree_hash_root(), header.slot);
    let checkpoint = Some(Checkpoint { root, slot });
    let mut batch =
        Batch { head: checkpoint, justified: checkpoint, finalized: checkpoint, ..Batch::default() };
    match block {
        Some(block) => {
            batch.canonical.push((slot, Some(root)));
            batch.blocks.push(ImportedBlock { root, block, state });
        }
        None => batch.anchor = Some(BareAnchor { root, header, state }),
    }
    database.write(&batch)
}

#[cfg(test)]
mod tests;
