//! Peers without keys or stake, as many as they like, and validators that sign without end: what they cannot do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and so do their helpers")]

mod support;

use std::collections::BTreeSet;

use lathe_engine::{Anchor, Group, Input, Peer};
use lathe_types::{AttestationData, Checkpoint, Root, Slot, TreeHash};
use support::{Hand, Made, anchor, job_of};

fn connect(hand: &mut Hand, peer: u64, group: u64) {
    hand.input(Input::PeerConnected { peer: Peer(peer), group: Group(group) });
}

/// A root that nobody has.
fn invented(n: u64) -> Root {
    let mut root = Root::repeat_byte(0xaa);
    root[..8].copy_from_slice(&n.to_le_bytes());
    root
}

/// An orphan of an invented parent.
fn orphan(made: &Made, n: u64) -> std::sync::Arc<lathe_types::SignedBlock> {
    let mut signed = (*made.block).clone();
    signed.block.parent_root = invented(n);
    signed.into()
}

/// Strangers fill every pool, each as `(peer, group)`; an honest peer brings the tip of another branch. All of that
/// branch is imported, but for the tip if there is no room for it: then the next block will bring it.
fn heals_in_a_flood(strangers: &[(u8, u64)], honest_group: u64, keeps_the_tip: bool) {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let ours = genesis.child(1, &[]);
    let mut hand = Hand::new(4_000, &[], false, anchor);
    hand.import(1, &ours);
    let branch: Vec<Made> = (2..7).fold(vec![genesis.child(2, &[])], |mut branch, slot| {
        branch.push(branch.last().unwrap().child(slot + 1, &[]));
        branch
    });
    for (peer, group) in strangers {
        connect(&mut hand, u64::from(*peer), *group);
    }
    connect(&mut hand, 9, honest_group);
    hand.tick(32_000);
    let flood = |hand: &mut Hand, from: u64| {
        for (n, (peer, _)) in (from..from + 1_000).zip(strangers.iter().cycle()) {
            hand.gossip_block(*peer, &orphan(&ours, n));
        }
    };
    flood(&mut hand, 0);
    assert!(hand.engine.view().pools.pending_blocks <= 256);
    let mut effects = hand.gossip_block(9, &branch.last().unwrap().block);
    for (step, made) in branch.iter().rev().skip(1).enumerate() {
        // A range may be under way, of which the sender of the orphan is asked only after a while.
        effects.extend(hand.run_to(hand.now + 4_000));
        let fetch = effects.iter().rfind(|effect| effect.contains("of peer 9: 1 roots"));
        let fetch = fetch.unwrap_or_else(|| panic!("{effects:?}"));
        let request: u64 = fetch.split(' ').nth(1).unwrap().parse().unwrap();
        flood(&mut hand, 10_000 * (step as u64 + 1));
        effects = hand.respond(request, 9, &made.block);
        let ended = Input::FetchEnded { request: lathe_engine::RequestId(request), outcome: Ok(()) };
        effects.extend(hand.input(ended));
    }
    for made in &branch[..branch.len() - usize::from(!keeps_the_tip)] {
        let job = job_of(&effects);
        effects = hand.verified(job, &[true]);
        assert!(hand.engine.view().nodes.iter().any(|node| node.root == made.root), "{}", made.root);
    }
}

/// Six peers of one address.
const SIX: [(u8, u64); 6] = [(100, 1), (101, 1), (102, 1), (103, 1), (104, 1), (105, 1)];

#[test]
fn a_flood_of_orphans_keeps_no_branch_out() {
    heals_in_a_flood(&SIX, 2, true);
}

#[test]
fn nor_does_one_from_the_address_of_the_honest_peer() {
    heals_in_a_flood(&SIX, 1, true);
}

#[test]
fn nor_does_one_from_more_addresses_than_there_are_places() {
    let strangers: Vec<(u8, u64)> = (20..=250).map(|peer| (peer, u64::from(peer))).collect();
    heals_in_a_flood(&strangers, 9, false);
}

