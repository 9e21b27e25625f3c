//! What the engine announces, as metrics and log lines.

use std::sync::Arc;

use lathe_engine::{
    Batch, Duty, Event, ExecutionHealth, ImportedBlock, JobFailure, MissReason, ObjectKind, PayloadFailure,
    SignFailure,
};
use lathe_forkchoice::ValidatorSet;
use lathe_types::{MILLISECONDS_PER_SLOT, Phase, Slot, State, ValidatorIndex};
use tracing::{debug, error, info, warn};

use super::slot_line::Short;
use crate::metrics::{Metrics, Section};
use crate::workers::failure_name;

/// Turns events into metrics and log lines.
pub(super) struct Reporter {
    pub metrics: Arc<Metrics>,
    /// Attestation subnets of the network.
    pub committee_count: u64,
}

impl Reporter {
    /// `is_aggregator` says whether the node aggregates now.
    pub(super) fn report(&self, event: &Event, is_aggregator: bool) {
        let metrics = &*self.metrics;
        match event {
            Event::BlockImported { .. } => self.block_imported(event),
            Event::Head { head, reorg_depth } => {
                if *reorg_depth > 0 {
                    metrics.fork_choice.reorgs.inc();
                    metrics.fork_choice.reorg_depth.observe(*reorg_depth as f64);
                    warn!(slot = head.slot.0, root = %Short(head.root), depth = reorg_depth, "the chain reorganised");
                }
            }
            Event::Justified(checkpoint) => {
                debug!(slot = checkpoint.slot.0, root = %Short(checkpoint.root), "justified")
            }
            Event::Finalized(checkpoint) => {
                metrics.transition.finalizations.with_label_values(&["success"]).inc();
                debug!(slot = checkpoint.slot.0, root = %Short(checkpoint.root), "finalized");
            }
            Event::Attested { validator, slot } => {
                metrics.validator.attestations_published.inc();
                debug!(validator = validator.0, slot = slot.0, "attested");
            }
            Event::Proposed { block, at_ms } => {
                metrics.chain.block_published.observe(*at_ms as f64 / 1000.0);
                debug!(slot = block.slot.0, root = %Short(block.root), at_ms, "proposed");
            }
            Event::AggregatePublished { slot, participants } => {
                debug!(slot = slot.0, participants, "published an aggregate");
            }
            Event::AggregationBegun { .. } | Event::VotesHeard { .. } | Event::VotesProposed { .. } => {
                self.coverage(event);
            }
            Event::DutyMissed { duty, validator, slot, reason } => {
                self.duty_missed(*duty, *validator, *slot, *reason);
            }
            Event::Rejected { kind, reason, .. } => self.rejected(*kind, reason),
            Event::NoAggregator { .. } | Event::Syncing(_) | Event::ExecutionHealth(_) => say_standing(event),
            Event::InvalidPayload { block, removed } => {
                warn!(%block, removed, "the execution client refuses a payload; its block and what builds on it are gone");
            }
            Event::FinalizedPayloadInvalid { block } => error!(
                slot = block.slot.0,
                root = %block.root,
                "the execution client refuses a payload that the chain has finalized: validators rest until an operator \
                 finds out which is wrong"
            ),
            Event::Equivocation { validator, slot, kind } => self.equivocation(*validator, *slot, *kind),
            Event::ForeignHeads { .. }
            | Event::ForeignProofs { .. }
            | Event::FinalityConflict { .. }
            | Event::ClockImplausible { .. } => report_concern(event),
            // The signer's to judge.
            Event::OwnKeysSeen { .. } => {}
            Event::Interval(interval) if interval.phase() == Phase::Aggregate && !is_aggregator => {
                metrics.validator.aggregator_skipped.with_label_values(&["not_aggregator"]).inc();
            }
            Event::Interval(_) | Event::SafeTarget(_) => {}
            _ => debug!(?event, "announced"),
        }
    }

    fn coverage(&self, event: &Event) {
        let coverage = &self.metrics.coverage;
        let record = |section, voters: &ValidatorSet| coverage.record(section, voters, self.committee_count);
        match event {
            Event::AggregationBegun { pending, .. } => record(Section::AggregateStartNew, pending),
            Event::VotesHeard { timely, late, block, .. } => {
                record(Section::Timely, timely);
                record(Section::Late, late);
                record(Section::Block, block);
                record(Section::Combined, &union([timely, late, block]));
                coverage.record_diff(block, timely);
            }
            Event::VotesProposed { folded, others, .. } => {
                record(Section::ProposalPayloads, others);
                record(Section::ProposalGossip, folded);
                record(Section::ProposalCombined, &union([folded, others]));
            }
            _ => {}
        }
    }

