//! What travels by gossip.

use std::sync::Arc;

use lathe_engine::{Input, MessageId, Origin, Peer, Publication};
use lathe_types::{Encode, SignedAggregatedAttestation, SignedAttestation, SignedBlock};

/// A gossip message with its id.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Block(Arc<SignedBlock>),
    Attestation(SignedAttestation),
    Aggregate(Arc<SignedAggregatedAttestation>),
}

impl Message {
    pub(crate) fn new(publication: &Publication) -> Self {
        let (content, bytes) = match publication {
            Publication::Block(block) => (Content::Block(block.clone()), block.as_ssz_bytes()),
            Publication::Attestation { attestation, .. } => {
                (Content::Attestation(attestation.clone()), attestation.as_ssz_bytes())
            }
            Publication::Aggregate(aggregate) => {
                (Content::Aggregate(aggregate.clone()), aggregate.as_ssz_bytes())
            }
        };
        let mut id = [0; 20];
        id.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..20]);
        Self { id: MessageId(id), content }
    }

    /// What the engine hears when it comes from `peer`.
    pub(crate) fn input(&self, peer: Peer) -> Input {
        let origin = Origin::Gossip { id: self.id, peer };
        match &self.content {
            Content::Block(block) => Input::Block { block: block.clone(), origin },
            Content::Attestation(attestation) => {
                Input::Attestation { attestation: attestation.clone(), origin }
            }
            Content::Aggregate(aggregate) => Input::Aggregate { aggregate: aggregate.clone(), origin },
        }
    }
}
