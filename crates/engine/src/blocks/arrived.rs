//! A block on its way into the store.

use std::sync::Arc;

use lathe_types::{Checkpoint, Root, SignedBlock, Slot};

use crate::core::Core;
use crate::io::{GossipVerdict, Millis, Origin, Peer, RefusedBlock};

/// A block with all that is known of it.
#[derive(Clone, Debug)]
pub(crate) struct ArrivedBlock {
    pub(crate) root: Root,
    pub(crate) block: Arc<SignedBlock>,
    /// Who is to hear the verdict; several if it came on several ways.
    pub(crate) origins: Vec<Origin>,
    pub(crate) arrived: Millis,
    /// Whether any of the ways was gossip: only then its arrival time says something.
    pub(crate) by_gossip: bool,
}

impl ArrivedBlock {
    pub(crate) fn parent_root(&self) -> Root {
        self.block.block.parent_root
    }

    pub(crate) fn slot(&self) -> Slot {
        self.block.block.slot
    }

    /// Whether it answers a request of ours, in one of the ways that it came.
    pub(super) fn was_asked_for(&self) -> bool {
        self.origins.iter().any(|origin| matches!(origin, Origin::Response { .. }))
    }

    /// What is told of it when a rule refuses it.
    pub(crate) fn refused(&self) -> RefusedBlock {
        RefusedBlock {
            block: Checkpoint { root: self.root, slot: self.slot() },
            proposer: self.block.block.proposer_index,
            peer: self.sender(),
        }
    }

    pub(super) fn sender(&self) -> Option<Peer> {
        self.origins.first().map(Origin::peer)
    }

    /// Answers for it to everybody who sent it.
    pub(crate) fn settle(&self, core: &mut Core, verdict: GossipVerdict) {
        for origin in &self.origins {
            core.settle(*origin, verdict);
        }
    }

    /// What it occupies, near enough: the proof, the bits and the payload dominate.
    pub(crate) fn bytes(&self) -> usize {
        let bits =
            |attestation: &lathe_types::AggregatedAttestation| attestation.aggregation_bits.len() / 8 + 256;
        let execution = self.block.block.body.execution.as_ref();
        self.block.proof.proof.len()
            + execution.map_or(0, |execution| execution.bytes())
            + self.block.block.body.attestations.iter().map(bits).sum::<usize>()
            + 256
    }
}
