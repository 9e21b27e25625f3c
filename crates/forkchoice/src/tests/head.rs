use std::collections::BTreeMap;

use lathe_types::Participation;

use super::*;

/// The specification's weights, word for word: every vote climbs to the start slot.
fn weights_by_climbing(store: &Store) -> BTreeMap<Root, u64> {
    let finalized = store.latest_finalized().slot;
    let mut latest: BTreeMap<ValidatorIndex, (Slot, Root, Root)> = BTreeMap::new();
    for (data_root, data, proofs) in store.latest_known_aggregated_payloads().iter() {
        if data.head.slot > finalized {
            for voter in proofs.iter().flat_map(|proof| proof.participants.indices()) {
                let vote = (data.slot, data_root, data.head.root);
                latest.entry(voter).and_modify(|latest| *latest = (*latest).max(vote)).or_insert(vote);
            }
        }
    }
    let mut weights = BTreeMap::new();
    for (_, _, head) in latest.values() {
        for block in store.chain(head).take_while(|block| block.slot > finalized) {
            *weights.entry(block.root).or_default() += 1;
        }
    }
    weights
}

/// The specification's walk from the justified block, over a plain list of children.
fn head_by_walking(store: &Store, weights: &BTreeMap<Root, u64>) -> Root {
    let mut head = store.latest_justified().root;
    loop {
        let children = store.blocks().filter(|block| block.parent_root == head);
        let best =
            children.map(|block| (weights.get(&block.root).copied().unwrap_or_default(), block.root)).max();
        match best {
            Some((_, root)) => head = root,
            None => return head,
        }
    }
}

#[test]
fn weights_and_head_are_those_of_the_specification_on_arbitrary_trees() {
    for seed in 1..40 {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut store = genesis(8);
        let anchor = store.head();
        let mut blocks = vec![anchor];
        for _ in 0..12 {
            let parent = blocks[numbers.below(blocks.len() as u64) as usize];
            let slot = parent.slot.0 + 1 + numbers.below(3);
            blocks.push(import(&mut store, parent, slot, vec![]));
        }
        at_slot(&mut store, 40);
        for _ in 0..20 {
            let head = blocks[numbers.below(blocks.len() as u64) as usize];
            let data = vote(30 + numbers.below(5), anchor, anchor, head);
            let first = numbers.below(8);
            let voters = [first, (first + 1 + numbers.below(3)) % 8];
            store.insert_known_aggregate(data, proof(voters, numbers.below(3) as u8));
            store.update_head();
            let weights = weights_by_climbing(&store);
            assert_eq!(store.compute_block_weights(), weights, "seed {seed}");
            assert_eq!(store.head().root, head_by_walking(&store, &weights), "seed {seed}");
        }
    }
}

#[test]
fn the_head_does_not_depend_on_the_order_of_arrival() {
    let mut base = genesis(5);
    let anchor = base.head();
    let forks = [1, 2, 3].map(|slot| import(&mut base, anchor, slot, vec![]));
    let votes: Vec<_> = forks
        .iter()
        .flat_map(|head| [(vote(9, anchor, anchor, *head), [0, 1]), (vote(9, anchor, anchor, *head), [2, 3])])
        .collect();
    let outcomes: Vec<_> = (0..votes.len())
        .map(|first| {
            let mut store = base.clone();
            for (data, voters) in votes.iter().cycle().skip(first).take(votes.len()) {
                store.insert_known_aggregate(*data, proof(*voters, 0));
                store.update_head();
            }
            (store.head(), store.compute_block_weights())
        })
        .collect();
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));

    // All four equivocate, so the vote with the largest data root is the one that counts.
    let largest = votes.iter().max_by_key(|(data, _)| data.tree_hash_root()).unwrap().0;
    assert_eq!(outcomes[0].0, largest.head);
    assert_eq!(outcomes[0].1, BTreeMap::from([(largest.head.root, 4)]));
}

#[test]
fn a_later_vote_replaces_an_earlier_one_and_ties_go_to_the_larger_root() {
    let mut store = genesis(4);
    let anchor = store.head();
    let (a, b) = (import(&mut store, anchor, 1, vec![]), import(&mut store, anchor, 2, vec![]));
    let (small, large) = if a.root < b.root { (a, b) } else { (b, a) };
    assert_eq!(store.head(), large);

    store.insert_known_aggregate(vote(5, anchor, anchor, small), proof([0], 0));
    store.update_head();
    assert_eq!(store.head(), small);
    store.insert_known_aggregate(vote(6, anchor, anchor, large), proof([0], 0));
    store.update_head();
    assert_eq!(store.head(), large);
    assert_eq!(store.compute_block_weights(), BTreeMap::from([(large.root, 1)]));
}

#[test]
fn pending_votes_weigh_nothing_until_they_are_promoted() {
    let mut store = genesis(4);
    let anchor = store.head();
    let (a, b) = (import(&mut store, anchor, 1, vec![]), import(&mut store, anchor, 2, vec![]));
    let small = if a.root < b.root { a } else { b };
    at_slot(&mut store, 3);
    gossip(&mut store, vote(3, anchor, anchor, small), [0, 1, 2]).unwrap();
    store.update_head();
    assert_ne!(store.head(), small);
    store.accept_new_attestations();
    assert_eq!(store.head(), small);
    assert_eq!(store.latest_new_aggregated_payloads().iter().count(), 0);
}

#[test]
fn the_safe_target_needs_two_thirds_of_the_pending_votes_rounded_up() {
    let mut store = genesis(4);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=2);
    at_slot(&mut store, 3);
    gossip(&mut store, vote(3, anchor, anchor, chain[1]), [0, 1]).unwrap();
    store.update_safe_target();
    assert_eq!(store.safe_target(), anchor);
    gossip(&mut store, vote(3, anchor, anchor, chain[0]), [2]).unwrap();
    store.update_safe_target();
    assert_eq!(store.safe_target(), chain[0]);
    // Counted votes do not help.
    store.accept_new_attestations();
    store.update_safe_target();
    assert_eq!(store.safe_target(), anchor);
}

#[test]
fn finalized_follows_the_head_and_can_go_down_again() {
    let mut store = genesis(4);
    let anchor = store.head();
    // Slots 1 and 2 are justified and slot 1 finalized on the long chain; the other fork has seen no votes.
    let b1 = import(&mut store, anchor, 1, vec![]);
    let b2 = import(&mut store, b1, 2, vec![attestation(vote(1, anchor, b1, b1), 0..3)]);
    let b3 = import(&mut store, b2, 3, vec![attestation(vote(2, b1, b2, b2), 0..3)]);
    assert_eq!((store.head(), store.latest_justified(), store.latest_finalized()), (b3, b2, b1));

    // The justified checkpoint stays the highest seen, so the head stays in its subtree.
    let fork = import(&mut store, b2, 4, vec![]);
    store.insert_known_aggregate(vote(5, anchor, anchor, fork), proof(0..3, 0));
    store.update_head();
    assert_eq!((store.head(), store.latest_justified()), (fork, b2));
    // The fork's own state has finalized nothing but genesis.
    assert_eq!(store.latest_finalized(), anchor);
}
