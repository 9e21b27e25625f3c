//! Jobs for the pool of workers.

use std::sync::Arc;

use lathe_engine::{AggregateRequest, Effect, JobId, Millis, PrepareRequest, PreparedBlock, VerifyRequest};
use lathe_types::{AttestationData, Signature, SignedBlock, State};

/// What a worker does.
#[derive(Clone, Debug)]
pub enum Task {
    /// Checks signatures or a proof.
    Verify(VerifyRequest),
    /// Folds signatures and proofs of one message, before the deadline.
    Aggregate(AggregateRequest, Millis),
    /// Builds a block, before the deadline.
    Prepare(Arc<PrepareRequest>, Millis),
    /// Merges a block's proof.
    Seal(Arc<PreparedBlock>, Signature),
    /// Takes votes out of a block's proof.
    Split {
        /// The block.
        block: Arc<SignedBlock>,
        /// State before it.
        parent_state: Arc<State>,
        /// The votes.
        wanted: Vec<AttestationData>,
    },
}

impl Task {
    /// The job that an effect asks the pool for, if it does.
    pub fn of(effect: Effect) -> Option<(JobId, Self)> {
        Some(match effect {
            Effect::Verify { job, request } => (job, Self::Verify(request)),
            Effect::Aggregate { job, request, deadline } => (job, Self::Aggregate(request, deadline)),
            Effect::Prepare { job, request, deadline } => (job, Self::Prepare(request, deadline)),
            Effect::Seal { job, prepared, signature } => (job, Self::Seal(prepared, signature)),
            Effect::Split { job, block, parent_state, wanted } => {
                (job, Self::Split { block, parent_state, wanted })
            }
            _ => return None,
        })
    }

    /// When it should run.
    pub fn urgency(&self) -> Urgency {
        let (kind, freshness, deadline) = match self {
            Self::Verify(VerifyRequest::Block { .. }) => (Kind::VerifyBlock, 0, None),
            Self::Verify(VerifyRequest::Aggregate { aggregate, .. }) => {
                (Kind::VerifyAggregate, aggregate.data.slot.0, None)
            }
            Self::Verify(VerifyRequest::Attestations(checks)) => {
                let newest = checks.iter().map(|check| check.slot.0).max().unwrap_or_default();
                (Kind::VerifyAttestations, newest, None)
            }
            Self::Aggregate(request, deadline) => (Kind::Aggregate, request.data.slot.0, Some(*deadline)),
            Self::Prepare(request, deadline) => (Kind::Prepare, request.slot.0, Some(*deadline)),
            Self::Seal(prepared, _) => (Kind::Seal, prepared.block.slot.0, None),
            Self::Split { block, .. } => (Kind::Split, block.block.slot.0, None),
        };
        Urgency { kind, freshness, deadline }
    }
}

/// Kinds of work, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The final merge of our block: it is due at the boundary of its slot.
    Seal,
    /// A block's proof: nothing else moves before the block is in.
    VerifyBlock,
    /// An aggregate's proof.
    VerifyAggregate,
    /// Single votes.
    VerifyAttestations,
    /// The block that we propose next.
    Prepare,
    /// An aggregation.
    Aggregate,
    /// Votes taken out of a block.
    Split,
    /// The next window of a key: needed in hours, so it runs when nothing else waits.
    Background,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Seal,
        Self::VerifyBlock,
        Self::VerifyAggregate,
        Self::VerifyAttestations,
        Self::Prepare,
        Self::Aggregate,
        Self::Split,
        Self::Background,
    ];

    /// Label of the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::VerifyBlock => "verify_block",
            Self::VerifyAggregate => "verify_aggregate",
            Self::VerifyAttestations => "verify_attestations",
            Self::Prepare => "prepare",
            Self::Aggregate => "aggregate",
            Self::Split => "split",
            Self::Background => "background",
        }
    }

    /// Jobs of this kind that may wait. A slot needs a handful of each; the rest is room for a burst of gossip or for
    /// catching up. A block or an aggregate holds up to half a megabyte of proof.
    pub(crate) const fn capacity(self) -> usize {
        match self {
            Self::Seal | Self::Prepare => 8,
            Self::VerifyBlock | Self::VerifyAttestations => 64,
            Self::VerifyAggregate => 128,
            Self::Aggregate | Self::Split => 32,
            Self::Background => 16,
        }
    }

    /// Whether a backend with costly proofs keeps a job of this kind for seconds, and there may be many of them. At
    /// most one proposal is under way, so there is no crowd of the other kinds.
    pub(crate) const fn is_proving(self) -> bool {
        matches!(self, Self::Aggregate | Self::Split)
    }

    /// Whether a job that is about to miss its deadline goes before gossip.
    pub(crate) const fn hurries(self) -> bool {
        matches!(self, Self::Prepare | Self::Aggregate)
    }
}

/// When a job should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urgency {
    /// Its kind.
    pub kind: Kind,
    /// Among jobs of one kind the freshest goes first, then the one that came first. Usually the slot.
    pub freshness: u64,
    /// Of no use after this.
    pub deadline: Option<Millis>,
}
