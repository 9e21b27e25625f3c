//! Which slots are justified, which votes lie on a chain, and who has voted for what so far.

use std::collections::BTreeMap;

use lathe_types::{
    AggregationBits, AttestationData, HistoricalBlockHashes, JustificationRoots, JustifiedSlots,
    Participation, Rejection, RejectionReason, Root, Slot, State, ValidatorIndex,
};

use crate::bits::{BitWriter, slice, window};

/// Whether `target_slot` is justified: everything up to the finalized slot is, later slots have a flag.
///
/// A slot beyond the tracked ones is a rejection (`JUSTIFIED_SLOT_OUT_OF_RANGE`).
pub fn is_slot_justified(
    justified_slots: &JustifiedSlots,
    finalized_slot: Slot,
    target_slot: Slot,
) -> Result<bool, Rejection> {
    let Some(relative_index) = target_slot.justified_index_after(finalized_slot) else {
        return Ok(target_slot <= finalized_slot);
    };
    justified_slots.get(relative_index).map_err(|_| {
        Rejection::new(
            RejectionReason::JustifiedSlotOutOfRange,
            format!(
                "slot {target_slot} is not among the {} tracked after slot {finalized_slot}",
                justified_slots.len()
            ),
        )
    })
}

/// The flags with room for `target_slot`, or `None` if they have it already. New flags are false.
pub fn extend_to_slot(
    justified_slots: &JustifiedSlots,
    finalized_slot: Slot,
    target_slot: Slot,
) -> Result<Option<JustifiedSlots>, Rejection> {
    let Some(relative_index) = target_slot.justified_index_after(finalized_slot) else {
        return Ok(None);
    };
    let required_capacity = relative_index.saturating_add(1);
    if required_capacity <= justified_slots.len() {
        return Ok(None);
    }
    if required_capacity > JustifiedSlots::max_len() {
        return Err(Rejection::new(
            RejectionReason::JustifiedSlotOutOfRange,
            format!("slot {target_slot} is too far after the finalized slot {finalized_slot}"),
        ));
    }
    window(justified_slots.as_slice(), 0, required_capacity).map(Some).map_err(flags_do_not_fit)
}

/// Moves the flags forward by `delta` slots, forgetting those at the front.
pub(crate) fn rebase(justified_slots: &JustifiedSlots, delta: usize) -> Result<JustifiedSlots, Rejection> {
    let rest = justified_slots.len().saturating_sub(delta);
    window(justified_slots.as_slice(), delta, rest).map_err(flags_do_not_fit)
}

/// Whether source, target and head all name the chain's own blocks. Empty slots hold the zero hash, which names none.
pub fn lies_on_chain(data: &AttestationData, historical_block_hashes: &HistoricalBlockHashes) -> bool {
    [data.source, data.target, data.head].iter().all(|checkpoint| {
        checkpoint.root != Root::ZERO
            && usize::try_from(checkpoint.slot.0)
                .is_ok_and(|slot| historical_block_hashes.get(slot) == Some(&checkpoint.root))
    })
}

/// Who has voted for `target` on this chain so far, ascending; nobody once it is justified.
pub fn pending_voters(state: &State, target: &Root) -> Vec<ValidatorIndex> {
    let validator_count = state.validators.len();
    let Some(segment) = state.justifications_roots.iter().position(|root| root == target) else {
        return Vec::new();
    };
    let voted =
        |index: &usize| state.justifications_validators.get(segment * validator_count + index) == Ok(true);
    (0..validator_count).filter(voted).map(|index| ValidatorIndex(index as u64)).collect()
}

/// Who voted for each target that is not justified yet.
///
/// The state holds one flat run of bits, one segment of registry length per target root:
///
/// ```text
/// roots:  [root_0,  root_1,  ...]
/// votes:  [<--N-->][<--N-->] ...
/// ```
pub(crate) struct Justifications {
    votes: BTreeMap<Root, Vec<u8>>,
    validator_count: usize,
}

