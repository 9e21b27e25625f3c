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
use lathe_types::{AttestationData, MILLISECONDS_PER_INTERVAL, SingleMessageAggregate, Slot, TreeHash};

use super::candidates::{Candidates, candidates};
use crate::core::{Core, JobKind};
use crate::io::{Effect, JobFailure, JobId, Millis, ProveRequest};

/// How long before its block is signed a proof has to be there: the time to prepare the block anew with it, twice over.
const PROOF_LEAD_MS: u64 = 200;
/// Without a block in the slot, the votes of the slots before are looked at from then on: interval 2. Until then its
/// block may still come, and carry them.
const BLOCK_GIVEN_UP_MS: u64 = 2 * MILLISECONDS_PER_INTERVAL;
/// Proofs that may be asked for on behalf of one block: one as the first aggregates come, one for what comes after
/// them, and as many again that are refused.
const MAX_ATTEMPTS: u32 = 4;

/// Votes with the proofs at hand, and those of their voters who are not proved yet.
type VotesToProve = (AttestationData, Vec<Arc<SingleMessageAggregate>>, ValidatorSet);

/// The proofs for one block.
#[derive(Default)]
pub(super) struct Proving {
    slot: Slot,
    under_way: Option<JobId>,
    made: Vec<(AttestationData, Arc<SingleMessageAggregate>)>,
    /// Version of the store whose votes were last looked at.
    compared: Option<u64>,
    attempts: u32,
}

impl Proving {
    /// Adds what was proved for the block of `slot`; says how many candidates that makes.
    pub(super) fn add_to(&self, slot: Slot, candidates: &mut Candidates) -> usize {
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

    /// Asks for a proof when the next block is ours and its votes are too many to be carried one by one.
    pub(super) fn drive(&mut self, core: &mut Core, sign_lead_ms: u64) {
        let Some(prove_beyond) = core.config.prove_beyond else { return };
        let slot = Slot(core.clock().0 + 1);
        let deadline = Millis::of_slot(slot).minus(sign_lead_ms + PROOF_LEAD_MS);
        let version = Some(core.store_version);
        let may_carry_them = core.store.head().slot < core.clock()
            && core.now < Millis::of_slot(core.clock()).plus(BLOCK_GIVEN_UP_MS);
        let is_late = core.now >= deadline;
        if core.rests().is_some() || may_carry_them || is_late || core.local_proposer(slot).is_none() {
            return;
        }
        if self.slot != slot {
            *self = Self { slot, ..Self::default() };
        }
        if self.under_way.is_some() || self.attempts >= MAX_ATTEMPTS || self.compared == version {
            return;
        }
        self.compared = version;
        let votes = self.votes_to_prove(core);
        if votes.iter().map(|(_, _, voters)| voters.len()).sum::<usize>() > prove_beyond {
            self.attempts += 1;
            self.prove(core, votes, deadline);
        }
    }

    /// Votes that neither the chain has counted nor a proof of ours covers; the newest first, then those of the most
    /// voters.
    fn votes_to_prove(&self, core: &Core) -> Vec<VotesToProve> {
        let state = core.store.head_state();
        let mut votes: Vec<_> = candidates(&core.store)
            .into_values()
            .map(|(data, proofs)| {
                let mut voters = ValidatorSet::covered_by(&proofs);
                voters.subtract(&pending_voters(state, &data.target.root).into_iter().collect());
                voters.subtract(&self.covered(&data));
                (data, proofs, voters)
            })
            .filter(|(.., voters)| !voters.is_empty())
            .collect();
        votes.sort_by_key(|(data, _, voters)| (Reverse(data.slot), Reverse(voters.len())));
        votes
    }

    fn prove(&mut self, core: &mut Core, votes: Vec<VotesToProve>, deadline: Millis) {
        let clock = core.clock();
        let mut voted = ValidatorSet::default();
        votes.iter().filter(|(data, ..)| data.slot == clock).for_each(|(.., voters)| voted.extend(voters));
        self.made.iter().filter(|(data, _)| data.slot == clock).for_each(|(_, proof)| {
            voted.extend(&ValidatorSet::of(&proof.participants));
        });
        let state = core.store.head_state().clone();
        let request = ProveRequest {
            expected: state.validators.len().saturating_sub(voted.len()),
            state,
            votes: votes.into_iter().map(|(data, proofs, _)| (data, proofs)).collect(),
        };
        let job = core.open_job(JobKind::Prove);
        self.under_way = Some(job);
        core.push(Effect::Prove { job, request: Arc::new(request), deadline });
    }

    /// A worker's answer to a request for a proof. One that comes for a block that is no longer waited for is dropped.
    /// Says for which slot there is something new to build a block from.
    pub(super) fn proved(
        &mut self,
        job: JobId,
        answer: Result<Vec<(AttestationData, SingleMessageAggregate)>, JobFailure>,
    ) -> Option<Slot> {
        self.under_way.take_if(|under_way| *under_way == job)?;
        match answer {
            Ok(proofs) => {
                self.made.extend(proofs.into_iter().map(|(data, proof)| (data, Arc::new(proof))));
                self.compared = None;
                return Some(self.slot);
            }
            // With more votes another proof may be worth its time.
            Err(JobFailure::Refused) => {}
            Err(_) => self.attempts = MAX_ATTEMPTS,
        }
        None
    }
}
