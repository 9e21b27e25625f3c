//! Aggregated votes with their proofs, in bounded room.
//!
//! Proofs are large and come from outside; votes are small and decide the head. So when a pool is full it lets go of
//! proofs, but never of a vote that fork choice would count: what an evicted proof said of its participants' latest
//! votes stays behind until the vote is superseded or pruned.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lathe_types::{AttestationData, Root, SingleMessageAggregate, Slot, TreeHash};

use crate::coverage::select_proofs_for_coverage;
use crate::votes::{LatestVotes, Vote};

/// Proofs kept for one data. Encodings are malleable, so one vote has any number of valid proofs; a committee's
/// aggregators make a few each, and whatever adds no voter to these is not worth keeping.
pub const MAX_PROOFS_PER_DATA: usize = 16;
/// Data pending at a time. Honest validators make one or two per slot, and pending lasts a slot; the rest is room for
/// forks and for what an equivocator can do before its votes are evicted as superseded.
pub const MAX_NEW_DATA: usize = 64;
/// Data that counts. Blocks add up to eight a slot; with one or two, this covers several minutes without finality, and
/// the proposer needs no older ones.
pub const MAX_KNOWN_DATA: usize = 512;
/// Proof bytes in one pool: twelve slots of a 1,024-validator network with raw proofs, and a quarter of the memory
/// that a node may take.
pub const MAX_POOL_BYTES: usize = 32 << 20;

/// The proofs of one data.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub data: AttestationData,
    pub proofs: Vec<Arc<SingleMessageAggregate>>,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.proofs.iter().map(|proof| proof.proof.len()).sum()
    }
}

/// Aggregated votes by the root of their data.
#[derive(Clone, Debug)]
pub(crate) struct PayloadPool {
    entries: BTreeMap<Root, Entry>,
    bytes: usize,
    max_data: usize,
    /// Latest votes whose proofs were evicted.
    outlived: LatestVotes,
    /// Latest votes of everything above, with heads after `cutoff`; `None` once something was removed.
    latest: Option<(Slot, LatestVotes)>,
}

impl PayloadPool {
    pub(crate) fn new(max_data: usize) -> Self {
        Self { entries: BTreeMap::new(), bytes: 0, max_data, outlived: LatestVotes::default(), latest: None }
    }

    /// Entries by data root.
    pub(crate) fn entries(&self) -> &BTreeMap<Root, Entry> {
        &self.entries
    }

    /// The proofs of one data; none if it is unknown.
    pub(crate) fn proofs(&self, data_root: &Root) -> &[Arc<SingleMessageAggregate>] {
        self.entries.get(data_root).map_or(&[], |entry| &entry.proofs)
    }

    /// Notes that `data` exists, without any proof.
    pub(crate) fn seed(&mut self, data: AttestationData) {
        let entry = Entry { data, proofs: Vec::new() };
        self.entries.entry(data.tree_hash_root()).or_insert(entry);
        self.evict();
    }

    /// Adds a proof, unless it is here already.
    pub(crate) fn insert(&mut self, data: AttestationData, proof: Arc<SingleMessageAggregate>) {
        self.insert_at(data.tree_hash_root(), data, proof);
        self.evict();
    }

    fn insert_at(&mut self, data_root: Root, data: AttestationData, proof: Arc<SingleMessageAggregate>) {
        let entry = self.entries.entry(data_root).or_insert(Entry { data, proofs: Vec::new() });
        if entry.proofs.contains(&proof) {
            return;
        }
        let vote = Vote::new(data_root, &data);
        if let Some((cutoff, latest)) = &mut self.latest
            && data.head.slot > *cutoff
        {
            latest.count(vote, &proof.participants);
        }
        self.bytes += proof.proof.len();
        entry.proofs.push(proof);
        if entry.proofs.len() > MAX_PROOFS_PER_DATA {
            let before = entry.bytes();
            let mut selected = select_proofs_for_coverage(&entry.proofs, &[]).proofs;
            selected.truncate(MAX_PROOFS_PER_DATA);
            let all = std::mem::replace(&mut entry.proofs, selected);
            self.bytes = self.bytes + entry.bytes() - before;
            for proof in all {
                self.outlived.count(vote, &proof.participants);
            }
        }
    }

