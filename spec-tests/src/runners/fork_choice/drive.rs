//! Fork choice step by step, for the test driver: the same store under the same rules as the fixtures, compared by
//! whoever drives it.

use lathe_forkchoice::Store;
use lathe_types::{Block, Checkpoint, Interval, Root, Slot, State};
use serde::{Deserialize, Serialize};

use super::session::{OpaqueProofs, Refusal, Session};
use super::shapes::Step;
use crate::json::Json;
use crate::outcome::Failure;

/// Where a fork choice starts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Anchor {
    anchor_state: Json<State>,
    anchor_block: Json<Block>,
    genesis_time: Option<u64>,
}

/// How a step ended.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepReport {
    accepted: bool,
    error: Option<String>,
    /// The specification's name of the reason, if a rule refused it.
    rejection_reason: Option<&'static str>,
    snapshot: Snapshot,
}

/// The store after a step, accepted or not.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    head_slot: Slot,
    head_root: Root,
    time: u64,
    justified_checkpoint: Checkpoint,
    finalized_checkpoint: Checkpoint,
    safe_target: Root,
}

/// A fork choice that is driven from outside.
pub(crate) struct Drive(Session);

impl Drive {
    /// Starts at an anchor; the error says why it cannot.
    pub(crate) fn start(anchor: Anchor) -> Result<Self, String> {
        let Anchor { anchor_state: Json(state), anchor_block: Json(block), genesis_time } = anchor;
        if let Some(time) = genesis_time
            && time != state.config.genesis_time
        {
            return Err(format!("genesisTime is {time}, but {} in anchorState", state.config.genesis_time));
        }
        Session::open(state, &block, OpaqueProofs::LeaveOpen).map(Self).map_err(|error| error.to_string())
    }

    /// How the store looks now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.0.store)
    }

    /// Takes a fixture's step.
    pub(crate) fn step(&mut self, step: Step) -> Result<StepReport, Failure> {
        let (event, _) = step.split()?;
        let outcome = self.0.apply(event);
        let rejection_reason = match &outcome {
            Err(Refusal::Rule(rejection)) => Some(rejection.reason.name()),
            _ => None,
        };
        Ok(StepReport {
            accepted: outcome.is_ok(),
            error: outcome.err().map(|refusal| refusal.to_string()),
            rejection_reason,
            snapshot: Snapshot::of(&self.0.store),
        })
    }
}

impl Snapshot {
    fn of(store: &Store) -> Self {
        let Interval(time) = store.time();
        Self {
            head_slot: store.head().slot,
            head_root: store.head().root,
            time,
            justified_checkpoint: store.latest_justified(),
            finalized_checkpoint: store.latest_finalized(),
            safe_target: store.safe_target().root,
        }
    }
}