    /// Counts the work of the imports in a batch.
    pub(super) fn imported(&self, batch: &Batch) {
        let transition = &self.metrics.transition;
        for ImportedBlock { block, state, .. } in &batch.blocks {
            transition.attestations_processed.inc_by(block.block.body.attestations.len() as u64);
            transition.slots_processed.inc_by(slots_since_parent(state));
        }
    }

    fn block_imported(&self, event: &Event) {
        let Event::BlockImported { block, proposer, arrival_ms, votes, previous_slot_votes } = event else {
            return;
        };
        let chain = &self.metrics.chain;
        chain.blocks_imported.inc();
        chain.last_block_slot.set(block.slot.0 as i64);
        chain.previous_slot_votes.inc_by(*previous_slot_votes as u64);
        if let Some(ms) = arrival_ms {
            chain.last_block_arrival_ms.set(*ms);
            chain.block_arrival.observe(*ms as f64 / 1000.0);
        }
        let (slot, root, proposer) = (block.slot.0, Short(block.root), proposer.0);
        match arrival_ms {
            // The line of its slot is written already, and knows nothing of it.
            Some(ms) if *ms >= MILLISECONDS_PER_SLOT as i64 => {
                info!("slot {slot}: block {root} by {proposer} came late, at {ms} ms");
            }
            _ => debug!(slot, %root, proposer, arrival_ms, votes, "imported"),
        }
    }

    fn duty_missed(&self, duty: Duty, validator: Option<ValidatorIndex>, slot: Slot, reason: MissReason) {
        let (duty_label, reason_label) = (duty_name(duty), miss_name(reason));
        self.metrics.chain.missed_duties.with_label_values(&[duty_label, reason_label]).inc();
        if duty == Duty::Aggregation {
            self.metrics.validator.aggregator_skipped.with_label_values(&[skip_name(reason)]).inc();
        }
        let validator = validator.map(|validator| validator.0);
        if matches!(reason, MissReason::Signer(SignFailure::KeyExhausted | SignFailure::Stopped)) {
            // The signer says once that the key has ended, or was stopped.
            debug!(duty = duty_label, validator, slot = slot.0, reason = reason_label, "a duty was missed");
        } else {
            warn!(
                duty = duty_label,
                validator,
                slot = slot.0,
                reason = reason_label,
                "a duty was missed{}",
                remedy(duty, reason)
            );
        }
    }

    fn equivocation(&self, validator: ValidatorIndex, slot: Slot, kind: ObjectKind) {
        let kind = object_name(kind);
        self.metrics.chain.equivocations.with_label_values(&[kind]).inc();
        warn!(validator = validator.0, slot = slot.0, kind, "a validator signed twice for one slot");
    }

    fn rejected(&self, kind: ObjectKind, reason: &'static str) {
        let kind_label = object_name(kind);
        self.metrics.chain.rejected.with_label_values(&[kind_label, reason]).inc();
        if kind != ObjectKind::Block {
            self.metrics.fork_choice.attestations_invalid.inc();
        }
        debug!(kind = kind_label, reason, "rejected");
    }
}

/// How the node stands in its network and beside its execution client.
fn say_standing(event: &Event) {
    match event {
        Event::NoAggregator { slots, refused: 0 } => warn!(
            slots,
            "votes arrive but no aggregates: nothing can be justified until some node runs with --is-aggregator"
        ),
        Event::NoAggregator { slots, refused } => warn!(
            slots,
            refused,
            "votes arrive, and every aggregate that came was refused: nothing can be justified until the aggregators \
             make what this node accepts; lathe_rejected_total{{kind=\"aggregate\"}} counts the reasons"
        ),
        Event::Syncing(true) => info!("the chain is behind: duties rest until it has caught up"),
        Event::Syncing(false) => info!("the chain is in sync: duties go on"),
        Event::ExecutionHealth(ExecutionHealth::Online) => info!("the execution client is online"),
        Event::ExecutionHealth(ExecutionHealth::Offline) => warn!(
            "the execution client is offline: no duty is done that needs it; check that it runs, \
             --execution-endpoint and --execution-jwt-secret"
        ),
        _ => {}
    }
}

