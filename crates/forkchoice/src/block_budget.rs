//! Sharing a block's room for votes among its data.
//!
//! Votes that can be taken out one by one fill room as finely as one likes. Proofs that stand and fall as a whole take
//! theirs at once, and may take less than their voters would.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_types::{AttestationData, SingleMessageAggregate, ValidatorIndex};

use crate::coverage::ValidatorSet;

/// A whole proof that adds fewer voters than this is not preferred to their votes.
const LEAST_GAIN: usize = 2;

/// The room of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Votes that it holds.
    pub votes: usize,
    /// Votes beyond which whole proofs are to be preferred.
    pub whole_beyond: usize,
}

/// Votes that a block may carry: one data, and the proofs over it.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub data: AttestationData,
    /// Proofs that voters can be taken out of.
    pub proofs: Vec<Arc<SingleMessageAggregate>>,
    /// Proofs that stand and fall as a whole.
    pub whole: Vec<WholeProof>,
    /// Everybody whom any of them covers.
    pub voters: ValidatorSet,
    /// Those whose votes for the target the chain has counted already.
    pub counted: ValidatorSet,
}

/// A proof that stands and falls as a whole.
#[derive(Clone, Debug)]
pub(crate) struct WholeProof {
    pub proof: Arc<SingleMessageAggregate>,
    pub voters: ValidatorSet,
    /// As in [`Room::Whole`](crate::Room::Whole).
    pub content: u64,
    pub votes: usize,
}

impl Chosen {
    /// Whether the target becomes justified if all the voters are counted. One that is its own source, as in the first
    /// votes after genesis, is justified before.
    pub(crate) fn justifies(&self, num_validators: usize) -> bool {
        self.data.target.slot > self.data.source.slot
            && 3 * (self.counted.len() + self.voters.count_beyond(&self.counted)) >= 2 * num_validators
    }
}

/// What a block carries of one data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Share {
    /// Everybody whose vote it carries.
    pub voters: ValidatorSet,
    /// The whole proofs that it uses, as positions in [`Chosen::whole`].
    pub whole: Vec<usize>,
}

/// What a block carries of each data.
///
/// Votes one by one if there are not too many of them; else whole proofs, and all others one by one. If not all fit:
/// first, in order, what it takes to justify each target that can be; then further votes that the chain has not
/// counted, of the newest targets first; then repetitions. A whole proof takes part in that where it takes less room
/// than its voters.
pub(crate) fn allot(chosen: &[Chosen], budget: Budget, num_validators: usize) -> Vec<Share> {
    let one_by_one: usize = chosen.iter().map(|chosen| voters(chosen).len()).sum();
    let mut all = Allotment::new(chosen, budget.votes);
    if one_by_one <= budget.whole_beyond.min(budget.votes) {
        all.take_rest();
        all.take_whole(1, |allotment, group| allotment.gain(group));
        return all.shares;
    }
    all.take_whole(LEAST_GAIN, |allotment, group| allotment.gain(group));
    if all.take_rest() {
        return all.shares;
    }
    let mut allotment = Allotment::new(chosen, budget.votes);
    allotment.justify(num_validators);
    let mut newest_first: Vec<usize> = (0..chosen.len()).collect();
    newest_first.sort_by_key(|index| {
        let chosen = &chosen[*index];
        std::cmp::Reverse((chosen.justifies(num_validators), chosen.data.target.slot))
    });
    for index in &newest_first {
        allotment.take_whole(1, |allotment, group| {
            let gain = allotment.fresh_gain(group);
            if group.has(*index) && gain > group.votes { gain } else { 0 }
        });
        allotment.take(*index, fresh_voters(&chosen[*index]), usize::MAX);
    }
    allotment.take_whole(1, |allotment, group| allotment.fresh_gain(group));
    for index in &newest_first {
        allotment.take(*index, voters(&chosen[*index]), usize::MAX);
    }
    allotment.shares
}

/// Whole proofs that take their room together.
#[derive(Debug)]
struct Group {
    votes: usize,
    /// Data, and position among its whole proofs.
    members: Vec<(usize, usize)>,
}

impl Group {
    fn has(&self, index: usize) -> bool {
        self.members.iter().any(|(member, _)| *member == index)
    }
}

struct Allotment<'a> {
    chosen: &'a [Chosen],
    left: usize,
    /// Whole proofs that are not taken.
    groups: Vec<Group>,
    shares: Vec<Share>,
}

