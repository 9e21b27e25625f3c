//! Votes and aggregates from outside: checked against the store, verified on workers, then counted and relayed.

mod batch;
mod held;
mod seen;

use std::sync::Arc;

use lathe_forkchoice::ValidatorSet;
use lathe_types::{
    AttestationData, PublicKey, RejectionReason, Root, SignedAggregatedAttestation, SignedAttestation, Slot,
    State, TreeHash,
};

use crate::Engine;
use crate::event::ObjectKind;
use crate::io::{Effect, GossipVerdict, Millis, Origin, SignatureCheck, VerifyRequest};
use crate::jobs::Job;
use crate::observer::Step;
use batch::Batch;
use held::{Awaited, HeldVotes};
use seen::{SeenVotes, VOTE_HORIZON_SLOTS};

/// A single vote under way.
#[derive(Clone, Debug)]
pub(crate) struct PendingVote {
    pub(crate) attestation: SignedAttestation,
    pub(crate) origin: Origin,
}

/// An aggregate under way.
#[derive(Clone, Debug)]
pub(crate) struct PendingAggregate {
    pub(crate) aggregate: Arc<SignedAggregatedAttestation>,
    pub(crate) origin: Origin,
}

/// Either.
#[derive(Clone, Debug)]
pub(crate) enum Vote {
    Single(PendingVote),
    Aggregate(PendingAggregate),
}

impl Vote {
    fn data(&self) -> &AttestationData {
        match self {
            Self::Single(vote) => &vote.attestation.data,
            Self::Aggregate(vote) => &vote.aggregate.data,
        }
    }

    fn origin(&self) -> Origin {
        match self {
            Self::Single(vote) => vote.origin,
            Self::Aggregate(vote) => vote.origin,
        }
    }

    fn kind(&self) -> ObjectKind {
        match self {
            Self::Single(_) => ObjectKind::Attestation,
            Self::Aggregate(_) => ObjectKind::Aggregate,
        }
    }

    /// What it occupies, near enough.
    fn bytes(&self) -> usize {
        256 + match self {
            Self::Single(vote) => vote.attestation.signature.as_bytes().len(),
            Self::Aggregate(vote) => vote.aggregate.proof.proof.len() + 512,
        }
    }
}

/// Votes on their way into the store.
#[derive(Default)]
pub(crate) struct Votes {
    batch: Batch,
    pub(crate) held: HeldVotes,
    pub(crate) seen: SeenVotes,
}

impl Votes {
    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        self.batch.next_timeout()
    }
}

impl Engine {
    /// Takes in a vote or an aggregate; called again when what it waited for is there.
    pub(crate) fn on_vote(&mut self, vote: Vote) {
        let verdict = self.timed(Step::AttestationValidation, |engine| engine.judge_vote(&vote));
        match verdict {
            Judgement::Verify(keys) => self.verify_vote(vote, keys),
            Judgement::Hold(awaited) => self.votes.held.insert(self.now, awaited, vote),
            Judgement::Ignore => self.settle(vote.origin(), GossipVerdict::Ignore),
            Judgement::Ignored(reason) => {
                self.rejected(vote.kind(), reason);
                self.settle(vote.origin(), GossipVerdict::Ignore);
            }
            Judgement::Reject(reason) => {
                self.rejected(vote.kind(), reason);
                self.settle(vote.origin(), GossipVerdict::Reject);
            }
        }
    }

    fn judge_vote(&self, vote: &Vote) -> Judgement {
        let data = vote.data();
        let checked = match vote {
            Vote::Single(vote) => {
                let voter = vote.attestation.validator_index;
                let too_old = data.slot.0.saturating_add(VOTE_HORIZON_SLOTS) < self.clock().0;
                if too_old || !self.votes.seen.is_news(data.slot, voter, &data.tree_hash_root()) {
                    return Judgement::Ignore;
                }
                self.store.check_attestation(&vote.attestation).map(Keys::Single)
            }
            Vote::Aggregate(vote) => {
                // Voters who all stand in one pending proof of the same data count for nothing more.
                let voters = ValidatorSet::of(&vote.aggregate.proof.participants);
                if !voters.is_empty() && self.pending_covers(data, &voters) {
                    return Judgement::Ignore;
                }
                self.store.check_aggregated_attestation(&vote.aggregate).map(Keys::Registry)
            }
        };
        match checked {
            Ok(keys) => Judgement::Verify(keys),
            Err(rejection) => self.judge_rejection(data, rejection.reason),
        }
    }

