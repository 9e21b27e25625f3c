//! `state_transition` fixtures: blocks applied to a state, and the state or the rejection that they end in.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use lathe_transition::{process_block, process_slots, state_root, state_transition};
use lathe_types::{
    Block, HistoricalBlockHashes, JustificationRoots, JustificationValidators, JustifiedSlots, Rejection,
    RejectionReason, Root, Slot, State, ValidatorIndex, Validators,
};

use crate::driver::CaseReport;
use crate::fixtures::Case;
use crate::json::{FromJson, Json};
use crate::outcome::{Failure, Outcome, expect_eq};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    pre: Json<State>,
    blocks: Json<Vec<Block>>,
    post: Option<Expectation>,
    post_state_root: Option<Json<Root>>,
}

/// Fields of the post-state; only those that are there are compared.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Expectation {
    slot: Option<Json<Slot>>,
    latest_justified_slot: Option<Json<Slot>>,
    latest_justified_root: Option<Json<Root>>,
    latest_justified_root_label: Option<String>,
    latest_finalized_slot: Option<Json<Slot>>,
    latest_finalized_root: Option<Json<Root>>,
    latest_finalized_root_label: Option<String>,
    validator_count: Option<Json<u64>>,
    validators: Option<Json<Validators>>,
    config_genesis_time: Option<Json<u64>>,
    latest_block_header_slot: Option<Json<Slot>>,
    latest_block_header_proposer_index: Option<Json<ValidatorIndex>>,
    latest_block_header_parent_root: Option<Json<Root>>,
    latest_block_header_state_root: Option<Json<Root>>,
    latest_block_header_body_root: Option<Json<Root>>,
    historical_block_hashes_count: Option<Json<u64>>,
    historical_block_hashes: Option<Json<HistoricalBlockHashes>>,
    justified_slots: Option<Json<JustifiedSlots>>,
    justifications_roots: Option<Json<JustificationRoots>>,
    justifications_roots_labels: Option<Vec<String>>,
    justifications_roots_count: Option<Json<u64>>,
    justifications_validators: Option<Json<JustificationValidators>>,
    justifications_validators_count: Option<Json<u64>>,
}

pub(super) fn run(case: &Case) -> Outcome {
    let body: Body = case.body()?;
    let result = transition(case, body.pre.0, &body.blocks.0);
    match &result {
        Ok(state) => compare(state, body.post.as_ref(), body.post_state_root.as_ref())?,
        Err(rejection) if case.rejection.is_none() => return Err(Failure::new("acceptance", rejection)),
        Err(_) => {}
    }
    case.expect_rejection(result.err().map(|rejection| rejection.reason))
}

/// What a driven case tells of its end.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Post {
    post: Option<Summary>,
}

/// The post-state under the names that a fixture states its fields by, so that whoever drives can compare any of them.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    post_state_root: Root,
    slot: Slot,
    latest_justified_slot: Slot,
    latest_justified_root: Root,
    latest_finalized_slot: Slot,
    latest_finalized_root: Root,
    validator_count: usize,
    config_genesis_time: u64,
    latest_block_header_slot: Slot,
    latest_block_header_proposer_index: ValidatorIndex,
    latest_block_header_parent_root: Root,
    latest_block_header_state_root: Root,
    latest_block_header_body_root: Root,
    historical_block_hashes_count: usize,
    historical_block_hashes: Data<Root>,
    justified_slots: Data<bool>,
    justifications_roots: Data<Root>,
    justifications_roots_count: usize,
    justifications_validators: Data<bool>,
    justifications_validators_count: usize,
}

/// A list as fixtures write it.
#[derive(Debug, PartialEq, Serialize)]
struct Data<T> {
    data: Vec<T>,
}

impl Summary {
    fn of(state: &State) -> Self {
        let header = &state.latest_block_header;
        Self {
            post_state_root: state_root(state),
            slot: state.slot,
            latest_justified_slot: state.latest_justified.slot,
            latest_justified_root: state.latest_justified.root,
            latest_finalized_slot: state.latest_finalized.slot,
            latest_finalized_root: state.latest_finalized.root,
            validator_count: state.validators.len(),
            config_genesis_time: state.config.genesis_time,
            latest_block_header_slot: header.slot,
            latest_block_header_proposer_index: header.proposer_index,
            latest_block_header_parent_root: header.parent_root,
            latest_block_header_state_root: header.state_root,
            latest_block_header_body_root: header.body_root,
            historical_block_hashes_count: state.historical_block_hashes.len(),
            historical_block_hashes: Data { data: state.historical_block_hashes.to_vec() },
            justified_slots: Data { data: state.justified_slots.iter().collect() },
            justifications_roots: Data { data: state.justifications_roots.to_vec() },
            justifications_roots_count: state.justifications_roots.len(),
            justifications_validators: Data { data: state.justifications_validators.iter().collect() },
            justifications_validators_count: state.justifications_validators.len(),
        }
    }
}

