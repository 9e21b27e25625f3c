//! What the engine announces: for operators, metrics and subscribers. Nothing depends on anybody listening.

use lathe_forkchoice::ValidatorSet;
use lathe_types::{Checkpoint, Interval, KeyRole, Root, Slot, ValidatorIndex};

use super::Peer;
use super::execution::{ExecutionHealth, PayloadFailure};
use super::work::{JobFailure, SignFailure};

/// A block that a rule refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedBlock {
    /// Its root and slot.
    pub block: Checkpoint,
    /// Whose it is, as it says itself.
    pub proposer: ValidatorIndex,
    /// A peer that brought it.
    pub peer: Option<Peer>,
}

/// What the engine announces.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "fields without a comment are what their names say")]
pub enum Event {
    /// An interval began; its duties were started.
    Interval(Interval),
    /// A block entered the store.
    BlockImported {
        block: Checkpoint,
        /// Who proposed it.
        proposer: ValidatorIndex,
        /// When it reached us, in milliseconds after its slot began; `None` when it came by request.
        arrival_ms: Option<i64>,
        /// Votes that it carries, summed over its attestations.
        votes: usize,
        /// Votes for the previous slot among them, each validator counted once.
        previous_slot_votes: usize,
    },
    /// The head moved.
    Head {
        /// The new head.
        head: Checkpoint,
        /// Blocks of the old chain that are no longer canonical.
        reorg_depth: u64,
    },
    /// The highest justified checkpoint moved.
    Justified(Checkpoint),
    /// The finalized checkpoint moved.
    Finalized(Checkpoint),
    /// The safe target moved.
    SafeTarget(Checkpoint),
    /// Our vote left for the network.
    Attested {
        /// The voter.
        validator: ValidatorIndex,
        slot: Slot,
    },
    /// Our block left for the network.
    Proposed {
        block: Checkpoint,
        /// When, in milliseconds after its slot began.
        at_ms: i64,
    },
    /// Our aggregate left for the network.
    AggregatePublished {
        /// Slot of the vote.
        slot: Slot,
        /// Validators in it.
        participants: usize,
    },
    /// Our first aggregation round of a slot begins.
    AggregationBegun {
        slot: Slot,
        /// Voters of the slot whom pending proofs cover already.
        pending: ValidatorSet,
    },
    /// A slot is over, and so is the next one up to the promotion of its votes: whose votes for it were heard of.
    VotesHeard {
        slot: Slot,
        /// In proofs that were promoted within the slot.
        timely: ValidatorSet,
        /// In proofs that came later.
        late: ValidatorSet,
        /// In blocks of the next slot.
        block: ValidatorSet,
    },
    /// Whose votes our block carries.
    VotesProposed {
        /// Slot of the block.
        slot: Slot,
        /// Voters whose single votes were folded here.
        folded: ValidatorSet,
        /// All others: their votes came in proofs of somebody else's.
        others: ValidatorSet,
    },
    /// Valid signatures of our validators that were not made here in this run. Made before, or by somebody who has a
    /// copy of the keys: the signer's ledger knows.
    OwnKeysSeen {
        /// Whose.
        validators: Vec<ValidatorIndex>,
        /// Which of their keys.
        role: KeyRole,
        /// At which slot.
        slot: Slot,
        /// What was signed.
        message: Root,
    },
    /// A duty was not done.
    DutyMissed {
        /// Which.
        duty: Duty,
        /// Of whom; `None` for the node's own aggregation.
        validator: Option<ValidatorIndex>,
        slot: Slot,
        /// Why.
        reason: MissReason,
    },
    /// An input was refused by a rule.
    Rejected {
        /// What kind of object.
        kind: ObjectKind,
        /// The specification's reason, or the engine's own.
        reason: &'static str,
        /// Which block, if it is one and was worth hashing.
        block: Option<RefusedBlock>,
    },
    /// The network has no aggregator that we can see: votes arrive, aggregates do not.
    NoAggregator {
        /// Slots without any aggregate.
        slots: u64,
        /// Aggregates that came in them and were refused.
        refused: u64,
    },
    /// The sync gate opened or closed.
    Syncing(bool),
    /// A validator signed two contradicting blocks or votes for one slot.
    Equivocation {
        /// Who.
        validator: ValidatorIndex,
        slot: Slot,
        /// What it signed twice.
        kind: ObjectKind,
    },
    /// Heads that peers claim are not on our chain and have not come to us for a while: the network may be split, or we
    /// are cut off from what others build on. Told again as long as it lasts.
    ForeignHeads {
        /// Addresses whose peers claim such heads.
        addresses: usize,
        /// Addresses that claim any.
        of: usize,
        /// For how many slots.
        slots: u64,
    },
    /// Peers finalize a chain that contradicts what we have finalized, which no block can mend. Told again as long as
    /// it lasts.
    FinalityConflict {
        /// Addresses whose peers say so.
        addresses: usize,
        /// Addresses that told what they finalized.
        of: usize,
        /// What we have finalized.
        ours: Checkpoint,
    },
    /// Peers send blocks or aggregates with proofs of another proof system, which this node cannot read: it follows
    /// nothing that they build. Told again as long as it lasts.
    ForeignProofs {
        /// What came with such a proof.
        kind: ObjectKind,
    },
    /// Duties rest, because what others sign lies so many slots behind our clock; zero when that is over.
    ClockImplausible {
        /// How far our clock is ahead.
        slots_ahead: u64,
    },
    /// The execution client can be reached, or can be no more.
    ExecutionHealth(ExecutionHealth),
    /// The execution client called a payload invalid; the blocks that this condemns left the store.
    InvalidPayload {
        /// The block that carries the payload.
        block: Root,
        /// Blocks that left the store.
        removed: usize,
    },
    /// The execution client calls a payload invalid that the chain has finalized. Nothing can be decided any more:
    /// duties rest until an operator finds out which of the two is wrong.
    FinalizedPayloadInvalid {
        /// The finalized block.
        block: Checkpoint,
    },
}

/// A validator's or a node's duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Vote.
    Attestation,
    /// Propose.
    Proposal,
    /// Aggregate.
    Aggregation,
}

/// Why a duty was not done. The names are label values of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MissReason {
    /// The node was not in sync.
    NotSynced,
    /// The clock jumped over the duty's time.
    LateTick,
    /// The block was not prepared in time.
    NotPrepared,
    /// The prover was still busy with an earlier block of ours.
    ProverBusy,
    /// The signer refused or failed.
    Signer(SignFailure),
    /// A worker refused or failed.
    Worker(JobFailure),
    /// The clock is ahead of what all others sign.
    ClockImplausible,
    /// The head is at or past the slot already, so that no block can be proposed there; or a later block is final, so
    /// that no vote of the slot would count.
    HeadMoved,
    /// The slot ended before the duty was done.
    OutOfTime,
    /// The execution client has not validated the head.
    OptimisticHead,
    /// The execution client gave no payload for the block.
    Payload(PayloadFailure),
}

/// Kinds of objects that come from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A block.
    Block,
    /// A single vote.
    Attestation,
    /// An aggregated vote.
    Aggregate,
}