    /// Tells what is wrong by itself from what is only unknown or early here.
    fn judge_rejection(&self, data: &AttestationData, reason: RejectionReason) -> Judgement {
        let finalized = self.store.latest_finalized().slot;
        let unknown = match reason {
            RejectionReason::UnknownSourceBlock => data.source,
            RejectionReason::UnknownTargetBlock => data.target,
            RejectionReason::UnknownHeadBlock => data.head,
            RejectionReason::AttestationTooFarInFuture if data.slot.0 <= self.clock().0.saturating_add(1) => {
                return Judgement::Hold(Awaited::Slot(data.slot));
            }
            // Our clock or our view may be the one that is wrong.
            RejectionReason::AttestationTooFarInFuture | RejectionReason::HeadNotDescendantOfFinalized => {
                return Judgement::Ignored(reason);
            }
            _ => return Judgement::Reject(reason),
        };
        // Blocks that finality has overtaken are not coming any more.
        if unknown.slot <= finalized || unknown.slot.0 > self.clock().0.saturating_add(1) {
            return Judgement::Ignored(reason);
        }
        Judgement::Hold(Awaited::Block(unknown.root))
    }

    fn verify_vote(&mut self, vote: Vote, keys: Keys) {
        if !self.jobs.may_check_votes() {
            return self.settle(vote.origin(), GossipVerdict::Ignore);
        }
        match (vote, keys) {
            (Vote::Single(vote), Keys::Single(public_key)) => {
                let check = SignatureCheck {
                    public_key,
                    slot: vote.attestation.data.slot,
                    message: vote.attestation.data.tree_hash_root(),
                    signature: vote.attestation.signature.clone(),
                };
                self.votes.batch.push(self.now, vote, check);
                self.close_vote_batch();
            }
            (Vote::Aggregate(vote), Keys::Registry(state)) => {
                let request = VerifyRequest::Aggregate { aggregate: vote.aggregate.clone(), state };
                let job = self.jobs.open(Job::CheckAggregate(vote));
                self.push(Effect::Verify { job, request });
            }
            (vote, _) => self.settle(vote.origin(), GossipVerdict::Ignore),
        }
    }

    /// Hands the batch to a worker once it is full or old enough.
    pub(crate) fn close_vote_batch(&mut self) {
        if let Some((votes, checks)) = self.votes.batch.take_if_closed(self.now) {
            let job = self.jobs.open(Job::CheckVotes(votes));
            self.push(Effect::Verify { job, request: VerifyRequest::Attestations(checks) });
        }
    }

    /// Verdicts on a batch of single votes. A missing verdict counts as none.
    pub(crate) fn votes_checked(&mut self, votes: Vec<PendingVote>, verdicts: &[bool]) {
        for (position, vote) in votes.into_iter().enumerate() {
            match verdicts.get(position) {
                Some(true) => self.count_vote(&vote.attestation, Some(vote.origin)),
                Some(false) => {
                    self.rejected(ObjectKind::Attestation, RejectionReason::InvalidSignature);
                    self.settle(vote.origin, GossipVerdict::Reject);
                }
                None => self.settle(vote.origin, GossipVerdict::Ignore),
            }
        }
        self.aggregate_if_complete();
    }

    /// Verdict on an aggregate.
    pub(crate) fn aggregate_checked(&mut self, vote: &PendingAggregate, verifies: Option<bool>) {
        let verdict = match verifies {
            Some(true) => {
                self.count_aggregate(&vote.aggregate);
                GossipVerdict::Accept
            }
            Some(false) => {
                self.rejected(ObjectKind::Aggregate, RejectionReason::InvalidSignature);
                GossipVerdict::Reject
            }
            None => GossipVerdict::Ignore,
        };
        self.settle(vote.origin, verdict);
    }

    /// A vote whose signature verifies: kept by aggregators, relayed by all.
    pub(crate) fn count_vote(&mut self, attestation: &SignedAttestation, origin: Option<Origin>) {
        let data = &attestation.data;
        self.votes.seen.insert(data.slot, attestation.validator_index, data.tree_hash_root());
        self.aggregation.vote_seen();
        if self.is_aggregator {
            // The store may have moved on while the signature was checked; then the vote is of no use any more.
            let signature = attestation.signature.clone();
            let _ = self.store.on_gossip_attestation(attestation.validator_index, data, signature, true);
            self.view_is_stale();
        }
        if let Some(origin) = origin {
            self.settle(origin, GossipVerdict::Accept);
        }
    }

    /// An aggregate whose proof verifies.
    pub(crate) fn count_aggregate(&mut self, aggregate: &SignedAggregatedAttestation) {
        self.aggregation.aggregate_seen(self.clock());
        let _ = self.store.on_gossip_aggregated_attestation(aggregate);
        self.view_is_stale();
    }

    /// Votes that waited for `block` are judged again.
    pub(crate) fn release_votes_for_block(&mut self, block: &Root) {
        for vote in self.votes.held.take_for_block(block) {
            self.on_vote(vote);
        }
    }

    /// Votes that waited for the clock are judged again.
    pub(crate) fn release_votes_for_slot(&mut self, slot: Slot) {
        for vote in self.votes.held.take_for_slot(slot) {
            self.on_vote(vote);
        }
    }
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
