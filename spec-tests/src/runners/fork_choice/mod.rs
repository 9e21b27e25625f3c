//! `fork_choice` fixtures: steps driven through a store, which must look exactly as described after each.
//!
//! The fixtures come from a runner that builds blocks out of the store itself, and some of what it leaves behind shows
//! in their snapshots: votes asked for in a block enter the counted pool as proofs before the block is imported, and
//! every tick aggregates. This runner repeats that; a node must not. What a step must look like afterwards is only
//! compared with, never used.

mod checks;
pub(crate) mod drive;
mod known_differences;
mod leftovers;
mod proofs;
mod session;
mod shapes;
mod snapshot;

use lathe_types::{Block, Rejection, RejectionReason, Root, SignedAggregatedAttestation, TreeHash};

use crate::fixtures::{Case, ProofSetting};
use crate::outcome::{Failure, Outcome, Verdict};
use known_differences::Arrivals;
use session::{OpaqueProofs, Refusal, Session};
use shapes::{Body, Event, Expectation, Step};

pub(super) fn run(case: &Case) -> Outcome {
    let body: Body = case.body()?;
    let opaque = match case.proof_setting {
        ProofSetting::Mocked => OpaqueProofs::Refuse,
        ProofSetting::Valid | ProofSetting::Invalid => OpaqueProofs::LeaveOpen,
    };
    let session = match Session::open(body.anchor_state.0, &body.anchor_block.0, opaque) {
        Ok(session) => session,
        Err(rejection) => return case.expect_rejection(Some(rejection.reason)),
    };
    case.expect_rejection(None)?;
    let mut world =
        World { session, arrivals: Arrivals::default(), needs_leanvm: false, unstated_votes: false };
    for (index, step) in body.steps.into_iter().enumerate() {
        let difference = world.step(step).map_err(|failure| failure.at(format!("step {index}")))?;
        if let Some(reason) = difference {
            return Ok(Verdict::KnownDifference(reason));
        }
    }
    if world.unstated_votes {
        return Ok(Verdict::KnownDifference(known_differences::UNSTATED_VOTES));
    }
    Ok(if world.needs_leanvm { Verdict::NeedsLeanVm } else { Verdict::Passed })
}

/// A session whose every step is compared.
struct World {
    session: Session,
    /// The order in which votes came.
    arrivals: Arrivals,
    /// Whether a verdict had to be believed that only leanVM can give.
    needs_leanvm: bool,
    /// Whether a snapshot told of votes that no step did.
    unstated_votes: bool,
}

impl World {
    /// Takes a step; `Some` says why the case ends here in a known difference.
    fn step(&mut self, step: Step) -> Result<Option<&'static str>, Failure> {
        let (event, expectation) = step.split()?;
        let expectation = expectation.complete()?;
        let old_head = self.session.store.head().root;
        let delivered = if let Event::Block { block, .. } = &event { Some(block.clone()) } else { None };
        for attestation in delivered.iter().flat_map(|block| &block.body.attestations) {
            self.arrivals.note(attestation.data.tree_hash_root());
        }
        let outcome = match self.session.apply(event) {
            Ok(()) => Ok(()),
            Err(Refusal::Rule(rejection)) => Err(rejection),
            Err(Refusal::NeedsLeanVm(aggregate)) => self.believe(&aggregate, &expectation),
        };
        if let Some(reason) = known_differences::explain_outcome(&expectation, &outcome) {
            return Ok(Some(reason));
        }
        expectation.check_outcome(outcome)?;
        self.note_arrivals();
        let Err(failure) = self.compare(&expectation, delivered.as_ref(), old_head) else {
            return Ok(None);
        };
        let Some(snapshot) = &expectation.snapshot else { return Err(failure) };
        let store = &self.session.store;
        if let Some(reason) = known_differences::explain_weights(snapshot, store, &self.arrivals) {
            return Ok(Some(reason));
        }

        // The votes of the snapshot that no step states: nothing else may differ once they are counted.
        let counted = &snapshot.known_aggregated_payloads;
        let with = delivered.as_ref().and_then(|block| leftovers::with_unstated(store, block, counted));
        self.session.store = with.ok_or(failure)?;
        self.unstated_votes = true;
        self.compare(&expectation, delivered.as_ref(), old_head)?;
        Ok(None)
    }

    /// Every rule before a proof's verdict has been applied, and what follows from the verdict is still compared. The
    /// case does not count as passed.
    fn believe(
        &mut self,
        aggregate: &SignedAggregatedAttestation,
        expectation: &Expectation,
    ) -> Result<(), Rejection> {
        self.needs_leanvm = true;
        let invalid = RejectionReason::InvalidSignature;
        if expectation.rejection.as_deref() == Some(invalid.name()) {
            return Err(Rejection::new(invalid, "by the fixture's word"));
        }
        self.session.store.on_gossip_aggregated_attestation(aggregate)
    }

    fn compare(
        &self,
        expected: &Expectation,
        delivered: Option<&Block>,
        old_head: Root,
    ) -> Result<(), Failure> {
        let Session { store, blocks, .. } = &self.session;
        expected.snapshot.as_ref().map_or(Ok(()), |snapshot| snapshot::compare(snapshot, store))?;
        let context = checks::Context { store, blocks, delivered, old_head };
        expected.checks.as_ref().map_or(Ok(()), |checks| context.validate(checks))
    }

    /// Votes that came in this step, if not noted before: those of a block in body order.
    fn note_arrivals(&mut self) {
        let store = &self.session.store;
        let pools = [store.latest_known_aggregated_payloads(), store.latest_new_aggregated_payloads()];
        for (data_root, ..) in pools.into_iter().flat_map(lathe_forkchoice::PayloadView::iter) {
            self.arrivals.note(data_root);
        }
    }
}
