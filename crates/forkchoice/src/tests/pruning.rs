use super::*;
use crate::{BlockCheck, KEPT_ANCESTOR_SLOTS, Pruned};

/// A chain of `length` blocks whose block at `finalized` is final, and a fork off its first block.
fn finalized_at(finalized: usize, length: u64) -> (Store, Vec<Checkpoint>, Checkpoint) {
    let mut store = genesis(4);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=length);
    let fork = import(&mut store, chain[0], length + 1, vec![]);
    store.latest_justified = chain[finalized - 1];
    store.latest_finalized = chain[finalized - 1];
    store.head = chain[length as usize - 1];
    at_slot(&mut store, length + 2);
    (store, chain, fork)
}

#[test]
fn pruning_drops_orphans_and_the_states_of_ancestors() {
    let (mut store, chain, fork) = finalized_at(3, 5);
    let anchor = store.chain(&chain[0].root).last().unwrap().root;
    let pruned = store.prune_finalized();
    assert_eq!(pruned.canonical, [anchor, chain[0].root, chain[1].root]);
    assert_eq!(pruned.orphaned, [fork.root]);
    assert!(!store.contains(&fork.root));
    for (block, has_state) in chain.iter().zip([false, false, true, true, true]) {
        assert!(store.contains(&block.root));
        assert_eq!(store.state(&block.root).is_some(), has_state);
    }
    assert_eq!(store.prune_finalized(), Pruned::default());
}

#[test]
fn votes_may_still_name_the_finalized_blocks_ancestors() {
    let (mut store, chain, _) = finalized_at(3, 5);
    let data = vote(6, chain[0], chain[1], chain[4]);
    store.validate_attestation(&data).unwrap();
    store.prune_finalized();
    store.on_gossip_attestation(ValidatorIndex(2), &data, signature(1), true).unwrap();
    gossip(&mut store, data, [1]).unwrap();
    assert_eq!(reason(gossip(&mut store, data, [4])), RejectionReason::ValidatorNotInState);
}

#[test]
fn ancestors_are_forgotten_once_they_are_far_behind() {
    let length = KEPT_ANCESTOR_SLOTS + 10;
    let (mut store, chain, _) = finalized_at(length as usize - 1, length);
    let pruned = store.prune_finalized();
    // All of them lost their states, whether they are still known or not.
    assert_eq!(pruned.canonical.len() as u64, length - 1);
    let oldest = length - 1 - KEPT_ANCESTOR_SLOTS;
    for block in &chain {
        assert_eq!(store.contains(&block.root), block.slot.0 >= oldest, "slot {}", block.slot);
    }
}

#[test]
fn a_block_on_an_ancestor_is_obsolete_and_one_on_an_orphan_unknown() {
    let (mut store, chain, fork) = finalized_at(3, 5);
    let on_ancestor = block_on(store.state(&chain[1].root).unwrap(), 6, vec![]);
    let on_orphan = block_on(store.state(&fork.root).unwrap(), 7, vec![]);
    store.prune_finalized();
    assert!(matches!(store.check_block(&signed(on_ancestor.0.clone())), Ok(BlockCheck::Obsolete)));
    assert_eq!(
        reason(store.on_block(&on_ancestor.0, Arc::new(on_ancestor.1))),
        RejectionReason::UnknownParentBlock
    );
    assert_eq!(reason(store.check_block(&signed(on_orphan.0))), RejectionReason::UnknownParentBlock);
}

#[test]
fn what_was_pruned_stays_final() {
    let mut store = genesis(4);
    let anchor = store.head();
    let b1 = import(&mut store, anchor, 1, vec![]);
    let b2 = import(&mut store, b1, 2, vec![attestation(vote(1, anchor, b1, b1), 0..3)]);
    let b3 = import(&mut store, b2, 3, vec![]);
    let b4 = import(&mut store, b3, 4, vec![attestation(vote(3, b1, b2, b2), 0..3)]);
    let fork = import(&mut store, b3, 5, vec![]);
    store.insert_known_aggregate(vote(5, anchor, b4, b4), proof([3], 0));
    store.update_head();
    assert_eq!((store.latest_justified(), store.latest_finalized()), (b2, b1));

    // The fork has finalized nothing but genesis, so a reorg to it lowers the checkpoint: to genesis before pruning,
    // and after it no further than to the block that everything else was pruned for.
    let mut pruned = store.clone();
    assert_eq!(pruned.prune_finalized().canonical, [anchor.root]);
    for (store, expected) in [(&mut store, anchor), (&mut pruned, b1)] {
        store.insert_known_aggregate(vote(6, anchor, fork, fork), proof(0..4, 0));
        store.update_head();
        assert_eq!((store.head(), store.latest_finalized()), (fork, expected));
        assert!(store.state(&store.latest_finalized().root).is_some());
    }
    assert!(pruned.contains(&b4.root));
}

#[test]
fn votes_for_orphans_and_settled_blocks_are_pruned_from_every_pool() {
    let (mut store, chain, fork) = finalized_at(3, 5);
    let anchor = Checkpoint { root: store.chain(&chain[0].root).last().unwrap().root, slot: Slot(0) };
    let finalized = store.latest_finalized;
    store.latest_finalized = anchor;
    let live = vote(6, anchor, chain[3], chain[4]);
    let stale = [vote(6, anchor, chain[1], chain[2]), vote(6, anchor, chain[0], fork)];
    for data in [live, stale[0], stale[1]] {
        store.on_gossip_attestation(ValidatorIndex(0), &data, signature(1), true).unwrap();
        gossip(&mut store, data, [1]).unwrap();
        store.insert_known_aggregate(data, proof([2], 0));
    }
    store.latest_finalized = finalized;
    store.prune_stale_attestation_data();
    let kept = [live.tree_hash_root()];
    assert_eq!(store.attestation_signatures().into_keys().collect::<Vec<_>>(), kept);
    for pool in [store.latest_new_aggregated_payloads(), store.latest_known_aggregated_payloads()] {
        assert_eq!(pool.iter().map(|(root, ..)| root).collect::<Vec<_>>(), kept);
    }
}

#[test]
fn a_stale_safe_target_may_be_pruned_and_is_still_answered() {
    let (mut store, chain, fork) = finalized_at(3, 5);
    store.safe_target = fork;
    store.prune_finalized();
    assert!(!store.contains(&fork.root));
    assert_eq!(store.safe_target(), fork);
    // Its slot still bounds the way back from the head.
    assert_eq!(store.get_attestation_target(), chain[4]);
}