impl Justifications {
    /// Takes the bookkeeping apart; a state whose bookkeeping is inconsistent is refused.
    pub(crate) fn unpack(state: &State) -> Result<Self, Rejection> {
        let validator_count = state.validators.len();
        let (roots, flat) = (&state.justifications_roots, &state.justifications_validators);

        // Without validators there are no segments to cut.
        if validator_count == 0 {
            return Err(Rejection::new(RejectionReason::EmptyValidatorRegistry, "nobody can vote"));
        }

        // One segment of registry length per pending target.
        if roots.len().checked_mul(validator_count) != Some(flat.len()) {
            return Err(Rejection::new(
                RejectionReason::JustificationVotesLengthMismatch,
                format!("{} votes for {} targets and {validator_count} validators", flat.len(), roots.len()),
            ));
        }

        // The zero hash stands for slots without a block.
        if roots.iter().any(|root| *root == Root::ZERO) {
            return Err(Rejection::new(
                RejectionReason::ZeroHashJustificationRoot,
                "the zero hash is a pending target",
            ));
        }

        let segment = |segment: usize| slice(flat.as_slice(), segment * validator_count, validator_count);
        let votes = roots.iter().enumerate().map(|(index, root)| (*root, segment(index))).collect();
        Ok(Self { votes, validator_count })
    }

    /// Marks the voters, all of them within the registry, and returns how many validators have now voted for `target`.
    pub(crate) fn mark(&mut self, target: Root, voters: &AggregationBits) -> usize {
        let length = self.validator_count.div_ceil(8);
        let tally = self.votes.entry(target).or_insert_with(|| vec![0; length]);
        for voter in voters.indices() {
            if let Some(byte) = tally.get_mut((voter.0 / 8) as usize) {
                *byte |= 1 << (voter.0 % 8);
            }
        }
        tally.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Forgets the votes for a target that is justified now.
    pub(crate) fn remove(&mut self, target: &Root) {
        self.votes.remove(target);
    }

    /// Keeps only targets that stand in `history` after `finalized_slot`. A target that the chain does not have after
    /// `start_slot` goes as well: no vote can lead to it any more.
    pub(crate) fn retain_after(
        &mut self,
        finalized_slot: Slot,
        history: &HistoricalBlockHashes,
        start_slot: Slot,
    ) -> Result<(), Rejection> {
        if self.votes.is_empty() {
            return Ok(());
        }
        let first = usize::try_from(start_slot.0).unwrap_or(usize::MAX).saturating_add(1);
        let slots = history.iter_from(first.min(history.len())).map_err(does_not_fit)?;
        let root_to_slot: BTreeMap<Root, usize> = slots
            .zip(first..)
            .filter(|(root, _)| self.votes.contains_key(*root))
            .map(|(root, slot)| (*root, slot))
            .collect();
        self.votes
            .retain(|root, _| root_to_slot.get(root).is_some_and(|slot| *slot as u64 > finalized_slot.0));
        Ok(())
    }

    /// Puts the bookkeeping back, targets in ascending order.
    pub(crate) fn pack_into(self, state: &mut State) -> Result<(), Rejection> {
        let mut flat = BitWriter::with_capacity(self.votes.len() * self.validator_count);
        for tally in self.votes.values() {
            flat.extend(tally, self.validator_count);
        }
        state.justifications_validators = flat.finish().map_err(does_not_fit)?;
        // A list that stays the same keeps sharing its tree with the states before.
        if !state.justifications_roots.iter().eq(self.votes.keys()) {
            state.justifications_roots =
                JustificationRoots::try_from_iter(self.votes.into_keys()).map_err(does_not_fit)?;
        }
        Ok(())
    }
}

/// For errors of the containers' own limits, which well-formed bookkeeping never meets.
fn does_not_fit(error: impl std::fmt::Debug) -> Rejection {
    Rejection::new(RejectionReason::JustificationVotesLengthMismatch, format!("{error:?}"))
}

/// The same for the flags, which were no longer than their type allows before either.
fn flags_do_not_fit(error: impl std::fmt::Debug) -> Rejection {
    Rejection::new(RejectionReason::JustifiedSlotOutOfRange, format!("{error:?}"))
}
