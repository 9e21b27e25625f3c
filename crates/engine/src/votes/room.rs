//! The way of a vote: judged against the store, held while something is missing, checked by a worker, counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_forkchoice::ValidatorSet;
use lathe_types::{
    AttestationData, KeyRole, PublicKey, RejectionReason, Root, SignedAggregatedAttestation,
    SignedAttestation, Slot, State, TreeHash,
};

use super::batch::VoteBatch;
use super::held::{Awaited, HeldVotes};
use super::seen::{SeenVotes, VOTE_HORIZON_SLOTS};
use super::vote::{PendingAggregate, PendingVote, Vote};
use crate::core::{Core, JobKind};
use crate::io::{Effect, Event, GossipVerdict, JobId, Millis, ObjectKind, SignatureCheck, VerifyRequest};
use crate::observer::Step;

/// Open checks of votes and aggregates. Each batch holds at most 64 votes of 2.5 KiB, each aggregate at most 512 KiB,
/// so this bounds what waits for workers at 32 MiB in the worst case; beyond it votes are ignored, not queued.
const MAX_OPEN_CHECKS: usize = 64;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Nothing,
    Votes,
    Aggregate,
}

enum Check {
    Votes(Vec<PendingVote>),
    Aggregate(PendingAggregate),
}

/// Votes on their way into the store.
#[derive(Default)]
pub(crate) struct Votes {
    batch: VoteBatch,
    checks: BTreeMap<JobId, Check>,
    held: HeldVotes,
    seen: SeenVotes,
    /// Who has voted in which slot, by the checks that came back last.
    heard: Vec<(Slot, ValidatorSet)>,
}

impl Votes {
    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        self.batch.next_timeout()
    }

    /// Votes and aggregates that wait for a block or for the clock.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes in a vote or an aggregate; called again when what it waited for is there.
    pub(crate) fn consider(&mut self, core: &mut Core, vote: Vote) {
        if let Vote::Aggregate(PendingAggregate { aggregate, origin }) = &vote
            && core.is_foreign(ObjectKind::Aggregate, &aggregate.proof.proof)
        {
            return core.settle(*origin, GossipVerdict::Ignore);
        }
        let judgement = core.timed(Step::AttestationValidation, |core| self.judge(core, &vote));
        match judgement {
            Judgement::Verify(keys) => self.verify(core, vote, keys),
            Judgement::Hold(awaited) => self.held.insert(core.now, awaited, vote),
            Judgement::Ignore => core.settle(vote.origin(), GossipVerdict::Ignore),
            Judgement::Ignored(reason) => {
                core.rejected(vote.kind(), reason);
                core.settle(vote.origin(), GossipVerdict::Ignore);
            }
            Judgement::Reject(reason) => {
                core.rejected(vote.kind(), reason);
                core.settle(vote.origin(), GossipVerdict::Reject);
            }
        }
    }

    fn judge(&self, core: &Core, vote: &Vote) -> Judgement {
        let data = vote.data();
        let checked = match vote {
            Vote::Single(vote) => {
                let voter = vote.attestation.validator_index;
                let too_old = data.slot.0.saturating_add(VOTE_HORIZON_SLOTS) < core.clock().0;
                if too_old || !self.seen.is_news(data.slot, voter, &data.tree_hash_root()) {
                    return Judgement::Ignore;
                }
                core.store.check_attestation(&vote.attestation).map(Keys::Single)
            }
            Vote::Aggregate(vote) => {
                // Voters who all stand in one pending proof of the same data count for nothing more.
                let voters = ValidatorSet::of(&vote.aggregate.proof.participants);
                if !voters.is_empty() && core.pending_covers(data, &voters) {
                    return Judgement::Ignore;
                }
                core.store.check_aggregated_attestation(&vote.aggregate).map(Keys::Registry)
            }
        };
        match checked {
            Ok(keys) => Judgement::Verify(keys),
            Err(rejection) => judge_rejection(core, data, rejection.reason),
        }
    }

    fn verify(&mut self, core: &mut Core, vote: Vote, keys: Keys) {
        if self.checks.len() >= MAX_OPEN_CHECKS {
            return core.settle(vote.origin(), GossipVerdict::Ignore);
        }
        match (vote, keys) {
            (Vote::Single(vote), Keys::Single(public_key)) => {
                let check = SignatureCheck {
                    public_key,
                    slot: vote.attestation.data.slot,
                    message: vote.attestation.data.tree_hash_root(),
                    signature: vote.attestation.signature.clone(),
                };
                self.batch.push(core.now, vote, check);
                self.close_batch(core);
            }
            (Vote::Aggregate(vote), Keys::Registry(state)) => {
                let request = VerifyRequest::Aggregate { aggregate: vote.aggregate.clone(), state };
                let job = core.open_job(JobKind::CheckAggregate);
                self.checks.insert(job, Check::Aggregate(vote));
                core.push(Effect::Verify { job, request });
            }
            (vote, _) => core.settle(vote.origin(), GossipVerdict::Ignore),
        }
    }

    /// Hands the batch to a worker once it is full or old enough.
    pub(crate) fn close_batch(&mut self, core: &mut Core) {
        if let Some((votes, checks)) = self.batch.take_if_closed(core.now) {
            let job = core.open_job(JobKind::CheckVotes);
            self.checks.insert(job, Check::Votes(votes));
            core.push(Effect::Verify { job, request: VerifyRequest::Attestations(checks) });
        }
    }

    /// A worker's verdicts on what was handed to it. A missing verdict counts as none.
    pub(crate) fn checked(&mut self, core: &mut Core, job: JobId, verdicts: &[bool]) -> Counted {
        match self.checks.remove(&job) {
            Some(Check::Votes(votes)) => self.votes_checked(core, votes, verdicts),
            Some(Check::Aggregate(vote)) => self.aggregate_checked(core, &vote, verdicts.first().copied()),
            None => Counted::Nothing,
        }
    }

    /// Who has voted in which slot, by the checks that came back since the last call.
    pub(crate) fn take_heard(&mut self) -> Vec<(Slot, ValidatorSet)> {
        std::mem::take(&mut self.heard)
    }

    fn votes_checked(&mut self, core: &mut Core, votes: Vec<PendingVote>, verdicts: &[bool]) -> Counted {
        let mut counted = Counted::Nothing;
        for (position, vote) in votes.into_iter().enumerate() {
            match verdicts.get(position) {
                Some(true) => {
                    let data = &vote.attestation.data;
                    let voter = vote.attestation.validator_index;
                    let message = data.tree_hash_root();
                    core.witness(|local| local == voter, KeyRole::Attestation, data.slot, message);
                    let mut voters = ValidatorSet::default();
                    voters.insert(voter);
                    self.heard.push((data.slot, voters));
                    self.count(core, &vote.attestation);
                    core.settle(vote.origin, GossipVerdict::Accept);
                    counted = Counted::Votes;
                }
                Some(false) => {
                    core.rejected(ObjectKind::Attestation, RejectionReason::InvalidSignature);
                    core.settle(vote.origin, GossipVerdict::Reject);
                }
                None => core.settle(vote.origin, GossipVerdict::Ignore),
            }
        }
        counted
    }

    fn aggregate_checked(
        &mut self,
        core: &mut Core,
        vote: &PendingAggregate,
        verifies: Option<bool>,
    ) -> Counted {
        let verdict = match verifies {
            Some(true) => {
                let SignedAggregatedAttestation { data, proof } = &*vote.aggregate;
                let voters = ValidatorSet::of(&proof.participants);
                let message = data.tree_hash_root();
                core.witness(|local| voters.contains(local), KeyRole::Attestation, data.slot, message);
                self.heard.push((data.slot, voters));
                count_aggregate(core, &vote.aggregate);
                GossipVerdict::Accept
            }
            Some(false) => {
                core.rejected(ObjectKind::Aggregate, RejectionReason::InvalidSignature);
                GossipVerdict::Reject
            }
            None => GossipVerdict::Ignore,
        };
        core.settle(vote.origin, verdict);
        if verifies == Some(true) { Counted::Aggregate } else { Counted::Nothing }
    }

    /// A vote whose signature verifies, or that we made: aggregators keep it, and proposers that prove votes
    /// themselves.
    pub(crate) fn count(&mut self, core: &mut Core, attestation: &SignedAttestation) {
        let data = &attestation.data;
        let validator = attestation.validator_index;
        if self.seen.insert(data.slot, validator, data.tree_hash_root()) {
            let kind = ObjectKind::Attestation;
            core.announce(Event::Equivocation { validator, slot: data.slot, kind });
        }
        if core.config.keeps_single_votes {
            let clock = core.clock();
            core.singles.keep(clock, attestation);
            core.view_is_stale();
        }
        if core.is_aggregator {
            // The store may have moved on while the signature was checked; then the vote is of no use any more.
            let signature = attestation.signature.clone();
            let _ = core.store.on_gossip_attestation(attestation.validator_index, data, signature, true);
            core.view_is_stale();
        }
    }

    /// Votes that waited for `block` are judged again.
    pub(crate) fn block_is_here(&mut self, core: &mut Core, block: &Root) {
        for vote in self.held.take_for_block(block) {
            self.consider(core, vote);
        }
    }

    /// Votes that waited for the clock are judged again.
    pub(crate) fn slot_has_begun(&mut self, core: &mut Core, slot: Slot) {
        for vote in self.held.take_for_slot(slot) {
            self.consider(core, vote);
        }
    }

    /// Forgets votes of slots that lie too far behind `clock`.
    pub(crate) fn prune(&mut self, clock: Slot) {
        self.seen.prune(clock);
    }

    /// Drops what has waited for a slot.
    pub(crate) fn expire(&mut self, now: Millis) {
        self.held.expire(now);
    }
}

