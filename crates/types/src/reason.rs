//! Why an input is rejected, in the specification's own words.

use std::fmt;

use strum::{EnumString, IntoStaticStr, VariantArray};

/// Language-neutral reason for a rejection (leanSpec `spec/forks/lstar/errors.py`; the last five are those of the
/// execution-paired chain, which the specification does not have).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionReason {
    /// The slot to advance to is not after the state's slot.
    BlockSlotNotInFuture,
    /// The block is not newer than the newest header of the state.
    BlockOlderThanLatestHeader,
    /// The block's slot is not the slot that the state was advanced to.
    BlockSlotMismatch,
    /// The block's parent is not the newest header of the state.
    ParentRootMismatch,
    /// The block states another post-state root than the transition yields.
    StateRootMismatch,
    /// The parent of the block is not in the store.
    UnknownParentBlock,
    /// The proposer is not in the registry.
    ProposerIndexOutOfRange,
    /// Without validators nobody can propose.
    EmptyValidatorRegistry,
    /// Another validator proposes in this slot.
    WrongProposer,
    /// The block carries more distinct attestation data than a block may.
    TooManyAttestationData,
    /// The block carries one attestation data twice.
    DuplicateAttestationData,
    /// An aggregate names no validator.
    EmptyAggregationBits,
    /// The source of the vote is not in the store.
    UnknownSourceBlock,
    /// The target of the vote is not in the store.
    UnknownTargetBlock,
    /// The head of the vote is not in the store.
    UnknownHeadBlock,
    /// The source of the vote is later than its target.
    SourceAfterTarget,
    /// The head of the vote is earlier than its target.
    HeadOlderThanTarget,
    /// The source block has another slot than its checkpoint says.
    SourceSlotMismatch,
    /// The target block has another slot than its checkpoint says.
    TargetSlotMismatch,
    /// The head block has another slot than its checkpoint says.
    HeadSlotMismatch,
    /// The source does not lie on the target's chain.
    SourceNotAncestorOfTarget,
    /// The target does not lie on the head's chain.
    TargetNotAncestorOfHead,
    /// The slot of the vote has not begun, even with the allowed disparity.
    AttestationTooFarInFuture,
    /// The vote is older than the head that it names.
    AttestationSlotBeforeHead,
    /// A voter is not in the registry of the target's state.
    ValidatorNotInState,
    /// A participation bit lies outside the registry.
    ValidatorIndexOutOfRange,
    /// A slot lies beyond those whose justification is tracked.
    JustifiedSlotOutOfRange,
    /// A vote's signature or an aggregate's proof does not verify.
    InvalidSignature,
    /// The block's proof does not verify.
    InvalidBlockProof,
    /// The anchor block and the anchor state do not belong together.
    AnchorStateRootMismatch,
    /// The bytes are not an encoding of the expected type.
    DecodeError,
    /// The head of the vote does not descend from the finalized block (leanSpec#1179).
    HeadNotDescendantOfFinalized,
    /// The block is more than one slot ahead of the store's clock (leanSpec#1182).
    BlockTooFarInFuture,
    /// The block is further from its parent than a state can remember (leanSpec#1182).
    BlockSlotGapTooLarge,
    /// A state's flat vote list is not one segment of registry length per pending target (leanSpec#1178).
    JustificationVotesLengthMismatch,
    /// The zero hash, which names no block, is among a state's pending targets (leanSpec#1178).
    ZeroHashJustificationRoot,
    /// The container is of another chain variant than the network's.
    WrongChainVariant,
    /// The payload does not build on the parent block's.
    ExecutionParentHashMismatch,
    /// The payload's timestamp is not the start of the block's slot.
    ExecutionTimestampMismatch,
    /// The payload claims randomness, of which there is none.
    ExecutionPrevRandaoNotZero,
    /// The payload carries withdrawals, of which there are none.
    ExecutionWithdrawalsNotEmpty,
}

impl RejectionReason {
    /// Every reason: the specification's, then those of the execution-paired chain.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The specification's name, such as `WRONG_PROPOSER`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An input that the rules refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    /// The reason that clients agree on.
    pub reason: RejectionReason,
    /// What exactly was wrong, for logs.
    pub detail: String,
}

impl Rejection {
    /// A rejection for `reason`.
    pub fn new(reason: RejectionReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
