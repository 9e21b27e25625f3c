//! Random sequences: forks, equivocations, skipped slots, votes just at and just below two thirds, every kind of fault.

use std::collections::BTreeSet;

use lathe_types::{
    AggregatedAttestation, AggregationBits, AttestationData, Block, BlockBody, Checkpoint, Decode, Encode,
    HISTORICAL_ROOTS_LIMIT, INTERVALS_PER_SLOT, Participation, ProofBytes, RejectionReason, Root,
    SingleMessageAggregate, Slot, TreeHash, ValidatorIndex,
};

use crate::numbers::Numbers;
use crate::state::SpecState;
use crate::world::World;

/// What a sequence is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Blocks, votes, aggregates and time in any order.
    Anything,
    /// More data than the pools hold. Nothing becomes final meanwhile: of votes that finality has passed, the store
    /// knows less than the specification once their proofs are gone.
    Flood,
}

/// What has been seen, to know that it was tried.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) reasons: BTreeSet<&'static str>,
    pub(crate) blocks: usize,
    pub(crate) reorgs: usize,
    pub(crate) justified: usize,
    pub(crate) finalized: usize,
    pub(crate) pruned: usize,
    pub(crate) safe_targets: usize,
}

/// A world and the numbers that drive it.
pub(crate) struct Sequence<'a> {
    world: World,
    numbers: Numbers,
    kind: Kind,
    validators: u64,
    seen: &'a mut Seen,
    /// Data that was sent before, to be sent again.
    data: Vec<AttestationData>,
}

/// Proofs of one data that are sent, and pending data, at most; so that only floods fill a pool.
const MAX_PROOFS: usize = 6;
const MAX_DATA: usize = 48;

