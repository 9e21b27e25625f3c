//! `validator_duty_gate` fixtures: whether a validator's duties run while its chain lags, judged by the node's gate.
//!
//! The block that a fixture calls the newest seen stands for a newer head elsewhere, which is what this client's gate
//! goes by. Where there is none the gate stays open, and the specification's does not: that is a known difference, if
//! the specification's rule yields what the fixture says.

use lathe_engine::{ChainLag, Gate};
use lathe_types::Slot;
use serde::Deserialize;

use crate::fixtures::Case;
use crate::outcome::{Failure, Outcome, Verdict, expect_eq};

/// Why a verdict may differ.
const NOTHING_NEWER: &str = "the gate closes only for a newer head that is missing here";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    initial_state: InitialState,
    steps: Vec<Step>,
    decisions: Vec<Decision>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InitialState {
    head_slot: Slot,
    max_seen_slot: Slot,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    wall_clock_slot: Slot,
    /// Moves the head before the gate is asked.
    set_head_slot: Option<Slot>,
    #[serde(rename = "duty")]
    _duty: Duty,
}

/// The gate is the same for both.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Duty {
    Block,
    Attestation,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decision {
    allow: bool,
    head_slot: Slot,
    lag: u64,
    max_seen_slot: Slot,
}

pub(super) fn run(case: &Case) -> Outcome {
    let Body { initial_state: InitialState { head_slot: mut head, max_seen_slot }, steps, decisions } =
        case.body()?;
    expect_eq("decisions", &steps.len(), &decisions.len())?;
    // A block beside the head, unless the head itself is the newest.
    let beside = Some(max_seen_slot).filter(|newest| *newest > head);
    let (mut gate, mut specified) = (Gate::default(), SpecifiedGate::default());
    let mut verdict = Verdict::Passed;
    for (index, (step, decision)) in steps.iter().zip(&decisions).enumerate() {
        let at = |failure: Failure| failure.at(format!("step {index}"));
        head = step.set_head_slot.unwrap_or(head);
        let newest = beside.map_or(head, |beside| beside.max(head));
        let clock = step.wall_clock_slot;
        expect_eq("headSlot", &decision.head_slot, &head).map_err(at)?;
        expect_eq("lag", &decision.lag, &clock.0.saturating_sub(head.0)).map_err(at)?;
        expect_eq("maxSeenSlot", &decision.max_seen_slot, &newest).map_err(at)?;

        let newest_unheld = Some(newest).filter(|newest| *newest > head);
        gate.update(ChainLag { clock, head, newest_unheld, heard_of_peers: true });
        let specified_allows = specified.allows(clock, head, newest);
        let allows = !gate.is_closed();
        if allows != decision.allow && newest_unheld.is_none() && specified_allows == decision.allow {
            verdict = Verdict::KnownDifference(NOTHING_NEWER);
        } else {
            expect_eq("allow", &decision.allow, &allows).map_err(at)?;
        }
    }
    case.expect_rejection(None).map(|_| verdict)
}

/// The specification's gate (`_is_synced_for_duties`).
#[derive(Default)]
struct SpecifiedGate {
    closed: bool,
}

impl SpecifiedGate {
    fn allows(&mut self, clock: Slot, head: Slot, newest: Slot) -> bool {
        let behind = |slot: Slot| clock.0.saturating_sub(slot.0);
        let allows = behind(newest) > 8 || behind(head) <= if self.closed { 2 } else { 4 };
        self.closed = !allows;
        allows
    }
}
