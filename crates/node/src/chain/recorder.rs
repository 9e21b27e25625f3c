//! What the chain's loop sees, for those who watch: the last slots, and events as they happen.
//!
//! Only what was verified is told: gossip is remembered when it arrives, and recorded when its verdict is to accept it.

use std::collections::HashMap;
use std::sync::Arc;

use lathe_engine::{Duty, Event, GossipVerdict, Input, MessageId, Millis, Origin};
use lathe_http::{AggregateRecord, Duties, Feed, SlotLog, SlotRecord, Topic};
use lathe_types::{Root, SignedBlock, Slot, TreeHash as _, ValidatorIndex};
use parking_lot::Mutex;
use serde_json::json;

use super::report::{duty_name, miss_name};

/// Gossip whose verdict is awaited. Each gets one within three seconds; more than this is not remembered.
const MAX_AWAITED: usize = 16_384;

/// What the API reads.
#[derive(Clone, Default)]
pub(crate) struct Records {
    /// The last slots.
    pub slots: Arc<Mutex<SlotLog>>,
    /// Duties since the start.
    pub duties: Arc<Mutex<Duties>>,
    /// Where events go.
    pub feed: Feed,
}

/// Gossip whose verdict is awaited.
enum Seen {
    /// Hashed only once it is known to be worth it.
    Block(Arc<SignedBlock>),
    Vote {
        slot: Slot,
        validator: ValidatorIndex,
    },
    Aggregate {
        slot: Slot,
        participants: usize,
    },
}

/// Writes the records.
#[derive(Default)]
pub(super) struct Recorder {
    records: Records,
    awaited: HashMap<MessageId, (Millis, Seen)>,
    /// The slot whose interval began last.
    slot: Option<Slot>,
}

impl Recorder {
    pub(super) fn new(records: Records) -> Self {
        Self { records, ..Self::default() }
    }

    /// The slot that the clock is in; `None` before the first interval.
    pub(super) fn slot(&self) -> Option<Slot> {
        self.slot
    }

    /// What was seen of a slot, if it is not too old.
    pub(super) fn record(&self, slot: Slot) -> Option<SlotRecord> {
        self.records.slots.lock().slot(slot).cloned()
    }

    /// Remembers gossip until its verdict.
    pub(super) fn arrived(&mut self, input: &Input, now: Millis) {
        let (id, seen) = match input {
            Input::Block { block, origin: Origin::Gossip { id, .. } } => (id, Seen::Block(block.clone())),
            Input::Attestation { attestation, origin: Origin::Gossip { id, .. } } => {
                (id, Seen::Vote { slot: attestation.data.slot, validator: attestation.validator_index })
            }
            Input::Aggregate { aggregate, origin: Origin::Gossip { id, .. } } => {
                let participants = aggregate.proof.participants.num_set_bits();
                (id, Seen::Aggregate { slot: aggregate.data.slot, participants })
            }
            _ => return,
        };
        if self.awaited.len() < MAX_AWAITED {
            self.awaited.insert(*id, (now, seen));
        }
    }

    /// Records gossip that was accepted.
    pub(super) fn judged(&mut self, id: MessageId, verdict: GossipVerdict) {
        let Some((at, seen)) = self.awaited.remove(&id) else { return };
        if verdict != GossipVerdict::Accept {
            return;
        }
        let mut slots = self.records.slots.lock();
        let feed = &self.records.feed;
        match seen {
            Seen::Block(block) => {
                let (slot, proposer) = (block.block.slot, block.block.proposer_index);
                let root = block.block.tree_hash_root();
                let arrival_ms = at.since(Millis::of_slot(slot));
                if let Some(block) = slots.slot(slot).and_then(|record| record.block(root, proposer)) {
                    block.arrival_ms.get_or_insert(arrival_ms);
                }
                feed.publish(Topic::BlockGossip, || {
                    json!({ "slot": slot, "root": root, "proposer_index": proposer, "arrival_ms": arrival_ms })
                });
            }
            Seen::Vote { slot, validator } => {
                let arrival_ms = at.since(Millis::of_slot(slot));
                if let Some(record) = slots.slot(slot) {
                    record.votes.note(arrival_ms);
                }
                feed.publish(
                    Topic::Attestation,
                    || json!({ "slot": slot, "validator_index": validator, "arrival_ms": arrival_ms }),
                );
            }
            Seen::Aggregate { slot, participants } => {
                let arrival_ms = at.since(Millis::of_slot(slot));
                if let Some(record) = slots.slot(slot) {
                    record.aggregate(AggregateRecord { arrival_ms: Some(arrival_ms), participants });
                }
                feed.publish(
                    Topic::Aggregate,
                    || json!({ "slot": slot, "participants": participants, "arrival_ms": arrival_ms }),
                );
            }
        }
    }

