//! The state transition, step by step as leanSpec `spec/forks/lstar/state_transition.py` has it: plain lists, one slot
//! at a time, everything copied.

use std::collections::{BTreeMap, BTreeSet};

use lathe_types::{
    AggregatedAttestation, Block, BlockHeader, Checkpoint, GenesisConfig, HistoricalBlockHashes,
    IMMEDIATE_JUSTIFICATION_WINDOW, JustificationRoots, JustificationValidators, JustifiedSlots,
    MAX_ATTESTATIONS_DATA, RejectionReason as R, Root, Slot, State, TreeHash, ValidatorIndex, Validators,
};

/// The specification's `State`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SpecState {
    pub(crate) config: GenesisConfig,
    pub(crate) slot: u64,
    pub(crate) latest_block_header: BlockHeader,
    pub(crate) latest_justified: Checkpoint,
    pub(crate) latest_finalized: Checkpoint,
    pub(crate) historical_block_hashes: Vec<Root>,
    pub(crate) justified_slots: Vec<bool>,
    pub(crate) validators: Validators,
    pub(crate) justifications_roots: Vec<Root>,
    pub(crate) justifications_validators: Vec<bool>,
}

/// `Slot.is_justifiable_after`, with the distance as a signed number.
pub(crate) fn is_justifiable_after(slot: u64, finalized: u64) -> bool {
    let delta = i128::from(slot) - i128::from(finalized);
    if delta < 0 {
        return false;
    }
    if delta <= i128::from(IMMEDIATE_JUSTIFICATION_WINDOW) {
        return true;
    }
    let is_square = (0..=delta).take_while(|n| n * n <= delta).any(|n| n * n == delta);
    let is_pronic = (0..=delta).take_while(|n| n * (n + 1) <= delta).any(|n| n * (n + 1) == delta);
    is_square || is_pronic
}

/// `JustifiedSlots.is_slot_justified`.
fn is_slot_justified(flags: &[bool], finalized: u64, target: u64) -> Result<bool, R> {
    if target <= finalized {
        return Ok(true);
    }
    let index = usize::try_from(target - finalized - 1).unwrap();
    flags.get(index).copied().ok_or(R::JustifiedSlotOutOfRange)
}

/// `AttestationData.lies_on_chain`.
fn lies_on_chain(vote: &AggregatedAttestation, history: &[Root]) -> bool {
    [vote.data.source, vote.data.target, vote.data.head].iter().all(|checkpoint| {
        let slot = usize::try_from(checkpoint.slot.0).unwrap();
        checkpoint.root != Root::ZERO && history.get(slot) == Some(&checkpoint.root)
    })
}

/// `AggregationBits.to_validator_indices`.
pub(crate) fn voters_of(vote: &lathe_types::AggregationBits) -> Result<Vec<u64>, R> {
    let voters: Vec<u64> = (0..).zip(vote.iter()).filter_map(|(index, bit)| bit.then_some(index)).collect();
    if voters.is_empty() { Err(R::EmptyAggregationBits) } else { Ok(voters) }
}

impl SpecState {
    pub(crate) fn of(state: &State) -> Self {
        Self {
            config: state.config,
            slot: state.slot.0,
            latest_block_header: state.latest_block_header.clone(),
            latest_justified: state.latest_justified,
            latest_finalized: state.latest_finalized,
            historical_block_hashes: state.historical_block_hashes.to_vec(),
            justified_slots: state.justified_slots.iter().collect(),
            validators: state.validators.clone(),
            justifications_roots: state.justifications_roots.to_vec(),
            justifications_validators: state.justifications_validators.iter().collect(),
        }
    }

    /// The container, made anew from the lists.
    pub(crate) fn container(&self) -> State {
        let mut justified_slots = JustifiedSlots::with_capacity(self.justified_slots.len()).unwrap();
        for (index, flag) in self.justified_slots.iter().enumerate() {
            justified_slots.set(index, *flag).unwrap();
        }
        let votes = &self.justifications_validators;
        let mut justifications_validators = JustificationValidators::with_capacity(votes.len()).unwrap();
        for (index, flag) in votes.iter().enumerate() {
            justifications_validators.set(index, *flag).unwrap();
        }
        State {
            config: self.config,
            slot: Slot(self.slot),
            latest_block_header: self.latest_block_header.clone(),
            latest_justified: self.latest_justified,
            latest_finalized: self.latest_finalized,
            historical_block_hashes: HistoricalBlockHashes::try_from_iter(
                self.historical_block_hashes.iter().copied(),
            )
            .unwrap(),
            justified_slots,
            validators: self.validators.clone(),
            justifications_roots: JustificationRoots::try_from_iter(
                self.justifications_roots.iter().copied(),
            )
            .unwrap(),
            justifications_validators,
            latest_execution_payload_header: None,
        }
    }

    pub(crate) fn hash_tree_root(&self) -> Root {
        self.container().tree_hash_root()
    }

    pub(crate) fn process_slots(&self, target_slot: u64) -> Result<Self, R> {
        if self.slot >= target_slot {
            return Err(R::BlockSlotNotInFuture);
        }
        let mut state = self.clone();
        while state.slot < target_slot {
            if state.latest_block_header.state_root == Root::ZERO {
                state.latest_block_header.state_root = state.hash_tree_root();
            }
            state.slot += 1;
        }
        Ok(state)
    }

