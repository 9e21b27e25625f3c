//! The store, step by step as leanSpec `spec/forks/lstar/` has it (`fork_choice.py`, `timeline.py`, `aggregation.py`,
//! `validator_duties.py`): maps without bounds, every walk from block to block, every weight counted anew. Signatures
//! and proofs are believed.

use std::collections::{BTreeMap, BTreeSet};

use lathe_types::{
    AggregationBits, AttestationData, Block, Checkpoint, Encode, GOSSIP_DISPARITY_INTERVALS,
    HISTORICAL_ROOTS_LIMIT, INTERVALS_PER_SLOT, JUSTIFICATION_LOOKBACK_SLOTS, Participation, ProofBytes,
    RejectionReason as R, Root, SingleMessageAggregate, Slot, TreeHash, ValidatorIndex,
};

use crate::state::{SpecState, is_justifiable_after, voters_of};

/// A proof by its canonical encoding.
pub(crate) type Proof = Vec<u8>;

/// Votes with their proofs: the specification's maps from data to sets, by the root of the data.
pub(crate) type Pool = BTreeMap<Root, (AttestationData, BTreeMap<Proof, SingleMessageAggregate>)>;

/// The specification's `Store`.
#[derive(Clone, Debug)]
pub(crate) struct SpecStore {
    pub(crate) time: u64,
    pub(crate) head: Root,
    pub(crate) safe_target: Root,
    pub(crate) latest_justified: Checkpoint,
    pub(crate) latest_finalized: Checkpoint,
    pub(crate) blocks: BTreeMap<Root, Block>,
    pub(crate) states: BTreeMap<Root, SpecState>,
    pub(crate) attestation_signatures: BTreeMap<Root, (AttestationData, BTreeSet<u64>)>,
    pub(crate) latest_new_aggregated_payloads: Pool,
    pub(crate) latest_known_aggregated_payloads: Pool,
}

/// The stand-in for the proof system: names the data and everybody whom the proof covers.
pub(crate) fn mock_proof(data_root: &Root, voters: &BTreeSet<u64>) -> SingleMessageAggregate {
    let participants = AggregationBits::from_indices(voters.iter().copied().map(ValidatorIndex)).unwrap();
    let bytes = [data_root.0, participants.tree_hash_root().0].concat();
    SingleMessageAggregate { participants, proof: ProofBytes::new(bytes).unwrap() }
}

fn require(condition: bool, reason: R) -> Result<(), R> {
    if condition { Ok(()) } else { Err(reason) }
}

impl SpecStore {
    pub(crate) fn create_store(state: SpecState, anchor_block: Block) -> Result<Self, R> {
        require(anchor_block.state_root == state.hash_tree_root(), R::AnchorStateRootMismatch)?;
        let root = anchor_block.tree_hash_root();
        let anchor = Checkpoint { root, slot: anchor_block.slot };
        Ok(Self {
            time: anchor_block.slot.0 * INTERVALS_PER_SLOT,
            head: root,
            safe_target: root,
            latest_justified: anchor,
            latest_finalized: anchor,
            blocks: BTreeMap::from([(root, anchor_block)]),
            states: BTreeMap::from([(root, state)]),
            attestation_signatures: BTreeMap::new(),
            latest_new_aggregated_payloads: Pool::new(),
            latest_known_aggregated_payloads: Pool::new(),
        })
    }

    fn checkpoint_is_ancestor(&self, ancestor: Checkpoint, descendant: Checkpoint) -> bool {
        if ancestor.slot > descendant.slot {
            return false;
        }
        let mut root = descendant.root;
        while let Some(block) = self.blocks.get(&root) {
            if block.slot == ancestor.slot {
                return root == ancestor.root;
            }
            if block.slot < ancestor.slot {
                return false;
            }
            root = block.parent_root;
        }
        false
    }

    fn prune_stale_attestation_data(&mut self) {
        let store = self.clone();
        let lives = |data: &AttestationData| {
            data.head.slot > store.latest_finalized.slot
                && store.checkpoint_is_ancestor(store.latest_finalized, data.head)
        };
        self.attestation_signatures.retain(|_, (data, _)| lives(data));
        self.latest_new_aggregated_payloads.retain(|_, (data, _)| lives(data));
        self.latest_known_aggregated_payloads.retain(|_, (data, _)| lives(data));
    }

