use super::*;

#[test]
fn the_target_stays_within_the_look_back_of_the_safe_target() {
    let mut store = genesis(4);
    let anchor = store.head();
    assert_eq!(store.get_attestation_target(), anchor);
    let chain = import_chain(&mut store, anchor, 1..=5);
    // Three steps back from slot 5, as the safe target lies further behind.
    assert_eq!(store.get_attestation_target(), chain[1]);
    // At the safe target and not before it.
    store.safe_target = chain[3];
    assert_eq!(store.get_attestation_target(), chain[3]);
    store.safe_target = chain[4];
    assert_eq!(store.get_attestation_target(), chain[4]);
}

#[test]
fn the_target_is_a_slot_that_can_be_justified() {
    let mut store = genesis(4);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=14);
    // 14 - 3 = 11 is no square and no pronic number after slot 0; 9 is a square.
    assert_eq!(store.get_attestation_target(), chain[8]);
    store.safe_target = chain[11];
    assert_eq!(store.get_attestation_target(), chain[11]);
}

#[test]
fn the_target_goes_by_the_finality_of_the_heads_own_chain() {
    let mut store = genesis(4);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=10);
    // The store started late, or has pruned: to it slot 3 is final, to the head's state only genesis is. Three steps
    // back is slot 7, which after slot 3 could be justified but after genesis cannot; slot 6 can.
    store.latest_finalized = chain[2];
    assert_eq!(store.get_attestation_target(), chain[5]);
}

#[test]
fn the_source_is_what_the_heads_own_chain_has_justified() {
    let mut store = genesis(4);
    let anchor = store.head();
    // The genesis state cannot name its own block.
    assert_eq!(store.produce_attestation_data(Slot(1)), Some(vote(1, anchor, anchor, anchor)));

    let b1 = import(&mut store, anchor, 1, vec![]);
    let b2 = import(&mut store, b1, 2, vec![attestation(vote(1, anchor, b1, b1), 0..3)]);
    let b3 = import(&mut store, b2, 3, vec![]);
    // One step beyond the look-back would be genesis, before the source: the source is voted for again.
    let b4 = import(&mut store, b3, 4, vec![attestation(vote(3, b1, b3, b3), 0..3)]);
    assert_eq!(store.head_state().latest_justified, b3);
    let data = store.produce_attestation_data(Slot(5)).unwrap();
    assert_eq!((data.head, data.source, data.target), (b4, b3, b3));
    store.safe_target = b4;
    assert_eq!(store.produce_attestation_data(Slot(5)), Some(vote(5, b3, b4, b4)));
}

#[test]
fn no_vote_is_older_than_its_head() {
    let mut store = genesis(4);
    let anchor = store.head();
    let b1 = import(&mut store, anchor, 1, vec![]);
    let b2 = import(&mut store, b1, 2, vec![attestation(vote(1, anchor, b1, b1), 0..3)]);
    let b4 = import(&mut store, b2, 4, vec![attestation(vote(2, b1, b2, b2), 0..3)]);
    store.safe_target = b4;
    assert_eq!(store.head(), b4);
    assert_eq!(store.produce_attestation_data(Slot(4)), Some(vote(4, b2, b4, b4)));
    // Source and target are those of whoever has not seen the later block.
    assert_eq!(store.produce_attestation_data(Slot(3)), Some(vote(3, b1, b2, b2)));
    assert_eq!(store.produce_attestation_data(Slot(2)), Some(vote(2, b1, b2, b2)));
    assert_eq!(store.produce_attestation_data(Slot(1)), Some(vote(1, anchor, b1, b1)));
    // Others refuse a head before the block that they have finalized.
    assert_eq!(store.latest_finalized(), b1);
    assert_eq!(store.produce_attestation_data(Slot(0)), None);
    store.time = Interval::from_slot(Slot(4));
    for slot in 1..=4 {
        let data = store.produce_attestation_data(Slot(slot)).unwrap();
        assert!(store.validate_attestation(&data).is_ok(), "{data:?}");
    }
}
