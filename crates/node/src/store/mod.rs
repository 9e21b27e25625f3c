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
use lathe_storage::{Batch, Database, ImportedBlock, NetworkId, StorageError};
use lathe_types::{
    Checkpoint, Genesis, MultiMessageAggregate, Root, SignedBlock, Slot, State, TreeHash as _,
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
            drop_states: Vec::new(),
        })?;
        return Ok(Anchor::new(origin.block.clone(), origin.state.clone()));
    };
    let mut blocks = database.unfinalized()?;
    let corrupt = || StorageError::Corrupt { what: "the finalized block or its state is missing".into() };
    let anchor = blocks.next().ok_or_else(corrupt)??;
    let later =
        blocks.map(|block| block.map(|block| (block.block, block.state))).collect::<Result<_, _>>()?;
    Ok(Anchor { block: anchor.block, state: anchor.state, later, head: Some(checkpoints.head.root) })
}

#[cfg(test)]
mod tests;
