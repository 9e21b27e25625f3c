//! Why an input is rejected, in the specification's own words.

use std::fmt;

/// Language-neutral reason for a rejection (leanSpec `spec/forks/lstar/errors.py`; the last five are those of the
/// execution-paired chain, which the specification does not have).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// The vote bookkeeping inside a state is inconsistent (leanSpec#1178).
    MalformedJustifications,
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
    /// Every reason: the specification's, in its order, then those of the execution-paired chain.
    pub const ALL: &[Self] = &[
        Self::BlockSlotNotInFuture,
        Self::BlockOlderThanLatestHeader,
        Self::BlockSlotMismatch,
        Self::ParentRootMismatch,
        Self::StateRootMismatch,
        Self::UnknownParentBlock,
        Self::ProposerIndexOutOfRange,
        Self::EmptyValidatorRegistry,
        Self::WrongProposer,
        Self::TooManyAttestationData,
        Self::DuplicateAttestationData,
        Self::EmptyAggregationBits,
        Self::UnknownSourceBlock,
        Self::UnknownTargetBlock,
        Self::UnknownHeadBlock,
        Self::SourceAfterTarget,
        Self::HeadOlderThanTarget,
        Self::SourceSlotMismatch,
        Self::TargetSlotMismatch,
        Self::HeadSlotMismatch,
        Self::SourceNotAncestorOfTarget,
        Self::TargetNotAncestorOfHead,
        Self::AttestationTooFarInFuture,
        Self::AttestationSlotBeforeHead,
        Self::ValidatorNotInState,
        Self::ValidatorIndexOutOfRange,
        Self::JustifiedSlotOutOfRange,
        Self::InvalidSignature,
        Self::InvalidBlockProof,
        Self::AnchorStateRootMismatch,
        Self::DecodeError,
        Self::HeadNotDescendantOfFinalized,
        Self::BlockTooFarInFuture,
        Self::MalformedJustifications,
        Self::WrongChainVariant,
        Self::ExecutionParentHashMismatch,
        Self::ExecutionTimestampMismatch,
        Self::ExecutionPrevRandaoNotZero,
        Self::ExecutionWithdrawalsNotEmpty,
    ];

    /// The specification's name, such as `WRONG_PROPOSER`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlockSlotNotInFuture => "BLOCK_SLOT_NOT_IN_FUTURE",
            Self::BlockOlderThanLatestHeader => "BLOCK_OLDER_THAN_LATEST_HEADER",
            Self::BlockSlotMismatch => "BLOCK_SLOT_MISMATCH",
            Self::ParentRootMismatch => "PARENT_ROOT_MISMATCH",
            Self::StateRootMismatch => "STATE_ROOT_MISMATCH",
            Self::UnknownParentBlock => "UNKNOWN_PARENT_BLOCK",
            Self::ProposerIndexOutOfRange => "PROPOSER_INDEX_OUT_OF_RANGE",
            Self::EmptyValidatorRegistry => "EMPTY_VALIDATOR_REGISTRY",
            Self::WrongProposer => "WRONG_PROPOSER",
            Self::TooManyAttestationData => "TOO_MANY_ATTESTATION_DATA",
            Self::DuplicateAttestationData => "DUPLICATE_ATTESTATION_DATA",
            Self::EmptyAggregationBits => "EMPTY_AGGREGATION_BITS",
            Self::UnknownSourceBlock => "UNKNOWN_SOURCE_BLOCK",
            Self::UnknownTargetBlock => "UNKNOWN_TARGET_BLOCK",
            Self::UnknownHeadBlock => "UNKNOWN_HEAD_BLOCK",
            Self::SourceAfterTarget => "SOURCE_AFTER_TARGET",
            Self::HeadOlderThanTarget => "HEAD_OLDER_THAN_TARGET",
            Self::SourceSlotMismatch => "SOURCE_SLOT_MISMATCH",
            Self::TargetSlotMismatch => "TARGET_SLOT_MISMATCH",
            Self::HeadSlotMismatch => "HEAD_SLOT_MISMATCH",
            Self::SourceNotAncestorOfTarget => "SOURCE_NOT_ANCESTOR_OF_TARGET",
            Self::TargetNotAncestorOfHead => "TARGET_NOT_ANCESTOR_OF_HEAD",
            Self::AttestationTooFarInFuture => "ATTESTATION_TOO_FAR_IN_FUTURE",
            Self::AttestationSlotBeforeHead => "ATTESTATION_SLOT_BEFORE_HEAD",
            Self::ValidatorNotInState => "VALIDATOR_NOT_IN_STATE",
            Self::ValidatorIndexOutOfRange => "VALIDATOR_INDEX_OUT_OF_RANGE",
            Self::JustifiedSlotOutOfRange => "JUSTIFIED_SLOT_OUT_OF_RANGE",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::InvalidBlockProof => "INVALID_BLOCK_PROOF",
            Self::AnchorStateRootMismatch => "ANCHOR_STATE_ROOT_MISMATCH",
            Self::DecodeError => "DECODE_ERROR",
            Self::HeadNotDescendantOfFinalized => "HEAD_NOT_DESCENDANT_OF_FINALIZED",
            Self::BlockTooFarInFuture => "BLOCK_TOO_FAR_IN_FUTURE",
            Self::MalformedJustifications => "MALFORMED_JUSTIFICATIONS",
            Self::WrongChainVariant => "WRONG_CHAIN_VARIANT",
            Self::ExecutionParentHashMismatch => "EXECUTION_PARENT_HASH_MISMATCH",
            Self::ExecutionTimestampMismatch => "EXECUTION_TIMESTAMP_MISMATCH",
            Self::ExecutionPrevRandaoNotZero => "EXECUTION_PREV_RANDAO_NOT_ZERO",
            Self::ExecutionWithdrawalsNotEmpty => "EXECUTION_WITHDRAWALS_NOT_EMPTY",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
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
