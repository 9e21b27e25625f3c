//! What passes between the simulated nodes.

use lathe_driver::blocks_in_range;
use lathe_engine::{
    FetchFailure, FetchWhat, GossipVerdict, Input, MessageId, Origin, Peer, Publication, RequestId,
};
use rand::RngExt;

use super::strangers::is_stranger;
use super::{Arrival, Behaviour, Fact, Happening, NodeId, Violation, World};
use crate::byzantine;
use crate::faults::Fault;
use crate::machine::slot_at;
use crate::message::Message;

/// How long a request waits for its answer.
const REQUEST_TIMEOUT_MS: i64 = 2_000;
/// Pause between two chunks of an answer.
const CHUNK_MS: i64 = 2;

impl World<'_> {
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
        self.running(id).into_iter().for_each(|running| _ = running.note(message.id));
        if self.nodes[id].is_honest() {
            self.honest.insert(message.id);
        }
        let neighbours = self.nodes[id].neighbours.clone();
        match self.nodes[id].behaviour {
            Some(Behaviour::Withhold) if self.rng.random_bool(0.5) => self.note(Fault::Withheld),
            Some(Behaviour::Equivocate) => {
                let other = byzantine::contradiction(self.scenario.seed, publication, &self.nodes[id]);
                other.iter().for_each(|_| self.note(Fault::Equivocation));
                let other = other.map_or_else(|| message.clone(), |other| Message::new(&other));
                for (position, neighbour) in neighbours.into_iter().enumerate() {
                    let told = if position % 2 == 0 { &message } else { &other };
                    self.gossip(id, neighbour, told.clone());
                }
            }
            Some(Behaviour::Multiply) => {
                let others = byzantine::variants(self.scenario.seed, publication, &self.nodes[id]);
                others.iter().for_each(|_| self.note(Fault::Multiplied));
                let others = others.iter().map(Message::new);
                for message in others.chain([message]) {
                    for neighbour in &neighbours {
                        self.gossip(id, *neighbour, message.clone());
                    }
                }
            }
            _ => neighbours.into_iter().for_each(|neighbour| self.gossip(id, neighbour, message.clone())),
        }
        Ok(())
    }

    fn gossip(&mut self, from: NodeId, to: NodeId, message: Message) {
        if let Some(delay) = self.transit(from, to) {
            self.schedule_at(self.now + delay, Happening::Gossip { to, from, message });
        }
    }

    /// How long something takes from one node to another; `None` if it is lost.
    fn transit(&mut self, from: NodeId, to: NodeId) -> Option<i64> {
        let delay = self.links.transit(&mut self.rng, self.now, from, to);
        if delay.is_none() {
            self.note(Fault::MessageLost);
        }
        delay
    }

    /// An accepted message is relayed.
    pub(super) fn judged(
        &mut self,
        id: NodeId,
        message: MessageId,
        from: Peer,
        verdict: GossipVerdict,
    ) -> Result<(), Violation> {
        self.doubted(id, message, verdict)?;
        let Some(message) = self.running(id).and_then(|running| running.judged(&message)) else {
            return Ok(());
        };
        if verdict == GossipVerdict::Accept {
            for neighbour in self.nodes[id].neighbours.clone() {
                if neighbour as u64 != from.0 {
                    self.gossip(id, neighbour, message.clone());
                }
            }
        }
        Ok(())
    }

    pub(super) fn fetch(&mut self, id: NodeId, request: RequestId, peer: Peer, what: FetchWhat) {
        if is_stranger(peer) {
            let outcome = if self.never_served() { Ok(()) } else { Err(FetchFailure::Timeout) };
            return self.answer(id, REQUEST_TIMEOUT_MS, Input::FetchEnded { request, outcome });
        }
        let by = peer.0 as NodeId;
        match self.transit(id, by).filter(|_| self.nodes[by].running.is_some()) {
            Some(delay) => self.schedule(id, delay, Arrival::Request { by, request, what }),
            None => {
                let outcome = Err(FetchFailure::Timeout);
                self.answer(id, REQUEST_TIMEOUT_MS, Input::FetchEnded { request, outcome });
            }
        }
    }

    pub(super) fn serve(&mut self, by: NodeId, to: NodeId, request: RequestId, what: &FetchWhat) {
        let mut outcome = Ok(());
        let mut roots = Vec::new();
        let timeout = Input::FetchEnded { request, outcome: Err(FetchFailure::Timeout) };
        let Some(running) = self.running(by) else { return self.answer(to, REQUEST_TIMEOUT_MS, timeout) };
        let head = running.engine.view().head.slot;
        match what {
            FetchWhat::ByRoot(wanted) => roots.clone_from(wanted),
            FetchWhat::ByRange { start, count } => {
                match blocks_in_range(&running.database, *start, *count, head) {
                    Ok(found) => roots = found,
                    Err(_) => outcome = Err(FetchFailure::Unavailable),
                }
            }
        }
        if self.nodes[by].behaviour == Some(Behaviour::Lie) {
            roots.clear();
        }
        let Some(mut delay) = self.transit(by, to) else {
            return self.answer(to, REQUEST_TIMEOUT_MS, timeout);
        };
        // Every chunk may be the last that arrives.
        for root in roots {
            let Some(block) = self.running(by).and_then(|running| running.block(root)) else { continue };
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
        if is_stranger(peer) {
            return self.claim(id, peer);
        }
        let by = peer.0 as NodeId;
        if let Some(delay) = self.transit(id, by) {
            self.schedule(id, delay, Arrival::StatusRequest { by });
        }
    }

    pub(super) fn serve_status(&mut self, by: NodeId, to: NodeId) {
        let Some(status) = self.engine(by).map(|engine| engine.view().status) else { return };
        let lies = self.nodes[by].behaviour == Some(Behaviour::Lie);
        let status = if lies { byzantine::false_status(slot_at(self.now), status) } else { status };
        if lies {
            self.note(Fault::FalseStatus);
        }
        if let Some(delay) = self.transit(by, to) {
            self.answer(to, delay, Input::PeerStatus { peer: Peer(by as u64), status });
        }
    }
}