impl<'a> Allotment<'a> {
    fn new(chosen: &'a [Chosen], left: usize) -> Self {
        let mut groups: BTreeMap<u64, Group> = BTreeMap::new();
        for (index, chosen) in chosen.iter().enumerate() {
            for (position, whole) in chosen.whole.iter().enumerate() {
                let group = groups.entry(whole.content).or_insert(Group { votes: 0, members: Vec::new() });
                group.votes = group.votes.max(whole.votes);
                group.members.push((index, position));
            }
        }
        let shares = vec![Share::default(); chosen.len()];
        Self { chosen, left, groups: groups.into_values().collect(), shares }
    }

    /// Takes what each target that can be justified needs for that, in order.
    fn justify(&mut self, num_validators: usize) {
        for (index, chosen) in self.chosen.iter().enumerate() {
            let needed = (2 * num_validators).div_ceil(3).saturating_sub(chosen.counted.len());
            if !chosen.justifies(num_validators) {
                continue;
            }
            let still_needed = |allotment: &Self, more: &ValidatorSet| {
                let mut taken = allotment.shares[index].voters.clone();
                taken.extend(more);
                needed.saturating_sub(taken.count_beyond(&chosen.counted))
            };
            let left = self.left;
            self.take_best(1, |allotment, group| {
                let mut more = ValidatorSet::default();
                group
                    .members
                    .iter()
                    .filter(|(member, _)| *member == index)
                    .for_each(|(_, position)| more.extend(&chosen.whole[*position].voters));
                let gain = allotment.fresh_gain(group);
                let room = group.votes + still_needed(allotment, &more);
                if !more.is_empty() && gain > group.votes && room <= left { gain } else { 0 }
            });
            let missing = still_needed(self, &ValidatorSet::default());
            if missing <= self.left {
                self.take(index, fresh_voters(chosen), missing);
            }
        }
    }

    /// Takes up to `count` of `voters` who are not taken yet, one by one.
    fn take(&mut self, index: usize, voters: Vec<ValidatorIndex>, count: usize) {
        let count = count.min(self.left);
        let taken = &mut self.shares[index].voters;
        let new: Vec<ValidatorIndex> =
            voters.into_iter().filter(|voter| !taken.contains(*voter)).take(count).collect();
        self.left -= new.len();
        new.into_iter().for_each(|voter| taken.insert(voter));
    }

    /// Takes all others one by one; false, and nothing is taken, if there is no room for them.
    fn take_rest(&mut self) -> bool {
        let rest: usize = self
            .chosen
            .iter()
            .zip(&self.shares)
            .map(|(chosen, share)| ValidatorSet::covered_by(&chosen.proofs).count_beyond(&share.voters))
            .sum();
        if rest > self.left {
            return false;
        }
        for (index, chosen) in self.chosen.iter().enumerate() {
            self.take(index, voters(chosen), usize::MAX);
        }
        true
    }

    /// Takes the whole proofs that fit and that `worth` puts at `least` or more, the best first.
    fn take_whole(&mut self, least: usize, worth: impl Fn(&Self, &Group) -> usize) {
        while self.take_best(least, &worth) {}
    }

    /// Takes the best of them; false if there is none.
    fn take_best(&mut self, least: usize, worth: impl Fn(&Self, &Group) -> usize) -> bool {
        let fitting = self.groups.iter().enumerate().filter(|(_, group)| group.votes <= self.left);
        let best = fitting.map(|(index, group)| (worth(self, group), index)).max();
        let Some((_, best)) = best.filter(|(worth, _)| *worth >= least) else { return false };
        let group = self.groups.swap_remove(best);
        self.left -= group.votes;
        for (index, position) in group.members {
            self.shares[index].voters.extend(&self.chosen[index].whole[position].voters);
            self.shares[index].whole.push(position);
        }
        true
    }

    /// Voters whom the group adds.
    fn gain(&self, group: &Group) -> usize {
        self.gain_beyond(group, |_| ValidatorSet::default())
    }

    /// Voters whom it adds and whom the chain has not counted.
    fn fresh_gain(&self, group: &Group) -> usize {
        self.gain_beyond(group, |chosen| chosen.counted.clone())
    }

    fn gain_beyond(&self, group: &Group, less: impl Fn(&Chosen) -> ValidatorSet) -> usize {
        let gain = |(index, position): &(usize, usize)| {
            let mut known = less(&self.chosen[*index]);
            known.extend(&self.shares[*index].voters);
            self.chosen[*index].whole[*position].voters.count_beyond(&known)
        };
        group.members.iter().map(gain).sum()
    }
}

/// Voters who can be taken one by one, in the order of their proofs, so that whole proofs are used before one is
/// trimmed. A voter may stand in several proofs.
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
