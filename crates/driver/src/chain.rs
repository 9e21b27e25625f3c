//! Where the stored chain begins, and where an engine goes on with it.

use std::sync::Arc;

use lathe_engine::Anchor;
use lathe_storage::{BareAnchor, Batch, Database, ImportedBlock, NetworkId, StorageError};
use lathe_types::{
    BlockHeader, Checkpoint, Genesis, MultiMessageAggregate, Root, SignedBlock, State, TreeHash,
};

/// Container variant of this build: part of what tells networks apart.
const VARIANT: &str = "lstar";

/// The genesis block with its state.
#[derive(Clone, Debug)]
pub struct GenesisBlock {
    /// The block, which nobody proposed or signed.
    pub block: Arc<SignedBlock>,
    /// Its root.
    pub root: Root,
    /// The state after it.
    pub state: Arc<State>,
}

impl GenesisBlock {
    /// The block of a genesis.
    pub fn new(genesis: &Genesis) -> Self {
        let state = lathe_transition::generate_genesis(genesis);
        let block = lathe_transition::genesis_block(&state);
        let root = block.tree_hash_root();
        let block = SignedBlock { block, proof: MultiMessageAggregate::default() };
        Self { block: block.into(), root, state: state.into() }
    }

    /// The identity of the network that starts here with the proofs of `backend`.
    pub fn network(&self, backend: &str) -> NetworkId {
        NetworkId { genesis: self.root, variant: format!("{VARIANT}/{backend}") }
    }
}

/// Where the chain goes on: what the database holds, or genesis if it is empty, which is then written.
pub fn resume(database: &dyn Database, genesis: &GenesisBlock) -> Result<Anchor, StorageError> {
    let Some(checkpoints) = database.checkpoints()? else {
        let header = genesis.block.block.header();
        begin_at(database, header.clone(), Some(genesis.block.clone()), genesis.state.clone())?;
        return Ok(Anchor::new(header, genesis.state.clone()));
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

/// Lets the stored chain begin at a block that counts as final, in place of all that is stored. Without the block
/// itself, its header stands for it.
pub fn begin_at(
    database: &dyn Database,
    header: BlockHeader,
    block: Option<Arc<SignedBlock>>,
    state: Arc<State>,
) -> Result<(), StorageError> {
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
mod tests {
    use super::*;

    use lathe_storage::MemoryDb;
    use lathe_types::{PublicKey, Validator, ValidatorIndex, Validators};

    fn genesis() -> GenesisBlock {
        let validators = (0..3).map(|index| Validator {
            attestation_public_key: PublicKey::from([1; 52]),
            proposal_public_key: PublicKey::from([2; 52]),
            index: ValidatorIndex(index),
        });
        GenesisBlock::new(&Genesis {
            genesis_time: 7,
            validators: Validators::try_from_iter(validators).unwrap(),
            execution_genesis: None,
            signature_scheme: Default::default(),
        })
    }

    #[test]
    fn an_empty_database_starts_at_genesis_and_resumes_there() {
        let genesis = genesis();
        let database = MemoryDb::new(&genesis.network("raw")).unwrap();
        let first = resume(&database, &genesis).unwrap();
        assert_eq!(
            (first.header.clone(), first.later.len(), first.head),
            (genesis.block.block.header(), 0, None)
        );
        let stored = database.block(genesis.root).unwrap().unwrap();
        assert_eq!(stored.proof, MultiMessageAggregate::default());
        let again = resume(&database, &genesis).unwrap();
        assert_eq!((again.header, again.later.len(), again.head), (first.header, 0, Some(genesis.root)));
        assert_eq!(again.state.tree_hash_root(), genesis.state.tree_hash_root());
    }

    #[test]
    fn the_proof_system_is_part_of_the_network() {
        let genesis = genesis();
        assert_ne!(genesis.network("raw"), genesis.network("stark"));
    }
}
