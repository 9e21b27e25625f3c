use std::collections::HashSet;

use lathe_transition::state_transition;

use super::*;
use crate::{BlockInputs, BuiltBlock, ProofWork, build_block};

type Candidates = Vec<(AttestationData, Vec<Arc<SingleMessageAggregate>>)>;

/// Unions participants; refuses what it is told to.
#[derive(Default)]
struct Work {
    budget: Option<usize>,
    refuse_merge: bool,
    refuse_trim: bool,
    log: Vec<String>,
}

impl ProofWork for Work {
    fn vote_budget(&self) -> usize {
        self.budget.unwrap_or(usize::MAX)
    }

    fn merge(
        &mut self,
        data: &AttestationData,
        proofs: &[Arc<SingleMessageAggregate>],
    ) -> Option<SingleMessageAggregate> {
        self.log.push(format!("merge {} {:?}", data.slot, covered(proofs)));
        let all = ValidatorSet::covered_by(proofs);
        (!self.refuse_merge).then(|| proof(voters(&all), 9).as_ref().clone())
    }

    fn trim(
        &mut self,
        data: &AttestationData,
        proof: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Option<SingleMessageAggregate> {
        let (all, keep) = (ValidatorSet::of(&proof.participants), ValidatorSet::of(keep));
        assert!(keep.is_subset_of(&all) && !keep.is_empty() && keep != all);
        self.log.push(format!("trim {} to {:?}", data.slot, voters(&keep)));
        (!self.refuse_trim).then(|| super::proof(voters(&keep), 8).as_ref().clone())
    }
}

fn build(store: &Store, slot: u64, candidates: &Candidates, work: &mut Work) -> BuiltBlock {
    let known: HashSet<Root> = store.blocks().map(|block| block.root).collect();
    let head = store.head();
    let validators = store.head_state().validators.len() as u64;
    let inputs = BlockInputs {
        slot: Slot(slot),
        proposer_index: ValidatorIndex(slot % validators),
        parent_root: head.root,
        parent_state: store.head_state(),
        known_block_roots: &known,
        candidates,
    };
    let built = build_block(inputs, work).unwrap();
    // Whatever was built is a valid block, with a component per attestation.
    assert_eq!(state_transition(store.head_state(), &built.block).unwrap(), built.post_state);
    assert_eq!(built.root, built.block.tree_hash_root());
    let attestations = &built.block.body.attestations;
    assert_eq!(attestations.len(), built.components.len());
    for (attestation, component) in attestations.iter().zip(&built.components) {
        assert_eq!(attestation.aggregation_bits, component.participants);
    }
    let distinct: HashSet<_> = attestations.iter().map(|attestation| attestation.data).collect();
    assert_eq!(distinct.len(), attestations.len());
    built
}

/// The slots and voters of a block's attestations.
fn body(built: &BuiltBlock) -> Vec<(u64, Vec<u64>)> {
    let attestations = built.block.body.attestations.iter();
    attestations.map(|a| (a.data.slot.0, voters(&ValidatorSet::of(&a.aggregation_bits)))).collect()
}

#[test]
fn a_round_may_unlock_the_next() {
    let mut store = genesis(4);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=3);
    let candidates = vec![
        // Builds on slot 2 being justified, which the next one only brings about once slot 1 is.
        (vote(4, chain[1], chain[2], chain[2]), vec![proof(0..3, 0)]),
        (vote(3, chain[0], chain[1], chain[1]), vec![proof(0..3, 0)]),
        (vote(2, anchor, chain[0], chain[0]), vec![proof(0..3, 0)]),
    ];
    let built = build(&store, 4, &candidates, &mut Work::default());
    assert_eq!(body(&built), [(2, vec![0, 1, 2]), (3, vec![0, 1, 2]), (4, vec![0, 1, 2])]);
    assert_eq!(built.post_state.latest_justified, chain[2]);
    assert_eq!(built.post_state.latest_finalized, chain[1]);
    let reversed = candidates.iter().cloned().rev().collect();
    assert_eq!(build(&store, 4, &reversed, &mut Work::default()).block, built.block);
}