    pub(crate) fn process_block_header(&self, block: &Block) -> Result<Self, R> {
        let mut state = self.clone();
        let parent_header = &self.latest_block_header;
        let parent_root = parent_header.tree_hash_root();
        if block.slot.0 != self.slot {
            return Err(R::BlockSlotMismatch);
        }
        if block.slot <= parent_header.slot {
            return Err(R::BlockOlderThanLatestHeader);
        }
        if self.validators.is_empty() {
            return Err(R::EmptyValidatorRegistry);
        }
        if block.proposer_index != ValidatorIndex(self.slot % self.validators.len() as u64) {
            return Err(R::WrongProposer);
        }
        if block.parent_root != parent_root {
            return Err(R::ParentRootMismatch);
        }
        if parent_header.slot == Slot(0) {
            let genesis = Checkpoint { root: parent_root, slot: Slot(0) };
            (state.latest_justified, state.latest_finalized) = (genesis, genesis);
        }
        state.historical_block_hashes.push(parent_root);
        for _ in parent_header.slot.0 + 1..block.slot.0 {
            state.historical_block_hashes.push(Root::ZERO);
        }
        while state.latest_finalized.slot.0 + (state.justified_slots.len() as u64) < block.slot.0 - 1 {
            state.justified_slots.push(false);
        }
        state.latest_block_header = BlockHeader {
            slot: block.slot,
            proposer_index: block.proposer_index,
            parent_root: block.parent_root,
            state_root: Root::ZERO,
            body_root: block.body.tree_hash_root(),
        };
        Ok(state)
    }

    pub(crate) fn process_attestations(&self, votes: &[AggregatedAttestation]) -> Result<Self, R> {
        let mut state = self.clone();
        let distinct: BTreeSet<_> = votes.iter().map(|vote| vote.data).collect();
        if distinct.len() > MAX_ATTESTATIONS_DATA {
            return Err(R::TooManyAttestationData);
        }
        let validator_count = self.validators.len();
        if validator_count == 0 {
            return Err(R::EmptyValidatorRegistry);
        }
        if self.justifications_validators.len() != self.justifications_roots.len() * validator_count {
            return Err(R::JustificationVotesLengthMismatch);
        }
        if self.justifications_roots.contains(&Root::ZERO) {
            return Err(R::ZeroHashJustificationRoot);
        }
        let segments = self.justifications_validators.chunks(validator_count).map(<[bool]>::to_vec);
        let mut justifications: BTreeMap<Root, Vec<bool>> =
            self.justifications_roots.iter().copied().zip(segments).collect();
        let mut finalized_slot = self.latest_finalized.slot.0;
        let mut root_to_slot = BTreeMap::new();
        for (slot, root) in (0..).zip(&self.historical_block_hashes) {
            if slot > finalized_slot {
                root_to_slot.insert(*root, slot);
            }
        }

        for vote in votes {
            let (source, target) = (vote.data.source, vote.data.target);
            if !is_slot_justified(&state.justified_slots, finalized_slot, source.slot.0)?
                || is_slot_justified(&state.justified_slots, finalized_slot, target.slot.0)?
                || !lies_on_chain(vote, &self.historical_block_hashes)
                || target.slot <= source.slot
                || !is_justifiable_after(target.slot.0, finalized_slot)
            {
                continue;
            }
            let voters = voters_of(&vote.aggregation_bits)?;
            if voters.iter().any(|voter| *voter >= validator_count as u64) {
                return Err(R::ValidatorIndexOutOfRange);
            }
            let tally = justifications.entry(target.root).or_insert_with(|| vec![false; validator_count]);
            for voter in voters {
                tally[voter as usize] = true;
            }
            let count = tally.iter().filter(|voted| **voted).count();
            if 3 * count < 2 * validator_count {
                continue;
            }
            if target.slot > state.latest_justified.slot {
                state.latest_justified = target;
            }
            state.justified_slots[(target.slot.0 - finalized_slot - 1) as usize] = true;
            justifications.remove(&target.root);

            let is_next =
                !(source.slot.0 + 1..target.slot.0).any(|slot| is_justifiable_after(slot, finalized_slot));
            if source.slot.0 > finalized_slot && is_next {
                let delta = (source.slot.0 - finalized_slot) as usize;
                state.latest_finalized = source;
                finalized_slot = source.slot.0;
                state.justified_slots.drain(..delta.min(state.justified_slots.len()));
                // A tally whose block is not on the chain goes, as does one that finality has passed.
                justifications
                    .retain(|root, _| root_to_slot.get(root).is_some_and(|slot| *slot > finalized_slot));
            }
        }

        state.justifications_roots = justifications.keys().copied().collect();
        state.justifications_validators = justifications.into_values().flatten().collect();
        Ok(state)
    }

    /// `process_block`.
    pub(crate) fn process_block(&self, block: &Block) -> Result<Self, R> {
        self.process_block_header(block)?.process_attestations(&block.body.attestations)
    }

    pub(crate) fn state_transition(&self, block: &Block) -> Result<Self, R> {
        let state = self.process_slots(block.slot.0)?.process_block(block)?;
        if block.state_root != state.hash_tree_root() {
            return Err(R::StateRootMismatch);
        }
        Ok(state)
    }
}
