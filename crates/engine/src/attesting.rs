//! The duty to vote: once per slot, all local validators at once.
//!
//! A vote is cast as soon as this slot's block is imported within interval 1, at once at the boundary if it is there
//! already, and without it 400 ms into the interval (leanSpec waits as long in steps of 50 ms). A tick that comes late
//! but within the slot still votes; a slot that is over is missed, and said to be.

use lathe_types::{
    AttestationData, MILLISECONDS_PER_INTERVAL, SignedAttestation, Slot, TreeHash, ValidatorIndex,
};

use crate::Engine;
use crate::event::{Duty, Event, MissReason};
use crate::io::{Effect, KeyRole, Millis, Publication, SignFailure, SignRequest};
use crate::jobs::Job;
use crate::observer::Step;

/// How long into interval 1 a vote waits for this slot's block.
pub(crate) const WAIT_FOR_BLOCK_MS: u64 = 400;

/// How long into its slot a vote waits for the execution client's word on the head: until aggregators start.
const WAIT_FOR_VERDICT_MS: u64 = 2 * MILLISECONDS_PER_INTERVAL;

/// The vote that is due.
#[derive(Default)]
pub(crate) struct Attesting {
    waiting: Option<Waiting>,
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
}

fn latest_moment(slot: Slot) -> Millis {
    Millis::of_slot(slot).plus(MILLISECONDS_PER_INTERVAL + WAIT_FOR_BLOCK_MS)
}

fn latest_verdict(slot: Slot) -> Millis {
    Millis::of_slot(slot).plus(WAIT_FOR_VERDICT_MS)
}

impl Engine {
    /// Interval 1 of `slot` has begun.
    pub(crate) fn begin_attesting(&mut self, slot: Slot) {
        if !self.config.local_validators.is_empty() {
            self.attesting.waiting = Some(Waiting { slot, until: latest_moment(slot) });
        }
    }

    /// Votes if it is time to.
    pub(crate) fn attest_if_due(&mut self) {
        let Some(Waiting { slot, .. }) = self.attesting.waiting else {
            return;
        };
        if slot < self.clock() {
            self.attesting.waiting = None;
            self.attestations_missed(slot, MissReason::OutOfTime);
        } else if self.newest_block >= slot || self.now >= latest_moment(slot) {
            self.attesting.waiting = None;
            self.attest(slot);
        }
    }

    /// A head that the execution client has not validated is not voted for: the vote waits for its word, but not for
    /// ever.
    fn await_verdict(&mut self, slot: Slot) {
        let until = latest_verdict(slot);
        if self.now < until {
            self.attesting.waiting = Some(Waiting { slot, until });
        } else {
            self.attestations_missed(slot, MissReason::OptimisticHead);
        }
    }

    fn attest(&mut self, slot: Slot) {
        if self.gate.is_closed() {
            return self.attestations_missed(slot, MissReason::NotSynced);
        }
        let before = self.snapshot();
        self.store.update_head();
        self.store_changed(&before, Vec::new());
        if !self.store.head_is_valid() {
            return self.await_verdict(slot);
        }
        let data =
            self.timed(Step::AttestationProduction, |engine| engine.store.produce_attestation_data(slot));
        let validators = self.config.local_validators.clone();
        let message = data.tree_hash_root();
        let request = |validator: &ValidatorIndex| SignRequest {
            validator: *validator,
            role: KeyRole::Attestation,
            slot,
            message,
        };
        let requests = validators.iter().map(request).collect();
        let job = self.jobs.open(Job::SignVotes { data, validators });
        self.push(Effect::Sign { job, requests });
    }

    /// The signer's answer: what is signed goes out, and counts here too, because gossip does not echo.
    pub(crate) fn votes_signed(
        &mut self,
        data: AttestationData,
        validators: &[ValidatorIndex],
        signatures: Vec<Result<lathe_types::Signature, SignFailure>>,
    ) {
        let mut signatures = signatures.into_iter();
        for &validator_index in validators {
            match signatures.next().unwrap_or(Err(SignFailure::Overloaded)) {
                Ok(signature) => {
                    let attestation = SignedAttestation { validator_index, data, signature };
                    let subnet = validator_index.subnet(self.config.committee_count);
                    let message = Publication::Attestation { attestation: attestation.clone(), subnet };
                    self.push(Effect::Publish { message, after: None });
                    self.announce(Event::Attested { validator: validator_index, slot: data.slot });
                    self.count_vote(&attestation, None);
                }
                Err(failure) => {
                    self.missed(
                        Duty::Attestation,
                        Some(validator_index),
                        data.slot,
                        MissReason::Signer(failure),
                    );
                }
            }
        }
        self.aggregate_if_complete();
    }

    /// The signer owes an answer for a vote of the slot before last: the duty is missed, whatever it will say.
    pub(crate) fn give_up_stale_votes(&mut self, slot: Slot) {
        for (stale, validators) in self.jobs.close_stale_votes(Slot(slot.0.saturating_sub(1))) {
            for validator in validators {
                self.missed(Duty::Attestation, Some(validator), stale, MissReason::OutOfTime);
            }
        }
    }

    pub(crate) fn attestations_missed(&mut self, slot: Slot, reason: MissReason) {
        for validator in self.config.local_validators.clone() {
            self.missed(Duty::Attestation, Some(validator), slot, reason);
        }
    }
}
