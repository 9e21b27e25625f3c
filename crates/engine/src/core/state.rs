//! The common ground: its state and the small doors to it.

use std::collections::VecDeque;
use std::sync::Arc;

use lathe_forkchoice::{Payload, Store, ValidatorSet};
use lathe_transition::{Edge, Part, state_transition_watched};
use lathe_types::{
    AttestationData, ChainVariant, Rejection, RejectionReason, SignedBlock, Slot, State, TreeHash,
    ValidatorIndex,
};

use super::coverage::Coverage;
use super::foreign::ForeignProofs;
use super::groups::Groups;
use super::jobs::{JobKind, Jobs};
use super::persistence::Persistence;
use super::singles::KeptVotes;
use super::verdicts::Verdicts;
use super::witness::Known;
use crate::config::EngineConfig;
use crate::io::{
    Duty, Effect, Event, GossipVerdict, Group, JobId, Millis, MissReason, ObjectKind, Offence, Origin, Peer,
    RefusedBlock, Sequence,
};
use crate::observer::{Observer, Step};
use crate::share::Sender;

/// The common ground of all rooms.
pub(crate) struct Core {
    pub(crate) config: EngineConfig,
    pub(crate) variant: ChainVariant,
    pub(crate) is_aggregator: bool,
    pub(crate) now: Millis,
    pub(crate) store: Store,
    /// Rises with every change of the store that a view or a proposal could show.
    pub(crate) store_version: u64,
    /// Slot of the newest block in the store.
    pub(crate) newest_block: Slot,
    /// Duties are withheld because the clock is ahead of what others sign.
    pub(crate) clock_is_implausible: bool,
    /// Duties are withheld because the chain is behind.
    pub(crate) is_syncing: bool,
    /// The chain is far behind the clock, and some peer claims to have more.
    pub(crate) is_behind: bool,
    effects: VecDeque<Effect>,
    groups: Groups,
    jobs: Jobs,
    verdicts: Verdicts,
    /// Aggregates that a rule refused, since the start.
    pub(crate) aggregates_refused: u64,
    pub(super) known: Known,
    pub(super) foreign_proofs: ForeignProofs,
    /// Single votes for blocks of ours.
    pub(crate) singles: KeptVotes,
    pub(super) coverage: Coverage,
    pub(super) persistence: Persistence,
    observer: Option<Box<dyn Observer>>,
}

impl Core {
    pub(crate) fn new(config: EngineConfig, variant: ChainVariant, store: Store, newest_block: Slot) -> Self {
        Self {
            variant,
            is_aggregator: config.is_aggregator,
            config,
            now: Millis(i64::MIN),
            store,
            store_version: 0,
            newest_block,
            clock_is_implausible: false,
            is_syncing: false,
            is_behind: false,
            effects: VecDeque::new(),
            groups: Groups::default(),
            jobs: Jobs::default(),
            verdicts: Verdicts::default(),
            aggregates_refused: 0,
            known: Known::default(),
            foreign_proofs: ForeignProofs::default(),
            singles: KeptVotes::default(),
            coverage: Coverage::default(),
            persistence: Persistence::default(),
            observer: None,
        }
    }

    pub(crate) fn set_observer(&mut self, observer: Box<dyn Observer>) {
        self.observer = Some(observer);
    }

    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn announce(&mut self, event: Event) {
        self.push(Effect::Announce(event));
    }

    pub(crate) fn rejected(&mut self, kind: ObjectKind, reason: RejectionReason) {
        self.aggregates_refused += u64::from(kind == ObjectKind::Aggregate);
        self.announce(Event::Rejected { kind, reason: reason.name(), block: None });
    }

    /// A rule refused a block that was worth hashing.
    pub(crate) fn rejected_block(&mut self, block: RefusedBlock, reason: RejectionReason) {
        let kind = ObjectKind::Block;
        self.announce(Event::Rejected { kind, reason: reason.name(), block: Some(block) });
    }

    pub(crate) fn missed(
        &mut self,
        duty: Duty,
        validator: Option<ValidatorIndex>,
        slot: Slot,
        reason: MissReason,
    ) {
        self.announce(Event::DutyMissed { duty, validator, slot, reason });
    }

    pub(crate) fn view_is_stale(&mut self) {
        self.store_version += 1;
    }

    /// The slot that the clock shows; slot 0 before genesis.
    pub(crate) fn clock(&self) -> Slot {
        self.now.slot()
    }

    /// Why duties rest, if they do.
    pub(crate) fn rests(&self) -> Option<MissReason> {
        let clock = self.clock_is_implausible.then_some(MissReason::ClockImplausible);
        clock.or(self.is_syncing.then_some(MissReason::NotSynced))
    }

    pub(crate) fn finalized_slot(&self) -> Slot {
        self.store.latest_finalized().slot
    }

    pub(crate) fn connected(&mut self, peer: Peer, group: Group) {
        self.groups.insert(peer, group);
    }

