use super::*;
use crate::AggregationJob;

#[test]
fn each_interval_does_its_own_work() {
    let mut store = genesis(4);
    let anchor = store.head();
    let b1 = import(&mut store, anchor, 1, vec![]);
    let pending = |store: &Store| store.latest_new_aggregated_payloads().iter().count();
    let data = |slot| vote(slot, anchor, b1, b1);

    // Interval 0 promotes only for a proposal.
    at_slot(&mut store, 5);
    gossip(&mut store, data(5), 0..3).unwrap();
    store.time = Interval(4 + 5 * 5);
    store.tick_interval(false, None);
    assert_eq!((store.time(), pending(&store)), (Interval(30), 1));
    store.time = Interval(29);
    store.tick_interval(true, None);
    assert_eq!(pending(&store), 0);

    // Interval 3 moves the safe target, interval 4 promotes.
    gossip(&mut store, data(6), 0..3).unwrap();
    for (interval, safe_target, left) in [(31, anchor, 1), (32, anchor, 1), (33, b1, 1), (34, b1, 0)] {
        store.tick_interval(false, None);
        assert_eq!(
            (store.time(), store.safe_target(), pending(&store)),
            (Interval(interval), safe_target, left)
        );
    }
}

#[test]
fn jumping_over_a_long_silence_ends_where_stepping_does() {
    let mut prove = |job: &AggregationJob| {
        Some(SingleMessageAggregate {
            participants: bits(voters(&job.participants())),
            proof: vec![9].try_into().unwrap(),
        })
    };
    for start in 0..5 {
        for target in (0..60).chain([1_000_003, 10_000_000_004]) {
            for has_proposal in [false, true] {
                let mut store = genesis(4);
                let anchor = store.head();
                let b1 = import(&mut store, anchor, 1, vec![]);
                at_slot(&mut store, 2);
                gossip(&mut store, vote(2, anchor, b1, b1), 0..2).unwrap();
                let data = vote(1, anchor, b1, b1);
                store.on_gossip_attestation(ValidatorIndex(3), &data, signature(1), true).unwrap();
                store.time = Interval(10 + start);

                // What happened long before does not matter any more, so stepping need not go all the way.
                let mut stepped = store.clone();
                let far = Interval(10 + start + target);
                let near = if target > 60 { Interval(far.0 % 5 + 60) } else { far };
                let mut made = Vec::new();
                while stepped.time() < near {
                    let last = stepped.time().0 + 1 == near.0;
                    made.extend(stepped.tick_interval(has_proposal && last, Some(&mut prove)));
                }
                let jumped = store.on_tick(far, has_proposal, Some(&mut prove));
                assert_eq!(store.time(), far);
                assert_eq!(jumped, made);
                assert_eq!((store.head(), store.safe_target()), (stepped.head(), stepped.safe_target()));
                assert_eq!(store.pool_sizes(), stepped.pool_sizes());
            }
        }
    }
}

#[test]
fn time_never_runs_backwards() {
    let mut store = genesis(4);
    store.on_tick(Interval(7), false, None);
    store.on_tick(Interval(3), true, None);
    assert_eq!((store.time(), store.current_slot()), (Interval(7), Slot(1)));
}

#[test]
fn after_a_rewind_ticks_go_on_from_there() {
    let mut store = genesis(4);
    let anchor = store.head();
    let b1 = import(&mut store, anchor, 1, vec![]);
    store.on_tick(Interval(755), false, None);
    store.rewind_time(Interval(10));
    assert_eq!((store.time(), store.current_slot()), (Interval(10), Slot(2)));
    store.rewind_time(Interval(700));
    assert_eq!(store.time(), Interval(10), "only back");
    gossip(&mut store, vote(2, anchor, b1, b1), 0..3).unwrap();
    store.on_tick(Interval(13), false, None);
    assert_eq!(store.safe_target(), b1);
    store.on_tick(Interval(14), false, None);
    assert_eq!(store.latest_new_aggregated_payloads().iter().count(), 0);
}