    pub(crate) fn validate_attestation(&self, data: &AttestationData) -> Result<(), R> {
        let AttestationData { source, target, head, slot } = *data;
        let block = |checkpoint: Checkpoint| self.blocks.get(&checkpoint.root);
        let source_block = block(source).ok_or(R::UnknownSourceBlock)?;
        let target_block = block(target).ok_or(R::UnknownTargetBlock)?;
        let head_block = block(head).ok_or(R::UnknownHeadBlock)?;
        require(source.slot <= target.slot, R::SourceAfterTarget)?;
        require(head.slot >= target.slot, R::HeadOlderThanTarget)?;
        require(source_block.slot == source.slot, R::SourceSlotMismatch)?;
        require(target_block.slot == target.slot, R::TargetSlotMismatch)?;
        require(head_block.slot == head.slot, R::HeadSlotMismatch)?;
        require(self.checkpoint_is_ancestor(source, target), R::SourceNotAncestorOfTarget)?;
        require(self.checkpoint_is_ancestor(target, head), R::TargetNotAncestorOfHead)?;
        require(self.checkpoint_is_ancestor(self.latest_finalized, head), R::HeadNotDescendantOfFinalized)?;
        require(slot >= head.slot, R::AttestationSlotBeforeHead)?;
        let horizon = (self.time + GOSSIP_DISPARITY_INTERVALS) / INTERVALS_PER_SLOT;
        require(slot.0 <= horizon, R::AttestationTooFarInFuture)
    }

    pub(crate) fn on_gossip_attestation(
        &mut self,
        validator: u64,
        data: &AttestationData,
        is_aggregator: bool,
    ) -> Result<(), R> {
        self.validate_attestation(data)?;
        let registry = &self.states[&data.target.root].validators;
        require(validator < registry.len() as u64, R::ValidatorNotInState)?;
        if is_aggregator {
            let entry = self.attestation_signatures.entry(data.tree_hash_root());
            entry.or_insert_with(|| (*data, BTreeSet::new())).1.insert(validator);
        }
        Ok(())
    }

    pub(crate) fn on_gossip_aggregated_attestation(
        &mut self,
        data: &AttestationData,
        proof: &SingleMessageAggregate,
    ) -> Result<(), R> {
        self.validate_attestation(data)?;
        let voters = voters_of(&proof.participants)?;
        let registry = &self.states[&data.target.root].validators;
        require(voters.iter().all(|voter| *voter < registry.len() as u64), R::ValidatorNotInState)?;
        insert(&mut self.latest_new_aggregated_payloads, data, proof.clone());
        Ok(())
    }

    pub(crate) fn on_block(&mut self, block: &Block) -> Result<(), R> {
        let block_root = block.tree_hash_root();
        if self.blocks.contains_key(&block_root) {
            return Ok(());
        }
        let previous_finalized_slot = self.latest_finalized.slot;
        let parent_state = self.states.get(&block.parent_root).ok_or(R::UnknownParentBlock)?.clone();
        let gap = block.slot.0.saturating_sub(self.blocks[&block.parent_root].slot.0);
        require(gap <= HISTORICAL_ROOTS_LIMIT, R::BlockSlotGapTooLarge)?;
        require(block.slot.0 <= self.time / INTERVALS_PER_SLOT + 1, R::BlockTooFarInFuture)?;
        let votes = &block.body.attestations;
        let distinct: BTreeSet<_> = votes.iter().map(|vote| vote.data).collect();
        require(distinct.len() == votes.len(), R::DuplicateAttestationData)?;
        self.verify_signatures(block, parent_state.validators.len() as u64)?;
        let post_state = parent_state.state_transition(block)?;

        if post_state.latest_justified.slot > self.latest_justified.slot {
            self.latest_justified = post_state.latest_justified;
        }
        for vote in votes {
            let entry = self.latest_known_aggregated_payloads.entry(vote.data.tree_hash_root());
            entry.or_insert_with(|| (vote.data, BTreeMap::new()));
        }
        self.blocks.insert(block_root, block.clone());
        self.states.insert(block_root, post_state);
        self.update_head();
        if self.latest_finalized.slot > previous_finalized_slot {
            self.prune_stale_attestation_data();
        }
        Ok(())
    }

