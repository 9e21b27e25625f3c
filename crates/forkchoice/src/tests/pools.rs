use super::*;
use crate::pool::PayloadPool;
use crate::signatures::SignaturePool;
use crate::votes::Vote;
use crate::{
    MAX_ATTESTATION_SIGNATURES, MAX_NEW_DATA, MAX_POOL_BYTES, MAX_PROOFS_PER_DATA, select_proofs_for_coverage,
};

fn at(root: u8, slot: u64) -> Checkpoint {
    Checkpoint { root: Root::repeat_byte(root), slot: Slot(slot) }
}

fn data(slot: u64, head: u8) -> AttestationData {
    vote(slot, at(0, 0), at(0, 0), at(head, 1 + slot / 2))
}

fn sized_proof(voters: impl IntoIterator<Item = u64>, bytes: usize) -> Arc<SingleMessageAggregate> {
    Arc::new(SingleMessageAggregate { participants: bits(voters), proof: vec![7; bytes].try_into().unwrap() })
}

fn latest(pool: &PayloadPool, finalized: u64) -> Vec<(u64, Root)> {
    pool.latest_votes(Slot(finalized)).iter().map(|(validator, vote)| (validator.0, vote.data_root)).collect()
}

#[test]
fn the_same_proof_is_kept_once() {
    let mut pool = PayloadPool::new(8);
    for tag in [1, 2, 1] {
        pool.insert(data(1, 1), proof([0, 1], tag));
    }
    assert_eq!(pool.proofs(&data(1, 1).tree_hash_root()).len(), 2);
}

#[test]
fn latest_votes_are_the_same_with_and_without_a_warm_cache() {
    let mut numbers = Numbers(99);
    let mut warm = PayloadPool::new(MAX_NEW_DATA);
    let mut cold = PayloadPool::new(MAX_NEW_DATA);
    for _ in 0..200 {
        let data = data(1 + numbers.below(9), numbers.below(4) as u8);
        let proof = proof([numbers.below(6), numbers.below(6)], numbers.below(2) as u8);
        warm.refresh(Slot(3));
        warm.insert(data, proof.clone());
        cold.insert(data, proof);
        assert_eq!(warm.latest_votes(Slot(3)), cold.latest_votes(Slot(3)));
        assert_eq!(warm.latest_votes(Slot(0)), cold.latest_votes(Slot(0)));
    }
}

#[test]
fn promotion_takes_everything_over_whatever_the_cache_knows() {
    for refreshed in [false, true] {
        let (mut known, mut new) = (PayloadPool::new(8), PayloadPool::new(8));
        known.insert(data(1, 1), proof([0, 1], 0));
        new.insert(data(1, 1), proof([2], 0));
        new.insert(data(2, 2), proof([0], 0));
        if refreshed {
            known.refresh(Slot(0));
        }
        known.take_from(&mut new);
        assert!(new.entries().is_empty());
        assert_eq!(covered(known.proofs(&data(1, 1).tree_hash_root())), [vec![0, 1], vec![2]]);
        let (older, newer) = (data(1, 1).tree_hash_root(), data(2, 2).tree_hash_root());
        assert_eq!(latest(&known, 0), [(0, newer), (1, older), (2, older)]);
    }
}

#[test]
fn votes_at_or_below_the_finalized_slot_do_not_count() {
    let mut pool = PayloadPool::new(8);
    let (old, new) = (vote(9, at(0, 0), at(0, 0), at(1, 4)), vote(8, at(0, 0), at(0, 0), at(2, 5)));
    pool.insert(old, proof([0], 0));
    pool.insert(new, proof([0], 0));
    assert_eq!(latest(&pool, 3), [(0, old.tree_hash_root())]);
    // The later vote has gone stale, so the earlier one is the latest that counts.
    assert_eq!(latest(&pool, 4), [(0, new.tree_hash_root())]);
    assert_eq!(latest(&pool, 5), []);
}

