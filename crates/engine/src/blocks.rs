//! The way of a block: arrival, structure, proof on a worker, relay, transition, store.
//!
//! A block is relayed once its proof is verified, before the transition: a proposer's signature makes it worth the
//! network's attention even if it turns out to be wrong. A bad transition condemns the block's root for good; a bad
//! proof condemns only that proof, because the proof is outside the root and anybody can attach garbage to an honest
//! block.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use lathe_forkchoice::{BlockCheck, PayloadStatus};
use lathe_transition::{Edge, Part, state_transition_watched};
use lathe_types::{
    Checkpoint, MAX_ATTESTATIONS_DATA, RejectionReason, Root, SignedBlock, Slot, State, TreeHash,
};

use crate::Engine;
use crate::event::ObjectKind;
use crate::io::{Effect, GossipVerdict, JobId, Millis, Offence, Origin, VerifyRequest};
use crate::jobs::Job;
use crate::observer::Step;
use crate::pending::ArrivedBlock;
use crate::time::Timer;

/// Roots whose transition failed, and proofs that failed: enough that a peer who repeats itself is not listened to.
const MAX_BAD: usize = 1_024;
/// Different proofs of one block that are checked at a time. One is honest.
const MAX_PROOFS_IN_CHECK: usize = 4;
/// Blocks whose proofs are checked at a time, over all.
const MAX_BLOCKS_IN_CHECK: usize = 256;
/// Bytes of them: 256 blocks with the longest proofs, fewer if payloads are large. Nobody has signed for them yet.
const MAX_BYTES_IN_CHECK: usize = 128 << 20;
/// Checks of one block that workers may refuse or fail before it is dropped (and fetched again if anybody needs it).
const MAX_CHECKS: u32 = 3;
/// Pause before a refused check is asked for again.
const RECHECK_AFTER_MS: u64 = 200;

/// A block whose proof is with a worker.
pub(crate) struct BlockInCheck {
    pub(crate) arrived: ArrivedBlock,
    proof_hash: [u8; 32],
    attempts: u32,
}

/// The last `MAX_BAD` things of a kind, oldest out first.
struct Remembered<T> {
    known: BTreeSet<T>,
    order: VecDeque<T>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { known: BTreeSet::new(), order: VecDeque::new() }
    }
}

impl<T: Ord + Copy> Remembered<T> {
    fn insert(&mut self, item: T) {
        if self.known.insert(item) {
            self.order.push_back(item);
            if self.order.len() > MAX_BAD
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }

    fn contains(&self, item: &T) -> bool {
        self.known.contains(item)
    }
}

/// Blocks under way between arrival and store.
#[derive(Default)]
pub(crate) struct Blocks {
    in_check: BTreeMap<Root, Vec<([u8; 32], JobId)>>,
    bytes_in_check: usize,
    recheck: VecDeque<(Timer, BlockInCheck)>,
    bad_roots: Remembered<Root>,
    bad_proofs: Remembered<(Root, [u8; 32])>,
    /// Blocks whose payloads are invalid, or build on such. Honest nodes may pass them on before they find out.
    bad_payloads: Remembered<Root>,
}

impl Blocks {
    pub(crate) fn is_in_check(&self, root: &Root) -> bool {
        self.in_check.contains_key(root) || self.recheck.iter().any(|(_, block)| block.arrived.root == *root)
    }

    pub(crate) fn in_check(&self) -> usize {
        self.in_check.len() + self.recheck.len()
    }

    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        self.recheck.front().map(|(timer, _)| timer.at())
    }

    /// Whether a block will never be imported, whoever claims it.
    pub(crate) fn is_refused(&self, root: &Root) -> bool {
        self.bad_roots.contains(root) || self.bad_payloads.contains(root)
    }

    pub(crate) fn payload_is_bad(&mut self, root: Root) {
        self.bad_payloads.insert(root);
    }

    fn closed(&mut self, check: &BlockInCheck) {
        self.bytes_in_check -= check.arrived.bytes();
        let root = &check.arrived.root;
        if let Some(checks) = self.in_check.get_mut(root) {
            checks.retain(|(hash, _)| *hash != check.proof_hash);
            if checks.is_empty() {
                self.in_check.remove(root);
            }
        }
    }
}