#[test]
fn votes_that_cannot_count_are_left_out() {
    let mut store = genesis(4);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=3);
    let fork = import(&mut store, chain[0], 4, vec![]);
    store.head = chain[2];
    let unknown = Checkpoint { root: Root::repeat_byte(3), slot: Slot(3) };
    let at = |data| (data, vec![proof([0], 0)]);
    let candidates = vec![
        at(vote(5, anchor, chain[0], unknown)),
        at(vote(5, anchor, chain[0], fork)),
        at(vote(5, chain[0], chain[1], chain[2])),
        (vote(5, anchor, chain[1], chain[2]), vec![]),
        // Votes for genesis justify nothing, but are carried for their heads.
        at(vote(6, anchor, anchor, chain[2])),
    ];
    assert_eq!(body(&build(&store, 5, &candidates, &mut Work::default())), [(6, vec![0])]);
    assert_eq!(body(&build(&store, 5, &Vec::new(), &mut Work::default())), []);
}

#[test]
fn proofs_of_one_data_are_merged_into_one_attestation() {
    let mut store = genesis(6);
    let anchor = store.head();
    let b1 = import(&mut store, anchor, 1, vec![]);
    let data = vote(1, anchor, b1, b1);
    let candidates = vec![(data, vec![proof([0, 1], 0), proof([1], 0), proof([2, 3, 4], 0)])];
    let mut work = Work::default();
    let built = build(&store, 2, &candidates, &mut work);
    assert_eq!(work.log, ["merge 1 [[2, 3, 4], [0, 1]]"]);
    assert_eq!((body(&built), built.failures), (vec![(1, vec![0, 1, 2, 3, 4])], 0));

    // A proof system that fails costs votes, not the block.
    let mut work = Work { refuse_merge: true, ..Work::default() };
    let built = build(&store, 2, &candidates, &mut work);
    assert_eq!((body(&built), built.failures), (vec![(1, vec![2, 3, 4])], 1));
}

/// Six validators, three blocks, and a vote for each of the first two.
fn two_votes() -> (Store, AttestationData, AttestationData) {
    let mut store = genesis(6);
    let anchor = store.head();
    let chain = import_chain(&mut store, anchor, 1..=3);
    (store, vote(1, anchor, chain[0], chain[0]), vote(2, anchor, chain[1], chain[1]))
}

#[test]
fn a_block_that_fits_is_not_trimmed() {
    let (store, first, second) = two_votes();
    let candidates = vec![(first, vec![proof([0, 1], 0)]), (second, vec![proof(0..4, 0)])];
    let mut work = Work { budget: Some(6), ..Work::default() };
    assert_eq!(body(&build(&store, 4, &candidates, &mut work)), [(1, vec![0, 1]), (2, vec![0, 1, 2, 3])]);
    assert!(work.log.is_empty());
}

#[test]
fn what_justifies_comes_first_when_room_is_short() {
    let (store, first, second) = two_votes();
    let candidates = vec![(first, vec![proof([0, 1, 2], 0)]), (second, vec![proof(0..5, 0)])];
    let mut work = Work { budget: Some(6), ..Work::default() };
    let built = build(&store, 4, &candidates, &mut work);
    // Four of six justify slot 2; then its fifth vote, then whatever fits of the other.
    assert_eq!(body(&built), [(1, vec![0]), (2, vec![0, 1, 2, 3, 4])]);
    assert_eq!(work.log, ["trim 1 to [0]"]);
    assert_eq!(built.post_state.latest_justified, second.target);

    for (budget, expected) in [
        (5, vec![(2, vec![0, 1, 2, 3, 4])]),
        (4, vec![(2, vec![0, 1, 2, 3])]),
        (3, vec![(2, vec![0, 1, 2])]),
        (0, vec![]),
    ] {
        let mut work = Work { budget: Some(budget), ..Work::default() };
        assert_eq!(body(&build(&store, 4, &candidates, &mut work)), expected, "budget {budget}");
    }
}

