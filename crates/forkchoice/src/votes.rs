//! Latest votes: who supports which head, as a pure function of what a pool holds.

use lathe_types::{AggregationBits, AttestationData, Checkpoint, Participation, Root, Slot, ValidatorIndex};

/// A validator's vote, as far as fork choice cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub slot: Slot,
    pub data_root: Root,
    pub head: Checkpoint,
}

impl Vote {
    pub(crate) fn new(data_root: Root, data: &AttestationData) -> Self {
        Self { slot: data.slot, data_root, head: data.head }
    }

    /// The later vote counts. Of two for one slot, that with the larger data root does: an order that everybody who
    /// holds both agrees on, whichever arrived first.
    fn supersedes(&self, other: &Self) -> bool {
        (self.slot, self.data_root) > (other.slot, other.data_root)
    }
}

/// Each validator's latest vote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LatestVotes(Vec<Option<Vote>>);

impl LatestVotes {
    /// Counts `vote` for every participant that has no later one. The order of calls does not matter.
    pub(crate) fn count(&mut self, vote: Vote, participants: &AggregationBits) {
        for validator in participants.indices() {
            self.count_one(vote, validator);
        }
    }

    fn count_one(&mut self, vote: Vote, validator: ValidatorIndex) {
        // Participation bitfields are no longer than the registry limit, and so is this.
        let index = validator.0 as usize;
        if index >= self.0.len() {
            self.0.resize(index + 1, None);
        }
        let latest = &mut self.0[index];
        if latest.is_none_or(|latest| vote.supersedes(&latest)) {
            *latest = Some(vote);
        }
    }

    /// Counts every vote of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (validator, vote) in other.iter() {
            self.count_one(vote, validator);
        }
    }

    /// Forgets the votes that `keep` refuses.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Vote) -> bool) {
        for latest in &mut self.0 {
            *latest = latest.filter(&keep);
        }
    }

    /// Voters with their latest votes, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ValidatorIndex, Vote)> + '_ {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(index, vote)| vote.map(|vote| (ValidatorIndex(index as u64), vote)))
    }
}
