//! The JSON of a case.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use lathe_types::{
    Block, Interval, Rejection, Root, SignedAggregatedAttestation, SignedAttestation, Slot, State,
    ValidatorIndex,
};

use super::snapshot::Snapshot;
use crate::json::{FromJson, Json, JsonError};
use crate::outcome::Failure;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Body {
    pub anchor_state: Json<State>,
    pub anchor_block: Json<Block>,
    pub steps: Vec<Step>,
    /// How long the keys of the fixture's maker had to last.
    #[serde(rename = "maxSlot")]
    _max_slot: Json<Slot>,
}

/// A step of any type; which fields belong together is for [`Step::split`] to say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Step {
    step_type: String,
    valid: bool,
    rejection_reason: Option<String>,
    checks: Option<Checks>,
    store_snapshot: Option<Snapshot>,
    time: Option<u64>,
    interval: Option<Json<Interval>>,
    has_proposal: Option<bool>,
    tick_to_slot: Option<bool>,
    block: Option<Value>,
    attestation: Option<Value>,
    is_aggregator: Option<bool>,
}

/// What happens in a step.
pub(super) enum Event {
    Tick { time: Option<u64>, interval: Option<Interval>, has_proposal: bool },
    Block { block: Block, label: Option<String>, tick_to_slot: bool },
    Attestation { attestation: SignedAttestation, is_aggregator: bool },
    Aggregate { aggregate: SignedAggregatedAttestation },
}

/// How a step must end.
pub(super) struct Expectation {
    /// The reason that it must be refused for, in the fixture's words.
    pub rejection: Option<String>,
    pub checks: Option<Checks>,
    pub snapshot: Option<Snapshot>,
}

impl Step {
    /// What happens, and how it must end.
    pub(super) fn split(self) -> Result<(Event, Expectation), Failure> {
        let Self {
            step_type,
            time,
            interval,
            has_proposal,
            tick_to_slot,
            block,
            attestation,
            is_aggregator,
            ..
        } = self;
        let interval = interval.map(|interval| interval.0);
        let event = match (step_type.as_str(), has_proposal, tick_to_slot, block, attestation, is_aggregator)
        {
            ("tick", Some(has_proposal), None, None, None, None) if time.is_some() != interval.is_some() => {
                Event::Tick { time, interval, has_proposal }
            }
            ("block", None, Some(tick_to_slot), Some(mut block), None, None) => {
                let label = take_label(&mut block)?;
                Event::Block { block: read(&block)?, label, tick_to_slot }
            }
            ("attestation", None, None, None, Some(attestation), Some(is_aggregator)) => {
                Event::Attestation { attestation: read(&attestation)?, is_aggregator }
            }
            ("gossipAggregatedAttestation", None, None, None, Some(attestation), None) => {
                Event::Aggregate { aggregate: read(&attestation)? }
            }
            _ => return Err(Failure::new("a step with the fields of its type", step_type)),
        };
        let rejection = match (self.valid, self.rejection_reason) {
            (true, None) => None,
            (false, Some(name)) => Some(name),
            (valid, reason) => {
                return Err(Failure::new("a reason unless valid", format!("{valid}, {reason:?}")));
            }
        };
        Ok((event, Expectation { rejection, checks: self.checks, snapshot: self.store_snapshot }))
    }
}

impl Expectation {
    /// A fixture describes the store after every step.
    pub(super) fn complete(self) -> Result<Self, Failure> {
        if self.snapshot.is_some() { Ok(self) } else { Err(Failure::new("a storeSnapshot", "none")) }
    }

    pub(super) fn check_outcome(&self, outcome: Result<(), Rejection>) -> Result<(), Failure> {
        let expected = self.rejection.as_deref();
        match outcome {
            Ok(()) if expected.is_none() => Ok(()),
            Err(rejection) if expected == Some(rejection.reason.name()) => Ok(()),
            Ok(()) => Err(Failure::new(expected.unwrap_or("acceptance"), "acceptance")),
            Err(rejection) => Err(Failure::new(expected.unwrap_or("acceptance"), rejection)),
        }
    }
}

/// The label that the fixture's maker writes among a block's own fields.
fn take_label(block: &mut Value) -> Result<Option<String>, Failure> {
    match block.as_object_mut().and_then(|fields| fields.remove("blockRootLabel")) {
        None => Ok(None),
        Some(Value::String(label)) => Ok(Some(label)),
        Some(other) => Err(Failure::new("a label", other)),
    }
}

fn read<T: FromJson>(value: &Value) -> Result<T, Failure> {
    T::from_json(value).map_err(|error: JsonError| Failure::new("a value of its type", error))
}

/// Checks beside the snapshot; only those that are there are made.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Checks {
    pub time: Option<Json<Interval>>,
    pub head_slot: Option<Slot>,
    pub head_root: Option<Root>,
    pub head_root_label: Option<String>,
    pub filled_block_root_label: Option<String>,
    pub latest_justified_slot: Option<Slot>,
    pub latest_justified_root: Option<Root>,
    pub latest_justified_root_label: Option<String>,
    pub latest_finalized_slot: Option<Slot>,
    pub latest_finalized_root: Option<Root>,
    pub latest_finalized_root_label: Option<String>,
    pub safe_target: Option<Root>,
    pub safe_target_slot: Option<Slot>,
    pub safe_target_root_label: Option<String>,
    pub attestation_target_slot: Option<Slot>,
    pub attestation_target_root_label: Option<String>,
    pub attestation_checks: Option<Vec<AttestationCheck>>,
    pub attestation_signature_target_slots: Option<Vec<Slot>>,
    pub latest_new_aggregated_target_slots: Option<Vec<Slot>>,
    pub latest_known_aggregated_target_slots: Option<Vec<Slot>>,
    /// By target slot, spelled as an object's key.
    pub new_pool_proof_participants: Option<BTreeMap<String, Vec<ValidatorIndex>>>,
    pub block_attestation_count: Option<usize>,
    pub block_attestations: Option<Vec<BlockAttestationCheck>>,
    pub lexicographic_head_among: Option<Vec<String>>,
    pub reorg_depth: Option<usize>,
    pub labels_in_store: Option<Vec<String>>,
}

/// What a validator's latest vote in a pool must be.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AttestationCheck {
    pub validator: ValidatorIndex,
    pub attestation_slot: Option<Slot>,
    pub head_slot: Option<Slot>,
    pub source_slot: Option<Slot>,
    pub source_root_label: Option<String>,
    pub target_slot: Option<Slot>,
    pub location: Location,
}

/// A pool.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Location {
    New,
    Known,
    Signatures,
}

/// An attestation that the delivered block must carry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BlockAttestationCheck {
    pub participants: Vec<ValidatorIndex>,
    pub attestation_slot: Option<Slot>,
    pub target_slot: Option<Slot>,
}