#[test]
fn votes_for_genesis_itself_take_no_room_from_those_that_justify() {
    let (store, first, second) = two_votes();
    let for_genesis = |slot, head| vote(slot, first.source, first.source, head);
    let all = |tag| vec![proof(0..6, tag)];
    let candidates =
        vec![(for_genesis(1, first.head), all(0)), (for_genesis(2, second.head), all(1)), (second, all(2))];
    let mut work = Work { budget: Some(7), ..Work::default() };
    let built = build(&store, 4, &candidates, &mut work);
    assert_eq!(built.post_state.latest_justified, second.target);
    let sizes: usize = body(&built).iter().map(|(_, voters)| voters.len()).sum();
    assert_eq!((sizes, body(&built).last()), (7, Some(&(2, vec![0, 1, 2, 3, 4, 5]))));
}

#[test]
fn votes_that_the_chain_has_counted_come_last() {
    let (mut store, _, second) = two_votes();
    let head = store.head();
    import(&mut store, head, 4, vec![attestation(second, [0, 1, 2])]);
    let candidates = vec![(second, vec![proof([0, 1, 2, 3], 0), proof([2, 4], 0)])];
    // One more vote justifies slot 2.
    for (budget, expected) in [(1, vec![3]), (2, vec![3, 4]), (3, vec![0, 3, 4]), (5, vec![0, 1, 2, 3, 4])] {
        let mut work = Work { budget: Some(budget), ..Work::default() };
        let built = build(&store, 5, &candidates, &mut work);
        assert_eq!(body(&built), [(2, expected)], "budget {budget}");
        assert_eq!(built.post_state.latest_justified, second.target);
    }
}

#[test]
fn trimmed_pieces_do_not_overlap_and_failing_ones_are_done_without() {
    let (store, first, _) = two_votes();
    let candidates = vec![(first, vec![proof([0, 1, 2], 0), proof([2, 3, 4], 0)])];
    let mut work = Work { budget: Some(4), ..Work::default() };
    assert_eq!(body(&build(&store, 4, &candidates, &mut work)), [(1, vec![0, 2, 3, 4])]);
    assert_eq!(work.log, ["trim 1 to [0]", "merge 1 [[2, 3, 4], [0]]"]);

    let mut work = Work { budget: Some(4), refuse_trim: true, ..Work::default() };
    let built = build(&store, 4, &candidates, &mut work);
    assert_eq!((body(&built), built.failures), (vec![(1, vec![2, 3, 4])], 1));
}

#[test]
fn with_too_many_data_those_that_justify_are_chosen_then_the_newest() {
    let mut store = genesis(6);
    let anchor = store.head();
    let slots = [1, 2, 3, 4, 5, 6, 9, 12, 16, 20];
    let chain = import_chain(&mut store, anchor, slots);
    let one_voter_each: Candidates = chain
        .iter()
        .map(|target| (vote(target.slot.0, anchor, *target, *target), vec![proof([0], 0)]))
        .collect();
    let built = build(&store, 21, &one_voter_each, &mut Work::default());
    let expected: Vec<_> = slots[2..].iter().map(|slot| (*slot, vec![0])).collect();
    assert_eq!(body(&built), expected);

    // The oldest can justify its target, so it comes first; the others built on genesis, which it supersedes.
    let mut candidates = one_voter_each;
    candidates[0].1 = vec![proof(0..4, 0)];
    let built = build(&store, 21, &candidates, &mut Work::default());
    assert_eq!(built.post_state.latest_justified, chain[0]);
    assert_eq!(body(&built), [(1, vec![0, 1, 2, 3])]);
}

#[test]
fn a_block_cannot_be_built_out_of_turn() {
    let store = genesis(4);
    let inputs = BlockInputs {
        slot: Slot(1),
        proposer_index: ValidatorIndex(2),
        parent_root: store.head().root,
        parent_state: store.head_state(),
        known_block_roots: &HashSet::new(),
        candidates: &Vec::new(),
    };
    let refused = |inputs| reason(build_block(inputs, &mut Work::default()).map(|_| ()));
    assert_eq!(refused(inputs), RejectionReason::WrongProposer);
    assert_eq!(refused(BlockInputs { slot: Slot(0), ..inputs }), RejectionReason::BlockSlotNotInFuture);
}