    /// Records what the engine announces.
    pub(super) fn announced(&mut self, event: &Event) {
        let feed = &self.records.feed;
        match event {
            Event::Interval(interval) => self.interval(interval.slot(), interval.phase() as u64),
            Event::BlockImported { block, proposer, arrival_ms, votes, .. } => {
                let mut slots = self.records.slots.lock();
                let record = slots.slot(block.slot).and_then(|record| record.block(block.root, *proposer));
                if let Some(record) = record {
                    (record.proposer_index, record.votes) = (*proposer, Some(*votes));
                    record.arrival_ms = record.arrival_ms.or(*arrival_ms);
                }
                feed.publish(Topic::Block, || {
                    json!({
                        "slot": block.slot,
                        "root": block.root,
                        "proposer_index": proposer,
                        "arrival_ms": arrival_ms,
                        "votes": votes,
                    })
                });
            }
            Event::Head { head, reorg_depth } => {
                feed.publish(Topic::Head, || head_event(head.slot, head.root));
                if *reorg_depth > 0 {
                    feed.publish(
                        Topic::ChainReorg,
                        || json!({ "slot": head.slot, "root": head.root, "depth": reorg_depth }),
                    );
                }
            }
            Event::Justified(checkpoint) => {
                feed.publish(Topic::Justified, || head_event(checkpoint.slot, checkpoint.root));
            }
            Event::Finalized(checkpoint) => {
                feed.publish(Topic::Finalized, || head_event(checkpoint.slot, checkpoint.root));
            }
            _ => self.own_duty(event),
        }
    }

    /// Records what this node's validators did, or missed.
    fn own_duty(&mut self, event: &Event) {
        let feed = &self.records.feed;
        match event {
            Event::Attested { validator, slot } => {
                self.duty(*slot, |duties| duties.attested += 1);
                let duty = duty_name(Duty::Attestation);
                feed.publish(
                    Topic::Duty,
                    || json!({ "duty": duty, "slot": slot, "validator_index": validator, "missed": null }),
                );
            }
            Event::Proposed { block, at_ms } => {
                self.duty(block.slot, |duties| duties.proposed += 1);
                self.own_block(block.slot, block.root, *at_ms);
                let duty = duty_name(Duty::Proposal);
                feed.publish(
                    Topic::Duty,
                    || json!({ "duty": duty, "slot": block.slot, "at_ms": at_ms, "missed": null }),
                );
            }
            Event::AggregatePublished { slot, participants } => {
                self.duty(*slot, |duties| duties.aggregated += 1);
                if let Some(record) = self.records.slots.lock().slot(*slot) {
                    record.aggregate(AggregateRecord { arrival_ms: None, participants: *participants });
                }
                let duty = duty_name(Duty::Aggregation);
                feed.publish(
                    Topic::Duty,
                    || json!({ "duty": duty, "slot": slot, "participants": participants, "missed": null }),
                );
            }
            Event::DutyMissed { duty, validator, slot, reason } => {
                let reason = miss_name(*reason);
                self.duty(*slot, |duties| *duties.missed.entry(reason).or_default() += 1);
                let duty = duty_name(*duty);
                feed.publish(
                    Topic::Duty,
                    || json!({ "duty": duty, "slot": slot, "validator_index": validator, "missed": reason }),
                );
            }
            _ => {}
        }
    }

    /// An interval begins: what was seen of this slot and the one before goes to whoever follows slots.
    fn interval(&mut self, slot: Slot, interval: u64) {
        self.slot = Some(slot);
        let mut slots = self.records.slots.lock();
        slots.begin(slot);
        self.records.feed.publish(Topic::Slot, || {
            let records = slots.since(Slot(slot.0.saturating_sub(1)));
            json!({ "slot": slot, "interval": interval, "slots": records })
        });
    }

    fn duty(&self, slot: Slot, count: impl Fn(&mut Duties)) {
        count(&mut self.records.duties.lock());
        if let Some(record) = self.records.slots.lock().slot(slot) {
            count(&mut record.duties);
        }
    }