#[test]
fn an_orphan_whose_parent_its_sender_does_not_have_costs_the_sender_and_is_asked_of_nobody_else() {
    let anchor = anchor(4);
    let ours = Made::genesis(&anchor).child(1, &[]);
    let mut hand = Hand::new(8_000, &[], false, anchor);
    for peer in [7, 9] {
        connect(&mut hand, peer, peer);
    }
    let mut effects = Vec::new();
    for n in 0..4 {
        effects.extend(hand.gossip_block(9, &orphan(&ours, n)));
        effects.extend(hand.run_to(hand.now + 8_000));
        let request = effects.iter().filter(|effect| effect.starts_with("fetch")).count() as u64 - 1;
        let ended = Input::FetchEnded { request: lathe_engine::RequestId(request), outcome: Ok(()) };
        effects.extend(hand.input(ended));
    }
    effects.extend(hand.run_to(hand.now + 60_000));
    let asked: BTreeSet<&str> =
        effects.iter().filter(|effect| effect.starts_with("fetch")).map(|effect| &effect[8..17]).collect();
    assert_eq!(asked, BTreeSet::from(["of peer 9"]));
    let blame: Vec<&String> = effects.iter().filter(|effect| effect.starts_with("penalise")).collect();
    assert_eq!(blame, ["penalise peer 9: Unresponsive"]);
}

/// Slots in which a duty of ours was missed for want of sync, while every 8 s a new peer of a new address claims a head
/// at the clock, and delivers nothing. The chain stands still at slot 1 all the while.
fn slots_delayed(liars: u64, start: u64) -> BTreeSet<u64> {
    let anchor = anchor(4);
    let block = Made::genesis(&anchor).child(1, &[]);
    let mut hand = Hand::new(4_000 * start as i64, &[0], false, anchor);
    hand.import(1, &block);
    let mut delayed = BTreeSet::new();
    for slot in start..start + 60 {
        for liar in 0..liars {
            let peer = 1_000 + (slot / 2) * liars + liar;
            connect(&mut hand, peer, peer);
            hand.status(peer, 0, Checkpoint { root: invented(peer), slot: Slot(slot) });
        }
        hand.run_to(4_000 * (slot as i64 + 1) - 1);
        let missed =
            hand.events().iter().any(|event| event.contains("Attestation") && event.contains("NotSynced"));
        if missed {
            delayed.insert(slot);
        }
    }
    delayed
}

#[test]
fn no_number_of_liars_delays_duties_by_more_than_eight_slots() {
    for liars in [1, 5, 20] {
        for start in [1, 10, 100] {
            let delayed = slots_delayed(liars, start);
            assert!(delayed.len() <= 8, "{liars} liars from slot {start}: {delayed:?}");
            assert!(!delayed.is_empty(), "a claim asks for patience");
        }
    }
}

#[test]
fn the_status_tells_of_blocks_that_nobody_delivers() {
    let anchor = anchor(4);
    let block = Made::genesis(&anchor).child(1, &[]);
    let mut hand = Hand::new(4_000, &[0], false, anchor);
    hand.import(1, &block);
    connect(&mut hand, 7, 7);
    for slot in 2..40 {
        hand.status(7, 0, Checkpoint { root: invented(1), slot: Slot(slot) });
        hand.run_to(4_000 * slot as i64 + 3_999);
        let sync = hand.engine.view().sync;
        assert_eq!(sync.is_syncing, slot - 1 > 4, "slot {slot}: {sync:?}");
    }
    let events: Vec<String> = hand.events();
    assert!(events.iter().all(|event| !event.contains("NotSynced")), "duties go on: {events:?}");
}