/// What an operator has to look into.
fn report_concern(event: &Event) {
    match event {
        Event::ForeignHeads { addresses, of, slots } => warn!(
            addresses,
            of,
            slots,
            "peers claim heads that are not on our chain and do not deliver them: the network may be split, or this node \
             is cut off; check its connections and its clock"
        ),
        Event::FinalityConflict { addresses, of, ours } => error!(
            addresses,
            of,
            slot = ours.slot.0,
            root = %ours.root,
            "peers finalize a chain that contradicts ours: no block can mend that; if they are right, stop this node, move \
             its chain database away and start it with --checkpoint-sync-url (the signing ledger stays)"
        ),
        Event::ForeignProofs { kind } => warn!(
            of = object_name(*kind),
            "peers prove with another proof system, so this node follows nothing of theirs: start it with the \
             --aggregation-backend of this network"
        ),
        Event::ClockImplausible { slots_ahead: 0 } => {
            info!("what others sign fits the clock again: duties go on");
        }
        Event::ClockImplausible { slots_ahead } => warn!(
            slots_ahead,
            "all that others sign lies far behind our clock: duties rest until it is corrected; check the system's time"
        ),
        _ => {}
    }
}

fn union<'a>(sets: impl IntoIterator<Item = &'a ValidatorSet>) -> ValidatorSet {
    let mut all = ValidatorSet::default();
    sets.into_iter().for_each(|set| all.extend(set));
    all
}

/// Slots that a block moved its chain forward. The state after it remembers a root per slot before it, the parent's
/// last, zero where a slot was empty.
fn slots_since_parent(post_state: &State) -> u64 {
    let roots = &post_state.historical_block_hashes;
    let empty = (0..roots.len()).rev().take_while(|slot| roots.get(*slot).is_some_and(|root| root.is_zero()));
    empty.count() as u64 + 1
}

pub(super) const fn duty_name(duty: Duty) -> &'static str {
    match duty {
        Duty::Attestation => "attestation",
        Duty::Proposal => "proposal",
        Duty::Aggregation => "aggregation",
    }
}

/// What an operator can do about a duty that was missed, where that is known.
const fn remedy(duty: Duty, reason: MissReason) -> &'static str {
    match (duty, reason) {
        (Duty::Aggregation, MissReason::Worker(JobFailure::Refused | JobFailure::Deadline)) => {
            ": proofs take longer here than there is time for; let a faster machine aggregate"
        }
        (Duty::Proposal, MissReason::ProverBusy) => {
            ": the prover has not finished the block before; give this node fewer validators, or a faster machine"
        }
        _ => "",
    }
}

const fn object_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Block => "block",
        ObjectKind::Attestation => "attestation",
        ObjectKind::Aggregate => "aggregate",
    }
}

/// The reason as a label of our own metric.
pub(super) const fn miss_name(reason: MissReason) -> &'static str {
    match reason {
        MissReason::NotSynced => "not_synced",
        MissReason::LateTick => "late_tick",
        MissReason::NotPrepared => "not_prepared",
        MissReason::ProverBusy => "prover_busy",
        MissReason::Signer(SignFailure::Refused) => "signer_refused",
        MissReason::Signer(SignFailure::KeyExhausted) => "key_exhausted",
        MissReason::Signer(SignFailure::NotPrepared) => "key_not_prepared",
        MissReason::Signer(SignFailure::Stopped) => "key_stopped",
        MissReason::Signer(SignFailure::UnknownKey) => "unknown_key",
        MissReason::Signer(SignFailure::Ledger) => "ledger",
        MissReason::Signer(SignFailure::Away) => "signer_away",
        MissReason::Signer(SignFailure::Slow) => "signer_slow",
        MissReason::Signer(SignFailure::NotServed) => "signer_not_served",
        MissReason::Signer(SignFailure::Overloaded) => "signer_overloaded",
        MissReason::Worker(failure) => failure_name(failure),
        MissReason::HeadMoved => "head_moved",
        MissReason::ClockImplausible => "clock_implausible",
        MissReason::OutOfTime => "out_of_time",
        MissReason::OptimisticHead => "optimistic_head",
        MissReason::Payload(PayloadFailure::Offline) => "execution_offline",
        MissReason::Payload(PayloadFailure::NotBuilding) => "payload_not_building",
        MissReason::Payload(PayloadFailure::Timeout) => "payload_timeout",
        MissReason::Payload(PayloadFailure::Refused) => "payload_refused",
        MissReason::Payload(PayloadFailure::Mismatch) => "payload_mismatch",
        MissReason::Payload(PayloadFailure::TooLarge) => "payload_too_large",
        _ => "other",
    }
}

