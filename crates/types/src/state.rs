//! The consensus state.
//!
//! The lists of 32-byte roots and validators are `milhouse` lists: clones share their trees, and hash tree roots are
//! cached inside them. milhouse has no bitlists, so the two bitfields are plain.

use std::sync::Arc;

use ssz_types::BitList;
use tree_hash_derive::TreeHash;

use crate::block::BlockHeader;
use crate::checkpoint::Checkpoint;
use crate::constants::{HistoricalRootsLimit, JustificationValidatorsLimit, ValidatorRegistryLimit};
use crate::execution::ExecutionPayloadHeader;
use crate::genesis::GenesisConfig;
use crate::primitives::{PublicKey, Root, Slot, ValidatorIndex};

/// A registry entry. Its two keys are of one length, that of the network's signature scheme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, TreeHash)]
pub struct Validator {
    /// Key that signs votes.
    pub attestation_public_key: PublicKey,
    /// Key that signs block roots.
    pub proposal_public_key: PublicKey,
    /// Position in the registry.
    pub index: ValidatorIndex,
}

/// The validator registry.
pub type Validators = milhouse::List<Validator, ValidatorRegistryLimit>;
/// Block root per slot since genesis; zero for an empty slot.
pub type HistoricalBlockHashes = milhouse::List<Root, HistoricalRootsLimit>;
/// One bit per slot after the finalized one.
pub type JustifiedSlots = BitList<HistoricalRootsLimit>;
/// Targets with pending votes, sorted.
pub type JustificationRoots = milhouse::List<Root, HistoricalRootsLimit>;
/// One segment of registry length per pending target.
pub type JustificationValidators = BitList<JustificationValidatorsLimit>;

/// Everything that the transition needs to judge the next block. Its SSZ has ten fields on a plain chain and eleven on
/// an execution-paired one.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Chain configuration.
    pub config: GenesisConfig,
    /// Slot that the state has advanced to.
    pub slot: Slot,
    /// Header of the newest block.
    pub latest_block_header: BlockHeader,
    /// Highest justified checkpoint on this chain.
    pub latest_justified: Checkpoint,
    /// Highest finalized checkpoint on this chain.
    pub latest_finalized: Checkpoint,
    /// Block root per slot.
    pub historical_block_hashes: HistoricalBlockHashes,
    /// Which slots after the finalized one are justified.
    pub justified_slots: JustifiedSlots,
    /// The registry; bytes in which an index is not its validator's position do not decode.
    pub validators: Validators,
    /// Targets with pending votes.
    pub justifications_roots: JustificationRoots,
    /// Who voted for each of them.
    pub justifications_validators: JustificationValidators,
    /// Header of the newest block's payload; present exactly on an execution-paired chain.
    pub latest_execution_payload_header: Option<Arc<ExecutionPayloadHeader>>,
}

impl State {
    /// Whether a downloaded state can serve as an anchor (leanSpec `verify_checkpoint_state`): without validators
    /// nothing can be proposed or justified. The upper bound of the registry holds by its type.
    pub fn verify_checkpoint_state(&self) -> bool {
        !self.validators.is_empty()
    }
}