impl Engine {
    /// A block from outside.
    pub(crate) fn on_block(&mut self, block: Arc<SignedBlock>, origin: Origin) {
        // A body of another chain, or of thousands of attestations, is never valid and not worth hashing.
        if self.variant.admits(&*block).is_err() {
            self.rejected(ObjectKind::Block, RejectionReason::WrongChainVariant);
            return self.settle(origin, GossipVerdict::Reject);
        }
        if block.block.body.attestations.len() > MAX_ATTESTATIONS_DATA {
            self.rejected(ObjectKind::Block, RejectionReason::TooManyAttestationData);
            return self.settle(origin, GossipVerdict::Reject);
        }
        let root = block.block.tree_hash_root();
        let by_gossip = matches!(origin, Origin::Gossip { .. });
        if let Origin::Response { request, peer } = origin
            && !self.sync.received(request, peer, root, block.block.slot)
        {
            return self.push(Effect::Penalise { peer, offence: Offence::Unrequested });
        }
        self.consider_block(ArrivedBlock {
            root,
            block,
            origins: vec![origin],
            arrived: self.now,
            by_gossip,
        });
    }

    /// Decides what to do with a block next; called again when its parent is there.
    pub(crate) fn consider_block(&mut self, arrived: ArrivedBlock) {
        let (root, slot) = (arrived.root, arrived.slot());
        if self.store.contains(&root) || slot <= self.store.latest_finalized().slot {
            self.sync.not_missing(&root);
            return self.settle_all(&arrived, GossipVerdict::Ignore);
        }
        if self.blocks.bad_roots.contains(&root) {
            return self.settle_all(&arrived, GossipVerdict::Reject);
        }
        // Our clock may be the one that is wrong, so nobody is blamed.
        if slot.0 > self.clock().0.saturating_add(1) {
            self.rejected(ObjectKind::Block, RejectionReason::BlockTooFarInFuture);
            return self.settle_all(&arrived, GossipVerdict::Ignore);
        }
        let parent_root = arrived.parent_root();
        if self.blocks.bad_roots.contains(&parent_root) {
            self.blocks.bad_roots.insert(root);
            return self.settle_all(&arrived, GossipVerdict::Reject);
        }
        if self.builds_on_invalid_payload(&root, &parent_root) {
            self.blocks.payload_is_bad(root);
            self.sync.not_missing(&root);
            return self.settle_all(&arrived, GossipVerdict::Ignore);
        }
        if !self.store.contains(&parent_root) {
            return self.await_parent(arrived);
        }
        match self.store.check_block(&arrived.block) {
            Ok(BlockCheck::New { .. }) => {
                self.check_proof(BlockInCheck {
                    proof_hash: hash_proof(&arrived.block),
                    arrived,
                    attempts: 0,
                });
            }
            Ok(BlockCheck::Known | BlockCheck::Obsolete) => self.settle_all(&arrived, GossipVerdict::Ignore),
            Err(rejection) => {
                self.rejected(ObjectKind::Block, rejection.reason);
                self.condemn(&arrived, Relayed::No);
            }
        }
    }

    fn builds_on_invalid_payload(&self, root: &Root, parent: &Root) -> bool {
        self.blocks.bad_payloads.contains(root)
            || self.blocks.bad_payloads.contains(parent)
            || self.store.payload(parent).is_some_and(|payload| payload.status == PayloadStatus::Invalid)
    }

    fn await_parent(&mut self, arrived: ArrivedBlock) {
        let (root, parent_root, slot) = (arrived.root, arrived.parent_root(), arrived.slot());
        let from = arrived.origins.first().map(Origin::peer);
        // A parent that is being checked will be here in time for the verdict; an unknown one hardly.
        if !self.blocks.is_in_check(&parent_root) {
            self.settle_all(&arrived, GossipVerdict::Ignore);
        }
        if !self.pending.insert(arrived) {
            return;
        }
        self.sync.not_missing(&root);
        // What is missing is the parent of the oldest block in this chain of orphans.
        let oldest =
            self.pending.oldest_waiting_ancestor(&root).map(|block| (block.parent_root(), block.slot()));
        let (missing, child) = oldest.unwrap_or((parent_root, slot));
        if self.blocks.is_in_check(&missing) || self.store.contains(&missing) {
            return;
        }
        self.with_situation(|sync, situation| sync.want_parent(situation, missing, child, from));
    }

