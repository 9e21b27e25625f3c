//! The payload's rules on an execution-paired chain, each broken alone; and the chain that has none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use lathe_transition::{
    check_execution_payload, generate_genesis, genesis_block, payload_timestamp, process_block,
    process_slots, state_root, state_transition,
};
use lathe_types::{
    Block, BlockBody, ChainVariant, ExecutionBody, ExecutionPayloadHeader, ExecutionPayloadV3,
    ExecutionRequests, Genesis, Rejection, RejectionReason, Root, Shaped, Slot, State, TreeHash, Validator,
    ValidatorIndex, Validators, Withdrawal,
};

const GENESIS_TIME: u64 = 1_000;
const EL_GENESIS: Root = Root::repeat_byte(0xe1);

fn genesis(execution_genesis: Option<Root>) -> State {
    let validators = (0..4).map(|index| Validator { index: ValidatorIndex(index), ..Validator::default() });
    generate_genesis(&Genesis {
        genesis_time: GENESIS_TIME,
        validators: Validators::try_from_iter(validators).unwrap(),
        execution_genesis,
        signature_scheme: Default::default(),
    })
}

fn payload(slot: u64, parent: Root, hash: u8) -> ExecutionPayloadV3 {
    ExecutionPayloadV3 {
        parent_hash: parent,
        block_hash: Root::repeat_byte(hash),
        timestamp: GENESIS_TIME + 4 * slot,
        ..ExecutionPayloadV3::default()
    }
}

fn body(payload: ExecutionPayloadV3) -> BlockBody {
    let execution = Some(Arc::new(ExecutionBody::new(payload, ExecutionRequests::default())));
    BlockBody { execution, ..BlockBody::default() }
}

/// A block with that body on top of `pre`, with whatever state root the transition yields, if it yields any.
fn apply(pre: &State, slot: u64, body: BlockBody) -> Result<(Block, State), Rejection> {
    let mut post = pre.clone();
    process_slots(&mut post, Slot(slot)).unwrap();
    let parent_root = post.latest_block_header.tree_hash_root();
    let proposer_index = ValidatorIndex(slot % 4);
    let block = Block { slot: Slot(slot), proposer_index, parent_root, state_root: Root::ZERO, body };
    process_block(&mut post, &block)?;
    Ok((Block { state_root: state_root(&post), ..block }, post))
}

fn refusal(pre: &State, slot: u64, body: BlockBody) -> RejectionReason {
    apply(pre, slot, body).unwrap_err().reason
}

#[test]
fn a_paired_genesis_knows_the_hash_of_its_execution_layer_and_nothing_else() {
    let state = genesis(Some(EL_GENESIS));
    let header = state.latest_execution_payload_header.clone().unwrap();
    assert_eq!(
        *header,
        ExecutionPayloadHeader { block_hash: EL_GENESIS, ..ExecutionPayloadHeader::default() }
    );

    let block = genesis_block(&state);
    let execution = block.body.execution.clone().unwrap();
    let zero = ExecutionPayloadV3 { block_hash: EL_GENESIS, ..ExecutionPayloadV3::default() };
    assert_eq!((execution.payload(), execution.requests().len()), (&zero, 0));
    assert_eq!(state.latest_block_header.body_root, block.body.tree_hash_root());

    let mut advanced = state.clone();
    process_slots(&mut advanced, Slot(1)).unwrap();
    assert_eq!(advanced.latest_block_header.tree_hash_root(), block.tree_hash_root());
}

#[test]
fn variants_and_execution_layers_have_their_own_genesis() {
    let roots =
        [None, Some(EL_GENESIS), Some(Root::repeat_byte(0xe2))].map(|hash| state_root(&genesis(hash)));
    assert!(roots[0] != roots[1] && roots[1] != roots[2]);
    assert_eq!(genesis(None).variant(), ChainVariant::Plain);
    assert_eq!(genesis_block(&genesis(None)).body, BlockBody::default());
}

#[test]
fn payloads_follow_each_other() {
    let state = genesis(Some(EL_GENESIS));
    let (first, post) = apply(&state, 1, body(payload(1, EL_GENESIS, 1))).unwrap();
    assert_eq!(state_transition(&state, &first).unwrap(), post);
    assert_eq!(
        post.latest_execution_payload_header,
        first.body.execution.as_ref().map(|e| e.header().clone())
    );

    // An empty slot between them changes the time, not the parent.
    let (second, last) = apply(&post, 3, body(payload(3, Root::repeat_byte(1), 2))).unwrap();
    assert_eq!(state_transition(&post, &second).unwrap(), last);
    assert_eq!(last.latest_execution_payload_header.unwrap().block_hash, Root::repeat_byte(2));
}

#[test]
fn each_rule_has_its_reason() {
    let state = genesis(Some(EL_GENESIS));
    let good = payload(1, EL_GENESIS, 1);
    let changed = |change: &dyn Fn(&mut ExecutionPayloadV3)| {
        let mut payload = good.clone();
        change(&mut payload);
        refusal(&state, 1, body(payload))
    };
    let withdrawal = Withdrawal::default();
    assert_eq!(
        changed(&|payload| payload.parent_hash = Root::repeat_byte(9)),
        RejectionReason::ExecutionParentHashMismatch
    );
    for timestamp in [GENESIS_TIME + 3, GENESIS_TIME + 5, 0, u64::MAX] {
        let late = changed(&|payload| payload.timestamp = timestamp);
        assert_eq!(late, RejectionReason::ExecutionTimestampMismatch, "{timestamp}");
    }
    assert_eq!(
        changed(&|payload| payload.prev_randao = Root::repeat_byte(1)),
        RejectionReason::ExecutionPrevRandaoNotZero
    );
    assert_eq!(
        changed(&|payload| payload.withdrawals = vec![withdrawal.clone()].try_into().unwrap()),
        RejectionReason::ExecutionWithdrawalsNotEmpty
    );
}

#[test]
fn the_variants_do_not_mix() {
    let (plain, paired) = (genesis(None), genesis(Some(EL_GENESIS)));
    assert_eq!(refusal(&paired, 1, BlockBody::default()), RejectionReason::WrongChainVariant);
    let execution = payload(1, EL_GENESIS, 1);
    assert_eq!(refusal(&plain, 1, body(execution.clone())), RejectionReason::WrongChainVariant);
    let alone = ExecutionBody::new(execution, ExecutionRequests::default());
    let refused = check_execution_payload(&plain, Slot(1), &alone).unwrap_err();
    assert_eq!(refused.reason, RejectionReason::WrongChainVariant);
}

#[test]
fn times_beyond_numbers_are_no_time() {
    let state = genesis(Some(EL_GENESIS));
    assert_eq!(payload_timestamp(&state, Slot(7)), Some(GENESIS_TIME + 28));
    assert_eq!(payload_timestamp(&state, Slot(u64::MAX / 4)), None);
    assert_eq!(payload_timestamp(&state, Slot(u64::MAX)), None);
}
