use super::*;
use crate::AggregationJob;

/// Two blocks, and time for slot 2.
fn two_slots() -> (Store, AttestationData, AttestationData) {
    let mut store = genesis(9);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=2);
    at_slot(&mut store, 2);
    (store, vote(1, anchor, anchor, chain[0]), vote(2, anchor, chain[0], chain[1]))
}

fn sign(store: &mut Store, data: AttestationData, voters: impl IntoIterator<Item = u64>) {
    for validator in voters {
        store
            .on_gossip_attestation(ValidatorIndex(validator), &data, signature(validator as u8), true)
            .unwrap();
    }
}

fn shape(job: &AggregationJob) -> (u64, Vec<Vec<u64>>, Vec<u64>) {
    (
        job.data.slot.0,
        covered(&job.children),
        job.signatures.iter().map(|(validator, _)| validator.0).collect(),
    )
}

fn shapes(jobs: &[AggregationJob]) -> Vec<(u64, Vec<Vec<u64>>, Vec<u64>)> {
    jobs.iter().map(shape).collect()
}

fn prove(job: &AggregationJob) -> Option<SingleMessageAggregate> {
    Some(proof(voters(&job.participants()), 9).as_ref().clone())
}

#[test]
fn the_specifications_form_replaces_the_pending_pool() {
    let (mut store, first, second) = two_slots();
    store.insert_known_aggregate(first, proof([5, 6], 0));
    gossip(&mut store, first, [0, 1]).unwrap();
    sign(&mut store, first, [1, 5, 3]);
    // A lone proof is dropped by this form, although it is all there is of its vote.
    gossip(&mut store, second, [7]).unwrap();

    let mut jobs = Vec::new();
    let made = store.aggregate(&mut |job: &AggregationJob| {
        jobs.push(shape(job));
        prove(job)
    });
    assert_eq!(jobs, [(1, vec![vec![0, 1], vec![5, 6]], vec![3])]);
    assert_eq!(made.len(), 1);
    let pending: Vec<_> = store.latest_new_aggregated_payloads().iter().collect();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].1, covered(pending[0].2)), (first, vec![vec![0, 1, 3, 5, 6]]));
    assert_eq!(store.pool_sizes().attestation_signatures, 0);
}

#[test]
fn the_specifications_form_keeps_signatures_that_were_not_proven() {
    let (mut store, first, second) = two_slots();
    sign(&mut store, first, [1]);
    sign(&mut store, second, [2]);
    let made = store.aggregate(&mut |job: &AggregationJob| prove(job).filter(|_| job.data == first));
    assert_eq!(made.len(), 1);
    assert_eq!(store.signers_at(Slot(1)).len(), 0);
    assert_eq!(voters(&store.signers_at(Slot(2))), [2]);
}

#[test]
fn a_plan_has_the_current_slot_first_and_changes_nothing() {
    let (mut store, first, second) = two_slots();
    sign(&mut store, first, [3, 1]);
    sign(&mut store, second, [4]);
    let before = store.pool_sizes();
    assert_eq!(shapes(&store.plan_aggregation(100)), [(2, vec![], vec![4]), (1, vec![], vec![1, 3])]);
    assert_eq!(store.pool_sizes(), before);
}

#[test]
fn what_one_proof_cannot_hold_goes_into_disjoint_proofs() {
    let (mut store, first, _) = two_slots();
    sign(&mut store, first, 0..7);
    assert_eq!(
        shapes(&store.plan_aggregation(3)),
        [(1, vec![], vec![0, 1, 2]), (1, vec![], vec![3, 4, 5]), (1, vec![], vec![6])]
    );
    // Exactly full, and one more.
    assert_eq!(store.plan_aggregation(7).len(), 1);
    assert_eq!(store.plan_aggregation(6).len(), 2);

    // Pending proofs count towards the room; one that does not fit is left as it is.
    gossip(&mut store, first, [0, 1, 2]).unwrap();
    assert_eq!(
        shapes(&store.plan_aggregation(5)),
        [(1, vec![vec![0, 1, 2]], vec![3, 4]), (1, vec![], vec![5, 6])]
    );
    assert_eq!(shapes(&store.plan_aggregation(2)), [(1, vec![], vec![3, 4]), (1, vec![], vec![5, 6])]);
}