impl<'a> Sequence<'a> {
    pub(crate) fn new(world: World, numbers: Numbers, kind: Kind, seen: &'a mut Seen) -> Self {
        let validators = world.store.head_state().validators.len() as u64;
        Self { world, numbers, kind, validators, seen, data: Vec::new() }
    }

    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
    }

    /// A block of this world with its post-state, for another to start from.
    pub(crate) fn some_anchor(mut self) -> (SpecState, Block) {
        let root = self.some_block();
        let spec = &self.world.spec;
        (spec.states[&root].clone(), spec.blocks[&root].clone())
    }

    fn step(&mut self) {
        let (head, justified) = (self.world.store.head(), self.world.spec.latest_justified);
        let (finalized, safe_target) = (self.world.spec.latest_finalized, self.world.spec.safe_target);
        let outcome = match self.numbers.below(100) {
            0..40 => {
                self.tick();
                Ok(())
            }
            40..65 => self.block(),
            65..80 => self.vote(),
            _ if self.kind == Kind::Flood => self.flood(),
            _ => self.aggregate(),
        };
        self.world.compare();
        if let Err(reason) = outcome {
            self.seen.reasons.insert(reason.name());
        }
        let spec = &self.world.spec;
        self.seen.reorgs +=
            usize::from(!self.world.store.chain(&spec.head).any(|block| block.root == head.root));
        self.seen.justified += usize::from(spec.latest_justified.slot > justified.slot);
        self.seen.finalized += usize::from(spec.latest_finalized.slot > finalized.slot);
        self.seen.safe_targets += usize::from(spec.safe_target != safe_target);
    }

    fn tick(&mut self) {
        let intervals = match self.numbers.below(10) {
            0..6 => 1,
            6..8 => self.numbers.below(INTERVALS_PER_SLOT) + 1,
            _ => self.numbers.below(4 * INTERVALS_PER_SLOT) + 1,
        };
        let target = self.world.spec.time + intervals;
        let is_aggregator = self.kind != Kind::Flood && self.numbers.percent(60);
        self.world.tick(target, self.numbers.percent(50), is_aggregator);
    }

    fn current_slot(&self) -> u64 {
        self.world.spec.time / INTERVALS_PER_SLOT
    }

    /// The head, or any block.
    fn some_block(&mut self) -> Root {
        if self.numbers.percent(60) {
            return self.world.spec.head;
        }
        let roots: Vec<Root> = self.world.spec.blocks.keys().copied().collect();
        self.numbers.pick(&roots)
    }

    /// The block and its ancestors.
    fn chain(&self, root: Root) -> Vec<Checkpoint> {
        let chain = self.world.store.chain(&root);
        chain.map(|block| Checkpoint { root: block.root, slot: block.slot }).collect()
    }

    /// Any voters, often just as many as it takes to justify, or one fewer.
    fn voters(&mut self) -> Vec<u64> {
        let n = self.validators;
        let two_thirds = (2 * n).div_ceil(3);
        let count = match self.numbers.below(8) {
            0..3 => two_thirds,
            3 => two_thirds - 1,
            4 => n,
            5 => 1,
            _ => self.numbers.below(n) + 1,
        };
        let first = if self.numbers.percent(50) { 0 } else { self.numbers.below(n) };
        let mut voters: Vec<u64> = (first..first + count).map(|voter| voter % n).collect();
        if self.numbers.percent(2) {
            voters.push(n + self.numbers.below(3));
        }
        voters
    }

    fn bits(&mut self) -> AggregationBits {
        let voters = self.voters();
        if voters.is_empty() || self.numbers.percent(2) {
            // As many bits as there are validators, none of them set.
            return AggregationBits::with_capacity(self.validators as usize).unwrap();
        }
        AggregationBits::from_indices(voters.into_iter().map(ValidatorIndex)).unwrap()
    }

    /// A vote as somebody could cast it who sees that block as the head.
    fn vote_for(&mut self, head: Root, slot: u64) -> AttestationData {
        let chain = self.chain(head);
        let state = &self.world.spec.states[&head];
        let mut source = state.latest_justified;
        if source.root == Root::ZERO {
            source.root = head;
        }
        let later = chain.iter().filter(|block| block.slot > source.slot).count();
        let target = match later {
            0 => source,
            _ => chain[self.numbers.index(later.min(4))],
        };
        AttestationData { slot: Slot(slot), head: chain[0], target, source }
    }

    /// Any data, now and then with a fault.
    fn some_data(&mut self) -> AttestationData {
        if !self.data.is_empty() && self.numbers.percent(25) {
            let index = self.numbers.index(self.data.len());
            return self.data[index];
        }
        let head = self.some_block();
        let slot = self.current_slot().saturating_sub(self.numbers.below(10) / 8);
        let mut data = self.vote_for(head, slot);
        if self.numbers.percent(25) {
            self.spoil(&mut data);
        }
        self.data.push(data);
        data
    }

    fn spoil(&mut self, data: &mut AttestationData) {
        let root = self.some_block();
        let other = Checkpoint { root, slot: self.world.spec.blocks[&root].slot };
        let unknown = Root::repeat_byte(self.numbers.below(256) as u8);
        let part = match self.numbers.below(3) {
            0 => &mut data.head,
            1 => &mut data.target,
            _ => &mut data.source,
        };
        match self.numbers.below(6) {
            0 => part.root = unknown,
            1 => part.slot.0 += 1,
            2 => part.slot.0 = part.slot.0.saturating_sub(1),
            3 if self.numbers.percent(50) => *part = other,
            // Of another chain, where its place in time gives nothing away.
            3 => data.target = self.fork_of(data.target, data.head.slot),
            4 => data.slot.0 += self.numbers.below(3) + 1,
            _ => data.slot = Slot(self.numbers.pick(&[0, u64::MAX, u64::MAX / 5 + 1])),
        }
    }

    /// A block beside `target`, not after `latest`, if there is one.
    fn fork_of(&mut self, target: Checkpoint, latest: Slot) -> Checkpoint {
        let blocks = self.world.store.blocks();
        let others: Vec<Checkpoint> = blocks
            .map(|block| Checkpoint { root: block.root, slot: block.slot })
            .filter(|other| *other != target && other.slot >= target.slot && other.slot <= latest)
            .collect();
        if others.is_empty() { target } else { self.numbers.pick(&others) }
    }

    fn vote(&mut self) -> Result<(), RejectionReason> {
        let data = self.some_data();
        let validator = match self.numbers.below(40) {
            0 => self.validators + self.numbers.below(2) * (u64::MAX / 2),
            _ => self.numbers.below(self.validators),
        };
        let is_aggregator = self.numbers.percent(80);
        self.world.vote(validator, data, is_aggregator)
    }

    fn proof(&mut self) -> SingleMessageAggregate {
        let participants = self.bits();
        let proof = ProofBytes::new(vec![self.numbers.below(4) as u8; 1 + self.numbers.index(3)]).unwrap();
        SingleMessageAggregate { participants, proof }
    }

    fn aggregate(&mut self) -> Result<(), RejectionReason> {
        let data = self.some_data();
        let spec = &self.world.spec;
        let pools = [&spec.latest_new_aggregated_payloads, &spec.latest_known_aggregated_payloads];
        let held: usize = pools
            .iter()
            .filter_map(|pool| pool.get(&data.tree_hash_root()))
            .map(|(_, proofs)| proofs.len())
            .sum();
        if held >= MAX_PROOFS || pools[0].len() >= MAX_DATA {
            return Ok(());
        }
        let proof = self.proof();
        self.world.aggregate(data, proof)
    }

    /// More data in one step than anybody honest makes in minutes.
    fn flood(&mut self) -> Result<(), RejectionReason> {
        self.world.is_flooded = true;
        for _ in 0..self.numbers.below(60) {
            let head = self.some_block();
            let slot = self.world.spec.blocks[&head].slot.0;
            let slot = slot + self.numbers.below(self.current_slot().saturating_sub(slot) + 1);
            let mut data = self.vote_for(head, slot);
            let chain = self.chain(head);
            data.target = chain[self.numbers.index(chain.len())];
            data.source = *chain.last().unwrap_or(&data.target);
            let proof = self.proof();
            // Whoever is not registered is refused, as elsewhere.
            let _ = self.world.aggregate(data, proof);
        }
        Ok(())
    }

    fn block(&mut self) -> Result<(), RejectionReason> {
        let parent_root = self.some_block();
        let parent_slot = self.world.spec.blocks[&parent_root].slot.0;
        let slot = match self.numbers.below(50) {
            0 => parent_slot,
            1 => self.current_slot() + 2 + self.numbers.below(2),
            2 => parent_slot + HISTORICAL_ROOTS_LIMIT + self.numbers.below(2),
            3..6 => parent_slot + 1 + self.numbers.below(4),
            _ => self.current_slot().max(parent_slot + 1),
        };
        let mut attestations = Vec::new();
        if self.kind == Kind::Anything {
            let count =
                if self.numbers.percent(4) { 7 + self.numbers.below(4) } else { self.numbers.below(4) };
            attestations = (0..count).map(|_| self.attestation(parent_root, slot)).collect();
            let mut distinct = BTreeSet::new();
            let keeps_double = self.numbers.percent(5);
            attestations.retain(|vote: &AggregatedAttestation| distinct.insert(vote.data) || keeps_double);
        }
        let proposer_index = match self.numbers.below(60) {
            0 => (slot + 1) % self.validators,
            1 => self.validators + self.numbers.below(2),
            _ => slot % self.validators,
        };
        let body = BlockBody { attestations: attestations.try_into().unwrap(), execution: None };
        let mut block = Block {
            slot: Slot(slot),
            proposer_index: ValidatorIndex(proposer_index),
            parent_root,
            state_root: Root::ZERO,
            body,
        };
        self.seal(&mut block);
        match self.numbers.below(60) {
            0 => block.parent_root = Root::repeat_byte(9),
            1 => block.state_root = Root::repeat_byte(9),
            _ => {}
        }
        let before = self.world.spec.latest_known_aggregated_payloads.len();
        let outcome = self.world.block(&block);
        self.seen.blocks += usize::from(outcome.is_ok());
        self.seen.pruned += usize::from(self.world.spec.latest_known_aggregated_payloads.len() < before);
        outcome
    }

    /// Gives a block the root of the state after it, if there is one.
    fn seal(&self, block: &mut Block) {
        let parent = &self.world.spec.states[&block.parent_root];
        if block.slot.0 - parent.slot.min(block.slot.0) < 1000
            && let Ok(post) = parent.process_slots(block.slot.0).and_then(|state| state.process_block(block))
        {
            block.state_root = post.hash_tree_root();
        }
    }

    /// A vote in a block, for its own chain as a rule.
    fn attestation(&mut self, parent_root: Root, slot: u64) -> AggregatedAttestation {
        let data = if self.numbers.percent(85) {
            let age = 1 + self.numbers.below(12) / 4 * self.numbers.below(8);
            let mut data = self.vote_for(parent_root, slot.saturating_sub(age));
            let chain = self.chain(parent_root);
            data.head = chain[self.numbers.index(chain.len().min(2))];
            if self.numbers.percent(10) {
                self.spoil(&mut data);
            }
            data
        } else {
            self.some_data()
        };
        let bits = self.bits();
        // Bits that nobody set past the last voter change nothing.
        let aggregation_bits = AggregationBits::from_ssz_bytes(&bits.as_ssz_bytes()).unwrap();
        AggregatedAttestation { aggregation_bits, data }
    }
}
