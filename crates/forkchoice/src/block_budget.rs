//! Sharing a block's room for votes among its data.

use lathe_types::ValidatorIndex;

use crate::block_production::Chosen;
use crate::coverage::ValidatorSet;

/// Whose votes a block with room for `budget` of them carries, per data.
///
/// If not all fit: first, in order, what it takes to justify each target that can be; then further votes that the chain
/// has not counted, of the newest targets first; then repetitions.
pub(crate) fn allot(chosen: &[Chosen], budget: usize, num_validators: usize) -> Vec<ValidatorSet> {
    let all: Vec<ValidatorSet> = chosen.iter().map(|chosen| chosen.voters.clone()).collect();
    if all.iter().map(ValidatorSet::len).sum::<usize>() <= budget {
        return all;
    }
    let mut allotment = Allotment { left: budget, kept: vec![ValidatorSet::default(); chosen.len()] };
    for (index, chosen) in chosen.iter().enumerate() {
        let missing = (2 * num_validators).div_ceil(3).saturating_sub(chosen.counted.len());
        if chosen.justifies(num_validators) && missing <= allotment.left {
            allotment.take(index, fresh_voters(chosen), missing);
        }
    }
    let mut newest_first: Vec<usize> = (0..chosen.len()).collect();
    newest_first.sort_by_key(|index| {
        let chosen = &chosen[*index];
        std::cmp::Reverse((chosen.justifies(num_validators), chosen.data.target.slot))
    });
    for index in &newest_first {
        allotment.take(*index, fresh_voters(&chosen[*index]), usize::MAX);
    }
    for index in &newest_first {
        allotment.take(*index, voters(&chosen[*index]), usize::MAX);
    }
    allotment.kept
}

struct Allotment {
    left: usize,
    kept: Vec<ValidatorSet>,
}

impl Allotment {
    /// Takes up to `count` of `voters` who are not taken yet.
    fn take(&mut self, index: usize, voters: Vec<ValidatorIndex>, count: usize) {
        let count = count.min(self.left);
        let kept = &mut self.kept[index];
        let before = kept.len();
        let new: Vec<ValidatorIndex> =
            voters.into_iter().filter(|voter| !kept.contains(*voter)).take(count).collect();
        for voter in new {
            kept.insert(voter);
        }
        self.left -= kept.len() - before;
    }
}

/// Voters in the order of their proofs, so that whole proofs are used before one is trimmed. A voter may stand in
/// several proofs.
fn voters(chosen: &Chosen) -> Vec<ValidatorIndex> {
    let mut seen = ValidatorSet::default();
    let mut voters = Vec::with_capacity(chosen.voters.len());
    for proof in &chosen.proofs {
        let mut new = ValidatorSet::of(&proof.participants);
        new.subtract(&seen);
        voters.extend(new.iter());
        seen.extend(&new);
    }
    voters
}

/// Those whose votes the chain has not counted.
fn fresh_voters(chosen: &Chosen) -> Vec<ValidatorIndex> {
    voters(chosen).into_iter().filter(|voter| !chosen.counted.contains(*voter)).collect()
}
