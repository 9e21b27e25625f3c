//! Judging votes and blocks before any cryptography.

use std::collections::HashSet;
use std::sync::Arc;

use lathe_transition::check_execution_payload;
use lathe_types::{
    AggregationBits, AttestationData, Block, Checkpoint, GOSSIP_DISPARITY_INTERVALS, HISTORICAL_ROOTS_LIMIT,
    INTERVALS_PER_SLOT, MAX_ATTESTATIONS_DATA, PublicKey, Rejection, RejectionReason, Root, Shaped,
    SignedAggregatedAttestation, SignedAttestation, SignedBlock, Slot, State, TreeHash, ValidatorIndex,
};

use crate::store::Store;

/// How far ahead of the store's clock a block may be, in slots.
const MAX_BLOCK_SLOTS_AHEAD: u64 = 1;

/// What to do with a block that breaks no rule so far.
#[derive(Clone, Debug)]
pub enum BlockCheck {
    /// The store has it.
    Known,
    /// It builds on a block before the finalized one, so it can never become canonical.
    Obsolete,
    /// Verify its proof with the keys in the parent's post-state, apply the transition to that state, and hand it to
    /// [`Store::on_block`].
    New {
        /// Its root.
        root: Root,
        /// State after its parent.
        parent_state: Arc<State>,
    },
}

impl Store {
    /// Checks that a vote respects the laws of time and topology.
    pub fn validate_attestation(&self, data: &AttestationData) -> Result<(), Rejection> {
        let AttestationData { source, target, head, .. } = *data;

        // Availability: a vote counts only if the blocks that it names are known.
        let slot_of = |checkpoint: Checkpoint, reason| {
            let node = self.tree.get(&checkpoint.root);
            node.map(|node| node.slot)
                .ok_or_else(|| Rejection::new(reason, format!("block {}", checkpoint.root)))
        };
        let source_slot = slot_of(source, RejectionReason::UnknownSourceBlock)?;
        let target_slot = slot_of(target, RejectionReason::UnknownTargetBlock)?;
        let head_slot = slot_of(head, RejectionReason::UnknownHeadBlock)?;

        // Topology: source, target and head follow each other.
        let slots = || format!("source at {}, target at {}, head at {}", source.slot, target.slot, head.slot);
        require(source.slot <= target.slot, RejectionReason::SourceAfterTarget, slots)?;
        require(head.slot >= target.slot, RejectionReason::HeadOlderThanTarget, slots)?;

        // Consistency: the slots are those of the blocks.
        let block_slots = || format!("{} are at {source_slot}, {target_slot}, {head_slot}", slots());
        require(source_slot == source.slot, RejectionReason::SourceSlotMismatch, block_slots)?;
        require(target_slot == target.slot, RejectionReason::TargetSlotMismatch, block_slots)?;
        require(head_slot == head.slot, RejectionReason::HeadSlotMismatch, block_slots)?;

        // Ancestry: weight goes to every ancestor of the head, so all three lie on one chain, and that chain contains
        // the finalized block.
        let ancestry = |ancestor, descendant, reason| {
            let found = self.tree.checkpoint_is_ancestor(ancestor, descendant);
            require(found, reason, || format!("{ancestor:?} and {descendant:?}"))
        };
        ancestry(source, target, RejectionReason::SourceNotAncestorOfTarget)?;
        ancestry(target, head, RejectionReason::TargetNotAncestorOfHead)?;
        ancestry(self.latest_finalized, head, RejectionReason::HeadNotDescendantOfFinalized)?;

        // Time: no vote is older than its head, and its slot has begun, give or take a little clock skew. Counted in
        // slots, as a slot near 2^64 has no interval number.
        require(data.slot >= head.slot, RejectionReason::AttestationSlotBeforeHead, || {
            format!("vote at {}, head at {}", data.slot, head.slot)
        })?;
        let horizon = Slot(self.time.0.saturating_add(GOSSIP_DISPARITY_INTERVALS) / INTERVALS_PER_SLOT);
        require(data.slot <= horizon, RejectionReason::AttestationTooFarInFuture, || {
            format!("vote at {}, the latest admissible slot is {horizon}", data.slot)
        })
    }

    /// Checks a single vote and finds the key that its signature must verify with.
    pub fn check_attestation(&self, attestation: &SignedAttestation) -> Result<PublicKey, Rejection> {
        self.validate_attestation(&attestation.data)?;
        self.attestation_key(&attestation.data, attestation.validator_index)
    }

    pub(crate) fn attestation_key(
        &self,
        data: &AttestationData,
        validator: ValidatorIndex,
    ) -> Result<PublicKey, Rejection> {
        let state = self.attestation_state(data);
        let entry = usize::try_from(validator.0).ok().and_then(|index| state.validators.get(index));
        entry.map(|entry| entry.attestation_public_key).ok_or_else(|| not_in_state(validator, data))
    }

    /// Checks an aggregated vote and finds the state whose registry holds its participants' keys.
    pub fn check_aggregated_attestation(
        &self,
        aggregate: &SignedAggregatedAttestation,
    ) -> Result<Arc<State>, Rejection> {
        let SignedAggregatedAttestation { data, proof } = aggregate;
        self.validate_attestation(data)?;
        let state = self.attestation_state(data);
        let highest = highest_participant(&proof.participants)?;
        require(
            highest.is_within_registry(state.validators.len() as u64),
            RejectionReason::ValidatorNotInState,
            || not_in_state(highest, data).detail,
        )?;
        Ok(state.clone())
    }

