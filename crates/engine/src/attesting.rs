//! The duty to vote: once per slot, all local validators at once.
//!
//! A vote is cast as soon as this slot's block is imported within interval 1, at once at the boundary if it is there
//! already, and without it 400 ms into the interval (leanSpec waits as long in steps of 50 ms). A tick that comes late
//! but within the slot still votes; a slot that is over is missed, and said to be.

use std::collections::BTreeMap;

use lathe_types::{
    AttestationData, MILLISECONDS_PER_INTERVAL, Signature, SignedAttestation, Slot, TreeHash, ValidatorIndex,
};

use crate::core::{Core, JobKind};
use crate::io::{
    Duty, Effect, Event, JobId, KeyRole, Millis, MissReason, Publication, SignFailure, SignRequest,
};
use crate::observer::Step;

/// How long into interval 1 a vote waits for this slot's block.
pub(crate) const WAIT_FOR_BLOCK_MS: u64 = 400;

/// How long into its slot a vote waits for the execution client's word on the head: until aggregators start.
const WAIT_FOR_VERDICT_MS: u64 = 2 * MILLISECONDS_PER_INTERVAL;

/// The votes that are due.
#[derive(Default)]
pub(crate) struct Attesting {
    waiting: Option<Waiting>,
    /// Votes that the signer has.
    signing: BTreeMap<JobId, (AttestationData, Vec<ValidatorIndex>)>,
}

/// A vote that waits for its block, and then, on an execution-paired chain, for the verdict on the head's payload.
#[derive(Clone, Copy)]
struct Waiting {
    slot: Slot,
    until: Millis,
}

impl Attesting {
    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        self.waiting.map(|waiting| waiting.until)
    }

    /// The interval to vote in has begun in `slot`.
    pub(crate) fn begin(&mut self, core: &Core, slot: Slot) {
        if !core.config.local_validators.is_empty() {
            self.waiting = Some(Waiting { slot, until: latest_moment(slot) });
        }
    }

    /// The clock was set back: a vote of a slot that lies ahead again is not due.
    pub(crate) fn clock_corrected(&mut self, clock: Slot) {
        self.waiting = self.waiting.filter(|waiting| waiting.slot <= clock);
    }

    /// Votes if it is time to.
    pub(crate) fn vote_if_due(&mut self, core: &mut Core) {
        let Some(Waiting { slot, .. }) = self.waiting else {
            return;
        };
        if slot < core.clock() {
            self.waiting = None;
            missed_by_all(core, slot, MissReason::OutOfTime);
        } else if core.newest_block >= slot || core.now >= latest_moment(slot) {
            self.waiting = None;
            self.vote(core, slot);
        }
    }

    /// A head that the execution client has not validated is not voted for: the vote waits for its word, but not for
    /// ever.
    fn await_verdict(&mut self, core: &mut Core, slot: Slot) {
        let until = latest_verdict(slot);
        if core.now < until {
            self.waiting = Some(Waiting { slot, until });
        } else {
            missed_by_all(core, slot, MissReason::OptimisticHead);
        }
    }

    fn vote(&mut self, core: &mut Core, slot: Slot) {
        if let Some(reason) = core.rests() {
            return missed_by_all(core, slot, reason);
        }
        let before = core.snapshot();
        core.store.update_head();
        core.store_changed(&before, Vec::new());
        if !core.store.head_is_valid() {
            return self.await_verdict(core, slot);
        }
        let data = core.timed(Step::AttestationProduction, |core| core.store.produce_attestation_data(slot));
        let Some(data) = data else { return missed_by_all(core, slot, MissReason::HeadMoved) };
        let validators = core.config.local_validators.clone();
        let message = data.tree_hash_root();
        let request = |validator: &ValidatorIndex| SignRequest {
            validator: *validator,
            role: KeyRole::Attestation,
            slot,
            message,
        };
        let requests = validators.iter().map(request).collect();
        let job = core.open_job(JobKind::SignVotes);
        self.signing.insert(job, (data, validators));
        core.push(Effect::Sign { job, requests });
    }

    /// The signer's answer: what is signed goes out, and is to be counted here too, because gossip does not echo.
    pub(crate) fn signed(
        &mut self,
        core: &mut Core,
        job: JobId,
        signatures: Vec<Result<Signature, SignFailure>>,
    ) -> Vec<SignedAttestation> {
        let Some((data, validators)) = self.signing.remove(&job) else { return Vec::new() };
        let mut signatures = signatures.into_iter();
        let message = data.tree_hash_root();
        let mut ours = Vec::new();
        for validator_index in validators {
            match signatures.next().unwrap_or(Err(SignFailure::Overloaded)) {
                Ok(signature) => {
                    core.signed_here(validator_index, KeyRole::Attestation, data.slot, message);
                    let attestation = SignedAttestation { validator_index, data, signature };
                    let subnet = validator_index.subnet(core.config.committee_count);
                    let message = Publication::Attestation { attestation: attestation.clone(), subnet };
                    core.push(Effect::Publish { message });
                    core.announce(Event::Attested { validator: validator_index, slot: data.slot });
                    ours.push(attestation);
                }
                Err(failure) => {
                    let reason = MissReason::Signer(failure);
                    core.missed(Duty::Attestation, Some(validator_index), data.slot, reason);
                }
            }
        }
        ours
    }

    /// The signer owes an answer for a vote of the slot before last: the duty is missed, whatever it will say.
    pub(crate) fn give_up_before(&mut self, core: &mut Core, slot: Slot) {
        let oldest = Slot(slot.0.saturating_sub(1));
        let stale = self.signing.extract_if(.., |_, (data, _)| data.slot < oldest);
        for (job, (data, validators)) in stale.collect::<Vec<_>>() {
            core.close_job(job);
            for validator in validators {
                core.missed(Duty::Attestation, Some(validator), data.slot, MissReason::OutOfTime);
            }
        }
    }
}

/// No validator of ours voted in `slot`.
pub(crate) fn missed_by_all(core: &mut Core, slot: Slot, reason: MissReason) {
    for validator in core.config.local_validators.clone() {
        core.missed(Duty::Attestation, Some(validator), slot, reason);
    }
}

fn latest_moment(slot: Slot) -> Millis {
    Millis::of_slot(slot).plus(MILLISECONDS_PER_INTERVAL + WAIT_FOR_BLOCK_MS)
}

fn latest_verdict(slot: Slot) -> Millis {
    Millis::of_slot(slot).plus(WAIT_FOR_VERDICT_MS)
}
