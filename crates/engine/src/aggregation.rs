//! The aggregator's duty: fold single votes into proofs, and see to it that block-carried votes count again, and that
//! what counts here counts everywhere.
//!
//! Aggregation starts at interval 2, or as soon as every vote that this node can expect has come. Votes that come
//! later are folded in further rounds: one in time for the safe target at interval 3, one for the promotion at
//! interval 4.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lathe_forkchoice::{AggregationJob, ValidatorSet};
use lathe_types::{
    AttestationData, MILLISECONDS_PER_INTERVAL, Root, SignedAggregatedAttestation, SignedBlock,
    SingleMessageAggregate, Slot, SubnetId, ValidatorIndex,
};

use crate::core::{Core, JobKind};
use crate::io::{AggregateRequest, Duty, Effect, Event, JobFailure, JobId, Millis, MissReason, Publication};
use crate::observer::Step;

/// When late votes are folded, in milliseconds into the slot: 200 ms before the safe target is taken, and before the
/// votes are promoted. Proof and propagation must fit in between.
const LATE_ROUNDS_MS: [u64; 2] = [3 * MILLISECONDS_PER_INTERVAL - 200, 4 * MILLISECONDS_PER_INTERVAL - 200];
/// Proofs under way at a time: the current slot's data comes first, and more forks than this are not worth the CPU.
const MAX_OPEN_AGGREGATIONS: usize = 8;
/// Slots without a newer justified block after which votes that still count are told again, and then again: gossip
/// carries a vote once, and a block only one for a target that can be justified yet. Who was cut off meanwhile, or has
/// started since, might else choose another head for ever because of a voter who is silent now. Longer than peers
/// remember a message, which is six slots.
const RETELLING_SLOTS: u64 = 8;
/// Proofs told again at a time: up to 2 MiB. The next ones have their turn next time.
const MAX_RETOLD: usize = 4;
/// Slots with votes but without any aggregate after which the operator is told, and told again.
const SLOTS_WITHOUT_AGGREGATOR: u64 = 4;

/// A proof under way.
struct OpenProof {
    data: AttestationData,
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
    /// Data that were too much for a worker in this slot: there is less time left for them with every round.
    refused: BTreeSet<Root>,
    /// Slot for which a missed duty was announced: one that is short of time misses many proofs for one reason.
    told: Option<Slot>,
    /// Slot of the last aggregation round, and the late rounds that it had.
    round: Option<(Slot, usize)>,
    /// Slot in which an aggregate was last seen, of anybody.
    last_aggregate: Option<Slot>,
    /// Aggregates refused up to then.
    refused_before: u64,
    votes_since: bool,
    /// What is being taken out of blocks' proofs.
    splits: BTreeMap<JobId, Vec<AttestationData>>,
}

impl Aggregation {
    pub(crate) fn vote_seen(&mut self) {
        self.votes_since = true;
    }

    pub(crate) fn aggregate_seen(&mut self, core: &Core) {
        self.last_aggregate = Some(core.clock());
        self.refused_before = core.aggregates_refused;
        self.votes_since = false;
    }