    /// `verify_signatures` as far as it goes without cryptography.
    fn verify_signatures(&self, block: &Block, validator_count: u64) -> Result<(), R> {
        for vote in &block.body.attestations {
            let voters = voters_of(&vote.aggregation_bits)?;
            require(voters.iter().all(|voter| *voter < validator_count), R::ValidatorIndexOutOfRange)?;
        }
        require(block.proposer_index.0 < validator_count, R::ProposerIndexOutOfRange)
    }

    /// Of two votes for one slot the one with the larger data root counts, whichever was first.
    fn latest_votes(&self, pool: &Pool) -> BTreeMap<u64, AttestationData> {
        let mut latest: BTreeMap<u64, (Slot, Root, AttestationData)> = BTreeMap::new();
        for (root, (data, proofs)) in pool {
            if data.head.slot <= self.latest_finalized.slot {
                continue;
            }
            for voter in proofs.values().flat_map(|proof| voters_of(&proof.participants).unwrap()) {
                let vote = (data.slot, *root, *data);
                let counted = latest.entry(voter).or_insert(vote);
                if (vote.0, vote.1) > (counted.0, counted.1) {
                    *counted = vote;
                }
            }
        }
        latest.into_iter().map(|(voter, (_, _, data))| (voter, data)).collect()
    }

    fn accumulate_ancestor_weights(
        &self,
        votes: &BTreeMap<u64, AttestationData>,
        start_slot: Slot,
    ) -> BTreeMap<Root, u64> {
        let mut weights = BTreeMap::new();
        for data in votes.values() {
            let mut root = data.head.root;
            while let Some(block) = self.blocks.get(&root).filter(|block| block.slot > start_slot) {
                *weights.entry(root).or_default() += 1;
                root = block.parent_root;
            }
        }
        weights
    }

    pub(crate) fn compute_block_weights(&self) -> BTreeMap<Root, u64> {
        let votes = self.latest_votes(&self.latest_known_aggregated_payloads);
        self.accumulate_ancestor_weights(&votes, self.latest_finalized.slot)
    }

    fn compute_lmd_ghost_head(&self, pool: &Pool, min_score: u64) -> Root {
        let mut head = self.latest_justified.root;
        let weights = self.accumulate_ancestor_weights(&self.latest_votes(pool), self.blocks[&head].slot);
        let weight = |root: &Root| weights.get(root).copied().unwrap_or_default();
        loop {
            let children = self.blocks.iter().filter(|(root, block)| {
                block.parent_root == head && **root != head && weight(root) >= min_score
            });
            match children.map(|(root, _)| (weight(root), *root)).max() {
                None => return head,
                Some((_, best)) => head = best,
            }
        }
    }

    pub(crate) fn update_head(&mut self) {
        self.head = self.compute_lmd_ghost_head(&self.latest_known_aggregated_payloads, 0);
        let finalized_slot = self.states[&self.head].latest_finalized.slot;
        let mut root = self.head;
        while self.blocks[&root].slot > finalized_slot {
            let parent = self.blocks[&root].parent_root;
            if !self.blocks.contains_key(&parent) {
                break;
            }
            root = parent;
        }
        if self.blocks[&root].slot == finalized_slot {
            self.latest_finalized = Checkpoint { root, slot: finalized_slot };
        }
    }

    pub(crate) fn accept_new_attestations(&mut self) {
        for (data, proofs) in std::mem::take(&mut self.latest_new_aggregated_payloads).into_values() {
            for proof in proofs.into_values() {
                insert(&mut self.latest_known_aggregated_payloads, &data, proof);
            }
        }
        self.update_head();
    }

    fn update_safe_target(&mut self) {
        let num_validators = self.states[&self.head].validators.len() as u64;
        let min_score = (2 * num_validators).div_ceil(3);
        self.safe_target = self.compute_lmd_ghost_head(&self.latest_new_aggregated_payloads, min_score);
    }