/// An aggregate whose proof verifies.
fn count_aggregate(core: &mut Core, aggregate: &SignedAggregatedAttestation) {
    let _ = core.store.on_gossip_aggregated_attestation(aggregate);
    core.view_is_stale();
}

/// Tells what is wrong by itself from what is only unknown or early here.
fn judge_rejection(core: &Core, data: &AttestationData, reason: RejectionReason) -> Judgement {
    let unknown = match reason {
        RejectionReason::UnknownSourceBlock => data.source,
        RejectionReason::UnknownTargetBlock => data.target,
        RejectionReason::UnknownHeadBlock => data.head,
        RejectionReason::AttestationTooFarInFuture if data.slot.0 <= core.clock().0.saturating_add(1) => {
            return Judgement::Hold(Awaited::Slot(data.slot));
        }
        // Our clock or our view may be the one that is wrong.
        RejectionReason::AttestationTooFarInFuture | RejectionReason::HeadNotDescendantOfFinalized => {
            return Judgement::Ignored(reason);
        }
        _ => return Judgement::Reject(reason),
    };
    // Blocks that finality has overtaken are not coming any more.
    if unknown.slot <= core.finalized_slot() || unknown.slot.0 > core.clock().0.saturating_add(1) {
        return Judgement::Ignored(reason);
    }
    Judgement::Hold(Awaited::Block(unknown.root))
}

/// What a vote is verified with.
enum Keys {
    Single(PublicKey),
    Registry(Arc<State>),
}

enum Judgement {
    Verify(Keys),
    Hold(Awaited),
    Ignore,
    Ignored(RejectionReason),
    Reject(RejectionReason),
}
