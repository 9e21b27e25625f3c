//! What goes wrong with machines, and what is watched.

use lathe_engine::{Event, GossipVerdict, Group, Input, MissReason, Offence, Peer};
use lathe_storage::Database;
use lathe_types::{Checkpoint, Interval, Phase, Slot};
use rand::RngExt;

use super::keep::entries;
use super::{Fact, Happening, Links, MessageId, Millis, NodeId, Violation, World};
use crate::faults::Fault;
use crate::machine::{Machine, slot_at};

/// Bytes that the end of a ledger loses at most: several slots of records.
const MAX_LOST_BYTES: usize = 2_000;
/// Bytes of a ledger before its records.
const HEADER_BYTES: usize = 36;
/// How far a clock is behind that was set back with it: one slot or two.
const SET_BACK_MS: std::ops::RangeInclusive<i64> = 4_000..=9_000;
/// When a node is started again that cannot start yet.
const SUPERVISED_MS: i64 = 1_000;

impl World<'_> {
    pub(super) fn connect(&mut self, id: NodeId) {
        for neighbour in self.nodes[id].neighbours.clone() {
            if self.nodes[neighbour].running.is_some() {
                self.answer(id, 1, peer_connected(neighbour));
                self.answer(neighbour, 1, peer_connected(id));
            }
        }
    }

    /// A node stops in the middle of whatever it does.
    pub(super) fn crash(&mut self, id: NodeId, down_ms: i64, fault: Fault) {
        if self.nodes[id].running.is_none() {
            return;
        }
        self.note(fault);
        if fault == Fault::PowerLost {
            self.lose_power(id);
        }
        self.lose_ledger(id);
        self.nodes[id].running = None;
        self.nodes[id].stopped_at = Some(self.now);
        self.nodes[id].incarnation += 1;
        for neighbour in self.nodes[id].neighbours.clone() {
            self.answer(neighbour, 1, Input::PeerDisconnected { peer: Peer(id as u64) });
        }
        self.schedule_at(self.now + down_ms, Happening::Start { node: id });
    }

    fn lose_power(&mut self, id: NodeId) {
        let Some(running) = self.nodes[id].running.take() else { return };
        let mut running = running;
        let files = [&self.nodes[id].ledger_file, &self.nodes[id].mark_file].map(Clone::clone);
        if let Some(persist) = running.writing.take()
            && self.rng.random_bool(0.5)
            && running.database.write(&persist.batch).is_ok()
        {
            self.note(Fault::UnreportedWrite);
        }
        if let Some((_, requests)) = running.orders.pop_front()
            && self.rng.random_bool(0.5)
        {
            self.note(Fault::TornRecord);
            files[self.ledger_rng.random_range(0..files.len())].fail_after(1);
            running.record(&entries(&requests));
        }
        self.nodes[id].disk.lose_power();
        files.iter().for_each(|file| file.lose_power(|bound| self.ledger_rng.random_range(0..bound)));
    }

    /// A bad disk, or somebody's hand: the end of the ledger is gone, or all of it, or it is an older copy, and the
    /// clock may be set back as well. The marks stay, as they lie beside the keys.
    fn lose_ledger(&mut self, id: NodeId) {
        use Fault::{ClockStepped, LedgerEndLost, LedgerLost, LedgerRestored};
        let rng = &mut self.ledger_rng;
        if !self.is_faulty || rng.random_range(0..1_000) >= self.scenario.drivers.ledger_lost {
            return;
        }
        let node = &mut self.nodes[id];
        let (fault, left) = match rng.random_range(0..3) {
            0 => {
                let bytes = node.ledger_file.copied().unwrap_or_default();
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                let lost = rng.random_range(1..=MAX_LOST_BYTES);
                // Without its header the file is no ledger, and an operator has to decide.
                (LedgerEndLost, Some(bytes[..end.saturating_sub(lost).max(HEADER_BYTES)].to_vec()))
            }
            1 => (LedgerRestored, node.backup.clone()),
            _ => (LedgerLost, None),
        };
        node.ledger_file.put_back(left);
        // So that duties come again that were done before.
        let is_set_back = rng.random_bool(0.5);
        if is_set_back {
            node.skew_ms = -rng.random_range(SET_BACK_MS);
        }
        self.note(fault);
        if is_set_back {
            self.note(ClockStepped);
        }
    }

    pub(super) fn start(&mut self, id: NodeId) -> Result<(), Violation> {
        if self.nodes[id].running.is_some() {
            return Ok(());
        }
        let (now, genesis) = (self.now, self.genesis.clone());
        if let Err(error) = self.nodes[id].start(now, &genesis) {
            if let Some(lathe_ledger::Error::UsedBeforeGenesis { .. }) = error.downcast_ref() {
                // Its clock was set back to before genesis, and it waits for that.
                self.schedule_at(now + SUPERVISED_MS, Happening::Start { node: id });
                return Ok(());
            }
            return Err(self.violation("a node starts", format!("node {id}: {error}")));
        }
        if self.nodes[id].stopped_at.map(slot_at) == Some(slot_at(now)) {
            self.note(Fault::RestartedInSlot);
        }
        let is_honest = self.nodes[id].is_honest();
        if let Some(running) = self.running(id).filter(|_| is_honest) {
            let view = running.engine.view();
            let found = running.database.checkpoints().and_then(|checkpoints| {
                let canonical = running.database.canonical_range(Slot(0), u64::MAX)?;
                Ok((checkpoints, canonical))
            });
            let Ok((Some(checkpoints), canonical)) = found else {
                return Err(
                    self.violation("a node starts", format!("node {id}: the database is not readable"))
                );
            };
            self.tell(&Fact::Started { node: id, checkpoints, canonical })?;
            self.tell(&Fact::Chain { node: id, head: view.head, finalized: view.finalized })?;
        }
        self.connect(id);
        self.tell_health(id);
        self.turn(id, Input::Tick)
    }

    /// All faults end. Whoever is down starts; clocks are right; links are in good health.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.is_faulty = false;
        self.links = Links::healthy();
        self.tell(&Fact::Healed { slot: Millis(self.now).slot() })?;
        for id in 0..self.nodes.len() {
            self.nodes[id].put_clock_right(self.now);
            self.trouble(id, None);
            self.start(id)?;
            self.turn(id, Input::Tick)?;
        }
        Ok(())
    }

    /// The healed phase of a round is over.
    pub(super) fn settle(&mut self) -> Result<(), Violation> {
        let nodes = self.nodes.iter().filter(|node| node.is_honest() && node.running.is_some());
        let nodes = nodes.map(|node| node.id).collect();
        self.tell(&Fact::Settled { nodes })
    }

    pub(super) fn next_round(&mut self, index: usize) -> Result<(), Violation> {
        self.settle()?;
        self.is_faulty = true;
        self.links = self.scenario.rounds[index].links.clone();
        Ok(())
    }

    /// Blame of a peer: an honest one has not earned it.
    pub(super) fn blamed(&mut self, id: NodeId, peer: Peer, offence: Offence) -> Result<(), Violation> {
        let is_honest = |id: NodeId| self.nodes.get(id).is_some_and(Machine::is_honest);
        let is_between_honest = is_honest(id) && is_honest(peer.0 as NodeId);
        if is_between_honest && offence != Offence::Unresponsive {
            let what = format!("node {id} blames node {}: {offence:?}", peer.0);
            return Err(self.violation(super::TRUST, what));
        }
        Ok(())
    }

    /// The verdict on a message: one that an honest node published is not rejected.
    pub(super) fn doubted(
        &mut self,
        id: NodeId,
        message: MessageId,
        verdict: GossipVerdict,
    ) -> Result<(), Violation> {
        let rejects = verdict == GossipVerdict::Reject && self.nodes[id].is_honest();
        if rejects && self.honest.contains(&message) {
            let what = format!("node {id} rejects what an honest node published");
            return Err(self.violation(super::TRUST, what));
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
            Event::DutyMissed { slot, reason, .. } => {
                self.missed_duties += 1;
                let is_told = *reason == MissReason::NotSynced && self.nodes[id].is_honest();
                if is_told { self.tell(&Fact::NotSynced { node: id, slot: *slot }) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn tell_of_chain(&mut self, id: NodeId) -> Result<(), Violation> {
        if !self.nodes[id].is_honest() {
            return Ok(());
        }
        let Some(engine) = self.engine(id) else { return Ok(()) };
        let view = engine.view();
        self.tell(&Fact::Chain { node: id, head: view.head, finalized: view.finalized })
    }

    /// Head and its own state's checkpoints at interval 3 of every slot, for the timeline.
    fn sample(&mut self, id: NodeId, interval: Interval) {
        if interval.phase() != Phase::UpdateSafeTarget {
            return;
        }
        if let Some(engine) = self.engine(id) {
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

    pub(super) fn violation(&self, invariant: &'static str, what: String) -> Violation {
        Violation { invariant, what, at_ms: self.now }
    }
}

/// Every node has an address of its own.
fn peer_connected(id: NodeId) -> Input {
    Input::PeerConnected { peer: Peer(id as u64), group: Group(id as u64) }
}
