//! Slots, intervals, indices and participation.

use lathe_types::*;

fn justifiable(slot: u64, finalized: u64) -> bool {
    Slot(slot).is_justifiable_after(Slot(finalized))
}

#[test]
fn small_distances_squares_and_pronic_numbers_are_justifiable() {
    let expected = [0, 1, 2, 3, 4, 5, 6, 9, 12, 16, 20, 25, 30, 36, 42, 49, 56, 64, 72, 81, 90, 100, 110];
    for finalized in [0, 1, 1_000_000, u64::MAX - 110] {
        let found: Vec<u64> = (0..=110).filter(|delta| justifiable(finalized + delta, finalized)).collect();
        assert_eq!(found, expected, "after {finalized}");
    }
}

#[test]
fn a_slot_before_the_finalized_one_is_never_justifiable() {
    assert!(!justifiable(4, 5));
    assert!(!justifiable(0, u64::MAX));
    assert!(justifiable(u64::MAX, u64::MAX));
}

#[test]
fn justifiability_holds_at_the_end_of_the_range() {
    let root = u64::from(u32::MAX);
    assert!(justifiable(root * root, 0));
    assert!(justifiable(root * (root + 1), 0), "the largest pronic number");
    assert!(!justifiable(root * root - 1, 0));
    assert!(!justifiable(root * root + 1, 0));
    assert!(!justifiable(root * (root + 1) + 1, 0));
    assert!(!justifiable(u64::MAX, 0));
    assert!(!justifiable(u64::MAX - 1, 0));
    assert!(justifiable(u64::MAX, u64::MAX - 6));
    assert!(!justifiable(u64::MAX, u64::MAX - 7));
}

#[test]
fn tracked_slots_start_one_past_the_finalized() {
    let index = |slot, finalized| Slot(slot).justified_index_after(Slot(finalized));
    assert_eq!(index(4, 5), None);
    assert_eq!(index(5, 5), None);
    assert_eq!(index(6, 5), Some(0));
    assert_eq!(index(u64::MAX, 0), Some(usize::MAX - 1));
}

#[test]
fn intervals_divide_slots() {
    assert_eq!(Interval::from_slot(Slot(3)), Interval(15));
    assert_eq!((Interval(14).slot(), Interval(14).phase()), (Slot(2), Phase::AcceptVotes));
    assert_eq!((Interval(15).slot(), Interval(15).phase()), (Slot(3), Phase::Propose));
    assert_eq!(Interval::from_slot(Slot(u64::MAX)), Interval(u64::MAX), "saturates instead of wrapping");
}

#[test]
fn proposers_take_turns() {
    assert_eq!(ValidatorIndex::proposer_for_slot(Slot(7), 4), Some(ValidatorIndex(3)));
    assert_eq!(ValidatorIndex::proposer_for_slot(Slot(u64::MAX), 1), Some(ValidatorIndex(0)));
    assert_eq!(ValidatorIndex::proposer_for_slot(Slot(7), 0), None);
    assert!(ValidatorIndex(3).is_within_registry(4));
    assert!(!ValidatorIndex(4).is_within_registry(4));
}

#[test]
fn subnets_are_taken_in_turn() {
    assert_eq!(ValidatorIndex(7).subnet(4), SubnetId(3));
    assert_eq!(ValidatorIndex(7).subnet(0), SubnetId(0), "no committees count as one");
}

#[test]
fn participation_is_as_long_as_its_highest_index() {
    let bits = AggregationBits::from_indices([5, 2, 2].map(ValidatorIndex)).unwrap();
    assert_eq!(bits.len(), 6);
    assert_eq!(bits.indices().collect::<Vec<_>>(), [2, 5].map(ValidatorIndex));
    assert_eq!(AggregationBits::from_indices([ValidatorIndex(4095)]).unwrap().len(), 4096);
    assert_eq!(AggregationBits::from_indices([ValidatorIndex(4096)]), None);
    assert_eq!(AggregationBits::from_indices([ValidatorIndex(u64::MAX)]), None);
    assert_eq!(AggregationBits::from_indices([]), None);
}

#[test]
fn reasons_and_names_belong_to_each_other() {
    for reason in RejectionReason::ALL {
        assert_eq!(RejectionReason::from_name(reason.name()), Some(*reason));
    }
    assert_eq!(RejectionReason::from_name("wrong_proposer"), None);
}