    /// Our block leaves before it is imported; who proposed it is known with the import.
    fn own_block(&self, slot: Slot, root: Root, at_ms: i64) {
        let mut slots = self.records.slots.lock();
        if let Some(block) = slots.slot(slot).and_then(|record| record.block(root, ValidatorIndex(0))) {
            (block.arrival_ms, block.is_own) = (Some(at_ms), true);
        }
    }
}

fn head_event(slot: Slot, root: Root) -> serde_json::Value {
    json!({ "slot": slot, "root": root })
}

#[cfg(test)]
mod tests {
    use super::*;

    use lathe_engine::{MissReason, Peer};
    use lathe_types::{
        AttestationData, Checkpoint, Decode as _, Interval, Signature, SignatureShape, SignedAttestation,
    };

    /// Any signature.
    fn signature() -> Signature {
        let shape = SignatureShape::TEST;
        let mut bytes = vec![0; shape.encoded_len()];
        bytes[0..4].copy_from_slice(&36_u32.to_le_bytes());
        let hashes_offset = (bytes.len() - 32 * shape.chains()) as u32;
        bytes[32..36].copy_from_slice(&hashes_offset.to_le_bytes());
        bytes[36..40].copy_from_slice(&4_u32.to_le_bytes());
        Signature::from_ssz_bytes(&bytes).unwrap()
    }

    fn vote(id: u8, slot: u64) -> (Input, MessageId) {
        let id = MessageId([id; 20]);
        let data = AttestationData { slot: Slot(slot), ..AttestationData::default() };
        let signature = signature();
        let attestation = SignedAttestation { validator_index: ValidatorIndex(1), data, signature };
        (Input::Attestation { attestation, origin: Origin::Gossip { id, peer: Peer(1) } }, id)
    }

    fn begin(slot: u64) -> (Recorder, Records) {
        let records = Records::default();
        let mut recorder = Recorder::new(records.clone());
        recorder.announced(&Event::Interval(Interval(5 * slot)));
        (recorder, records)
    }

    #[test]
    fn only_accepted_gossip_is_recorded_with_the_time_of_its_arrival() {
        let (mut recorder, records) = begin(2);
        for (number, verdict) in
            [(1, GossipVerdict::Accept), (2, GossipVerdict::Ignore), (3, GossipVerdict::Reject)]
        {
            let (input, id) = vote(number, 2);
            recorder.arrived(&input, Millis(8_850));
            recorder.judged(id, verdict);
            recorder.judged(id, GossipVerdict::Accept);
        }
        let votes = records.slots.lock().slot(Slot(2)).unwrap().votes.clone();
        assert_eq!((votes.count, votes.first_ms), (1, Some(850)));
        assert!(recorder.awaited.is_empty());
    }

    #[test]
    fn our_block_is_recorded_when_it_leaves() {
        let (mut recorder, records) = begin(2);
        let block = Checkpoint { root: Root::repeat_byte(7), slot: Slot(2) };
        recorder.announced(&Event::Proposed { block, at_ms: 3 });
        let (proposer, arrival_ms) = (ValidatorIndex(5), None);
        recorder.announced(&Event::BlockImported {
            block,
            proposer,
            arrival_ms,
            votes: 4,
            previous_slot_votes: 4,
        });
        let recorded = records.slots.lock().slot(Slot(2)).unwrap().blocks[0];
        assert_eq!(
            (recorded.proposer_index, recorded.arrival_ms, recorded.votes),
            (proposer, Some(3), Some(4))
        );
        assert!(recorded.is_own);
        assert_eq!(records.duties.lock().proposed, 1);
    }

    #[test]
    fn missed_duties_are_counted_by_reason_in_all_and_by_slot() {
        let (mut recorder, records) = begin(2);
        for slot in [1, 2, 2] {
            let (duty, validator) = (Duty::Attestation, Some(ValidatorIndex(1)));
            recorder.announced(&Event::DutyMissed {
                duty,
                validator,
                slot: Slot(slot),
                reason: MissReason::LateTick,
            });
        }
        assert_eq!(records.duties.lock().missed, [("late_tick", 3)].into());
        assert_eq!(records.slots.lock().slot(Slot(2)).unwrap().duties.missed, [("late_tick", 2)].into());
    }
}
