//! The aggregator's duty: fold single votes into proofs, and see to it that block-carried votes count again.
//!
//! Aggregation starts at interval 2, or as soon as every vote that this node can expect has come. Votes that come
//! later are folded in further rounds: one in time for the safe target at interval 3, one for the promotion at
//! interval 4.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_forkchoice::{AggregationJob, ValidatorSet};
use lathe_types::{
    AttestationData, MILLISECONDS_PER_INTERVAL, Root, SignedAggregatedAttestation, SignedBlock,
    SingleMessageAggregate, Slot, SubnetId, TreeHash, ValidatorIndex,
};

use crate::Engine;
use crate::event::{Duty, Event, MissReason};
use crate::io::{AggregateRequest, Effect, JobFailure, JobId, Millis, Publication};
use crate::jobs::Job;
use crate::observer::Step;

/// When late votes are folded, in milliseconds into the slot: 200 ms before the safe target is taken, and before the
/// votes are promoted. Proof and propagation must fit in between.
const LATE_ROUNDS_MS: [u64; 2] = [3 * MILLISECONDS_PER_INTERVAL - 200, 4 * MILLISECONDS_PER_INTERVAL - 200];
/// Proofs under way at a time: the current slot's data comes first, and more forks than this are not worth the CPU.
const MAX_OPEN_AGGREGATIONS: usize = 8;
/// Slots with votes but without any aggregate after which the operator is told, and told again.
const SLOTS_WITHOUT_AGGREGATOR: u64 = 4;

/// A proof under way.
struct OpenProof {
    data_root: Root,
    /// Everybody whom it will cover.
    participants: ValidatorSet,
    /// Those of them whose single votes go into it.
    singles: ValidatorSet,
}

/// What the aggregator is at.
#[derive(Default)]
pub(crate) struct Aggregation {
    open: BTreeMap<JobId, OpenProof>,
    /// Slot of the last aggregation round, and the late rounds that it had.
    round: Option<(Slot, usize)>,
    /// Slot in which an aggregate was last seen, of anybody.
    last_aggregate: Option<Slot>,
    votes_since: bool,
}

impl Aggregation {
    pub(crate) fn vote_seen(&mut self) {
        self.votes_since = true;
    }

    pub(crate) fn aggregate_seen(&mut self, clock: Slot) {
        self.last_aggregate = Some(clock);
        self.votes_since = false;
    }

    /// When the next late round is due.
    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        let (slot, done) = self.round?;
        LATE_ROUNDS_MS.get(done).map(|millis| Millis::of_slot(slot).plus(*millis))
    }

    fn is_under_way(&self, job: &AggregationJob) -> bool {
        let participants = job.participants();
        let covers = |open: &OpenProof| {
            open.data_root == job.data_root && participants.is_subset_of(&open.participants)
        };
        self.open.values().any(covers)
    }
}

impl Engine {
    /// Interval 2 of `slot` has begun.
    pub(crate) fn begin_aggregating(&mut self, slot: Slot) {
        if !self.is_aggregator {
            return;
        }
        if self.gate.is_closed() {
            return self.missed(Duty::Aggregation, None, slot, MissReason::NotSynced);
        }
        if self.aggregation.round.is_none_or(|(done, _)| done < slot) {
            self.begin_round(slot);
        }
    }

    /// Starts early once nobody is left to wait for.
    pub(crate) fn aggregate_if_complete(&mut self) {
        let slot = self.clock();
        let begun = self.aggregation.round.is_some_and(|(done, _)| done >= slot);
        if begun || !self.is_aggregator || self.gate.is_closed() {
            return;
        }
        let expected = self.expected_voters();
        if !expected.is_empty() && expected.is_subset_of(&self.store.signers_at(slot)) {
            self.begin_round(slot);
        }
    }

    fn begin_round(&mut self, slot: Slot) {
        self.aggregation.round = Some((slot, 0));
        self.report_aggregation(slot);
        self.aggregate();
    }

    /// Late votes of the current slot are folded when it is time to.
    pub(crate) fn aggregate_late_votes(&mut self) {
        while let Some((slot, done)) = self.aggregation.round
            && self.aggregation.next_timeout().is_some_and(|at| self.now >= at)
        {
            self.aggregation.round = Some((slot, done + 1));
            if slot == self.clock() && self.is_aggregator && !self.gate.is_closed() {
                self.aggregate();
            }
        }
    }

    /// Validators on the subnets that reach this node. Without any subnet, an aggregator serves subnet 0.
    fn expected_voters(&self) -> ValidatorSet {
        let registered = self.store.head_state().validators.len() as u64;
        let ours = |validator: &ValidatorIndex| {
            let subnet = validator.subnet(self.config.committee_count);
            let listed = &self.config.subnets;
            listed.contains(&subnet)
                || listed.is_empty() && subnet == SubnetId(0)
                || self.config.local_validators.contains(validator)
        };
        (0..registered).map(ValidatorIndex).filter(ours).collect()
    }