    /// The clock was set back: rounds of slots that lie ahead again were not theirs.
    pub(crate) fn clock_corrected(&mut self, clock: Slot) {
        self.round = self.round.filter(|(slot, _)| *slot < clock);
        self.last_aggregate = self.last_aggregate.min(Some(clock));
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

    /// Interval 2 of `slot` has begun.
    pub(crate) fn begin(&mut self, core: &mut Core, slot: Slot) {
        if !core.is_aggregator {
            return;
        }
        if let Some(reason) = core.rests() {
            return core.missed(Duty::Aggregation, None, slot, reason);
        }
        if self.round.is_none_or(|(done, _)| done < slot) {
            self.begin_round(core, slot);
        }
        self.retell(core, slot);
    }

    /// While nothing is justified: tells again what voters said last who have been silent since.
    fn retell(&mut self, core: &mut Core, slot: Slot) {
        let stalled = slot.0.saturating_sub(core.store.latest_justified().slot.0);
        if stalled == 0 || !stalled.is_multiple_of(RETELLING_SLOTS) {
            return;
        }
        // The votes of this slot and the one before are under way.
        let standing = core.store.standing_votes(Slot(slot.0 - 1));
        let turns = standing.len().div_ceil(MAX_RETOLD).max(1);
        let turn = (stalled / RETELLING_SLOTS) as usize % turns;
        for (data, proof) in standing.into_iter().skip(turn * MAX_RETOLD).take(MAX_RETOLD) {
            self.publish(core, data, (*proof).clone());
        }
    }

    /// Starts early once nobody is left to wait for.
    pub(crate) fn begin_if_complete(&mut self, core: &mut Core) {
        let slot = core.clock();
        let begun = self.round.is_some_and(|(done, _)| done >= slot);
        if begun || !core.is_aggregator || core.rests().is_some() {
            return;
        }
        let expected = expected_voters(core);
        if !expected.is_empty() && expected.is_subset_of(&core.store.signers_at(slot)) {
            self.begin_round(core, slot);
        }
    }

    fn begin_round(&mut self, core: &mut Core, slot: Slot) {
        self.round = Some((slot, 0));
        self.refused.clear();
        core.report_aggregation(slot);
        self.fold(core);
    }

    /// Late votes of the current slot are folded when it is time to.
    pub(crate) fn fold_late_votes(&mut self, core: &mut Core) {
        while let Some((slot, done)) = self.round
            && self.next_timeout().is_some_and(|at| core.now >= at)
        {
            self.round = Some((slot, done + 1));
            if slot == core.clock() && core.is_aggregator && core.rests().is_none() {
                self.fold(core);
            }
        }
    }

    fn fold(&mut self, core: &mut Core) {
        let capacity = core.config.aggregate_capacity;
        let plan = core.timed(Step::AggregationSelection, |core| core.store.plan_aggregation(capacity));
        let usual = Millis::of_slot(core.clock()).plus(4 * MILLISECONDS_PER_INTERVAL);
        let deadline = usual.plus(core.config.aggregation_grace_ms);
        for job in plan {
            if self.open.len() >= MAX_OPEN_AGGREGATIONS {
                break;
            }
            if self.refused.contains(&job.data_root) || self.is_under_way(&job) {
                continue;
            }
            let id = core.open_job(JobKind::Aggregate);
            let (data_root, participants) = (job.data_root, job.participants());
            let singles = job.signatures.iter().map(|(validator, _)| *validator).collect();
            let AggregationJob { data, state, children, signatures, .. } = job;
            self.open.insert(id, OpenProof { data, data_root, participants, singles });
            let request = AggregateRequest { data, state, children, signatures };
            core.push(Effect::Aggregate { job: id, request, deadline });
        }
    }

    /// A worker's answer to an aggregation.
    pub(crate) fn aggregated(
        &mut self,
        core: &mut Core,
        job: JobId,
        answer: Result<SingleMessageAggregate, JobFailure>,
    ) {
        let Some(OpenProof { data, data_root, singles, .. }) = self.open.remove(&job) else { return };
        match answer {
            Ok(proof) => {
                core.note_folded(data.slot, data_root, &singles);
                core.store.apply_aggregate(&data, Arc::new(proof.clone()));
                core.view_is_stale();
                self.publish(core, data, proof);
            }
            Err(failure) => {
                if matches!(failure, JobFailure::Deadline | JobFailure::Refused) {
                    self.refused.insert(data_root);
                }
                if self.told.replace(core.clock()) != Some(core.clock()) {
                    core.missed(Duty::Aggregation, None, data.slot, MissReason::Worker(failure));
                }
            }
        }
    }

    fn publish(&mut self, core: &mut Core, data: AttestationData, proof: SingleMessageAggregate) {
        self.aggregate_seen(core);
        let participants = proof.participants.num_set_bits();
        let aggregate = Arc::new(SignedAggregatedAttestation { data, proof });
        core.push(Effect::Publish { message: Publication::Aggregate(aggregate) });
        core.announce(Event::AggregatePublished { slot: data.slot, participants });
    }

    /// A block's votes carry no weight until their proof is taken out of the block's. That is asked for where it
    /// brings voters that no pending proof has, for targets that can still be justified.
    pub(crate) fn split_votes(&mut self, core: &mut Core, block: &Arc<SignedBlock>) {
        let mut wanted = core.store.votes_worth_splitting(&block.block);
        wanted.truncate(core.config.splits_per_block);
        let Some(parent_state) = core.store.state(&block.block.parent_root).cloned() else {
            return;
        };
        if !wanted.is_empty() {
            let job = core.open_job(JobKind::Split);
            self.splits.insert(job, wanted.clone());
            core.push(Effect::Split { job, block: block.clone(), parent_state, wanted });
        }
    }

    /// A worker took votes out of a block's proof, or none if it failed. They are as good as the block's proof, which
    /// was verified.
    pub(crate) fn votes_split(
        &mut self,
        core: &mut Core,
        job: JobId,
        proofs: Vec<(AttestationData, SingleMessageAggregate)>,
    ) {
        let wanted = self.splits.remove(&job).unwrap_or_default();
        for (data, proof) in proofs {
            let aggregate = SignedAggregatedAttestation { data, proof };
            let asked_for = wanted.contains(&data);
            let covered = core.pending_covers(&data, &ValidatorSet::of(&aggregate.proof.participants));
            if asked_for && !covered && core.store.on_gossip_aggregated_attestation(&aggregate).is_ok() {
                core.view_is_stale();
                if core.is_aggregator && core.rests().is_none() {
                    self.publish(core, data, aggregate.proof);
                }
            }
        }
    }

    /// At the end of `slot`: tells the operator if votes come in but nobody aggregates.
    pub(crate) fn look_for_aggregator(&mut self, core: &mut Core, slot: Slot) {
        let since = *self.last_aggregate.get_or_insert(slot);
        let slots = slot.0.saturating_sub(since.0);
        if self.votes_since && slots > 0 && slots.is_multiple_of(SLOTS_WITHOUT_AGGREGATOR) {
            let refused = core.aggregates_refused - self.refused_before;
            core.announce(Event::NoAggregator { slots, refused });
        }
    }
}

/// Validators on the subnets that reach this node. Without any subnet, an aggregator serves subnet 0.
fn expected_voters(core: &Core) -> ValidatorSet {
    let registered = core.store.head_state().validators.len() as u64;
    let ours = |validator: &ValidatorIndex| {
        let subnet = validator.subnet(core.config.committee_count);
        let listed = &core.config.subnets;
        listed.contains(&subnet)
            || listed.is_empty() && subnet == SubnetId(0)
            || core.config.local_validators.contains(validator)
    };
    (0..registered).map(ValidatorIndex).filter(ours).collect()
}
