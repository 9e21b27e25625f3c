//! The execution clients of the simulated nodes.

use std::sync::Arc;

use lathe_engine::{
    Effect, ExecutionHealth, ForkchoiceState, JobId, NewPayload, PayloadAttributes, PayloadVerdict,
};
use lathe_types::{Checkpoint, Root, SignedBlock};
use rand::RngExt;

use super::{Fact, Input, NodeId, Sabotage, Violation, World};
use crate::execution::ExecutionTrouble;
use crate::faults::Fault;

impl World<'_> {
    /// What the engine wants of its client.
    pub(super) fn ask_client(&mut self, id: NodeId, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::NewPayload(NewPayload { block, execution, .. }) => {
                let Some(client) = &mut self.nodes[id].execution else { return Ok(()) };
                let verdict = client.new_payload(execution.payload());
                let delay = self.rng.random_range(1..=60);
                self.report(id, delay, block, verdict)
            }
            Effect::ForkchoiceUpdated { state, build } => self.forkchoice_updated(id, &state, build),
            Effect::GetPayload { job, .. } => {
                let Some(client) = &mut self.nodes[id].execution else { return Ok(()) };
                let answer = match client.get_payload(job) {
                    Ok(execution) => Input::PayloadReady { job, execution },
                    Err(failure) => Input::PayloadFailed { job, failure },
                };
                let delay = self.rng.random_range(1..=80);
                self.answer(id, delay, answer);
                Ok(())
            }
            Effect::ReplayPayloads { job, head } => self.replay(id, job, head),
            _ => Ok(()),
        }
    }

    fn forkchoice_updated(
        &mut self,
        id: NodeId,
        state: &ForkchoiceState,
        build: Option<(JobId, PayloadAttributes)>,
    ) -> Result<(), Violation> {
        let Some(client) = &mut self.nodes[id].execution else { return Ok(()) };
        let verdict = client.forkchoice(state, build);
        let delay = self.rng.random_range(1..=60);
        self.report(id, delay, state.block, verdict)
    }

    /// Hands over what the client lacks, read from the disk, oldest first.
    fn replay(&mut self, id: NodeId, job: JobId, head: Checkpoint) -> Result<(), Violation> {
        let node = &mut self.nodes[id];
        let (Some(client), Some(running)) = (&mut node.execution, &node.running) else { return Ok(()) };
        let on_disk = |root| Some((root, running.block(root)?));
        let chain = std::iter::successors(on_disk(head.root), |(_, block)| on_disk(block.block.parent_root));
        let missing = chain.map_while(|(root, block): (Root, Arc<SignedBlock>)| {
            let hash = block.block.body.execution.as_ref()?.payload().block_hash;
            (!client.knows(&hash)).then_some((root, block))
        });
        let missing: Vec<_> = missing.collect();
        let mut delay = 1;
        let mut verdicts = Vec::new();
        for (root, block) in missing.into_iter().rev() {
            let Some(execution) = &block.block.body.execution else { continue };
            let verdict = client.new_payload(execution.payload());
            verdicts.push((root, verdict));
            if verdict != PayloadVerdict::Valid {
                break;
            }
        }
        for (root, verdict) in verdicts {
            self.report(id, delay, root, verdict)?;
            delay += 2;
        }
        self.answer(id, delay, Input::ReplayEnded { job });
        Ok(())
    }

    /// Passes on what the client says, and notes what it really said.
    fn report(
        &mut self,
        id: NodeId,
        delay: i64,
        block: Root,
        verdict: PayloadVerdict,
    ) -> Result<(), Violation> {
        if verdict == PayloadVerdict::Valid && self.nodes[id].is_honest() {
            self.tell(&Fact::Validated { node: id, block })?;
        }
        let believes = self.scenario.sabotage == Some(Sabotage::BelievesEveryPayload);
        let verdict = if believes { PayloadVerdict::Valid } else { verdict };
        self.answer(id, delay, Input::PayloadStatus { block, verdict });
        Ok(())
    }

    /// The client's trouble begins or ends.
    pub(super) fn trouble(&mut self, id: NodeId, trouble: Option<ExecutionTrouble>) {
        let Some(client) = &mut self.nodes[id].execution else { return };
        client.trouble = trouble;
        trouble.iter().for_each(|_| *self.coverage.entry(Fault::ExecutionTrouble).or_default() += 1);
        if trouble == Some(ExecutionTrouble::Wiped) {
            client.wipe();
        }
        self.tell_health(id);
    }

    /// The engine learns whether its client can be reached.
    pub(super) fn tell_health(&mut self, id: NodeId) {
        let Some(client) = &self.nodes[id].execution else { return };
        let online = client.is_online();
        let health = if online { ExecutionHealth::Online } else { ExecutionHealth::Offline };
        let delay = self.rng.random_range(1..=50);
        self.answer(id, delay, Input::ExecutionHealth(health));
    }
}
