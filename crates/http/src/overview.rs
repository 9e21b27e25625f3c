//! A node at one glance: what its page and the dashboards of many nodes show.

use std::collections::{BTreeMap, VecDeque};

use lathe_types::{Checkpoint, Root, Slot, ValidatorIndex};
use serde::Serialize;

use crate::api::{PeerInfo, Syncing};

/// Slots that are remembered.
pub const REMEMBERED_SLOTS: usize = 32;
/// Blocks of a slot that are remembered: one, and forks.
const MAX_BLOCKS: usize = 8;
/// Aggregates of a slot that are remembered: one per subnet and aggregator in all but the largest networks.
const MAX_AGGREGATES: usize = 64;
/// Milliseconds of a class of arrivals.
pub(crate) const ARRIVAL_CLASS_MS: i64 = 100;
/// Classes of arrivals: those of the slot, and all that came later.
const ARRIVAL_CLASSES: usize = 41;

/// A node at one glance.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Its name.
    pub name: String,
    /// Program and version.
    pub version: String,
    /// Its identity on the network.
    pub peer_id: String,
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// Digest in the gossip topics.
    pub fork_digest: String,
    /// Validators in the head's state.
    pub validator_count: u64,
    /// The node's clock: milliseconds since genesis.
    pub clock_ms: i64,
    /// Progress of synchronisation.
    pub syncing: Syncing,
    /// The head.
    pub head: Checkpoint,
    /// Highest justified checkpoint.
    pub justified: Checkpoint,
    /// Finalized checkpoint.
    pub finalized: Checkpoint,
    /// The block that is safe to attest to.
    pub safe_target: Checkpoint,
    /// Whether the node aggregates.
    pub is_aggregator: bool,
    /// Validators whose keys it has.
    pub local_validators: Vec<ValidatorIndex>,
    /// Connected peers.
    pub peers: Vec<PeerInfo>,
    /// What its validators did since it started.
    pub duties: Duties,
    /// What its process takes; `None` where the system does not tell.
    pub process: Option<Process>,
    /// The last slots, ascending.
    pub slots: Vec<SlotRecord>,
}

/// What a process takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Process {
    /// Resident memory in bytes.
    pub resident_bytes: i64,
    /// The highest that it has been.
    pub max_resident_bytes: i64,
    /// CPU time in seconds.
    pub cpu_seconds: f64,
}

/// Numbers of duties.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duties {
    /// Votes published.
    pub attested: u64,
    /// Blocks published.
    pub proposed: u64,
    /// Aggregates published.
    pub aggregated: u64,
    /// Duties not done, by reason.
    pub missed: BTreeMap<&'static str, u64>,
}

/// What a node has seen of one slot. Times are in milliseconds after the slot began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlotRecord {
    /// The slot.
    pub slot: Slot,
    /// Its blocks, in the order in which they came.
    pub blocks: Vec<BlockRecord>,
    /// Votes from the network.
    pub votes: Arrivals,
    /// Aggregates from the network and our own.
    pub aggregates: Vec<AggregateRecord>,
    /// Our duties.
    pub duties: Duties,
}

/// A block of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BlockRecord {
    /// Its root.
    pub root: Root,
    /// Who proposed it.
    pub proposer_index: ValidatorIndex,
    /// When it came, or left if it is ours; `None` if it was asked for.
    pub arrival_ms: Option<i64>,
    /// Votes that it carries; `None` before it is imported.
    pub votes: Option<usize>,
    /// Whether it is ours.
    pub is_own: bool,
}

/// When votes came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrivals {
    /// How many.
    pub count: u64,
    /// When the first came.
    pub first_ms: Option<i64>,
    /// When the last came.
    pub last_ms: Option<i64>,
    /// How many came in each tenth of a second; the last number counts all that came after the slot.
    pub classes: Vec<u32>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { count: 0, first_ms: None, last_ms: None, classes: vec![0; ARRIVAL_CLASSES] }
    }
}

impl Arrivals {
    /// Counts one.
    pub fn note(&mut self, at_ms: i64) {
        self.count += 1;
        self.first_ms = Some(self.first_ms.map_or(at_ms, |first| first.min(at_ms)));
        self.last_ms = Some(self.last_ms.map_or(at_ms, |last| last.max(at_ms)));
        let class = usize::try_from(at_ms / ARRIVAL_CLASS_MS).unwrap_or(0).min(ARRIVAL_CLASSES - 1);
        self.classes[class] += 1;
    }
}

/// An aggregate of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AggregateRecord {
    /// When it came; `None` if it is ours.
    pub arrival_ms: Option<i64>,
    /// Validators in it.
    pub participants: usize,
}