    fn aggregate(&mut self) {
        let capacity = self.config.aggregate_capacity;
        let plan = self.timed(Step::AggregationSelection, |engine| engine.store.plan_aggregation(capacity));
        let deadline = Millis::of_slot(self.clock()).plus(4 * MILLISECONDS_PER_INTERVAL);
        for job in plan {
            if self.aggregation.open.len() >= MAX_OPEN_AGGREGATIONS {
                break;
            }
            if self.aggregation.is_under_way(&job) {
                continue;
            }
            let id = self.jobs.open(Job::Aggregate { data: job.data });
            let (data_root, participants) = (job.data_root, job.participants());
            let singles = job.signatures.iter().map(|(validator, _)| *validator).collect();
            self.aggregation.open.insert(id, OpenProof { data_root, participants, singles });
            let AggregationJob { data, state, children, signatures, .. } = job;
            let request = AggregateRequest { data, state, children, signatures };
            self.push(Effect::Aggregate { job: id, request, deadline });
        }
    }

    /// A worker's answer to an aggregation.
    pub(crate) fn aggregated(
        &mut self,
        job: JobId,
        data: AttestationData,
        answer: Result<SingleMessageAggregate, JobFailure>,
    ) {
        let open = self.aggregation.open.remove(&job);
        match answer {
            Ok(proof) => {
                if let Some(OpenProof { data_root, singles, .. }) = open {
                    self.coverage.folded(data.slot, data_root, &singles);
                }
                self.store.apply_aggregate(&data, Arc::new(proof.clone()));
                self.view_is_stale();
                self.publish_aggregate(data, proof);
            }
            Err(failure) => self.missed(Duty::Aggregation, None, data.slot, MissReason::Worker(failure)),
        }
    }

    fn publish_aggregate(&mut self, data: AttestationData, proof: SingleMessageAggregate) {
        self.aggregation.aggregate_seen(self.clock());
        let participants = proof.participants.num_set_bits();
        let aggregate = Arc::new(SignedAggregatedAttestation { data, proof });
        self.push(Effect::Publish { message: Publication::Aggregate(aggregate), after: None });
        self.announce(Event::AggregatePublished { slot: data.slot, participants });
    }

    /// A block's votes carry no weight until their proof is taken out of the block's. That is asked for where it
    /// brings voters that no pending proof has, for targets that can still be justified.
    pub(crate) fn split_votes(&mut self, block: &Arc<SignedBlock>) {
        let mut wanted = self.store.votes_worth_splitting(&block.block);
        wanted.truncate(self.config.splits_per_block);
        let Some(parent_state) = self.store.state(&block.block.parent_root).cloned() else {
            return;
        };
        if !wanted.is_empty() {
            let job = self.jobs.open(Job::Split { wanted: wanted.clone() });
            self.push(Effect::Split { job, block: block.clone(), parent_state, wanted });
        }
    }

    /// A worker took votes out of a block's proof. They are as good as the block's proof, which was verified.
    pub(crate) fn votes_split(
        &mut self,
        wanted: &[AttestationData],
        proofs: Vec<(AttestationData, SingleMessageAggregate)>,
    ) {
        for (data, proof) in proofs {
            let aggregate = SignedAggregatedAttestation { data, proof };
            let asked_for = wanted.contains(&data);
            let covered = self.pending_covers(&data, &ValidatorSet::of(&aggregate.proof.participants));
            if asked_for && !covered && self.store.on_gossip_aggregated_attestation(&aggregate).is_ok() {
                self.view_is_stale();
                if self.is_aggregator && !self.gate.is_closed() {
                    self.publish_aggregate(data, aggregate.proof);
                }
            }
        }
    }

    /// Whether one pending proof of the same data has all these voters.
    pub(crate) fn pending_covers(&self, data: &AttestationData, voters: &ValidatorSet) -> bool {
        let pending = self.store.latest_new_aggregated_payloads();
        let mut proofs = pending.proofs(&data.tree_hash_root()).iter();
        proofs.any(|proof| voters.is_subset_of(&ValidatorSet::of(&proof.participants)))
    }

    /// At the end of `slot`: tells the operator if votes come in but nobody aggregates.
    pub(crate) fn look_for_aggregator(&mut self, slot: Slot) {
        let since = *self.aggregation.last_aggregate.get_or_insert(slot);
        let slots = slot.0.saturating_sub(since.0);
        if self.aggregation.votes_since && slots > 0 && slots.is_multiple_of(SLOTS_WITHOUT_AGGREGATOR) {
            self.announce(Event::NoAggregator { slots });
        }
    }
}
