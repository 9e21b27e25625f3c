//! Votes: justification and finalization under 3SF-mini.

use std::collections::HashSet;

use lathe_types::{
    AggregatedAttestation, Checkpoint, JustifiedSlots, MAX_ATTESTATIONS_DATA, Rejection, RejectionReason,
    Slot, State,
};

use crate::justification::{Justifications, is_slot_justified, lies_on_chain, rebase};

/// Applies the votes of a block.
///
/// Votes that do not matter to this chain are skipped; too many distinct data, an aggregate without voters that would
/// count, and a voter outside the registry are rejections.
pub fn process_attestations(
    state: &mut State,
    attestations: &[AggregatedAttestation],
) -> Result<(), Rejection> {
    // Each distinct data costs a tally over the registry, so their number is what bounds the work.
    let distinct: HashSet<_> = attestations.iter().map(|attestation| attestation.data).collect();
    if distinct.len() > MAX_ATTESTATIONS_DATA {
        return Err(Rejection::new(
            RejectionReason::TooManyAttestationData,
            format!("{} distinct attestation data, at most {MAX_ATTESTATIONS_DATA}", distinct.len()),
        ));
    }

    let mut progress = Progress {
        justifications: Justifications::unpack(state)?,
        latest_justified: state.latest_justified,
        latest_finalized: state.latest_finalized,
        justified_slots: state.justified_slots.clone(),
    };
    for attestation in attestations {
        if progress.counts(state, attestation)? {
            progress.count(state, attestation)?;
        }
    }

    let Progress { justifications, latest_justified, latest_finalized, justified_slots } = progress;
    justifications.pack_into(state)?;
    state.justified_slots = justified_slots;
    state.latest_justified = latest_justified;
    state.latest_finalized = latest_finalized;
    Ok(())
}

/// What the votes change, kept apart from the state until all of them are counted.
struct Progress {
    justifications: Justifications,
    latest_justified: Checkpoint,
    latest_finalized: Checkpoint,
    justified_slots: JustifiedSlots,
}

impl Progress {
    /// Whether a vote can move this chain.
    fn counts(&self, state: &State, attestation: &AggregatedAttestation) -> Result<bool, Rejection> {
        let (source, target) = (attestation.data.source, attestation.data.target);
        let finalized_slot = self.latest_finalized.slot;

        // The source must be justified already, and the target not yet. Both roots must be this chain's. The target
        // comes strictly later, at a distance from the finalized slot that 3SF-mini allows.
        Ok(is_slot_justified(&self.justified_slots, finalized_slot, source.slot)?
            && !is_slot_justified(&self.justified_slots, finalized_slot, target.slot)?
            && lies_on_chain(&attestation.data, &state.historical_block_hashes)
            && target.slot > source.slot
            && target.slot.is_justifiable_after(finalized_slot))
    }

    /// Counts a vote; two thirds justify its target, and may finalize its source.
    fn count(&mut self, state: &State, attestation: &AggregatedAttestation) -> Result<(), Rejection> {
        let (source, target) = (attestation.data.source, attestation.data.target);
        let voters = &attestation.aggregation_bits;
        let validator_count = state.validators.len();

        match voters.highest_set_bit() {
            None => {
                return Err(Rejection::new(
                    RejectionReason::EmptyAggregationBits,
                    "an aggregate names no voter",
                ));
            }
            Some(highest) if highest >= validator_count => {
                return Err(Rejection::new(
                    RejectionReason::ValidatorIndexOutOfRange,
                    format!("voter {highest} of {validator_count}"),
                ));
            }
            Some(_) => {}
        }
        let count = self.justifications.mark(target.root, voters);
        if 3 * count < 2 * validator_count {
            return Ok(());
        }

        // Targets of one block may resolve out of order; an earlier one must not drag the checkpoint back.
        if target.slot > self.latest_justified.slot {
            self.latest_justified = target;
        }
        let finalized_slot = self.latest_finalized.slot;
        let justified_index = target.slot.justified_index_after(finalized_slot);
        if let Some(index) = justified_index {
            self.justified_slots.set(index, true).map_err(|error| {
                Rejection::new(
                    RejectionReason::JustifiedSlotOutOfRange,
                    format!("slot {}: {error:?}", target.slot),
                )
            })?;
        }
        self.justifications.remove(&target.root);

        // The source is final once no slot between it and the target could be justified.
        let justifiable_between =
            || (source.slot.0 + 1..target.slot.0).any(|slot| Slot(slot).is_justifiable_after(finalized_slot));
        if source.slot > finalized_slot && !justifiable_between() {
            self.finalize(state, source)?;
        }
        Ok(())
    }

    /// Rebases the tracking on the new finalized slot.
    fn finalize(&mut self, state: &State, source: Checkpoint) -> Result<(), Rejection> {
        let delta = source.slot.0 - self.latest_finalized.slot.0;
        self.latest_finalized = source;
        self.justified_slots = rebase(&self.justified_slots, usize::try_from(delta).unwrap_or(usize::MAX))?;
        self.justifications.retain_after(
            source.slot,
            &state.historical_block_hashes,
            state.latest_finalized.slot,
        )
    }
}