    /// The state that holds the voters' keys: the target's post-state. For a target before the finalized block that
    /// state may be gone; no rule of this fork changes the registry, so the finalized block's serves as well.
    pub(crate) fn attestation_state(&self, data: &AttestationData) -> &Arc<State> {
        let states = [data.target.root, self.latest_finalized.root];
        states.iter().find_map(|root| self.state(root)).unwrap_or_else(|| self.head_state())
    }

    /// Checks everything about a block that takes neither cryptography nor a transition.
    pub fn check_block(&self, signed_block: &SignedBlock) -> Result<BlockCheck, Rejection> {
        let block = &signed_block.block;
        let root = block.tree_hash_root();
        if self.contains(&root) {
            return Ok(BlockCheck::Known);
        }

        let parent = self.tree.get(&block.parent_root).ok_or_else(|| {
            Rejection::new(RejectionReason::UnknownParentBlock, format!("parent {}", block.parent_root))
        })?;

        // No state could remember the slots in between.
        let gap = block.slot.0.saturating_sub(parent.slot.0);
        require(gap <= HISTORICAL_ROOTS_LIMIT, RejectionReason::BlockSlotGapTooLarge, || {
            format!("{gap} slots after the parent, at most {HISTORICAL_ROOTS_LIMIT}")
        })?;

        // Its slot has begun, or is the next one.
        let latest_slot = Slot(self.current_slot().0.saturating_add(MAX_BLOCK_SLOTS_AHEAD));
        require(block.slot <= latest_slot, RejectionReason::BlockTooFarInFuture, || {
            format!("block at {}, the latest admissible slot is {latest_slot}", block.slot)
        })?;

        let Some(parent_state) = &parent.state else { return Ok(BlockCheck::Obsolete) };

        parent_state
            .variant()
            .admits(block)
            .map_err(|wrong| Rejection::new(RejectionReason::WrongChainVariant, wrong.to_string()))?;
        check_attestation_data(block)?;
        let validator_count = parent_state.validators.len() as u64;
        check_signers(block, validator_count)?;

        // The transition refuses these too, but only after the proof was paid for.
        require(block.slot > parent.slot, RejectionReason::BlockSlotNotInFuture, || {
            format!("block at {}, its parent at {}", block.slot, parent.slot)
        })?;
        let proposer = ValidatorIndex::proposer_for_slot(block.slot, validator_count);
        require(proposer == Some(block.proposer_index), RejectionReason::WrongProposer, || {
            format!("proposer {} in slot {}", block.proposer_index, block.slot)
        })?;
        require(
            block.body.attestations.len() <= MAX_ATTESTATIONS_DATA,
            RejectionReason::TooManyAttestationData,
            || format!("{} distinct attestation data", block.body.attestations.len()),
        )?;
        // Before the execution layer is bothered with it, too.
        if let Some(execution) = &block.body.execution {
            check_execution_payload(parent_state, block.slot, execution)?;
        }
        Ok(BlockCheck::New { root, parent_state: parent_state.clone() })
    }
}

/// Every attestation data stands in a block once.
fn check_attestation_data(block: &Block) -> Result<(), Rejection> {
    let attestations = &block.body.attestations;
    let distinct: HashSet<_> = attestations.iter().map(|attestation| attestation.data).collect();
    require(distinct.len() == attestations.len(), RejectionReason::DuplicateAttestationData, || {
        format!("{} attestations over {} distinct data", attestations.len(), distinct.len())
    })
}

/// The structural part of the specification's `verify_signatures`: whoever is said to have signed is in the registry.
fn check_signers(block: &Block, validator_count: u64) -> Result<(), Rejection> {
    for attestation in &block.body.attestations {
        let highest = highest_participant(&attestation.aggregation_bits)?;
        require(
            highest.is_within_registry(validator_count),
            RejectionReason::ValidatorIndexOutOfRange,
            || format!("voter {highest} of {validator_count}"),
        )?;
    }
    let proposer = block.proposer_index;
    require(proposer.is_within_registry(validator_count), RejectionReason::ProposerIndexOutOfRange, || {
        format!("proposer {proposer} of {validator_count}")
    })
}

fn highest_participant(bits: &AggregationBits) -> Result<ValidatorIndex, Rejection> {
    bits.highest_set_bit().map(|index| ValidatorIndex(index as u64)).ok_or_else(|| {
        Rejection::new(RejectionReason::EmptyAggregationBits, "an aggregate names no validator")
    })
}

fn not_in_state(validator: ValidatorIndex, data: &AttestationData) -> Rejection {
    let detail = format!("validator {validator} is not in the state of {}", data.target.root);
    Rejection::new(RejectionReason::ValidatorNotInState, detail)
}

fn require(
    condition: bool,
    reason: RejectionReason,
    detail: impl FnOnce() -> String,
) -> Result<(), Rejection> {
    if condition { Ok(()) } else { Err(Rejection::new(reason, detail())) }
}
