//! Blocks that are signed for: their leaf is spent, so they leave whatever becomes of the head.
//!
//! Where the final merge takes long, a block may be finished after its slot, when the next one is under way already. A
//! late block is as valid as an early one: it carries votes, and what was voted for before it came may still build on
//! it. So it leaves as soon as it is finished, unless the chain has finalized a later slot.

use std::sync::Arc;

use lathe_types::{MultiMessageAggregate, Signature, SignedBlock, Slot, ValidatorIndex};

use crate::core::{Core, JobKind};
use crate::io::{
    Duty, Effect, JobFailure, JobId, KeyRole, Millis, MissReason, PreparedBlock, SignFailure, SignRequest,
};

/// A block of ours that is to leave now.
pub(crate) struct FinishedBlock {
    pub(crate) prepared: Arc<PreparedBlock>,
    pub(crate) block: Arc<SignedBlock>,
}

enum Stage {
    Signing(JobId),
    Sealing(JobId),
    /// Ready for the boundary.
    Sealed(Arc<SignedBlock>),
}

struct SignedProposal {
    slot: Slot,
    proposer: ValidatorIndex,
    prepared: Arc<PreparedBlock>,
    stage: Stage,
}

/// Blocks between their signature and the network. There are as many as may be merged at a time: another one is not
/// signed before ([`Self::has_room`]).
#[derive(Default)]
pub(super) struct SignedProposals(Vec<SignedProposal>);

impl SignedProposals {
    /// Whether one more may be signed: a block that would only wait for the prover is better signed later, on a newer
    /// head.
    pub(super) fn has_room(&self, at_a_time: usize) -> bool {
        let unfinished = |proposal: &&SignedProposal| !matches!(proposal.stage, Stage::Sealed(_));
        self.0.iter().filter(unfinished).count() < at_a_time.max(1)
    }

    pub(super) fn is_under_way(&self, slot: Slot) -> bool {
        self.0.iter().any(|proposal| proposal.slot == slot)
    }

    /// When the next finished block is due.
    pub(super) fn next_timeout(&self) -> Option<Millis> {
        let finished = self.0.iter().filter(|proposal| matches!(proposal.stage, Stage::Sealed(_)));
        finished.map(|proposal| Millis::of_slot(proposal.slot)).min()
    }

    /// Has a block signed: from here on there is no other one for its slot.
    pub(super) fn sign(
        &mut self,
        core: &mut Core,
        slot: Slot,
        proposer: ValidatorIndex,
        prepared: Arc<PreparedBlock>,
    ) {
        let message = prepared.root;
        let request = SignRequest { validator: proposer, role: KeyRole::Proposal, slot, message };
        let job = core.open_job(JobKind::SignBlock);
        self.0.push(SignedProposal { slot, proposer, prepared, stage: Stage::Signing(job) });
        core.push(Effect::Sign { job, requests: vec![request] });
    }

    /// The signer's answer for a block.
    pub(super) fn signed(&mut self, core: &mut Core, job: JobId, signature: Result<Signature, SignFailure>) {
        let is_it =
            |proposal: &SignedProposal| matches!(proposal.stage, Stage::Signing(signing) if signing == job);
        let Some(index) = self.0.iter().position(is_it) else { return };
        match signature {
            Ok(signature) => {
                let proposal = &mut self.0[index];
                let (prepared, job) = (proposal.prepared.clone(), core.open_job(JobKind::Seal));
                core.signed_here(proposal.proposer, KeyRole::Proposal, proposal.slot, prepared.root);
                proposal.stage = Stage::Sealing(job);
                core.push(Effect::Seal { job, prepared, signature });
            }
            Err(failure) => self.lose(core, index, MissReason::Signer(failure)),
        }
    }

    /// A worker's answer to the final merge.
    pub(super) fn sealed(
        &mut self,
        core: &mut Core,
        job: JobId,
        answer: Result<MultiMessageAggregate, JobFailure>,
    ) {
        let is_it =
            |proposal: &SignedProposal| matches!(proposal.stage, Stage::Sealing(sealing) if sealing == job);
        let Some(index) = self.0.iter().position(is_it) else { return };
        match answer {
            Ok(proof) => {
                let proposal = &mut self.0[index];
                let block = SignedBlock { block: proposal.prepared.block.clone(), proof };
                proposal.stage = Stage::Sealed(Arc::new(block));
            }
            Err(failure) => self.lose(core, index, MissReason::Worker(failure)),
        }
    }

    /// A block that is due, the earliest first. One that finality has overtaken is a missed duty: nobody would take it.
    pub(super) fn finished(&mut self, core: &mut Core) -> Option<FinishedBlock> {
        let finalized = core.finalized_slot();
        while let Some(index) = self.0.iter().position(|proposal| proposal.slot <= finalized) {
            self.lose(core, index, MissReason::OutOfTime);
        }
        let due = |proposal: &SignedProposal| match &proposal.stage {
            Stage::Sealed(block) if core.now >= Millis::of_slot(proposal.slot) => Some(block.clone()),
            _ => None,
        };
        let (index, block) = self.0.iter().enumerate().find_map(|(index, it)| Some((index, due(it)?)))?;
        let SignedProposal { prepared, .. } = self.0.remove(index);
        Some(FinishedBlock { prepared, block })
    }

    fn lose(&mut self, core: &mut Core, index: usize, reason: MissReason) {
        let SignedProposal { slot, proposer, .. } = self.0.remove(index);
        core.missed(Duty::Proposal, Some(proposer), slot, reason);
    }
}