/// The reason as leanMetrics knows it.
const fn skip_name(reason: MissReason) -> &'static str {
    match reason {
        MissReason::NotSynced => "not_synced",
        MissReason::Worker(JobFailure::Refused) => "spawn_failed",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use lathe_types::{HistoricalBlockHashes, Root};

    #[test]
    fn empty_slots_count_as_processed() {
        let genesis = lathe_types::Genesis {
            genesis_time: 0,
            validators: Default::default(),
            execution_genesis: None,
            signature_scheme: Default::default(),
        };
        let mut state = lathe_transition::generate_genesis(&genesis);
        let (block, empty) = (Root::repeat_byte(1), Root::ZERO);
        for (roots, slots) in [(vec![block], 1), (vec![block, block], 1), (vec![block, empty, empty], 3)] {
            state.historical_block_hashes = HistoricalBlockHashes::try_from_iter(roots).unwrap();
            assert_eq!(slots_since_parent(&state), slots);
        }
    }

    #[test]
    fn every_reason_is_a_label_that_is_there_from_the_start() {
        use lathe_engine::{JobFailure as Job, PayloadFailure as Payload, SignFailure as Sign};
        let signs = [
            Sign::Refused,
            Sign::KeyExhausted,
            Sign::NotPrepared,
            Sign::Stopped,
            Sign::UnknownKey,
            Sign::Ledger,
        ];
        let away = [Sign::Away, Sign::Slow, Sign::NotServed, Sign::Overloaded];
        let jobs = [Job::Refused, Job::Deadline, Job::Backend, Job::Panicked];
        let payloads = [
            Payload::Offline,
            Payload::NotBuilding,
            Payload::Timeout,
            Payload::Refused,
            Payload::Mismatch,
            Payload::TooLarge,
        ];
        let plain = [
            MissReason::NotSynced,
            MissReason::LateTick,
            MissReason::NotPrepared,
            MissReason::ProverBusy,
            MissReason::HeadMoved,
            MissReason::ClockImplausible,
            MissReason::OutOfTime,
            MissReason::OptimisticHead,
        ];
        let reasons = (plain.into_iter())
            .chain(signs.into_iter().chain(away).map(MissReason::Signer))
            .chain(jobs.map(MissReason::Worker))
            .chain(payloads.map(MissReason::Payload));
        let mut named: Vec<_> = reasons.map(miss_name).chain(["other"]).collect();
        let mut listed = crate::metrics::MISS_REASONS.to_vec();
        named.sort_unstable();
        listed.sort_unstable();
        assert_eq!(named, listed);
    }

    #[test]
    fn every_missed_duty_is_counted_with_its_reason() {
        let metrics = Arc::new(Metrics::new("lathe_0", 0.0).unwrap());
        let reporter = Reporter { metrics: metrics.clone(), committee_count: 1 };
        let reasons = [MissReason::LateTick, MissReason::Signer(SignFailure::Refused), MissReason::LateTick];
        for reason in reasons {
            let (duty, slot) = (Duty::Proposal, Slot(3));
            reporter
                .report(&Event::DutyMissed { duty, validator: Some(ValidatorIndex(1)), slot, reason }, true);
        }
        let missed = |reason| metrics.chain.missed_duties.with_label_values(&["proposal", reason]).get();
        assert_eq!((missed("late_tick"), missed("signer_refused"), missed("not_synced")), (2, 1, 0));
    }

    #[test]
    fn coverage_goes_to_its_sections() {
        let metrics = Arc::new(Metrics::new("lathe_0", 0.0).unwrap());
        let reporter = Reporter { metrics: metrics.clone(), committee_count: 1 };
        let set = |voters: &[u64]| voters.iter().copied().map(ValidatorIndex).collect::<ValidatorSet>();
        reporter.report(&Event::AggregationBegun { slot: Slot(1), pending: set(&[6]) }, true);
        let (timely, late, block) = (set(&[0, 1]), set(&[1, 2, 3]), set(&[1, 4, 5, 6]));
        reporter.report(&Event::VotesHeard { slot: Slot(1), timely, late, block }, true);
        let (folded, others) = (set(&[0, 1, 2, 3, 4, 5]), set(&[6, 7, 8]));
        reporter.report(&Event::VotesProposed { slot: Slot(2), folded, others }, true);
        let text = metrics.render().unwrap();
        let sections = [
            ("aggregate_start_new", 1),
            ("timely", 2),
            ("late", 3),
            ("block", 4),
            ("combined", 7),
            ("proposal_gossip", 6),
            ("proposal_payloads", 3),
            ("proposal_combined", 9),
        ];
        for (section, count) in sections {
            for subnet in ["combined", "subnet_0"] {
                let line = format!("{{section=\"{section}\",subnet=\"{subnet}\"}} {count}\n");
                assert!(text.contains(&line), "{line}");
            }
        }
        assert!(text.contains("{direction=\"block_only\"} 3\n"));
        assert!(text.contains("{direction=\"timely_only\"} 1\n"));
    }
}