#[test]
fn a_full_pool_lets_go_of_superseded_proofs_and_of_no_vote() {
    let bound = 16;
    let mut pool = PayloadPool::new(bound);
    // Validator 0 votes in every slot; validator 9 voted once, long ago.
    pool.insert(data(1, 1), proof([9], 0));
    for slot in 2..2 + bound as u64 - 1 {
        pool.insert(data(slot, 1), proof([0], 0));
    }
    assert_eq!(pool.entries().len(), bound);
    pool.insert(data(50, 1), proof([0], 0));
    assert_eq!(pool.entries().len(), bound - bound / 8);
    // The only proof of validator 9's latest vote outlived younger ones that nobody's latest vote needs.
    assert!(!pool.proofs(&data(1, 1).tree_hash_root()).is_empty());
    assert!(pool.proofs(&data(2, 1).tree_hash_root()).is_empty());

    // Even when every proof is somebody's latest vote and some have to go, no vote does.
    for validator in 10..60 {
        pool.insert(data(validator, 2), proof([validator], 0));
    }
    assert!(pool.entries().len() <= bound);
    let expected: Vec<_> = [(0, data(50, 1)), (9, data(1, 1))]
        .into_iter()
        .chain((10..60).map(|validator| (validator, data(validator, 2))))
        .map(|(validator, data)| (validator, data.tree_hash_root()))
        .collect();
    assert_eq!(latest(&pool, 0), expected);
    // They are pruned like any other.
    pool.retain(|vote: &Vote| vote.head.root == Root::repeat_byte(1));
    assert_eq!(latest(&pool, 0), expected[..2]);
}

#[test]
fn evicted_votes_are_promoted_too() {
    let (mut known, mut new) = (PayloadPool::new(64), PayloadPool::new(8));
    for validator in 0..20 {
        new.insert(data(1 + validator, 1), proof([validator], 0));
    }
    assert!(new.entries().len() <= 8);
    known.refresh(Slot(2));
    known.take_from(&mut new);
    let expected = |finalized: u64| {
        let votes = (0..20).map(|validator| (validator, data(1 + validator, 1)));
        let live = votes.filter(move |(_, data)| data.head.slot.0 > finalized);
        live.map(|(validator, data)| (validator, data.tree_hash_root())).collect::<Vec<_>>()
    };
    assert_eq!(latest(&known, 2), expected(2));
    assert_eq!(latest(&known, 0), expected(0));
}

#[test]
fn proof_bytes_are_bounded() {
    let mut pool = PayloadPool::new(1_000);
    let size = 512 * 1024;
    let fit = (MAX_POOL_BYTES / size) as u64;
    for slot in 1..=fit {
        pool.insert(data(slot, 1), sized_proof([slot], size));
    }
    assert_eq!(pool.entries().len() as u64, fit);
    pool.insert(data(fit + 1, 1), sized_proof([fit + 1], size));
    assert_eq!(pool.entries().len() as u64, fit - fit / 8);
    assert_eq!(pool.latest_votes(Slot(0)).iter().count() as u64, fit + 1);
}

#[test]
fn proofs_of_one_data_are_bounded_to_those_that_add_voters() {
    let mut pool = PayloadPool::new(8);
    let root = data(1, 1).tree_hash_root();
    for tag in 0..MAX_PROOFS_PER_DATA as u8 {
        pool.insert(data(1, 1), proof([0, 1], tag));
    }
    assert_eq!(pool.proofs(&root).len(), MAX_PROOFS_PER_DATA);
    pool.insert(data(1, 1), proof([2], 0));
    assert_eq!(covered(pool.proofs(&root)), [vec![0, 1], vec![2]]);

    // With nothing but new voters the bound holds all the same, and their votes still count.
    for validator in 3..40 {
        pool.insert(data(1, 1), proof([validator], 0));
    }
    assert_eq!(pool.proofs(&root).len(), MAX_PROOFS_PER_DATA);
    assert_eq!(latest(&pool, 0).len(), 40);
}

