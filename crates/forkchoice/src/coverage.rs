//! Sets of validators, and choosing proofs that cover one.

use std::cmp::Ordering;
use std::sync::Arc;

use lathe_types::{AggregationBits, Encode, SingleMessageAggregate, ValidatorIndex};

/// A set of validators, as bits.
#[derive(Clone, Debug, Default)]
pub struct ValidatorSet(Vec<u8>);

impl PartialEq for ValidatorSet {
    /// Two sets are equal when their members are, however much room they have.
    fn eq(&self, other: &Self) -> bool {
        self.is_subset_of(other) && other.is_subset_of(self)
    }
}

impl Eq for ValidatorSet {}

impl ValidatorSet {
    /// The participants that a bitfield names.
    pub fn of(bits: &AggregationBits) -> Self {
        Self(bits.as_slice().to_vec())
    }

    /// Everybody who participates in any of `proofs`.
    pub fn covered_by<'a>(proofs: impl IntoIterator<Item = &'a Arc<SingleMessageAggregate>>) -> Self {
        let mut all = Self::default();
        for proof in proofs {
            all.extend(&Self::of(&proof.participants));
        }
        all
    }

    /// Adds every member of `other`.
    pub fn extend(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (byte, more) in self.0.iter_mut().zip(&other.0) {
            *byte |= more;
        }
    }

    /// Removes every member of `other`.
    pub fn subtract(&mut self, other: &Self) {
        for (byte, less) in self.0.iter_mut().zip(&other.0) {
            *byte &= !less;
        }
    }

    /// Removes everybody who is not a member of `other`.
    pub fn intersect(&mut self, other: &Self) {
        let theirs = other.0.iter().copied().chain(std::iter::repeat(0));
        for (byte, theirs) in self.0.iter_mut().zip(theirs) {
            *byte &= theirs;
        }
    }

    /// Adds one validator; its index is below the registry limit wherever it comes from a registry or a bitfield.
    pub fn insert(&mut self, validator: ValidatorIndex) {
        let index = (validator.0 / 8) as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] |= 1 << (validator.0 % 8);
    }

    /// Whether the validator is a member.
    pub fn contains(&self, validator: ValidatorIndex) -> bool {
        usize::try_from(validator.0 / 8)
            .ok()
            .and_then(|index| self.0.get(index))
            .is_some_and(|byte| byte >> (validator.0 % 8) & 1 == 1)
    }

    /// Members that `other` does not have.
    pub fn count_beyond(&self, other: &Self) -> usize {
        let theirs = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(theirs).map(|(byte, theirs)| (byte & !theirs).count_ones() as usize).sum()
    }

    /// Whether `other` has every member.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.count_beyond(other) == 0
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether nobody is a member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        (0..self.0.len() as u64 * 8).map(ValidatorIndex).filter(|validator| self.contains(*validator))
    }
}

impl FromIterator<ValidatorIndex> for ValidatorSet {
    fn from_iter<I: IntoIterator<Item = ValidatorIndex>>(validators: I) -> Self {
        let mut set = Self::default();
        for validator in validators {
            set.insert(validator);
        }
        set
    }
}

/// Proofs chosen by [`select_proofs_for_coverage`], in the order chosen, and whom they cover.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The proofs.
    pub proofs: Vec<Arc<SingleMessageAggregate>>,
    /// The union of their participants.
    pub covered: ValidatorSet,
}

/// Greedily picks proofs until no other adds a validator, first from the priority pool, then from the fallback pool.
///
/// The proof that adds the most validators wins; of those, the one with the largest SSZ encoding, so that everybody
/// chooses alike.
pub fn select_proofs_for_coverage(
    priority_pool: &[Arc<SingleMessageAggregate>],
    fallback_pool: &[Arc<SingleMessageAggregate>],
) -> Selection {
    let mut selection = Selection::default();
    for pool in [priority_pool, fallback_pool] {
        let mut candidates: Vec<_> =
            pool.iter().map(|proof| (proof, ValidatorSet::of(&proof.participants))).collect();
        while let Some((added, best)) = best_candidate(&candidates, &selection.covered) {
            if added == 0 {
                break;
            }
            let (proof, participants) = candidates.swap_remove(best);
            selection.covered.extend(&participants);
            selection.proofs.push(proof.clone());
        }
    }
    selection
}

fn best_candidate(
    candidates: &[(&Arc<SingleMessageAggregate>, ValidatorSet)],
    covered: &ValidatorSet,
) -> Option<(usize, usize)> {
    candidates
        .iter()
        .enumerate()
        .map(|(index, (_, participants))| (participants.count_beyond(covered), index))
        .max_by(|(added, index), (other_added, other)| {
            added.cmp(other_added).then_with(|| compare_encodings(candidates[*index].0, candidates[*other].0))
        })
}

fn compare_encodings(a: &SingleMessageAggregate, b: &SingleMessageAggregate) -> Ordering {
    a.as_ssz_bytes().cmp(&b.as_ssz_bytes())
}
