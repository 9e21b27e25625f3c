use lathe_types::{
    AggregatedAttestation, AggregationBits, AttestationData, Block, BlockBody, Checkpoint, Encode, Genesis,
    HISTORICAL_ROOTS_LIMIT, JustificationRoots, JustifiedSlots, Participation, RejectionReason, Root, Slot,
    State, TreeHash, Validator, ValidatorIndex, Validators,
};

use super::*;
use crate::bits::{BitWriter, slice, window};

const VALIDATORS: u64 = 4;

fn genesis() -> State {
    let validators = Validators::try_from_iter(
        (0..VALIDATORS).map(|index| Validator { index: ValidatorIndex(index), ..Validator::default() }),
    );
    generate_genesis(&Genesis {
        genesis_time: 1_000,
        validators: validators.unwrap(),
        execution_genesis: None,
        signature_scheme: Default::default(),
    })
}

/// A valid block for `slot` on top of `pre`, and its post-state.
fn extend(pre: &State, slot: u64, attestations: Vec<AggregatedAttestation>) -> (Block, State) {
    let block = unsealed(pre, slot, attestations);
    let mut post = pre.clone();
    process_slots(&mut post, block.slot).unwrap();
    process_block(&mut post, &block).unwrap();
    (Block { state_root: state_root(&post), ..block }, post)
}

fn unsealed(pre: &State, slot: u64, attestations: Vec<AggregatedAttestation>) -> Block {
    let mut advanced = pre.clone();
    process_slots(&mut advanced, Slot(slot)).unwrap();
    Block {
        slot: Slot(slot),
        proposer_index: ValidatorIndex(slot % VALIDATORS),
        parent_root: advanced.latest_block_header.tree_hash_root(),
        state_root: Root::ZERO,
        body: BlockBody { attestations: attestations.try_into().unwrap(), execution: None },
    }
}

fn checkpoint(block: &Block) -> Checkpoint {
    Checkpoint { root: block.tree_hash_root(), slot: block.slot }
}

fn vote(voters: &[u64], source: Checkpoint, target: Checkpoint) -> AggregatedAttestation {
    AggregatedAttestation {
        aggregation_bits: AggregationBits::from_indices(voters.iter().copied().map(ValidatorIndex)).unwrap(),
        data: AttestationData { slot: target.slot, head: target, target, source },
    }
}

fn reason<T: std::fmt::Debug>(result: Result<T, lathe_types::Rejection>) -> RejectionReason {
    result.unwrap_err().reason
}

#[test]
fn genesis_block_carries_the_header_of_its_state() {
    let state = genesis();
    let block = genesis_block(&state);
    let mut advanced = state.clone();
    process_slots(&mut advanced, Slot(1)).unwrap();
    assert_eq!(advanced.latest_block_header.tree_hash_root(), block.tree_hash_root());
    assert_eq!(block.state_root, state_root(&state));
}

#[test]
fn only_the_first_empty_slot_fills_the_state_root() {
    let state = genesis();
    let mut jumped = state.clone();
    process_slots(&mut jumped, Slot(1_000)).unwrap();
    let mut walked = state;
    for slot in 1..=1_000 {
        process_slots(&mut walked, Slot(slot)).unwrap();
    }
    assert_eq!(jumped, walked);
    assert_eq!(jumped.slot, Slot(1_000));
    assert_eq!(reason(process_slots(&mut jumped, Slot(1_000))), RejectionReason::BlockSlotNotInFuture);
}

