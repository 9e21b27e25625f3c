//! Proofs for the block that is ours to propose next, made while there is time.
//!
//! ```text
//! slot S-1, as aggregates come          votes beyond what a block can carry one by one are proved
//! 200 ms before S is signed             too late: the block does without what is not there
//! ```
//! A block never waits for a proof. What is proved here is one more candidate when the block is prepared, and whoever
//! builds the block chooses. Proofs stay with the proposal: gossip and the pools carry the votes as they came.

use std::cmp::Reverse;
use std::sync::Arc;

use lathe_forkchoice::ValidatorSet;
use lathe_transition::pending_voters;
use lathe_types::{
    AttestationData, MILLISECONDS_PER_INTERVAL, SingleMessageAggregate, Slot, TreeHash, ValidatorIndex,
};

use crate::Engine;
use crate::io::{Effect, JobFailure, JobId, Millis, ProveRequest};
use crate::jobs::Job;
use crate::proposal::Candidates;

/// How long before its block is signed a proof has to be there: the time to prepare the block anew with it, twice over.
const PROOF_LEAD_MS: u64 = 200;
/// Without a block in the slot, the votes of the slots before are looked at from then on: interval 2. Until then its
/// block may still come, and carry them.
const BLOCK_GIVEN_UP_MS: u64 = 2 * MILLISECONDS_PER_INTERVAL;
/// Proofs that may be asked for on behalf of one block: one as the first aggregates come, one for what comes after
/// them, and as many again that are refused.
const MAX_ATTEMPTS: u32 = 4;

/// The proofs for one block.
#[derive(Default)]
pub(crate) struct Proving {
    slot: Slot,
    under_way: Option<JobId>,
    made: Vec<(AttestationData, Arc<SingleMessageAggregate>)>,
    /// Version of the store whose votes were last looked at.
    compared: Option<u64>,
    attempts: u32,
}

impl Proving {
    /// Adds what was proved for the block of `slot`; says how many candidates that makes.
    pub(crate) fn add_to(&self, slot: Slot, candidates: &mut Candidates) -> usize {
        let made = self.made.iter().filter(|_| self.slot == slot);
        let mut added = 0;
        for (data, proof) in made {
            if let Some((_, proofs)) = candidates.get_mut(&data.tree_hash_root()) {
                proofs.push(proof.clone());
                added += 1;
            }
        }
        added
    }

    fn covered(&self, data: &AttestationData) -> ValidatorSet {
        ValidatorSet::covered_by(self.made.iter().filter(|(made, _)| made == data).map(|(_, proof)| proof))
    }
}

impl Engine {
    /// Asks for a proof when the next block is ours and its votes are too many to be carried one by one.
    pub(crate) fn drive_proving(&mut self) {
        let Some(prove_beyond) = self.config.prove_beyond else { return };
        let slot = Slot(self.clock().0 + 1);
        let lead = self.proposing.sign_lead_ms(&self.config) + PROOF_LEAD_MS;
        let deadline = Millis::of_slot(slot).minus(lead);
        let version = Some(self.store_version);
        let may_carry_them = self.store.head().slot < self.clock()
            && self.now < Millis::of_slot(self.clock()).plus(BLOCK_GIVEN_UP_MS);
        if self.gate.is_closed() || may_carry_them || self.now >= deadline || !self.proposes(slot) {
            return;
        }
        if self.proving.slot != slot {
            self.proving = Proving { slot, ..Proving::default() };
        }
        let proving = &mut self.proving;
        if proving.under_way.is_some() || proving.attempts >= MAX_ATTEMPTS || proving.compared == version {
            return;
        }
        proving.compared = version;
        let votes = self.votes_to_prove();
        if votes.iter().map(|(_, _, voters)| voters.len()).sum::<usize>() > prove_beyond {
            self.proving.attempts += 1;
            self.prove(votes, deadline);
        }
    }

    /// The validator of ours that is to propose a block for `slot`, if it is one of ours.
    pub(crate) fn local_proposer(&self, slot: Slot) -> Option<ValidatorIndex> {
        let registered = self.store.head_state().validators.len() as u64;
        ValidatorIndex::proposer_for_slot(slot, registered)
            .filter(|proposer| self.config.local_validators.contains(proposer))
    }

    fn proposes(&self, slot: Slot) -> bool {
        self.local_proposer(slot).is_some()
    }

    /// Votes that neither the chain has counted nor a proof of ours covers; the newest first, then those of the most
    /// voters.
    fn votes_to_prove(&self) -> Vec<(AttestationData, Vec<Arc<SingleMessageAggregate>>, ValidatorSet)> {
        let state = self.store.head_state();
        let mut votes: Vec<_> = self
            .candidates()
            .into_values()
            .map(|(data, proofs)| {
                let mut voters = ValidatorSet::covered_by(&proofs);
                voters.subtract(&pending_voters(state, &data.target.root).into_iter().collect());
                voters.subtract(&self.proving.covered(&data));
                (data, proofs, voters)
            })
            .filter(|(.., voters)| !voters.is_empty())
            .collect();
        votes.sort_by_key(|(data, _, voters)| (Reverse(data.slot), Reverse(voters.len())));
        votes
    }

    fn prove(
        &mut self,
        votes: Vec<(AttestationData, Vec<Arc<SingleMessageAggregate>>, ValidatorSet)>,
        deadline: Millis,
    ) {
        let clock = self.clock();
        let mut voted = ValidatorSet::default();
        votes.iter().filter(|(data, ..)| data.slot == clock).for_each(|(.., voters)| voted.extend(voters));
        self.proving.made.iter().filter(|(data, _)| data.slot == clock).for_each(|(_, proof)| {
            voted.extend(&ValidatorSet::of(&proof.participants));
        });
        let state = self.store.head_state().clone();
        let request = ProveRequest {
            expected: state.validators.len().saturating_sub(voted.len()),
            state,
            votes: votes.into_iter().map(|(data, proofs, _)| (data, proofs)).collect(),
        };
        let job = self.jobs.open(Job::Prove { slot: self.proving.slot });
        self.proving.under_way = Some(job);
        self.push(Effect::Prove { job, request: Arc::new(request), deadline });
    }

    /// A worker's answer to a request for a proof. One that comes for a block that is no longer waited for is dropped.
    pub(crate) fn proved(
        &mut self,
        job: JobId,
        slot: Slot,
        answer: Result<Vec<(AttestationData, SingleMessageAggregate)>, JobFailure>,
    ) {
        if self.proving.under_way.take_if(|under_way| *under_way == job).is_none() {
            return;
        }
        match answer {
            Ok(proofs) => {
                self.proving.made.extend(proofs.into_iter().map(|(data, proof)| (data, Arc::new(proof))));
                self.proving.compared = None;
                self.reconsider_proposal(slot);
            }
            // With more votes another proof may be worth its time.
            Err(JobFailure::Refused) => {}
            Err(_) => self.proving.attempts = MAX_ATTEMPTS,
        }
    }
}