/// Runs a case and leaves the comparison to whoever sent it.
pub(crate) fn drive(case: &Case) -> Result<CaseReport<Post>, Failure> {
    let body: Body = case.body()?;
    Ok(match transition(case, body.pre.0, &body.blocks.0) {
        Ok(state) => CaseReport::success(Post { post: Some(Summary::of(&state)) }),
        Err(rejection) => CaseReport::rejection(&rejection),
    })
}

fn transition(case: &Case, pre: State, blocks: &[Block]) -> Result<State, Rejection> {
    if blocks.is_empty() && case.rejection.is_some() {
        return prepare_block(pre);
    }
    blocks.iter().try_fold(pre, |state, block| apply(case, state, block))
}

/// What is refused before there is a block: choosing its proposer, or advancing to a slot that is not ahead.
fn prepare_block(mut state: State) -> Result<State, Rejection> {
    if ValidatorIndex::proposer_for_slot(state.slot, state.validators.len() as u64).is_none() {
        return Err(Rejection::new(RejectionReason::EmptyValidatorRegistry, "nobody can propose"));
    }
    let slot = state.slot;
    process_slots(&mut state, slot)?;
    Ok(state)
}

/// Applies a block as the fixture was made: through the whole transition, or without advancing slots first.
///
/// The files do not say which. A placeholder in place of the state root says that there was no whole transition to take
/// it from, and the two reasons below cannot be reached once slots are advanced to the block's.
fn apply(case: &Case, mut state: State, block: &Block) -> Result<State, Rejection> {
    let without_slots = case.rejection.is_none()
        || case.expects(RejectionReason::BlockSlotMismatch)
        || case.expects(RejectionReason::BlockOlderThanLatestHeader);
    if without_slots && block.state_root == Root::ZERO {
        process_block(&mut state, block)?;
        return Ok(state);
    }
    state_transition(&state, block)
}

fn compare(state: &State, post: Option<&Expectation>, root: Option<&Json<Root>>) -> Result<(), Failure> {
    let Some(post) = post else { return compare_root(state, root) };
    let header = &state.latest_block_header;
    field("slot", &post.slot, &state.slot)?;
    field("latestJustifiedSlot", &post.latest_justified_slot, &state.latest_justified.slot)?;
    field("latestJustifiedRoot", &post.latest_justified_root, &state.latest_justified.root)?;
    field("latestFinalizedSlot", &post.latest_finalized_slot, &state.latest_finalized.slot)?;
    field("latestFinalizedRoot", &post.latest_finalized_root, &state.latest_finalized.root)?;
    field("validatorCount", &post.validator_count, &(state.validators.len() as u64))?;
    field("validators", &post.validators, &state.validators)?;
    field("configGenesisTime", &post.config_genesis_time, &state.config.genesis_time)?;
    field("latestBlockHeaderSlot", &post.latest_block_header_slot, &header.slot)?;
    field(
        "latestBlockHeaderProposerIndex",
        &post.latest_block_header_proposer_index,
        &header.proposer_index,
    )?;
    field("latestBlockHeaderParentRoot", &post.latest_block_header_parent_root, &header.parent_root)?;
    field("latestBlockHeaderStateRoot", &post.latest_block_header_state_root, &header.state_root)?;
    field("latestBlockHeaderBodyRoot", &post.latest_block_header_body_root, &header.body_root)?;
    compare_votes(state, post)?;
    let labelled = post.latest_justified_root_label.is_some()
        || post.latest_finalized_root_label.is_some()
        || post.justifications_roots_labels.is_some();
    if labelled && root.is_none() {
        // Labels name blocks of the generator, which the file does not carry; the state root covers the same fields.
        return Err(Failure::new("a postStateRoot beside labels", "none"));
    }
    compare_root(state, root)
}

fn compare_votes(state: &State, post: &Expectation) -> Result<(), Failure> {
    let history = &state.historical_block_hashes;
    field("historicalBlockHashesCount", &post.historical_block_hashes_count, &(history.len() as u64))?;
    field("historicalBlockHashes", &post.historical_block_hashes, history)?;
    field("justifiedSlots", &post.justified_slots, &state.justified_slots)?;
    let (roots, voters) = (&state.justifications_roots, &state.justifications_validators);
    field("justificationsRoots", &post.justifications_roots, roots)?;
    field("justificationsRootsCount", &post.justifications_roots_count, &(roots.len() as u64))?;
    field("justificationsValidators", &post.justifications_validators, voters)?;
    field("justificationsValidatorsCount", &post.justifications_validators_count, &(voters.len() as u64))
}

fn compare_root(state: &State, root: Option<&Json<Root>>) -> Result<(), Failure> {
    root.map_or(Ok(()), |Json(root)| expect_eq("postStateRoot", root, &state_root(state)))
}

fn field<T: FromJson + PartialEq + Debug>(
    name: &str,
    expected: &Option<Json<T>>,
    found: &T,
) -> Result<(), Failure> {
    expected.as_ref().map_or(Ok(()), |Json(expected)| expect_eq(name, expected, found))
}