    fn check_proof(&mut self, check: BlockInCheck) {
        let root = check.arrived.root;
        if self.blocks.bad_proofs.contains(&(root, check.proof_hash)) {
            return self.settle_all(&check.arrived, GossipVerdict::Reject);
        }
        self.sync.not_missing(&root);
        let checks = self.blocks.in_check.get(&root).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, job)) = checks.iter().find(|(hash, _)| *hash == check.proof_hash) {
            // The same block came on another way: one check serves both.
            if let Some(Job::CheckBlock(open)) = self.jobs.get_mut(*job) {
                open.arrived.origins.extend(check.arrived.origins);
                open.arrived.by_gossip |= check.arrived.by_gossip;
            }
            return;
        }
        let bytes = check.arrived.bytes();
        let full = checks.len() >= MAX_PROOFS_IN_CHECK
            || self.blocks.in_check.len() >= MAX_BLOCKS_IN_CHECK
            || self.blocks.bytes_in_check.saturating_add(bytes) > MAX_BYTES_IN_CHECK;
        let parent_state = self.store.state(&check.arrived.parent_root()).cloned();
        let Some(parent_state) = parent_state.filter(|_| !full) else {
            return self.settle_all(&check.arrived, GossipVerdict::Ignore);
        };
        let (block, proof_hash) = (check.arrived.block.clone(), check.proof_hash);
        self.blocks.bytes_in_check += bytes;
        let job = self.jobs.open(Job::CheckBlock(check));
        self.blocks.in_check.entry(root).or_default().push((proof_hash, job));
        self.push(Effect::Verify { job, request: VerifyRequest::Block { block, parent_state } });
    }

    /// A worker's verdict on a block's proof; `None` if it gave none.
    pub(crate) fn block_checked(&mut self, mut check: BlockInCheck, verifies: Option<bool>) {
        let root = check.arrived.root;
        self.blocks.closed(&check);
        match verifies {
            Some(true) => self.import_verified(&check.arrived),
            Some(false) => {
                self.rejected(ObjectKind::Block, RejectionReason::InvalidBlockProof);
                self.blocks.bad_proofs.insert((root, check.proof_hash));
                self.settle_all(&check.arrived, GossipVerdict::Reject);
                self.fetch_if_needed(root, check.arrived.slot());
            }
            None => {
                check.attempts += 1;
                if check.attempts < MAX_CHECKS {
                    self.blocks.recheck.push_back((Timer::after(self.now, RECHECK_AFTER_MS), check));
                } else {
                    self.settle_all(&check.arrived, GossipVerdict::Ignore);
                    let slot = check.arrived.slot();
                    self.with_situation(|sync, situation| sync.want_parent(situation, root, slot, None));
                }
            }
        }
    }

    /// A block that others build on is asked for again, in case it comes with a better proof.
    fn fetch_if_needed(&mut self, root: Root, slot: Slot) {
        if self.pending.has_children(&root) && !self.blocks.is_in_check(&root) {
            self.with_situation(|sync, situation| sync.want_parent(situation, root, slot, None));
        }
    }

    /// Checks that workers refused are asked for again.
    pub(crate) fn recheck_blocks(&mut self) {
        while self.blocks.recheck.front().is_some_and(|(timer, _)| timer.is_due(self.now)) {
            if let Some((_, check)) = self.blocks.recheck.pop_front() {
                self.check_proof(check);
            }
        }
    }

    fn import_verified(&mut self, arrived: &ArrivedBlock) {
        self.settle_all(arrived, GossipVerdict::Accept);
        // The same block with another valid proof may have been faster.
        if self.store.contains(&arrived.root) {
            return;
        }
        self.enter(Step::BlockProcessing);
        let transition = self.timed(Step::StateTransition, |engine| engine.transition(&arrived.block));
        match transition {
            Some(Ok(post_state)) => {
                let arrival = arrived.by_gossip.then_some(arrived.arrived);
                let imported = self.import(&arrived.block, arrived.root, post_state, arrival);
                self.exit(Step::BlockProcessing);
                if imported {
                    arrived.origins.iter().for_each(|origin| self.sync.delivered(origin.peer()));
                    self.after_import(&arrived.block, arrived.root);
                }
            }
            Some(Err(rejection)) => {
                self.exit(Step::BlockProcessing);
                self.rejected(ObjectKind::Block, rejection.reason);
                self.condemn(arrived, Relayed::Yes);
            }
            // Finality overtook its parent while it was checked.
            None => self.exit(Step::BlockProcessing),
        }
    }

    fn transition(&mut self, block: &SignedBlock) -> Option<Result<Arc<State>, lathe_types::Rejection>> {
        let parent_state = self.store.state(&block.block.parent_root)?;
        let observer = &mut self.observer;
        let mut watch = |part, edge| {
            let Some(observer) = observer else { return };
            let step = match part {
                Part::Slots => Step::SlotsProcessing,
                Part::Block => Step::BlockApplication,
                Part::Attestations => Step::AttestationsProcessing,
            };
            match edge {
                Edge::Begin => observer.enter(step),
                Edge::End => observer.exit(step),
            }
        };
        Some(state_transition_watched(parent_state, &block.block, &mut watch).map(Arc::new))
    }

    /// Puts a block with its post-state into the store, and everything that follows from it into effects. False if the
    /// store refuses it.
    pub(crate) fn import(
        &mut self,
        block: &Arc<SignedBlock>,
        root: Root,
        post_state: Arc<State>,
        arrival: Option<Millis>,
    ) -> bool {
        let before = self.snapshot();
        if let Err(rejection) = self.store.on_block(&block.block, post_state.clone()) {
            self.rejected(ObjectKind::Block, rejection.reason);
            return false;
        }
        self.submit_payload(root, block);
        let slot = block.block.slot;
        self.newest_block = self.newest_block.max(slot);
        self.sync.imported(&root);
        self.coverage.imported(self.clock(), &block.block);
        self.announce_import(block, Checkpoint { root, slot }, arrival);
        self.store_changed(&before, vec![(root, block.clone(), post_state)]);
        true
    }

    /// What an imported block sets free: votes inside it, blocks and votes that waited for it.
    pub(crate) fn after_import(&mut self, block: &Arc<SignedBlock>, root: Root) {
        self.split_votes(block);
        self.release_votes_for_block(&root);
        for child in self.pending.take_children(&root) {
            self.consider_block(child);
        }
    }

    /// Invalid for good, and so is everything that builds on it.
    fn condemn(&mut self, arrived: &ArrivedBlock, relayed: Relayed) {
        self.blocks.bad_roots.insert(arrived.root);
        self.sync.not_missing(&arrived.root);
        self.settle_all(arrived, GossipVerdict::Reject);
        if relayed == Relayed::Yes {
            // The verdict was given before the transition, so it cannot blame anybody any more.
            let gossip = arrived.origins.iter().filter(|origin| matches!(origin, Origin::Gossip { .. }));
            for peer in gossip.map(Origin::peer) {
                self.push(Effect::Penalise { peer, offence: Offence::Invalid });
            }
        }
        for descendant in self.pending.take_descendants(&arrived.root) {
            self.blocks.bad_roots.insert(descendant.root);
        }
    }

    fn settle_all(&mut self, arrived: &ArrivedBlock, verdict: GossipVerdict) {
        for origin in &arrived.origins {
            self.settle(*origin, verdict);
        }
    }
}

/// Whether a block was passed on before it was found to be invalid.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relayed {
    Yes,
    No,
}

/// Tells proofs of one block apart.
fn hash_proof(block: &SignedBlock) -> [u8; 32] {
    *blake3::hash(&block.proof.proof).as_bytes()
}