#[test]
fn heads_that_are_not_on_our_chain_are_told_of() {
    let anchor = anchor(4);
    let mut hand = Hand::new(4_000, &[], false, anchor);
    let mut told = Vec::new();
    for peer in 1..4 {
        connect(&mut hand, peer, peer);
    }
    for slot in 1..20_i64 {
        for peer in 1..3 {
            hand.status(peer, 0, Checkpoint { root: invented(peer), slot: Slot(slot as u64) });
        }
        hand.run_to(4_000 * (slot + 1));
        told.extend(hand.events().into_iter().filter(|event| event.starts_with("ForeignHeads")));
    }
    assert_eq!(told, ["ForeignHeads { addresses: 2, of: 2, slots: 8 }"]);
}

#[test]
fn peers_that_finalize_another_chain_are_told_of() {
    let genesis = Made::genesis(&anchor(4));
    let first = genesis.child(1, &[]);
    let third = first.child(2, &[]).child(3, &[]);
    let header = third.block.block.header();
    let mut hand = Hand::new(16_000, &[], false, Anchor::new(header, third.state.clone()));
    for (peer, finalized) in [(1, first.root), (2, invented(1)), (3, invented(1))] {
        connect(&mut hand, peer, peer);
        let status = lathe_types::Status {
            finalized: Checkpoint { root: finalized, slot: Slot(1) },
            head: third.checkpoint(),
        };
        hand.input(Input::PeerStatus { peer: Peer(peer), status });
    }
    hand.run_to(20_000);
    let ours = third.checkpoint();
    let told = hand.events().into_iter().filter(|event| event.starts_with("FinalityConflict"));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [format!("FinalityConflict {{ addresses: 2, of: 3, ours: {ours:?} }}")]
    );
}

#[test]
fn two_blocks_of_one_proposer_and_slot_are_checked_and_no_more() {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let data = AttestationData {
        slot: Slot(0),
        head: genesis.checkpoint(),
        target: genesis.checkpoint(),
        source: genesis.checkpoint(),
    };
    let blocks: Vec<Made> =
        [[0], [1], [2], [3]].iter().map(|voters| genesis.child(1, &[(data, voters)])).collect();
    let roots: BTreeSet<Root> = blocks.iter().map(|made| made.block.block.tree_hash_root()).collect();
    assert_eq!(roots.len(), 4);
    let mut hand = Hand::new(4_000, &[], false, anchor);
    hand.import(1, &blocks[0]);
    let twice = "Equivocation { validator: ValidatorIndex(1), slot: Slot(1), kind: Block }";
    assert!(!hand.events().iter().any(|event| event == twice));
    // Two more are checked before the second is known to be signed.
    let second = job_of(&hand.gossip_block(2, &blocks[1].block));
    let third = job_of(&hand.gossip_block(3, &blocks[2].block));
    assert_eq!(hand.verified(second, &[true])[0], "accept 2");
    assert!(hand.events().iter().any(|event| event == twice));
    assert_eq!(hand.verified(third, &[true]), ["ignore 3"]);
    assert_eq!(hand.gossip_block(4, &blocks[3].block), ["ignore 4"], "before any proof is checked");
    assert_eq!(hand.engine.view().nodes.len(), 3, "genesis and two");
}

#[test]
fn a_second_vote_of_a_validator_for_one_slot_is_told_of() {
    let anchor = anchor(4);
    let genesis = Made::genesis(&anchor);
    let block = genesis.child(1, &[]);
    let mut hand = Hand::new(4_000, &[], false, anchor);
    hand.import(1, &block);
    let votes = [genesis.checkpoint(), block.checkpoint()].map(|head| AttestationData {
        slot: Slot(1),
        head,
        target: genesis.checkpoint(),
        source: genesis.checkpoint(),
    });
    let mut told = Vec::new();
    for (id, data) in [(2, votes[0]), (3, votes[1])] {
        hand.gossip_vote(id, 2, data);
        let effects = hand.run_to(hand.now + 5);
        hand.verified(job_of(&effects), &[true]);
        told.extend(hand.events().into_iter().filter(|event| event.starts_with("Equivocation")));
    }
    assert_eq!(told, ["Equivocation { validator: ValidatorIndex(2), slot: Slot(1), kind: Attestation }"]);
}
