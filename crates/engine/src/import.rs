//! What it means that a block enters the store: every room hears of it.

use std::sync::Arc;

use lathe_types::{Checkpoint, Root, SignedBlock, State};

use crate::blocks::ArrivedBlock;
use crate::engine::Engine;
use crate::io::{Effect, Event, GossipVerdict, ImportedBlock, Millis, ObjectKind, Publication};
use crate::observer::Step;
use crate::proposal::FinishedBlock;

impl Engine {
    /// A block whose proof verifies: it is relayed, applied and imported.
    pub(crate) fn import_verified(&mut self, arrived: &ArrivedBlock) {
        arrived.settle(&mut self.core, GossipVerdict::Accept);
        // The same block with another valid proof may have been faster.
        if self.core.store.contains(&arrived.root) {
            return;
        }
        self.core.enter(Step::BlockProcessing);
        let transition = self.core.timed(Step::StateTransition, |core| core.transition(&arrived.block));
        match transition {
            Some(Ok(post_state)) => {
                let arrival = arrived.by_gossip.then_some(arrived.arrived);
                let imported = self.import(&arrived.block, arrived.root, post_state, arrival);
                self.core.exit(Step::BlockProcessing);
                if imported {
                    arrived.origins.iter().for_each(|origin| self.sync.delivered(origin.peer()));
                    self.after_import(&arrived.block, arrived.root);
                }
            }
            Some(Err(rejection)) => {
                self.core.exit(Step::BlockProcessing);
                self.core.rejected_block(arrived.refused(), rejection.reason);
                let leads = self.blocks.condemn_relayed(&mut self.core, arrived);
                self.follow(leads);
            }
            // Finality overtook its parent while it was checked.
            None => self.core.exit(Step::BlockProcessing),
        }
    }

    /// Out goes a block of ours; importing it comes second, and needs neither verification nor transition.
    pub(crate) fn publish_block(&mut self, finished: &FinishedBlock) {
        let FinishedBlock { prepared, block } = finished;
        let slot = block.block.slot;
        self.core.push(Effect::Publish { message: Publication::Block(block.clone()) });
        let at_ms = self.core.now.since(Millis::of_slot(slot));
        self.core.announce(Event::Proposed { block: Checkpoint { root: prepared.root, slot }, at_ms });
        self.core.report_proposal(&block.block);
        self.blocks.published(block, prepared.root);
        if self.import(block, prepared.root, prepared.post_state.clone(), None) {
            self.after_import(block, prepared.root);
        }
    }

    /// Puts a block with its post-state into the store, and everything that follows from it into effects. False if the
    /// store refuses it.
    fn import(
        &mut self,
        block: &Arc<SignedBlock>,
        root: Root,
        post_state: Arc<State>,
        arrival: Option<Millis>,
    ) -> bool {
        let before = self.core.snapshot();
        if let Err(rejection) = self.core.store.on_block(&block.block, post_state.clone()) {
            self.core.rejected(ObjectKind::Block, rejection.reason);
            return false;
        }
        self.execution.submit_payload(&mut self.core, root, block);
        let slot = block.block.slot;
        self.core.newest_block = self.core.newest_block.max(slot);
        self.sync.imported(&root);
        self.core.note_votes_in(&block.block);
        if !block.block.body.attestations.is_empty() {
            self.aggregation.aggregate_seen(&self.core);
        }
        self.core.announce_import(block, Checkpoint { root, slot }, arrival);
        if arrival.is_some() && self.plausibility.block_came(self.core.now, slot) {
            self.gate.clock_contradicted(self.core.clock());
        }
        let imported = ImportedBlock { root, block: block.clone(), state: post_state };
        self.core.store_changed(&before, vec![imported]);
        self.forget_finalized();
        true
    }

    /// What an imported block sets free: votes inside it, blocks and votes that waited for it.
    fn after_import(&mut self, block: &Arc<SignedBlock>, root: Root) {
        self.aggregation.split_votes(&mut self.core, block);
        self.votes.block_is_here(&mut self.core, &root);
        for child in self.blocks.take_children(&root) {
            self.consider_block(child);
        }
    }
}