#[test]
fn nothing_is_proven_twice() {
    let (mut store, first, second) = two_slots();
    // A lone proof is a proof already, with or without signatures that it covers.
    gossip(&mut store, first, [0, 1]).unwrap();
    sign(&mut store, first, [1]);
    assert_eq!(store.plan_aggregation(100).len(), 0);
    // Voters of a counted proof are not proven again either.
    store.insert_known_aggregate(first, proof([2, 3], 0));
    sign(&mut store, first, [2]);
    assert_eq!(store.plan_aggregation(100).len(), 0);
    sign(&mut store, first, [4]);
    assert_eq!(shapes(&store.plan_aggregation(100)), [(1, vec![vec![0, 1]], vec![4])]);
    // Two pending proofs are worth merging if each adds a voter.
    gossip(&mut store, second, [0, 1, 2]).unwrap();
    gossip(&mut store, second, [1]).unwrap();
    assert_eq!(store.plan_aggregation(100).len(), 1);
    gossip(&mut store, second, [3]).unwrap();
    assert_eq!(shapes(&store.plan_aggregation(100))[0], (2, vec![vec![0, 1, 2], vec![3]], vec![]));
}

#[test]
fn a_result_takes_the_place_of_what_it_covers_and_of_nothing_else() {
    let (mut store, first, second) = two_slots();
    gossip(&mut store, first, [0, 1]).unwrap();
    gossip(&mut store, first, [5, 6]).unwrap();
    gossip(&mut store, second, [8]).unwrap();
    sign(&mut store, first, [2, 7]);
    store.apply_aggregate(&first, proof([0, 1, 2], 9));
    let root = first.tree_hash_root();
    assert_eq!(covered(store.latest_new_aggregated_payloads().proofs(&root)), [vec![5, 6], vec![0, 1, 2]]);
    assert_eq!(store.latest_new_aggregated_payloads().proofs(&second.tree_hash_root()).len(), 1);
    // A vote that came in meanwhile is still to be proven.
    assert_eq!(voters(&store.signers_at(Slot(1))), [7]);
}

#[test]
fn votes_of_a_block_are_split_off_if_they_add_a_voter_for_an_open_target() {
    let (mut store, first, second) = two_slots();
    let head = store.head();
    let open = vote(2, first.source, second.target, head);
    let body = vec![attestation(first, [0]), attestation(open, [0, 1]), attestation(second, [2])];
    let (block, _) = block_on(store.head_state(), 3, body);
    // The first vote's target is genesis, which is justified.
    assert_eq!(store.votes_worth_splitting(&block), [open, second]);
    gossip(&mut store, open, [0]).unwrap();
    assert_eq!(store.votes_worth_splitting(&block), [open, second]);
    gossip(&mut store, open, [1, 3]).unwrap();
    assert_eq!(store.votes_worth_splitting(&block), [second]);
}

#[test]
fn a_vote_stands_until_its_voter_speaks_again() {
    let (mut store, first, second) = two_slots();
    store.insert_known_aggregate(first, proof([1, 2], 0));
    store.insert_known_aggregate(first, proof([2], 1));
    store.insert_known_aggregate(second, proof([3], 0));
    let standing = |store: &Store, slot| {
        let of = |(data, proof): (AttestationData, Arc<SingleMessageAggregate>)| {
            (data.slot.0, voters(&ValidatorSet::of(&proof.participants)))
        };
        store.standing_votes(Slot(slot)).into_iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(standing(&store, 1), []);
    assert_eq!(standing(&store, 2), [(1, vec![1, 2])], "one proof is enough");
    assert_eq!(standing(&store, 3), [(2, vec![3]), (1, vec![1, 2])], "the newest first");
    store.insert_known_aggregate(second, proof([1, 2], 0));
    assert_eq!(standing(&store, 2), [], "superseded");
}