    /// Replaces the proofs of one data that `remove` accepts by `proof`.
    pub(crate) fn absorb(
        &mut self,
        data: AttestationData,
        proof: Arc<SingleMessageAggregate>,
        remove: impl Fn(&SingleMessageAggregate) -> bool,
    ) {
        let data_root = data.tree_hash_root();
        if let Some(entry) = self.entries.get_mut(&data_root) {
            let before = entry.bytes();
            entry.proofs.retain(|held| !remove(held));
            self.bytes = self.bytes + entry.bytes() - before;
            self.latest = None;
        }
        self.insert_at(data_root, data, proof);
        self.evict();
    }

    /// Takes over everything that `other` holds and leaves it empty.
    pub(crate) fn take_from(&mut self, other: &mut Self) {
        let taken = std::mem::replace(other, Self::new(other.max_data));
        for (data_root, entry) in taken.entries {
            self.entries.entry(data_root).or_insert(Entry { data: entry.data, proofs: Vec::new() });
            for proof in entry.proofs {
                self.insert_at(data_root, entry.data, proof);
            }
        }
        self.outlived.merge(&taken.outlived);
        if let Some((cutoff, latest)) = &mut self.latest {
            let mut outlived = taken.outlived;
            outlived.retain(|vote| vote.head.slot > *cutoff);
            latest.merge(&outlived);
        }
        self.evict();
    }

    /// Keeps only votes whose head `keep` accepts.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Vote) -> bool) {
        self.entries.retain(|data_root, entry| keep(&Vote::new(*data_root, &entry.data)));
        self.bytes = self.entries.values().map(Entry::bytes).sum();
        self.outlived.retain(keep);
        self.latest = None;
    }

    /// Each participant's latest vote among those whose head is after `finalized_slot`.
    pub(crate) fn latest_votes(&self, finalized_slot: Slot) -> Cow<'_, LatestVotes> {
        if let Some((cutoff, latest)) = &self.latest
            && *cutoff == finalized_slot
        {
            return Cow::Borrowed(latest);
        }
        let mut latest = self.outlived.clone();
        latest.retain(|vote| vote.head.slot > finalized_slot);
        for (data_root, entry) in &self.entries {
            if entry.data.head.slot > finalized_slot {
                for proof in &entry.proofs {
                    latest.count(Vote::new(*data_root, &entry.data), &proof.participants);
                }
            }
        }
        Cow::Owned(latest)
    }

    /// Makes the next [`Self::latest_votes`] for the same slot cheap.
    pub(crate) fn refresh(&mut self, finalized_slot: Slot) {
        if let Cow::Owned(latest) = self.latest_votes(finalized_slot) {
            self.latest = Some((finalized_slot, latest));
        }
    }

    /// Lets go of proofs until the pool is within its bounds: first data that is nobody's latest vote, then the oldest.
    /// A little more than needed goes, so that a full pool is not sorted for every proof.
    fn evict(&mut self) {
        if self.entries.len() <= self.max_data && self.bytes <= MAX_POOL_BYTES {
            return;
        }
        let mut support: HashMap<Root, usize> = HashMap::new();
        for (_, vote) in self.latest_votes(Slot(0)).iter() {
            *support.entry(vote.data_root).or_default() += 1;
        }
        let mut order: Vec<_> = self
            .entries
            .iter()
            .map(|(root, entry)| (support.get(root).copied().unwrap_or_default() > 0, entry.data.slot, *root))
            .collect();
        order.sort_unstable();
        let (data_goal, bytes_goal) =
            (self.max_data - self.max_data / 8, MAX_POOL_BYTES - MAX_POOL_BYTES / 8);
        for (_, _, root) in order {
            if self.entries.len() <= data_goal && self.bytes <= bytes_goal {
                break;
            }
            if let Some(entry) = self.entries.remove(&root) {
                self.bytes -= entry.bytes();
                for proof in &entry.proofs {
                    self.outlived.count(Vote::new(root, &entry.data), &proof.participants);
                }
            }
        }
    }
}
