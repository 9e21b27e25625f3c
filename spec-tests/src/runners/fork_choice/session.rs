//! A store that steps are driven through, by the fixture runner and by the test driver alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_forkchoice::{BlockCheck, Store};
use lathe_transition::state_transition;
use lathe_types::{
    Block, Interval, MultiMessageAggregate, Rejection, RejectionReason, Root, SignedAggregatedAttestation,
    SignedAttestation, SignedBlock, SlotClock, State, TreeHash,
};

use super::shapes::{Event, Expectation};
use super::{leftovers, proofs};
use crate::outcome::Failure;
use crate::runners::verify_signatures::NEEDS_LEANVM;

/// The label that stands for the anchor.
const ANCHOR_LABEL: &str = "genesis";

/// What to do with a proof that is no mock: only leanVM can read it.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpaqueProofs {
    /// A case of mocked proofs has it there to be refused.
    Refuse,
    /// The fixture's verdict is believed, and the case counted as one that takes leanVM.
    Believe,
    /// Whether it is valid is left open, and it is not taken in.
    LeaveOpen,
}

/// Why an event did not enter the store.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A rule says so.
    #[error(transparent)]
    Rule(#[from] Rejection),
    /// Nobody here can say.
    #[error("{NEEDS_LEANVM}")]
    NeedsLeanVm,
    /// The step does not make sense by itself.
    #[error("{0:?}")]
    Nonsense(Failure),
}

/// The store and what drives it besides.
pub(super) struct Session {
    pub store: Store,
    /// Roots of labelled blocks.
    pub blocks: BTreeMap<String, Root>,
    /// Whether something was believed that only leanVM could judge.
    pub needs_leanvm: bool,
    opaque: OpaqueProofs,
}

impl Session {
    /// A store that starts at an anchor.
    pub fn open(anchor_state: State, anchor_block: &Block, opaque: OpaqueProofs) -> Result<Self, Rejection> {
        let store = Store::create_store(Arc::new(anchor_state), anchor_block)?;
        let blocks = BTreeMap::from([(ANCHOR_LABEL.to_owned(), anchor_block.tree_hash_root())]);
        Ok(Self { store, blocks, needs_leanvm: false, opaque })
    }

    /// Lets an event happen. What the fixture expects of it tells what its maker left in the store beforehand.
    pub fn apply(&mut self, event: Event, expectation: &Expectation) -> Result<(), Refusal> {
        match event {
            Event::Tick { time, interval, has_proposal } => {
                let clock = SlotClock { genesis_time: self.store.config().genesis_time };
                let from_time = |time: u64| clock.total_intervals(time.saturating_mul(1000));
                self.tick(interval.or(time.map(from_time)).unwrap_or_default(), has_proposal);
                Ok(())
            }
            Event::Block { block, label, tick_to_slot } => {
                if let Some(label) = label {
                    self.blocks.insert(label, block.tree_hash_root());
                }
                // What is to be refused was put together by hand and left nothing behind.
                if expectation.valid {
                    let known = expectation.snapshot.as_ref().map(|held| &held.known_aggregated_payloads);
                    leftovers::insert(&mut self.store, &block, known.map_or(&[], Vec::as_slice))
                        .map_err(Refusal::Nonsense)?;
                }
                Ok(self.deliver_block(block, tick_to_slot)?)
            }
            Event::Attestation { attestation, is_aggregator } => Ok(self.attest(attestation, is_aggregator)?),
            Event::Aggregate { aggregate } => self.aggregate(&aggregate, expectation.rejection),
        }
    }

    fn tick(&mut self, target: Interval, has_proposal: bool) {
        self.store.on_tick(target, has_proposal, Some(&mut proofs::mock_aggregate));
    }

    fn deliver_block(&mut self, block: Block, tick_to_slot: bool) -> Result<(), Rejection> {
        if tick_to_slot {
            self.tick(Interval::from_slot(block.slot), true);
        }
        // The fixtures leave out the proofs of blocks, and none of them is about such a proof.
        let signed_block = SignedBlock { block, proof: MultiMessageAggregate::default() };
        let BlockCheck::New { parent_state, .. } = self.store.check_block(&signed_block)? else {
            return Ok(());
        };
        let post_state = state_transition(&parent_state, &signed_block.block)?;
        self.store.on_block(&signed_block.block, Arc::new(post_state)).map(|_| ())
    }

    fn attest(&mut self, attestation: SignedAttestation, is_aggregator: bool) -> Result<(), Rejection> {
        let public_key = self.store.check_attestation(&attestation)?;
        proofs::verify_signature(&public_key, &attestation)?;
        let SignedAttestation { validator_index, data, signature } = attestation;
        self.store.on_gossip_attestation(validator_index, &data, signature, is_aggregator)
    }

    fn aggregate(
        &mut self,
        aggregate: &SignedAggregatedAttestation,
        expected: Option<RejectionReason>,
    ) -> Result<(), Refusal> {
        self.store.check_aggregated_attestation(aggregate)?;
        let invalid = |detail| Err(Rejection::new(RejectionReason::InvalidSignature, detail).into());
        if !proofs::is_mock(aggregate) {
            match self.opaque {
                OpaqueProofs::Refuse => return invalid("neither a mocked proof nor one that verifies"),
                OpaqueProofs::LeaveOpen => return Err(Refusal::NeedsLeanVm),
                // Every rule before it has been applied, and what follows from the verdict is still compared.
                OpaqueProofs::Believe => {
                    self.needs_leanvm = true;
                    if expected == Some(RejectionReason::InvalidSignature) {
                        return invalid("by the fixture's word");
                    }
                }
            }
        }
        Ok(self.store.on_gossip_aggregated_attestation(aggregate)?)
    }
}
