//! A store that steps are driven through, by the fixture runner and by the test driver alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_forkchoice::{BlockCheck, Store};
use lathe_transition::state_transition;
use lathe_types::{
    Block, Interval, MultiMessageAggregate, Rejection, RejectionReason, Root, SignedAggregatedAttestation,
    SignedAttestation, SignedBlock, SlotClock, State, TreeHash,
};

use super::shapes::Event;
use super::{leftovers, proofs};
use crate::runners::verify_signatures::NEEDS_LEANVM;

/// The label that stands for the anchor.
const ANCHOR_LABEL: &str = "genesis";

/// What to do with a proof that is no mock: only leanVM can read it.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpaqueProofs {
    /// A case of mocked proofs has it there to be refused.
    Refuse,
    /// Whether it is valid is left open, and it is not taken in.
    LeaveOpen,
}

/// Why an event did not enter the store.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A rule says so.
    #[error(transparent)]
    Rule(#[from] Rejection),
    /// Every rule before the proof's verdict holds, and nobody here can give that.
    #[error("{NEEDS_LEANVM}")]
    NeedsLeanVm(Box<SignedAggregatedAttestation>),
}

/// The store and what drives it besides. It knows nothing of how a step must end.
pub(super) struct Session {
    pub store: Store,
    /// Roots of labelled blocks.
    pub blocks: BTreeMap<String, Root>,
    opaque: OpaqueProofs,
}

impl Session {
    /// A store that starts at an anchor.
    pub(super) fn open(
        anchor_state: State,
        anchor_block: &Block,
        opaque: OpaqueProofs,
    ) -> Result<Self, Rejection> {
        let store = Store::create_store(Arc::new(anchor_state), anchor_block)?;
        let blocks = BTreeMap::from([(ANCHOR_LABEL.to_owned(), anchor_block.tree_hash_root())]);
        Ok(Self { store, blocks, opaque })
    }

    /// Lets an event happen.
    pub(super) fn apply(&mut self, event: Event) -> Result<(), Refusal> {
        match event {
            Event::Tick { time, interval, has_proposal } => {
                let clock = SlotClock { genesis_time: self.store.config().genesis_time };
                let from_time = |time: u64| clock.total_intervals(time.saturating_mul(1000));
                let target = interval.or(time.map(from_time)).unwrap_or_default();
                tick(&mut self.store, target, has_proposal);
                Ok(())
            }
            Event::Block { block, label, tick_to_slot } => {
                if let Some(label) = label {
                    self.blocks.insert(label, block.tree_hash_root());
                }
                // What a rule refuses was put together by hand, and nothing was gathered for it.
                let mut trial = self.store.clone();
                if deliver_block(&mut trial, block.clone(), tick_to_slot).is_ok() {
                    leftovers::insert(&mut self.store, &block);
                }
                Ok(deliver_block(&mut self.store, block, tick_to_slot)?)
            }
            Event::Attestation { attestation, is_aggregator } => Ok(self.attest(attestation, is_aggregator)?),
            Event::Aggregate { aggregate } => self.aggregate(aggregate),
        }
    }

    fn attest(&mut self, attestation: SignedAttestation, is_aggregator: bool) -> Result<(), Rejection> {
        let public_key = self.store.check_attestation(&attestation)?;
        proofs::verify_signature(&public_key, &attestation)?;
        let SignedAttestation { validator_index, data, signature } = attestation;
        self.store.on_gossip_attestation(validator_index, &data, signature, is_aggregator)
    }

    fn aggregate(&mut self, aggregate: SignedAggregatedAttestation) -> Result<(), Refusal> {
        self.store.check_aggregated_attestation(&aggregate)?;
        if !proofs::is_mock(&aggregate) {
            return match self.opaque {
                OpaqueProofs::Refuse => {
                    let detail = "neither a mocked proof nor one that verifies";
                    Err(Rejection::new(RejectionReason::InvalidSignature, detail).into())
                }
                OpaqueProofs::LeaveOpen => Err(Refusal::NeedsLeanVm(Box::new(aggregate))),
            };
        }
        Ok(self.store.on_gossip_aggregated_attestation(&aggregate)?)
    }
}

/// Advances the time as the fixtures' maker does: aggregating in place.
pub(super) fn tick(store: &mut Store, target: Interval, has_proposal: bool) {
    store.on_tick(target, has_proposal, Some(&mut proofs::mock_aggregate));
}

fn deliver_block(store: &mut Store, block: Block, tick_to_slot: bool) -> Result<(), Rejection> {
    if tick_to_slot {
        tick(store, Interval::from_slot(block.slot), true);
    }
    // The fixtures leave out the proofs of blocks, and none of them is about such a proof.
    let signed_block = SignedBlock { block, proof: MultiMessageAggregate::default() };
    let BlockCheck::New { parent_state, .. } = store.check_block(&signed_block)? else {
        return Ok(());
    };
    let post_state = state_transition(&parent_state, &signed_block.block)?;
    store.on_block(&signed_block.block, Arc::new(post_state)).map(|_| ())
}