#[test]
fn header_is_checked_in_the_specifications_order() {
    let state = genesis();
    let (good, _) = extend(&state, 3, vec![]);
    let mut at_three = state.clone();
    process_slots(&mut at_three, Slot(3)).unwrap();
    let check = |block: Block| reason(process_block_header(&mut at_three.clone(), &block));

    assert_eq!(check(Block { slot: Slot(4), ..good.clone() }), RejectionReason::BlockSlotMismatch);
    let wrong_proposer = Block { proposer_index: ValidatorIndex(0), parent_root: Root::ZERO, ..good.clone() };
    assert_eq!(check(wrong_proposer), RejectionReason::WrongProposer);
    assert_eq!(check(Block { parent_root: Root::ZERO, ..good.clone() }), RejectionReason::ParentRootMismatch);

    let mut stale = at_three.clone();
    stale.latest_block_header.slot = Slot(3);
    assert_eq!(reason(process_block_header(&mut stale, &good)), RejectionReason::BlockOlderThanLatestHeader);

    let mut empty = at_three;
    empty.validators = Validators::empty();
    assert_eq!(reason(process_block_header(&mut empty, &good)), RejectionReason::EmptyValidatorRegistry);

    let wrong_root = Block { state_root: Root::repeat_byte(1), ..good };
    assert_eq!(reason(state_transition(&state, &wrong_root)), RejectionReason::StateRootMismatch);
}

#[test]
fn history_holds_the_parent_and_a_zero_hash_per_skipped_slot() {
    let state = genesis();
    let parent = genesis_block(&state).tree_hash_root();
    let (_, post) = extend(&state, 4, vec![]);
    assert_eq!(post.historical_block_hashes.to_vec(), [parent, Root::ZERO, Root::ZERO, Root::ZERO]);
    assert_eq!(post.latest_justified, Checkpoint { root: parent, slot: Slot(0) });
    assert_eq!(post.latest_finalized, post.latest_justified);
    assert_eq!((post.justified_slots.len(), post.justified_slots.num_set_bits()), (3, 0));
}

#[test]
fn a_slot_beyond_the_history_is_refused_on_both_sides_of_the_limit() {
    let state = genesis();
    let (last, post) = extend(&state, HISTORICAL_ROOTS_LIMIT, vec![]);
    assert_eq!(post.historical_block_hashes.len() as u64, HISTORICAL_ROOTS_LIMIT);
    assert_eq!(state_transition(&state, &last).unwrap(), post);

    for slot in [HISTORICAL_ROOTS_LIMIT + 1, u64::MAX] {
        let block = unsealed(&state, slot, vec![]);
        assert_eq!(reason(state_transition(&state, &block)), RejectionReason::BlockSlotGapTooLarge);
        // Nothing is written for slots that have no room.
        let mut advanced = state.clone();
        process_slots(&mut advanced, block.slot).unwrap();
        assert_eq!(
            reason(process_block_header(&mut advanced, &block)),
            RejectionReason::BlockSlotGapTooLarge
        );
        assert_eq!(advanced.historical_block_hashes, state.historical_block_hashes);
    }
    let next = unsealed(&post, HISTORICAL_ROOTS_LIMIT + 1, vec![]);
    assert_eq!(reason(state_transition(&post, &next)), RejectionReason::BlockSlotGapTooLarge);
}