impl SlotRecord {
    fn new(slot: Slot) -> Self {
        let (blocks, aggregates) = (Vec::new(), Vec::new());
        Self { slot, blocks, votes: Arrivals::default(), aggregates, duties: Duties::default() }
    }

    /// The record of a block, made if there is room.
    pub fn block(&mut self, root: Root, proposer_index: ValidatorIndex) -> Option<&mut BlockRecord> {
        let known = self.blocks.iter().position(|block| block.root == root);
        if known.is_none() {
            if self.blocks.len() == MAX_BLOCKS {
                return None;
            }
            let block = BlockRecord { root, proposer_index, arrival_ms: None, votes: None, is_own: false };
            self.blocks.push(block);
        }
        match known {
            Some(position) => self.blocks.get_mut(position),
            None => self.blocks.last_mut(),
        }
    }

    /// Takes an aggregate in, if there is room.
    pub fn aggregate(&mut self, aggregate: AggregateRecord) {
        if self.aggregates.len() < MAX_AGGREGATES {
            self.aggregates.push(aggregate);
        }
    }
}

/// The last slots of a node.
#[derive(Clone, Debug, Default)]
pub struct SlotLog {
    current: Slot,
    slots: VecDeque<SlotRecord>,
}

impl SlotLog {
    /// A slot has begun.
    pub fn begin(&mut self, slot: Slot) {
        self.current = self.current.max(slot);
        let _ = self.slot(slot);
    }

    /// The record of a slot; `None` if it is too old, or has not come and is not about to.
    pub fn slot(&mut self, slot: Slot) -> Option<&mut SlotRecord> {
        let newest = self.current.0.saturating_add(1);
        if slot.0 > newest || slot.0 + (REMEMBERED_SLOTS as u64) < newest {
            return None;
        }
        let position = self.slots.partition_point(|record| record.slot < slot);
        if self.slots.get(position).is_none_or(|record| record.slot != slot) {
            self.slots.insert(position, SlotRecord::new(slot));
        }
        while self.slots.front().is_some_and(|oldest| oldest.slot.0 + (REMEMBERED_SLOTS as u64) < newest) {
            self.slots.pop_front();
        }
        self.slots.iter_mut().find(|record| record.slot == slot)
    }

    /// The slots from `first` on, ascending.
    pub fn since(&self, first: Slot) -> Vec<SlotRecord> {
        self.slots.iter().filter(|record| record.slot >= first).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slots_are_remembered_and_nothing_far_ahead() {
        let mut log = SlotLog::default();
        for slot in 0..100 {
            log.begin(Slot(slot));
        }
        assert!(log.slot(Slot(101)).is_none() && log.slot(Slot(u64::MAX)).is_none());
        assert!(log.slot(Slot(67)).is_none());
        log.slot(Slot(68)).unwrap().votes.note(5);
        log.slot(Slot(100)).unwrap().votes.note(5);
        let slots: Vec<u64> = log.since(Slot(0)).iter().map(|record| record.slot.0).collect();
        assert_eq!(slots, (68..=100).collect::<Vec<_>>());
        log.begin(Slot(200));
        assert_eq!(log.since(Slot(0)).len(), 1);
    }

    #[test]
    fn arrivals_fall_into_tenths_of_a_second() {
        let mut votes = Arrivals::default();
        for at_ms in [850, -20, 899, 3_999, 4_000, 90_000] {
            votes.note(at_ms);
        }
        assert_eq!((votes.count, votes.first_ms, votes.last_ms), (6, Some(-20), Some(90_000)));
        let counted: Vec<_> = votes.classes.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(counted, [(0, &1), (8, &2), (39, &1), (40, &2)]);
    }

    #[test]
    fn a_slot_holds_a_few_blocks_and_aggregates() {
        let mut log = SlotLog::default();
        log.begin(Slot(0));
        let record = log.slot(Slot(0)).unwrap();
        for number in 0..20 {
            let block = record.block(Root::repeat_byte(number), ValidatorIndex(1));
            assert_eq!(block.is_some(), usize::from(number) < MAX_BLOCKS);
        }
        record.block(Root::repeat_byte(3), ValidatorIndex(1)).unwrap().votes = Some(4);
        assert_eq!((record.blocks.len(), record.blocks[3].votes), (MAX_BLOCKS, Some(4)));
        (0..100).for_each(|_| record.aggregate(AggregateRecord { arrival_ms: None, participants: 1 }));
        assert_eq!(record.aggregates.len(), MAX_AGGREGATES);
    }
}
