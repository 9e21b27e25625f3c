//! Proofs that stand and fall as a whole, among votes that can be carried one by one.

use super::*;
use crate::block_budget::{Budget, Chosen, Share, WholeProof, allot};

const VALIDATORS: usize = 12;

fn set(voters: impl IntoIterator<Item = u64>) -> ValidatorSet {
    voters.into_iter().map(ValidatorIndex).collect()
}

/// A vote for `slot` by `voters`, one by one, with whole proofs: content, room, voters.
fn chosen(slot: u64, one_by_one: &[u64], whole: &[(u64, usize, &[u64])]) -> Chosen {
    let genesis = Checkpoint { root: Root::ZERO, slot: Slot(0) };
    let target = Checkpoint { root: Root::repeat_byte(slot as u8), slot: Slot(slot) };
    let mut voters = set(one_by_one.iter().copied());
    whole.iter().for_each(|(.., more)| voters.extend(&set(more.iter().copied())));
    let whole = whole.iter().map(|(content, votes, voters)| WholeProof {
        proof: proof(voters.iter().copied(), 1),
        voters: set(voters.iter().copied()),
        content: *content,
        votes: *votes,
    });
    Chosen {
        data: vote(slot, genesis, target, target),
        proofs: if one_by_one.is_empty() { vec![] } else { vec![proof(one_by_one.iter().copied(), 0)] },
        whole: whole.collect(),
        voters,
        counted: ValidatorSet::default(),
    }
}

fn share(chosen: &[Chosen], votes: usize, whole_beyond: usize) -> Vec<(usize, Vec<usize>)> {
    let shares = allot(chosen, Budget { votes, whole_beyond }, VALIDATORS);
    shares.into_iter().map(|Share { voters, whole }| (voters.len(), whole)).collect()
}

#[test]
fn votes_go_one_by_one_while_there_are_not_too_many() {
    let all: Vec<u64> = (0..12).collect();
    let data = [chosen(1, &all, &[(1, 4, &all)])];
    assert_eq!(share(&data, 12, 12), [(12, vec![])]);
    assert_eq!(share(&data, 12, 11), [(12, vec![0])]);
    assert_eq!(share(&data, 11, 12), [(12, vec![0])], "nor more than there is room for");
    // Voters whom nothing else covers come with their proof, if there is room.
    let data = [chosen(1, &all[..6], &[(1, 4, &all[4..8])])];
    assert_eq!(share(&data, 10, 8), [(8, vec![0])]);
    assert_eq!(share(&data, 9, 8), [(6, vec![])]);
}

#[test]
fn a_proof_makes_room_for_votes_beside_it() {
    let all: Vec<u64> = (0..12).collect();
    let data = [chosen(1, &all, &[(1, 4, &all[..9])])];
    assert_eq!(share(&data, 7, 7), [(12, vec![0])]);
    assert_eq!(share(&data, 6, 6), [(11, vec![0])], "all but one");
    assert_eq!(share(&data, 3, 3), [(3, vec![])], "no room for the proof");
    let large = [chosen(1, &all, &[(1, 9, &all[..9])])];
    assert_eq!(share(&large, 11, 0), [(11, vec![])], "a proof as large as its voters' votes gains nothing");
    assert_eq!(share(&large, 12, 0), [(12, vec![0])], "unless everything fits and votes are not wanted");
    let lone = [chosen(1, &all, &[(1, 1, &all[..1])])];
    assert_eq!(share(&lone, 12, 0), [(12, vec![])], "a lone vote goes as it is");
}

#[test]
fn proofs_with_one_content_take_its_room_once() {
    let all: Vec<u64> = (0..12).collect();
    let data = [chosen(1, &all, &[(7, 5, &all)]), chosen(2, &all, &[(7, 5, &all)])];
    assert_eq!(share(&data, 5, 0), [(12, vec![0]), (12, vec![0])]);
    let apart = [chosen(1, &all, &[(7, 5, &all)]), chosen(2, &all, &[(8, 5, &all)])];
    assert_eq!(share(&apart, 10, 0), [(12, vec![0]), (12, vec![0])]);
    assert_eq!(
        share(&apart, 9, 0),
        [(12, vec![0]), (4, vec![])],
        "the first that can be justified, then votes"
    );
}

#[test]
fn what_justifies_comes_before_a_proof_of_others() {
    let all: Vec<u64> = (0..12).collect();
    // Slot 1 has a proof over votes that justify nothing; slot 2 needs eight votes of twelve.
    let data = [chosen(1, &[], &[(1, 3, &all[..6])]), chosen(2, &all, &[])];
    assert_eq!(share(&data, 10, 0), [(0, vec![]), (10, vec![])]);
    assert_eq!(share(&data, 15, 0), [(6, vec![0]), (12, vec![])]);
    // A proof that frees room is part of what justifies; without room for all that is missing it is of no use there.
    let data = [chosen(2, &all, &[(1, 3, &all[..5])])];
    assert_eq!(share(&data, 6, 0), [(8, vec![0])]);
    let data = [chosen(1, &all, &[(1, 5, &all[..6])]), chosen(2, &all, &[])];
    assert_eq!(
        share(&data, 8, 0),
        [(8, vec![0]), (1, vec![])],
        "five for the proof, two that are missing, and one of the newer target"
    );
}
