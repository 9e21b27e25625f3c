//! `fork_choice` fixtures: steps driven through a store, which must look exactly as described after each.
//!
//! The fixtures come from a runner that builds blocks out of the store itself, and some of what it leaves behind shows
//! in their snapshots: votes asked for in a block enter the counted pool as proofs before the block is imported, and every
//! tick aggregates. This runner repeats that; a node must not.

mod checks;
mod known_differences;
mod leftovers;
mod proofs;
mod shapes;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_forkchoice::{BlockCheck, Store};
use lathe_transition::state_transition;
use lathe_types::{
    Block, Interval, MultiMessageAggregate, Rejection, RejectionReason, Root, SignedAggregatedAttestation,
    SignedAttestation, SignedBlock, SlotClock, TreeHash,
};

use crate::fixtures::{Case, ProofSetting};
use crate::outcome::{Failure, Outcome, Verdict};
use known_differences::Arrivals;
use shapes::{Body, Event, Expectation, Step};

pub(super) fn run(case: &Case) -> Outcome {
    let body: Body = case.body()?;
    let anchor_root = body.anchor_block.0.tree_hash_root();
    let store = match Store::create_store(Arc::new(body.anchor_state.0), &body.anchor_block.0) {
        Ok(store) => store,
        Err(rejection) => return case.expect_rejection(Some(rejection.reason)),
    };
    case.expect_rejection(None)?;
    let blocks = BTreeMap::from([("genesis".to_owned(), anchor_root)]);
    let mut world = World { case, store, blocks, arrivals: Arrivals::default(), needs_leanvm: false };
    for (index, step) in body.steps.into_iter().enumerate() {
        let difference = world.step(step).map_err(|failure| failure.at(format!("step {index}")))?;
        if let Some(reason) = difference {
            return Ok(Verdict::KnownDifference(reason));
        }
    }
    Ok(if world.needs_leanvm { Verdict::NeedsLeanVm } else { Verdict::Passed })
}

/// The store and what the runner knows besides.
struct World<'a> {
    case: &'a Case,
    store: Store,
    /// Roots of labelled blocks.
    blocks: BTreeMap<String, Root>,
    /// The order in which votes came.
    arrivals: Arrivals,
    /// Whether a step could only be judged with a real verifier.
    needs_leanvm: bool,
}

impl World<'_> {
    /// Takes a step; `Some` says why the case ends here in a known difference.
    fn step(&mut self, step: Step) -> Result<Option<&'static str>, Failure> {
        let (event, expectation) = step.split()?;
        let old_head = self.store.head().root;
        let delivered = if let Event::Block { block, .. } = &event { Some(block.clone()) } else { None };
        for attestation in delivered.iter().flat_map(|block| &block.body.attestations) {
            self.arrivals.note(attestation.data.tree_hash_root());
        }
        let outcome = match event {
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
                if expectation.rejection.is_none() {
                    let known = &expectation.snapshot.known_aggregated_payloads;
                    leftovers::insert(&mut self.store, &block, known)?;
                }
                self.deliver_block(block, tick_to_slot)
            }
            Event::Attestation { attestation, is_aggregator } => self.attest(attestation, is_aggregator),
            Event::Aggregate { aggregate } => self.aggregate(&aggregate, expectation.rejection),
        };
        if let Some(reason) = known_differences::explain_outcome(&expectation, &outcome) {
            return Ok(Some(reason));
        }
        expectation.check_outcome(outcome)?;
        self.note_arrivals();
        if let Err(failure) = self.compare(&expectation, delivered.as_ref(), old_head) {
            let reason =
                known_differences::explain_weights(&expectation.snapshot, &self.store, &self.arrivals);
            return reason.map(Some).ok_or(failure);
        }
        Ok(None)
    }

    fn compare(
        &self,
        expected: &Expectation,
        delivered: Option<&Block>,
        old_head: Root,
    ) -> Result<(), Failure> {
        snapshot::compare(&expected.snapshot, &self.store)?;
        let context = checks::Context { store: &self.store, blocks: &self.blocks, delivered, old_head };
        expected.checks.as_ref().map_or(Ok(()), |checks| context.validate(checks))
    }

    /// Votes that came in this step, if not noted before: those of a block in body order.
    fn note_arrivals(&mut self) {
        let pools =
            [self.store.latest_known_aggregated_payloads(), self.store.latest_new_aggregated_payloads()];
        for (data_root, ..) in pools.into_iter().flat_map(lathe_forkchoice::PayloadView::iter) {
            self.arrivals.note(data_root);
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
        proofs::verify_signature(self.case.scheme, &public_key, &attestation)?;
        let SignedAttestation { validator_index, data, signature } = attestation;
        self.store.on_gossip_attestation(validator_index, &data, signature, is_aggregator)
    }

    fn aggregate(
        &mut self,
        aggregate: &SignedAggregatedAttestation,
        expected: Option<RejectionReason>,
    ) -> Result<(), Rejection> {
        self.store.check_aggregated_attestation(aggregate)?;
        if self.case.proof_setting == ProofSetting::Mocked {
            proofs::verify_mock(aggregate)?;
        } else {
            // The proof decides, and nobody here can read it. Every rule before it has been applied, and what follows
            // from the verdict that the fixture states is still compared.
            self.needs_leanvm = true;
            if expected == Some(RejectionReason::InvalidSignature) {
                return Err(Rejection::new(RejectionReason::InvalidSignature, "by the fixture's word"));
            }
        }
        self.store.on_gossip_aggregated_attestation(aggregate)
    }
}
