//! Signer, disk and network of the simulated nodes.

use lathe_engine::{Batch, JobId, MessageId};

use super::{
    Behaviour, CHUNK_MS, Checkpoint, Fact, FetchFailure, FetchWhat, GossipVerdict, Happening, Input, KeyRole,
    Message, NodeId, Origin, Peer, Publication, REQUEST_TIMEOUT_MS, RequestId, RngExt, Sabotage, Sequence,
    SignFailure, SignRequest, Signature, Slot, TreeHash, Violation, World, byzantine, crypto,
};

use crate::execution::is_bad;

impl World<'_> {
    /// Record, sync, sign: what was interrupted before the sync was not signed.
    pub(super) fn signed(
        &mut self,
        id: NodeId,
        incarnation: u32,
        job: JobId,
        requests: &[SignRequest],
    ) -> Result<(), Violation> {
        if self.nodes[id].incarnation != incarnation {
            return Ok(());
        }
        let mut signatures: Vec<Result<Signature, SignFailure>> = Vec::new();
        for request in requests {
            let SignRequest { validator, role, slot, message } = *request;
            if !self.nodes[id].ledger.record(validator, role, slot, message) {
                signatures.push(Err(SignFailure::Refused));
                continue;
            }
            // Two machines with one key sign two roots by design.
            let twins = self.scenario.sabotage == Some(Sabotage::TwinsOnBothSides);
            if self.nodes[id].is_honest() && !twins {
                self.tell(&Fact::Signed { validator, role, slot, root: message })?;
                if self.scenario.sabotage == Some(Sabotage::SignsTwice) && role == KeyRole::Attestation {
                    let root = message.tree_hash_root();
                    self.tell(&Fact::Signed { validator, role, slot, root: !root })?;
                }
            }
            let key = crypto::public_key(self.scenario.seed, validator, role);
            signatures.push(Ok(crypto::sign(&key, slot, &message)));
        }
        self.turn(id, Input::Signed { job, signatures })
    }

    pub(super) fn persist(&mut self, id: NodeId, sequence: Sequence, batch: Batch) -> Result<(), Violation> {
        if self.nodes[id].is_honest() {
            for (root, block, _) in &batch.blocks {
                let checkpoint = Checkpoint { root: *root, slot: block.block.slot };
                self.tell(&Fact::Imported { block: checkpoint, parent: block.block.parent_root })?;
                if is_bad(&block.block.body) {
                    self.tell(&Fact::BadPayload { block: *root })?;
                }
            }
        }
        let incarnation = self.nodes[id].incarnation;
        self.nodes[id].disk.write(sequence, batch);
        let delay = self.rng.random_range(1..=400);
        self.schedule(delay, Happening::Synced { node: id, incarnation, sequence });
        Ok(())
    }

    pub(super) fn synced(
        &mut self,
        id: NodeId,
        incarnation: u32,
        sequence: Sequence,
    ) -> Result<(), Violation> {
        if self.nodes[id].incarnation != incarnation {
            return Ok(());
        }
        let finalized = if self.scenario.sabotage == Some(Sabotage::SyncsNothing) {
            self.nodes[id].engine.as_mut().map(|engine| engine.view().finalized)
        } else {
            Some(self.nodes[id].disk.sync(sequence))
        };
        if let Some(finalized) = finalized.filter(|_| self.nodes[id].is_honest()) {
            self.tell(&Fact::Durable { node: id, finalized })?;
        }
        self.turn(id, Input::Durable { sequence })
    }

    pub(super) fn publish(&mut self, id: NodeId, publication: &Publication) -> Result<(), Violation> {
        if self.nodes[id].is_honest() {
            match publication {
                Publication::Block(block) => {
                    self.tell(&Fact::Proposed { node: id, parent: block.block.parent_root })?;
                }
                Publication::Attestation { attestation, .. } => {
                    self.tell(&Fact::Voted { node: id, head: attestation.data.head })?;
                }
                Publication::Aggregate(_) => {}
            }
        }
        let message = Message::new(publication);
        self.trace.update(&message.id.0);
        self.nodes[id].note(message.id);
        let neighbours = self.nodes[id].neighbours.clone();
        match self.nodes[id].behaviour {
            Some(Behaviour::Withhold) if self.rng.random_bool(0.5) => {}
            Some(Behaviour::Equivocate) => {
                let prepared = self.nodes[id].prepared.clone();
                let other = byzantine::contradiction(self.scenario.seed, publication, prepared.as_ref());
                let other = other.map_or_else(|| message.clone(), |other| Message::new(&other));
                for (position, neighbour) in neighbours.into_iter().enumerate() {
                    let told = if position % 2 == 0 { &message } else { &other };
                    self.gossip(id, neighbour, told.clone());
                }
            }
            _ => neighbours.into_iter().for_each(|neighbour| self.gossip(id, neighbour, message.clone())),
        }
        Ok(())
    }

    fn gossip(&mut self, from: NodeId, to: NodeId, message: Message) {
        if let Some(delay) = self.links.transit(&mut self.rng, self.now, from, to) {
            self.schedule(delay, Happening::Gossip { to, from, message });
        }
    }

    /// An accepted message is relayed.
    pub(super) fn judged(&mut self, id: NodeId, message: MessageId, from: Peer, verdict: GossipVerdict) {
        let Some(message) = self.nodes[id].judged(&message) else {
            return;
        };
        if verdict == GossipVerdict::Accept {
            for neighbour in self.nodes[id].neighbours.clone() {
                if neighbour as u64 != from.0 {
                    self.gossip(id, neighbour, message.clone());
                }
            }
        }
    }

    pub(super) fn fetch(&mut self, id: NodeId, request: RequestId, peer: Peer, what: FetchWhat) {
        let by = peer.0 as NodeId;
        let reached = self.links.transit(&mut self.rng, self.now, id, by);
        match reached.filter(|_| self.nodes[by].engine.is_some()) {
            Some(delay) => {
                let incarnation = self.nodes[id].incarnation;
                self.schedule(delay, Happening::Serve { by, to: id, incarnation, request, what });
            }
            None => {
                let outcome = Err(FetchFailure::Timeout);
                self.answer(id, REQUEST_TIMEOUT_MS, Input::FetchEnded { request, outcome });
            }
        }
    }

    pub(super) fn serve(
        &mut self,
        by: NodeId,
        to: NodeId,
        incarnation: u32,
        request: RequestId,
        what: &FetchWhat,
    ) {
        if self.nodes[to].incarnation != incarnation {
            return;
        }
        let disk = &self.nodes[by].disk;
        let mut blocks = match what {
            FetchWhat::ByRoot(roots) => roots.iter().filter_map(|root| disk.block(root)).cloned().collect(),
            FetchWhat::ByRange { start, count } => disk.range(*start, *count),
        };
        if self.nodes[by].behaviour == Some(Behaviour::Lie) {
            blocks.clear();
        }
        let Some(mut delay) = self.links.transit(&mut self.rng, self.now, by, to) else {
            let outcome = Err(FetchFailure::Timeout);
            return self.answer(to, REQUEST_TIMEOUT_MS, Input::FetchEnded { request, outcome });
        };
        // Every chunk may be the last that arrives.
        let mut outcome = Ok(());
        for block in blocks {
            if self.rng.random_range(0..100) < self.links.loss_percent {
                outcome = Err(FetchFailure::Transport);
                break;
            }
            let origin = Origin::Response { request, peer: Peer(by as u64) };
            self.answer(to, delay, Input::Block { block, origin });
            delay += CHUNK_MS;
        }
        self.answer(to, delay, Input::FetchEnded { request, outcome });
    }

    pub(super) fn request_status(&mut self, id: NodeId, peer: Peer) {
        let by = peer.0 as NodeId;
        if let Some(delay) = self.links.transit(&mut self.rng, self.now, id, by) {
            let incarnation = self.nodes[id].incarnation;
            self.schedule(delay, Happening::ServeStatus { by, to: id, incarnation });
        }
    }

    pub(super) fn serve_status(&mut self, by: NodeId, to: NodeId, incarnation: u32) {
        if self.nodes[to].incarnation != incarnation {
            return;
        }
        let Some(status) = self.nodes[by].engine.as_mut().map(|engine| engine.view().status) else {
            return;
        };
        let lies = self.nodes[by].behaviour == Some(Behaviour::Lie);
        let clock = Slot(u64::try_from(self.now / 4_000).unwrap_or(0));
        let status = if lies { byzantine::false_status(clock, status) } else { status };
        if let Some(delay) = self.links.transit(&mut self.rng, self.now, by, to) {
            self.answer(to, delay, Input::PeerStatus { peer: Peer(by as u64), status });
        }
    }
}
