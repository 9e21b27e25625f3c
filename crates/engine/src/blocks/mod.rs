//! The way of a block: arrival, structure, proof on a worker.
//!
//! A block is relayed once its proof is verified, before the transition: a proposer's signature makes it worth the
//! network's attention even if it turns out to be wrong. A bad transition condemns the block's root for good; a bad
//! proof condemns only that proof, because the proof is outside the root and anybody can attach garbage to an honest
//! block.
//!
//! This room ends where a proof is verified: the import concerns everybody, and is [`crate::import`]'s. What a block
//! means to the search for missing ones is handed back as [`Lead`]s.

mod arrived;
mod pending;
mod proposed;
mod remembered;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use lathe_forkchoice::{BlockCheck, PayloadStatus};
use lathe_types::{MAX_ATTESTATIONS_DATA, RejectionReason, Root, SignedBlock, Slot, TreeHash};

use crate::core::{Core, JobKind};
use crate::io::{
    Effect, Event, GossipVerdict, JobId, Millis, ObjectKind, Offence, Origin, Peer, VerifyRequest,
};
use crate::time::Timer;
use pending::{PendingBlocks, Room};
use proposed::{Proposed, Standing};
use remembered::Remembered;

pub(crate) use arrived::ArrivedBlock;

/// Different proofs of one block that are checked at a time. One is honest; the others anybody can send who has seen
/// the block. A copy that finds no room is turned away, and if none of those before it holds, the block is asked for
/// by its root: what was asked for is checked whatever else is there.
const MAX_PROOFS_IN_CHECK: usize = 4;
/// Blocks whose proofs are checked at a time, over all.
const MAX_BLOCKS_IN_CHECK: usize = 256;
/// Bytes of them: 256 blocks with the longest proofs, fewer if payloads are large. Nobody has signed for them yet.
const MAX_BYTES_IN_CHECK: usize = 128 << 20;
/// Checks of one block that workers may refuse or fail before it is dropped (and fetched again if anybody needs it).
const MAX_CHECKS: u32 = 3;
/// Pause before a refused check is asked for again.
const RECHECK_AFTER_MS: u64 = 200;

/// What a block says about blocks that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// It is held, or will never be: it is not missing any more.
    Found(Root),
    /// A block at `child` waits for this parent. `from` sent the block.
    Parent { root: Root, child: Slot, from: Option<Peer> },
}

/// A block whose proof is with a worker, or is to be.
struct BlockInCheck {
    arrived: ArrivedBlock,
    proof_hash: [u8; 32],
    attempts: u32,
}

/// Blocks under way between arrival and store.
#[derive(Default)]
pub(crate) struct Blocks {
    pending: PendingBlocks,
    checks: BTreeMap<JobId, BlockInCheck>,
    /// The proofs of each block that are checked.
    in_check: BTreeMap<Root, Vec<([u8; 32], JobId)>>,
    bytes_in_check: usize,
    recheck: VecDeque<(Timer, BlockInCheck)>,
    bad_roots: Remembered<Root>,
    bad_proofs: Remembered<(Root, [u8; 32])>,
    /// Blocks of which a copy found no room.
    turned_away: Remembered<Root>,
    /// Blocks whose payloads are invalid, or build on such. Honest nodes may pass them on before they find out.
    bad_payloads: Remembered<Root>,
    proposed: Proposed,
    leads: Vec<Lead>,
}

impl Blocks {
    fn is_in_check(&self, root: &Root) -> bool {
        self.in_check.contains_key(root) || self.recheck.iter().any(|(_, block)| block.arrived.root == *root)
    }

    /// Whether a block is here and waits for its parent or for the check of its proof.
    pub(crate) fn holds(&self, root: &Root) -> bool {
        self.pending.contains(root) || self.is_in_check(root)
    }

    /// Blocks that were asked for and wait, and blocks that are checked. What comes unasked does not count: it must not
    /// keep us from asking.
    pub(crate) fn waiting(&self) -> usize {
        self.pending.answers() + self.in_check.len() + self.recheck.len()
    }