#[test]
fn votes_justify_at_two_thirds_and_finalize_the_source() {
    let s0 = genesis();
    let b0 = genesis_block(&s0);
    let (b1, s1) = extend(&s0, 1, vec![]);
    // Two of four are not enough, the third vote is; a repeated one changes nothing.
    let (b2, s2) = extend(&s1, 2, vec![vote(&[0, 1], checkpoint(&b0), checkpoint(&b1))]);
    assert_eq!(s2.latest_justified.slot, Slot(0));
    assert_eq!(s2.justifications_roots.to_vec(), [b1.tree_hash_root()]);
    assert_eq!(s2.justifications_validators.iter().collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(pending_voters(&s2, &b1.tree_hash_root()), [ValidatorIndex(0), ValidatorIndex(1)]);
    assert_eq!(pending_voters(&s2, &b0.tree_hash_root()), []);
    let (b3, s3) = extend(&s2, 3, vec![vote(&[1, 2], checkpoint(&b0), checkpoint(&b1))]);
    assert_eq!(s3.latest_justified, checkpoint(&b1));
    assert_eq!((s3.justifications_roots.len(), s3.justifications_validators.len()), (0, 0));
    assert_eq!(s3.justified_slots.iter().collect::<Vec<_>>(), [true, false]);

    // Justifying 2 from 1 finalizes 1. The flags move forward, and so does what is pending beyond.
    let pending = vote(&[3], checkpoint(&b1), checkpoint(&b3));
    let (b4, s4) = extend(&s3, 4, vec![pending, vote(&[0, 1, 2], checkpoint(&b1), checkpoint(&b2))]);
    assert_eq!((s4.latest_justified, s4.latest_finalized), (checkpoint(&b2), checkpoint(&b1)));
    assert_eq!(s4.justified_slots.iter().collect::<Vec<_>>(), [true, false]);
    assert_eq!(s4.justifications_roots.to_vec(), [b3.tree_hash_root()]);

    // Every post-state is what the checked transition yields, and the input is untouched.
    for (pre, block, post) in [(&s0, &b1, &s1), (&s1, &b2, &s2), (&s2, &b3, &s3), (&s3, &b4, &s4)] {
        let before = pre.as_ssz_bytes();
        assert_eq!(state_transition(pre, block).unwrap(), *post);
        assert_eq!(pre.as_ssz_bytes(), before);
    }
}

#[test]
fn what_is_justified_or_final_has_no_pending_votes() {
    let s0 = genesis();
    let b0 = genesis_block(&s0);
    let (b1, s1) = extend(&s0, 1, vec![]);
    let (_, s2) = extend(&s1, 2, vec![vote(&[0, 1, 2], checkpoint(&b0), checkpoint(&b1))]);
    assert_eq!(s2.latest_justified, checkpoint(&b1));
    let (_, late) = extend(&s2, 3, vec![vote(&[3], checkpoint(&b0), checkpoint(&b1))]);
    assert_eq!(late.justifications_roots.len(), 0, "it is justified already");

    // A state from elsewhere may say that votes for it are pending; they end with its finality.
    let (_, pending) = extend(&s1, 2, vec![vote(&[0], checkpoint(&b0), checkpoint(&b1))]);
    let odd = State {
        justifications_roots: pending.justifications_roots,
        justifications_validators: pending.justifications_validators,
        ..s2
    };
    let (b3, s3) = extend(&odd, 3, vec![]);
    assert_eq!(s3.justifications_roots.to_vec(), [b1.tree_hash_root()]);
    let second = Checkpoint { root: b3.parent_root, slot: Slot(2) };
    let (_, s4) = extend(&s3, 4, vec![vote(&[0, 1, 2], checkpoint(&b1), second)]);
    assert_eq!((s4.latest_finalized, s4.justifications_roots.len()), (checkpoint(&b1), 0));
}

#[test]
fn the_zero_hash_of_an_empty_slot_is_no_block() {
    let s0 = genesis();
    let b0 = genesis_block(&s0);
    let (b2, s2) = extend(&s0, 2, vec![]);
    let (_, s3) = extend(&s2, 3, vec![]);
    let on_chain =
        |target| lies_on_chain(&vote(&[0], checkpoint(&b0), target).data, &s3.historical_block_hashes);
    assert!(on_chain(checkpoint(&b2)));
    assert!(!on_chain(Checkpoint { root: Root::ZERO, slot: Slot(1) }));
}

#[test]
fn targets_justified_out_of_order_do_not_drag_the_checkpoint_back() {
    let s0 = genesis();
    let b0 = genesis_block(&s0);
    let (b1, s1) = extend(&s0, 1, vec![]);
    let (b2, s2) = extend(&s1, 2, vec![]);
    let votes = [&b2, &b1].map(|target| vote(&[0, 1, 2], checkpoint(&b0), checkpoint(target)));
    let (_, s3) = extend(&s2, 3, votes.to_vec());
    assert_eq!(s3.latest_justified, checkpoint(&b2));
    assert_eq!(s3.justified_slots.iter().collect::<Vec<_>>(), [true, true]);
    assert_eq!(s3.latest_finalized, checkpoint(&b0));
}

#[test]
fn votes_that_would_count_must_name_registered_voters() {
    let s0 = genesis();
    let b0 = genesis_block(&s0);
    let (b1, s1) = extend(&s0, 1, vec![]);
    let run = |attestation| {
        let block = unsealed(&s1, 2, vec![attestation]);
        let mut state = s1.clone();
        process_slots(&mut state, block.slot).unwrap();
        process_block(&mut state, &block)
    };
    let good = vote(&[0], checkpoint(&b0), checkpoint(&b1));
    let nobody =
        AggregatedAttestation { aggregation_bits: AggregationBits::with_capacity(4).unwrap(), ..good };
    assert_eq!(reason(run(nobody.clone())), RejectionReason::EmptyAggregationBits);
    let stranger = vote(&[0, VALIDATORS], checkpoint(&b0), checkpoint(&b1));
    assert_eq!(reason(run(stranger)), RejectionReason::ValidatorIndexOutOfRange);
    // A target slot that is not tracked is refused; a vote that the chain ignores is not looked at any closer.
    let ahead = vote(&[0], checkpoint(&b0), Checkpoint { slot: Slot(2), ..checkpoint(&b1) });
    assert_eq!(reason(run(ahead)), RejectionReason::JustifiedSlotOutOfRange);
    let ignored = AttestationData { target: checkpoint(&b0), ..nobody.data };
    run(AggregatedAttestation { data: ignored, ..nobody }).unwrap();
}

#[test]
fn too_many_distinct_data_are_refused() {
    let state = genesis();
    let data = |slot| AttestationData { slot: Slot(slot), ..AttestationData::default() };
    let attestation = |slot| AggregatedAttestation {
        data: data(slot),
        ..vote(&[0], Checkpoint::default(), Checkpoint::default())
    };
    let eight: Vec<_> = (0..8).chain(0..8).map(attestation).collect();
    process_attestations(&mut state.clone(), &eight).unwrap();
    let nine: Vec<_> = (0..9).map(attestation).collect();
    assert_eq!(
        reason(process_attestations(&mut state.clone(), &nine)),
        RejectionReason::TooManyAttestationData
    );
}

#[test]
fn inconsistent_bookkeeping_is_refused_not_asserted() {
    let s0 = genesis();
    let b0 = genesis_block(&s0);
    let (b1, s1) = extend(&s0, 1, vec![]);
    let (_, s2) = extend(&s1, 2, vec![vote(&[0], checkpoint(&b0), checkpoint(&b1))]);
    let check = |state: &State, attestations: &[AggregatedAttestation]| {
        reason(process_attestations(&mut state.clone(), attestations))
    };

    let mut nobody = s2.clone();
    nobody.validators = Validators::empty();
    nobody.justifications_roots = JustificationRoots::try_from_iter([Root::ZERO]).unwrap();
    assert_eq!(check(&nobody, &[]), RejectionReason::EmptyValidatorRegistry);
    let mut short = s2.clone();
    short.justifications_roots = JustificationRoots::try_from_iter([Root::ZERO, Root::ZERO]).unwrap();
    assert_eq!(check(&short, &[]), RejectionReason::JustificationVotesLengthMismatch);
    let mut zero = s2.clone();
    zero.justifications_roots = JustificationRoots::try_from_iter([Root::ZERO]).unwrap();
    assert_eq!(check(&zero, &[]), RejectionReason::ZeroHashJustificationRoot);

    // The number of data is looked at first.
    let data = |slot| AttestationData { slot: Slot(slot), ..AttestationData::default() };
    let crowd: Vec<_> = (0..9)
        .map(|slot| AggregatedAttestation {
            data: data(slot),
            ..vote(&[0], Checkpoint::default(), Checkpoint::default())
        })
        .collect();
    assert_eq!(check(&nobody, &crowd), RejectionReason::TooManyAttestationData);
}

#[test]
fn finality_drops_pending_targets_that_are_not_on_the_chain() {
    let s0 = genesis();
    let b0 = genesis_block(&s0);
    let (b1, s1) = extend(&s0, 1, vec![]);
    let (b2, s2) = extend(&s1, 2, vec![vote(&[0], checkpoint(&b0), checkpoint(&b1))]);
    let (b3, s3) = extend(&s2, 3, vec![vote(&[1, 2, 3], checkpoint(&b0), checkpoint(&b1))]);
    let (_, s4) = extend(&s3, 4, vec![vote(&[0], checkpoint(&b1), checkpoint(&b2))]);
    let (_, mut s5) = extend(&s4, 5, vec![vote(&[3], checkpoint(&b1), checkpoint(&b3))]);
    let mut pending = [b2.tree_hash_root(), b3.tree_hash_root()];
    pending.sort_unstable();
    assert_eq!(s5.justifications_roots.to_vec(), pending);

    // A target of no slot takes the place of the one that stays: only the segments are the same.
    let stranger = Root::repeat_byte(7);
    let segments = pending.map(|root| if root == b3.tree_hash_root() { stranger } else { root });
    s5.justifications_roots = JustificationRoots::try_from_iter(segments).unwrap();
    process_attestations(&mut s5, &[]).unwrap();
    assert!(s5.justifications_roots.iter().any(|root| *root == stranger), "without finality it stays");
    process_attestations(&mut s5, &[vote(&[0, 1, 2], checkpoint(&b1), checkpoint(&b2))]).unwrap();
    assert_eq!(s5.latest_finalized, checkpoint(&b1));
    assert_eq!(s5.justifications_roots.to_vec(), [] as [Root; 0]);
    assert_eq!(s5.justifications_validators.len(), 0);
}

#[test]
fn flags_extend_and_rebase_bit_for_bit() {
    let mut flags = JustifiedSlots::with_capacity(13).unwrap();
    for bit in [0, 7, 8, 12] {
        flags.set(bit, true).unwrap();
    }
    assert!(is_slot_justified(&flags, Slot(10), Slot(10)).unwrap());
    assert!(is_slot_justified(&flags, Slot(10), Slot(11)).unwrap());
    assert!(!is_slot_justified(&flags, Slot(10), Slot(12)).unwrap());
    assert_eq!(
        reason(is_slot_justified(&flags, Slot(10), Slot(24))),
        RejectionReason::JustifiedSlotOutOfRange
    );

    assert_eq!(extend_to_slot(&flags, Slot(10), Slot(23)).unwrap(), None);
    let longer = extend_to_slot(&flags, Slot(10), Slot(24)).unwrap().unwrap();
    assert_eq!(longer.iter().collect::<Vec<_>>(), flags.iter().chain([false]).collect::<Vec<_>>());
    assert_eq!(
        reason(extend_to_slot(&flags, Slot(0), Slot(HISTORICAL_ROOTS_LIMIT + 1))),
        RejectionReason::JustifiedSlotOutOfRange
    );
    let rebased = justification::rebase(&flags, 5).unwrap();
    assert_eq!(rebased.iter().collect::<Vec<_>>(), flags.iter().skip(5).collect::<Vec<_>>());
    assert_eq!(justification::rebase(&flags, 99).unwrap().len(), 0);
}

#[test]
fn runs_of_bits_survive_cutting_and_joining_at_every_offset() {
    let bytes: Vec<u8> = (0..8_u8).map(|byte| byte.wrapping_mul(73) ^ 0x5a).collect();
    let bit = |index: usize| bytes.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
    for start in 0..70 {
        for len in 0..20 {
            let expected: Vec<bool> = (start..start + len).map(bit).collect();
            let cut: JustifiedSlots = window(&bytes, start, len).unwrap();
            assert_eq!(cut.iter().collect::<Vec<_>>(), expected);

            let mut writer = BitWriter::default();
            writer.extend(&slice(&bytes, 0, start), start);
            writer.extend(&slice(&bytes, start, len), len);
            let joined: JustifiedSlots = writer.finish().unwrap();
            assert_eq!(joined.iter().collect::<Vec<_>>(), (0..start + len).map(bit).collect::<Vec<_>>());
        }
    }
}