    pub(crate) fn disconnected(&mut self, peer: Peer) {
        self.groups.remove(peer);
    }

    /// Who sent something, with the address that it counts for.
    pub(crate) fn sender(&self, peer: Peer) -> Sender {
        Sender { group: self.groups.of(peer), peer }
    }

    /// A number for a job that is handed out now.
    pub(crate) fn open_job(&mut self, kind: JobKind) -> JobId {
        self.jobs.open(kind)
    }

    /// What kind of job was answered; `None` if it is not open, so that a second answer finds nothing.
    pub(crate) fn close_job(&mut self, job: JobId) -> Option<JobKind> {
        self.jobs.close(job)
    }

    /// Notes that a gossip message awaits its verdict. What came before genesis, twice, or in too great a number is
    /// ignored at once.
    pub(crate) fn may_judge(&mut self, origin: Origin) -> bool {
        let Origin::Gossip { id, peer } = origin else {
            return self.now >= Millis(0);
        };
        let may = self.now >= Millis(0) && self.verdicts.open(self.now, id, peer);
        if !may && !self.verdicts.is_open(id, peer) {
            self.push(Effect::GossipVerdict { id, peer, verdict: GossipVerdict::Ignore });
        }
        may
    }

    /// Answers for an object from outside: a verdict for gossip, blame for a bad answer to a request.
    pub(crate) fn settle(&mut self, origin: Origin, verdict: GossipVerdict) {
        match origin {
            Origin::Gossip { id, peer } => {
                if self.verdicts.close(id, peer) {
                    self.push(Effect::GossipVerdict { id, peer, verdict });
                }
            }
            Origin::Response { peer, .. } => {
                if verdict == GossipVerdict::Reject {
                    self.push(Effect::Penalise { peer, offence: Offence::Invalid });
                }
            }
        }
    }

    /// Answers for messages whose check takes too long for the network.
    pub(crate) fn expire_verdicts(&mut self) {
        while let Some((id, peer)) = self.verdicts.expired(self.now) {
            self.push(Effect::GossipVerdict { id, peer, verdict: GossipVerdict::Ignore });
        }
    }

    pub(crate) fn next_verdict(&self) -> Option<Millis> {
        self.verdicts.next_timeout()
    }

    pub(crate) fn durable(&mut self, sequence: Sequence) {
        self.persistence.durable(sequence);
    }

    /// Batches that were handed out and are not known to be durable.
    pub(crate) fn unwritten_batches(&self) -> u64 {
        self.persistence.lag()
    }

    /// The validator of ours that is to propose a block for `slot`, if it is one of ours.
    pub(crate) fn local_proposer(&self, slot: Slot) -> Option<ValidatorIndex> {
        let registered = self.store.head_state().validators.len() as u64;
        ValidatorIndex::proposer_for_slot(slot, registered)
            .filter(|proposer| self.config.local_validators.contains(proposer))
    }

    /// Whether the chain is paired with an execution layer.
    pub(crate) fn is_paired(&self) -> bool {
        self.payload_of_head().is_some()
    }

    pub(crate) fn payload_of_head(&self) -> Option<Payload> {
        self.store.payload(&self.store.head().root)
    }

    /// Whether one pending proof of the same data has all these voters.
    pub(crate) fn pending_covers(&self, data: &AttestationData, voters: &ValidatorSet) -> bool {
        let pending = self.store.latest_new_aggregated_payloads();
        let mut proofs = pending.proofs(&data.tree_hash_root()).iter();
        proofs.any(|proof| voters.is_subset_of(&ValidatorSet::of(&proof.participants)))
    }

    pub(crate) fn enter(&mut self, step: Step) {
        if let Some(observer) = &mut self.observer {
            observer.enter(step);
        }
    }

    pub(crate) fn exit(&mut self, step: Step) {
        if let Some(observer) = &mut self.observer {
            observer.exit(step);
        }
    }

    pub(crate) fn timed<T>(&mut self, step: Step, work: impl FnOnce(&mut Self) -> T) -> T {
        self.enter(step);
        let result = work(self);
        self.exit(step);
        result
    }

    /// The state after `block`; `None` if its parent is not in the store.
    pub(crate) fn transition(&mut self, block: &SignedBlock) -> Option<Result<Arc<State>, Rejection>> {
        let parent_state = self.store.state(&block.block.parent_root)?;
        let observer = &mut self.observer;
        let mut watch = |part, edge| {
            let Some(observer) = observer else { return };
            let step = match part {
                Part::Slots => Step::SlotsProcessing,
                Part::Block => Step::BlockApplication,
                Part::Attestations => Step::AttestationsProcessing,
            };
            match edge {
                Edge::Begin => observer.enter(step),
                Edge::End => observer.exit(step),
            }
        };
        Some(state_transition_watched(parent_state, &block.block, &mut watch).map(Arc::new))
    }
}
