//! A vote or an aggregate on its way into the store.

use std::sync::Arc;

use lathe_types::{AttestationData, SignedAggregatedAttestation, SignedAttestation};

use crate::io::{ObjectKind, Origin};

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

/// One of both.
#[derive(Clone, Debug)]
pub(crate) enum Vote {
    Single(PendingVote),
    Aggregate(PendingAggregate),
}

impl Vote {
    pub(super) fn data(&self) -> &AttestationData {
        match self {
            Self::Single(vote) => &vote.attestation.data,
            Self::Aggregate(vote) => &vote.aggregate.data,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Single(vote) => vote.origin,
            Self::Aggregate(vote) => vote.origin,
        }
    }

    pub(super) fn kind(&self) -> ObjectKind {
        match self {
            Self::Single(_) => ObjectKind::Attestation,
            Self::Aggregate(_) => ObjectKind::Aggregate,
        }
    }

    /// What it occupies, near enough.
    pub(super) fn bytes(&self) -> usize {
        256 + match self {
            Self::Single(vote) => vote.attestation.signature.as_bytes().len(),
            Self::Aggregate(vote) => vote.aggregate.proof.proof.len() + 512,
        }
    }
}
