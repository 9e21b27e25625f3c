//! What goes wrong, and what is watched.

use lathe_engine::{Event, Group};
use lathe_types::{Checkpoint, Interval, Phase, Slot};

use super::{Fact, Happening, Input, Links, NodeId, Peer, Violation, World};

impl World<'_> {
    pub(super) fn connect(&mut self, id: NodeId) {
        for neighbour in self.nodes[id].neighbours.clone() {
            if self.nodes[neighbour].engine.is_some() {
                self.answer(id, 1, peer_connected(neighbour));
            }
        }
    }

    pub(super) fn crash(&mut self, id: NodeId, down_ms: i64) {
        if self.nodes[id].engine.is_none() {
            return;
        }
        self.nodes[id].lose_power();
        for neighbour in self.nodes[id].neighbours.clone() {
            self.answer(neighbour, 10, Input::PeerDisconnected { peer: Peer(id as u64) });
        }
        self.schedule(down_ms, Happening::Start { node: id });
    }

    pub(super) fn restart(&mut self, id: NodeId) -> Result<(), Violation> {
        if self.nodes[id].engine.is_some() {
            return Ok(());
        }
        self.nodes[id].start().map_err(|error| Violation::setup(&error))?;
        if self.nodes[id].is_honest()
            && let Some(engine) = &mut self.nodes[id].engine
        {
            let view = engine.view();
            self.tell(&Fact::Chain {
                node: id,
                head: view.head,
                finalized: view.finalized,
                restarted: true,
            })?;
        }
        self.connect(id);
        self.tell_health(id);
        for neighbour in self.nodes[id].neighbours.clone() {
            self.answer(neighbour, 1, peer_connected(id));
        }
        self.turn(id, Input::Tick)
    }

    /// All faults end. Whoever is down starts; clocks are right; links are in good health.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        if self.scenario.healed_slots == 0 {
            return Ok(());
        }
        self.links = Links::healthy();
        let slot = Slot(self.scenario.faulty_slots);
        self.tell(&Fact::Healed { slot })?;
        for id in 0..self.nodes.len() {
            self.nodes[id].skew_ms = 0;
            self.nodes[id].wake_at = None;
            self.trouble(id, None);
            self.restart(id)?;
            self.turn(id, Input::Tick)?;
        }
        Ok(())
    }

    pub(super) fn announced(&mut self, id: NodeId, event: &Event) -> Result<(), Violation> {
        let line = format!("{} {id} {event:?}\n", self.now);
        self.trace.update(line.as_bytes());
        (self.listener)(&line);
        match event {
            Event::Head { .. } | Event::Finalized(_) => self.tell_of_chain(id),
            Event::Interval(interval) => {
                self.sample(id, *interval);
                Ok(())
            }
            Event::DutyMissed { .. } => {
                self.missed_duties += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn tell_of_chain(&mut self, id: NodeId) -> Result<(), Violation> {
        let node = &mut self.nodes[id];
        let Some(engine) = node.engine.as_mut().filter(|_| node.behaviour.is_none()) else {
            return Ok(());
        };
        let view = engine.view();
        self.tell(&Fact::Chain { node: id, head: view.head, finalized: view.finalized, restarted: false })
    }

    /// Head and its own state's checkpoints at interval 3 of every slot, for the timeline.
    fn sample(&mut self, id: NodeId, interval: Interval) {
        if interval.phase() != Phase::UpdateSafeTarget {
            return;
        }
        if let Some(engine) = &mut self.nodes[id].engine {
            let view = engine.view();
            let seen: (Checkpoint, Checkpoint, Checkpoint) =
                (view.head, view.head_justified, view.head_finalized);
            self.observations.insert((id, interval.slot()), seen);
        }
    }

    pub(super) fn tell(&mut self, fact: &Fact) -> Result<(), Violation> {
        if let Fact::Imported { block, parent } = fact {
            self.tree.insert(*block, *parent);
        }
        for invariant in &mut self.invariants {
            if let Err(what) = invariant.observe(&self.tree, fact) {
                return Err(Violation { invariant: invariant.name(), what, at_ms: self.now });
            }
        }
        Ok(())
    }
}

/// Every node has an address of its own.
fn peer_connected(id: NodeId) -> Input {
    Input::PeerConnected { peer: Peer(id as u64), group: Group(id as u64) }
}