    /// Blocks that wait for a parent.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn next_timeout(&self) -> Option<Millis> {
        self.recheck.front().map(|(timer, _)| timer.at())
    }

    /// Whether a block will never be imported, whoever claims it.
    pub(crate) fn is_refused(&self, root: &Root) -> bool {
        self.bad_roots.contains(root) || self.bad_payloads.contains(root)
    }

    /// Blocks whose payloads are invalid, with everything that waits for them.
    pub(crate) fn payloads_are_bad(&mut self, roots: &[Root]) {
        for root in roots {
            self.bad_payloads.insert(*root);
            for descendant in self.pending.take_descendants(root) {
                self.bad_payloads.insert(descendant.root);
            }
        }
    }

    /// Drops what finality has overtaken.
    pub(crate) fn prune(&mut self, finalized: Slot) {
        self.pending.prune(finalized);
        self.proposed.prune(finalized);
    }

    /// Drops what has waited for its parent for too long.
    pub(crate) fn expire(&mut self, now: Millis) {
        self.pending.expire(now);
    }

    /// A peer is gone, and with it the one who could be asked for what its blocks build on.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.pending.forget(peer);
    }

    /// The blocks that waited for `parent`.
    pub(crate) fn take_children(&mut self, parent: &Root) -> Vec<ArrivedBlock> {
        self.pending.take_children(parent)
    }

    /// A block from outside. A body of another chain, or of thousands of attestations, is never valid and not worth
    /// hashing.
    pub(crate) fn arrived(
        &self,
        core: &mut Core,
        block: Arc<SignedBlock>,
        origin: Origin,
    ) -> Option<ArrivedBlock> {
        let reason = if core.variant.admits(&*block).is_err() {
            Some(RejectionReason::WrongChainVariant)
        } else {
            let too_many = block.block.body.attestations.len() > MAX_ATTESTATIONS_DATA;
            too_many.then_some(RejectionReason::TooManyAttestationData)
        };
        if let Some(reason) = reason {
            core.rejected(ObjectKind::Block, reason);
            core.settle(origin, GossipVerdict::Reject);
            return None;
        }
        if core.is_foreign(ObjectKind::Block, &block.proof.proof) {
            core.settle(origin, GossipVerdict::Ignore);
            return None;
        }
        Some(ArrivedBlock {
            root: block.block.tree_hash_root(),
            block,
            origins: vec![origin],
            arrived: core.now,
            by_gossip: matches!(origin, Origin::Gossip { .. }),
        })
    }

    /// Decides what to do with a block next; called again when its parent is there.
    pub(crate) fn consider(&mut self, core: &mut Core, arrived: ArrivedBlock) -> Vec<Lead> {
        self.judge(core, arrived);
        std::mem::take(&mut self.leads)
    }

    fn judge(&mut self, core: &mut Core, arrived: ArrivedBlock) {
        let (root, slot) = (arrived.root, arrived.slot());
        if core.store.contains(&root) || slot <= core.finalized_slot() {
            self.leads.push(Lead::Found(root));
            return arrived.settle(core, GossipVerdict::Ignore);
        }
        if self.bad_roots.contains(&root) {
            self.leads.push(Lead::Found(root));
            return arrived.settle(core, GossipVerdict::Reject);
        }
        // Our clock may be the one that is wrong, so nobody is blamed. If it was asked for, it will be again.
        if slot.0 > core.clock().0.saturating_add(1) {
            core.rejected_block(arrived.refused(), RejectionReason::BlockTooFarInFuture);
            return arrived.settle(core, GossipVerdict::Ignore);
        }
        let parent_root = arrived.parent_root();
        if self.bad_roots.contains(&parent_root) {
            self.bad_roots.insert(root);
            self.leads.push(Lead::Found(root));
            return arrived.settle(core, GossipVerdict::Reject);
        }
        if self.builds_on_invalid_payload(core, &root, &parent_root) {
            self.bad_payloads.insert(root);
            self.leads.push(Lead::Found(root));
            return arrived.settle(core, GossipVerdict::Ignore);
        }
        if !core.store.contains(&parent_root) {
            return self.await_parent(core, arrived);
        }
        let proposer = arrived.block.block.proposer_index;
        if !self.proposed.admits(slot, proposer, &root, arrived.was_asked_for()) {
            self.leads.push(Lead::Found(root));
            return arrived.settle(core, GossipVerdict::Ignore);
        }
        match core.store.check_block(&arrived.block) {
            Ok(BlockCheck::New { .. }) => {
                let proof_hash = hash_proof(&arrived.block);
                self.check_proof(core, BlockInCheck { proof_hash, arrived, attempts: 0 });
            }
            Ok(BlockCheck::Known | BlockCheck::Obsolete) => arrived.settle(core, GossipVerdict::Ignore),
            Err(rejection) => {
                core.rejected_block(arrived.refused(), rejection.reason);
                self.condemn(core, &arrived);
            }
        }
    }

    fn builds_on_invalid_payload(&self, core: &Core, root: &Root, parent: &Root) -> bool {
        self.bad_payloads.contains(root)
            || self.bad_payloads.contains(parent)
            || core.store.payload(parent).is_some_and(|payload| payload.status == PayloadStatus::Invalid)
    }

    fn await_parent(&mut self, core: &mut Core, arrived: ArrivedBlock) {
        let (root, parent_root, slot) = (arrived.root, arrived.parent_root(), arrived.slot());
        let Some(from) = arrived.sender() else { return };
        // A parent that is being checked will be here in time for the verdict; an unknown one hardly.
        if !self.is_in_check(&parent_root) {
            arrived.settle(core, GossipVerdict::Ignore);
        }
        let room = if arrived.was_asked_for() {
            Room::Answer
        } else if self.holds(&parent_root) {
            Room::Child
        } else {
            Room::Orphan
        };
        if self.pending.insert(core.now, arrived, core.sender(from), room) {
            self.leads.push(Lead::Found(root));
        }
        // The parent is asked for even if there is no room: it is what leads us there. What is missing is the parent of
        // the oldest block in this chain of orphans.
        let oldest =
            self.pending.oldest_waiting_ancestor(&root).map(|block| (block.parent_root(), block.slot()));
        let (missing, child) = oldest.unwrap_or((parent_root, slot));
        if !self.is_in_check(&missing) && !core.store.contains(&missing) {
            self.leads.push(Lead::Parent { root: missing, child, from: Some(from) });
        }
    }

    fn check_proof(&mut self, core: &mut Core, check: BlockInCheck) {
        let root = check.arrived.root;
        if self.bad_proofs.contains(&(root, check.proof_hash)) {
            return check.arrived.settle(core, GossipVerdict::Reject);
        }
        self.leads.push(Lead::Found(root));
        let checks = self.in_check.get(&root).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, job)) = checks.iter().find(|(hash, _)| *hash == check.proof_hash) {
            // The same block came on another way: one check serves both.
            if let Some(open) = self.checks.get_mut(job) {
                open.arrived.origins.extend(check.arrived.origins);
                open.arrived.by_gossip |= check.arrived.by_gossip;
            }
            return;
        }
        let bytes = check.arrived.bytes();
        let asked_for = |origin: &Origin| matches!(origin, Origin::Response { .. });
        let is_crowded = checks.len() >= MAX_PROOFS_IN_CHECK && !check.arrived.origins.iter().any(asked_for);
        if is_crowded {
            self.turned_away.insert(root);
        }
        let full = is_crowded
            || self.in_check.len() >= MAX_BLOCKS_IN_CHECK
            || self.bytes_in_check.saturating_add(bytes) > MAX_BYTES_IN_CHECK;
        let parent_state = core.store.state(&check.arrived.parent_root()).cloned();
        let Some(parent_state) = parent_state.filter(|_| !full) else {
            return check.arrived.settle(core, GossipVerdict::Ignore);
        };
        let (block, proof_hash) = (check.arrived.block.clone(), check.proof_hash);
        self.bytes_in_check += bytes;
        let job = core.open_job(JobKind::CheckBlock);
        self.checks.insert(job, check);
        self.in_check.entry(root).or_default().push((proof_hash, job));
        core.push(Effect::Verify { job, request: VerifyRequest::Block { block, parent_state } });
    }

    fn close_check(&mut self, job: JobId) -> Option<BlockInCheck> {
        let check = self.checks.remove(&job)?;
        self.bytes_in_check -= check.arrived.bytes();
        let root = &check.arrived.root;
        if let Some(checks) = self.in_check.get_mut(root) {
            checks.retain(|(hash, _)| *hash != check.proof_hash);
            if checks.is_empty() {
                self.in_check.remove(root);
            }
        }
        Some(check)
    }

    /// A worker's verdict on a block's proof; `None` if it gave none. The block comes back if it is to be imported.
    pub(crate) fn checked(
        &mut self,
        core: &mut Core,
        job: JobId,
        verifies: Option<bool>,
    ) -> (Option<ArrivedBlock>, Vec<Lead>) {
        let Some(mut check) = self.close_check(job) else { return (None, Vec::new()) };
        let (root, slot) = (check.arrived.root, check.arrived.slot());
        match verifies {
            Some(true) => return (self.proof_holds(core, check.arrived), Vec::new()),
            Some(false) => {
                core.rejected_block(check.arrived.refused(), RejectionReason::InvalidBlockProof);
                self.bad_proofs.insert((root, check.proof_hash));
                check.arrived.settle(core, GossipVerdict::Reject);
                // A block that others build on, or of which a copy was turned away, is asked for again, in case it
                // comes with a better proof.
                let is_needed = self.pending.has_children(&root) || self.turned_away.contains(&root);
                if is_needed && !core.store.contains(&root) && !self.is_in_check(&root) {
                    self.leads.push(Lead::Parent { root, child: slot, from: None });
                }
            }
            None => {
                check.attempts += 1;
                if check.attempts < MAX_CHECKS {
                    self.recheck.push_back((Timer::after(core.now, RECHECK_AFTER_MS), check));
                } else {
                    check.arrived.settle(core, GossipVerdict::Ignore);
                    self.leads.push(Lead::Parent { root, child: slot, from: None });
                }
            }
        }
        (None, std::mem::take(&mut self.leads))
    }

    /// A block that its proposer signed; `None` if it is one too many.
    fn proof_holds(&mut self, core: &mut Core, arrived: ArrivedBlock) -> Option<ArrivedBlock> {
        let (slot, validator) = (arrived.slot(), arrived.block.block.proposer_index);
        if !self.proposed.admits(slot, validator, &arrived.root, arrived.was_asked_for()) {
            arrived.settle(core, GossipVerdict::Ignore);
            return None;
        }
        if self.proposed.insert(slot, validator, arrived.root) == Standing::Second {
            core.announce(Event::Equivocation { validator, slot, kind: ObjectKind::Block });
        }
        Some(arrived)
    }

    /// A block of ours, which others may send back to us beside another of the same proposer.
    pub(crate) fn published(&mut self, block: &SignedBlock, root: Root) {
        self.proposed.insert(block.block.slot, block.block.proposer_index, root);
    }

    /// Checks that workers refused are asked for again.
    pub(crate) fn recheck(&mut self, core: &mut Core) -> Vec<Lead> {
        while self.recheck.front().is_some_and(|(timer, _)| timer.is_due(core.now)) {
            if let Some((_, check)) = self.recheck.pop_front() {
                self.check_proof(core, check);
            }
        }
        std::mem::take(&mut self.leads)
    }

    /// A block whose proof verifies turned out to be invalid. Its verdict was given before the transition, so those who
    /// passed it on are blamed in another way.
    pub(crate) fn condemn_relayed(&mut self, core: &mut Core, arrived: &ArrivedBlock) -> Vec<Lead> {
        self.condemn(core, arrived);
        let gossip = arrived.origins.iter().filter(|origin| matches!(origin, Origin::Gossip { .. }));
        for peer in gossip.map(Origin::peer) {
            core.push(Effect::Penalise { peer, offence: Offence::Invalid });
        }
        std::mem::take(&mut self.leads)
    }

    /// Invalid for good, and so is everything that builds on it.
    fn condemn(&mut self, core: &mut Core, arrived: &ArrivedBlock) {
        self.bad_roots.insert(arrived.root);
        self.leads.push(Lead::Found(arrived.root));
        arrived.settle(core, GossipVerdict::Reject);
        for descendant in self.pending.take_descendants(&arrived.root) {
            self.bad_roots.insert(descendant.root);
        }
    }
}

/// Tells proofs of one block apart.
fn hash_proof(block: &SignedBlock) -> [u8; 32] {
    *blake3::hash(&block.proof.proof).as_bytes()
}