    fn aggregate(&mut self) {
        let mut fresh: BTreeMap<Root, AttestationData> = BTreeMap::new();
        fresh.extend(self.latest_new_aggregated_payloads.iter().map(|(root, (data, _))| (*root, *data)));
        fresh.extend(self.attestation_signatures.iter().map(|(root, (data, _))| (*root, *data)));
        let mut results = Pool::new();
        for (root, data) in fresh {
            let pools = [&self.latest_new_aggregated_payloads, &self.latest_known_aggregated_payloads];
            let (children, mut covered) = select_proofs_for_coverage(
                pools.map(|pool| pool.get(&root).map(|(_, proofs)| proofs.clone()).unwrap_or_default()),
            );
            let signers = self.attestation_signatures.get(&root).map(|(_, signers)| signers.clone());
            let raw: Vec<u64> =
                signers.unwrap_or_default().into_iter().filter(|signer| !covered.contains(signer)).collect();
            if raw.is_empty() && children < 2 {
                continue;
            }
            covered.extend(raw);
            insert(&mut results, &data, mock_proof(&root, &covered));
        }
        self.attestation_signatures.retain(|root, _| !results.contains_key(root));
        self.latest_new_aggregated_payloads = results;
    }

    fn tick_interval(&mut self, has_proposal: bool, is_aggregator: bool) {
        self.time += 1;
        match self.time % INTERVALS_PER_SLOT {
            0 if has_proposal => self.accept_new_attestations(),
            2 if is_aggregator => self.aggregate(),
            3 => self.update_safe_target(),
            4 => self.accept_new_attestations(),
            _ => {}
        }
    }

    pub(crate) fn on_tick(&mut self, target: u64, has_proposal: bool, is_aggregator: bool) {
        while self.time < target {
            let is_last = self.time + 1 == target;
            self.tick_interval(has_proposal && is_last, is_aggregator);
        }
    }

    /// `None` where the walk leaves the store, which ends in an error there.
    pub(crate) fn get_attestation_target(&self) -> Option<Checkpoint> {
        let mut root = self.head;
        let finalized_slot = self.latest_finalized.slot;
        let lower_bound = self.blocks[&self.safe_target].slot.max(finalized_slot);
        for _ in 0..JUSTIFICATION_LOOKBACK_SLOTS {
            if self.blocks.get(&root)?.slot <= lower_bound {
                break;
            }
            root = self.blocks[&root].parent_root;
        }
        loop {
            let slot = self.blocks.get(&root)?.slot;
            if slot <= finalized_slot || is_justifiable_after(slot.0, finalized_slot.0) {
                return Some(Checkpoint { root, slot });
            }
            root = self.blocks[&root].parent_root;
        }
    }

    /// `None` where the specification fails an assertion.
    pub(crate) fn produce_attestation_data(&self, slot: Slot) -> Option<AttestationData> {
        let head = Checkpoint { root: self.head, slot: self.blocks[&self.head].slot };
        let target = self.get_attestation_target()?;
        let mut source = self.states[&self.head].latest_justified;
        if source.root == Root::ZERO {
            source.root = self.head;
        }
        (source.slot <= target.slot).then_some(AttestationData { slot, head, target, source })
    }
}

fn insert(pool: &mut Pool, data: &AttestationData, proof: SingleMessageAggregate) {
    let (_, proofs) = pool.entry(data.tree_hash_root()).or_insert_with(|| (*data, BTreeMap::new()));
    proofs.insert(proof.as_ssz_bytes(), proof);
}

/// How many proofs are chosen, and whom they cover.
fn select_proofs_for_coverage(pools: [BTreeMap<Proof, SingleMessageAggregate>; 2]) -> (usize, BTreeSet<u64>) {
    let mut covered = BTreeSet::new();
    let mut chosen = 0;
    for mut candidates in pools {
        loop {
            let gain = |proof: &SingleMessageAggregate| {
                let voters = voters_of(&proof.participants).unwrap();
                voters.into_iter().filter(|voter| !covered.contains(voter)).count()
            };
            let best = candidates.iter().map(|(bytes, proof)| (gain(proof), bytes.clone())).max();
            let Some((1.., best)) = best else { break };
            let proof = candidates.remove(&best).unwrap();
            covered.extend(voters_of(&proof.participants).unwrap());
            chosen += 1;
        }
    }
    (chosen, covered)
}