#[test]
fn a_validators_first_signature_stays_and_the_pool_is_bounded() {
    let mut pool = SignaturePool::default();
    pool.insert(data(1, 1), ValidatorIndex(3), signature(1));
    pool.insert(data(1, 1), ValidatorIndex(3), signature(2));
    assert_eq!(pool.len(), 1);
    let kept = &pool.entries()[&data(1, 1).tree_hash_root()].signatures[&ValidatorIndex(3)];
    assert_eq!(*kept, signature(1));

    // Slot 2: a majority's data and an equivocator's. The oldest slot goes first, then the smallest of a slot, not the
    // one with the smaller root.
    let mut slot_two = [data(2, 1), data(2, 2)];
    slot_two.sort_by_key(TreeHash::tree_hash_root);
    let [majority, equivocator] = slot_two;
    pool.insert(equivocator, ValidatorIndex(0), signature(1));
    let room = MAX_ATTESTATION_SIGNATURES - pool.len();
    for validator in 0..room as u64 {
        pool.insert(majority, ValidatorIndex(validator), signature(1));
    }
    assert_eq!((pool.len(), pool.entries().len()), (MAX_ATTESTATION_SIGNATURES, 3));
    pool.insert(data(3, 1), ValidatorIndex(0), signature(1));
    assert!(!pool.entries().contains_key(&data(1, 1).tree_hash_root()));
    pool.insert(data(3, 1), ValidatorIndex(1), signature(1));
    assert!(!pool.entries().contains_key(&equivocator.tree_hash_root()));
    assert!(pool.entries().contains_key(&majority.tree_hash_root()));
    assert_eq!(pool.len(), MAX_ATTESTATION_SIGNATURES);

    pool.remove(&data(3, 1).tree_hash_root(), |validator| validator == ValidatorIndex(0));
    assert_eq!(pool.len(), MAX_ATTESTATION_SIGNATURES - 1);
    pool.remove(&data(3, 1).tree_hash_root(), |_| true);
    assert!(!pool.entries().contains_key(&data(3, 1).tree_hash_root()));
}

#[test]
fn coverage_is_greedy_and_ties_go_to_the_largest_encoding() {
    let pool = [proof([0], 0), proof([1, 2], 0), proof([0, 1], 5), proof([3, 4], 0), proof([3, 4], 6)];
    // Of equal coverage, the encoding with the higher participation bits is the larger one; then proof bytes decide.
    let selection = select_proofs_for_coverage(&pool, &[]);
    assert_eq!(selection.proofs, [pool[4].clone(), pool[1].clone(), pool[2].clone()].to_vec());
    assert_eq!(voters(&selection.covered), [0, 1, 2, 3, 4]);

    // The fallback pool only fills gaps, however large its proofs are.
    let fallback = [proof(0..9, 0), proof([0, 7], 0)];
    let selection = select_proofs_for_coverage(&pool[..1], &fallback);
    assert_eq!(selection.proofs, [pool[0].clone(), fallback[0].clone()].to_vec());
    assert!(select_proofs_for_coverage(&[], &[]).proofs.is_empty());
}

#[test]
fn sets_of_validators_behave_like_sets() {
    let (a, b) = (set([0, 9, 4095]), set([9, 12]));
    assert_eq!((a.len(), a.count_beyond(&b), b.count_beyond(&a)), (3, 2, 1));
    let mut both = a.clone();
    both.intersect(&b);
    assert_eq!(both, set([9]));
    let mut either = b.clone();
    either.extend(&a);
    assert_eq!(voters(&either), [0, 9, 12, 4095]);
    either.subtract(&a);
    assert_eq!(either, set([12]));
    assert!(either.is_subset_of(&b) && !b.is_subset_of(&either));
    either.subtract(&b);
    assert!(either.is_empty() && either == ValidatorSet::default());
    assert!(!a.contains(ValidatorIndex(u64::MAX)));
}
