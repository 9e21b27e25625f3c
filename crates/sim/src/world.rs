//! The loop of a run: one event at a time, in the order of virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_engine::{
    Anchor, Effect, FetchFailure, FetchWhat, GossipVerdict, Input, KeyRole, Millis, Origin, Peer,
    Publication, RequestId, Sequence, SignFailure, SignRequest,
};
use lathe_types::{Checkpoint, Genesis, Signature, Slot, TreeHash, Validator, ValidatorIndex, Validators};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::execution::{EXECUTION_GENESIS, ExecutionClient, ExecutionTrouble};
use crate::invariants::{self, BlockTree, Fact, Invariant};
use crate::message::Message;
use crate::network::{Links, NodeId};
use crate::node::Node;
use crate::scenario::{Behaviour, Sabotage, Scenario};
use crate::{Violation, byzantine, crypto, worker};

/// How long a request waits for its answer.
const REQUEST_TIMEOUT_MS: i64 = 2_000;
/// Pause between two chunks of an answer.
const CHUNK_MS: i64 = 2;

enum Happening {
    Wake { node: NodeId, incarnation: u32 },
    Input { node: NodeId, incarnation: u32, input: Box<Input> },
    Gossip { to: NodeId, from: NodeId, message: Message },
    Signed { node: NodeId, incarnation: u32, job: lathe_engine::JobId, requests: Vec<SignRequest> },
    Synced { node: NodeId, incarnation: u32, sequence: Sequence },
    Serve { by: NodeId, to: NodeId, incarnation: u32, request: RequestId, what: FetchWhat },
    ServeStatus { by: NodeId, to: NodeId, incarnation: u32 },
    Crash { node: NodeId, down_ms: i64 },
    Start { node: NodeId },
    ClockStep { node: NodeId, skew_ms: i64 },
    Trouble { node: NodeId, trouble: Option<ExecutionTrouble> },
    Heal,
}

/// A run in progress.
pub(crate) struct World<'a> {
    scenario: Scenario,
    now: i64,
    rng: ChaCha8Rng,
    queue: BTreeMap<(i64, u64), Happening>,
    next: u64,
    nodes: Vec<Node>,
    links: Links,
    invariants: Vec<Box<dyn Invariant>>,
    tree: BlockTree,
    trace: blake3::Hasher,
    listener: &'a mut dyn FnMut(&str),
    /// What is to be seen of each node when all is done.
    pub(crate) observations: BTreeMap<(NodeId, Slot), (Checkpoint, Checkpoint, Checkpoint)>,
    pub(crate) missed_duties: u64,
}

fn genesis(scenario: &Scenario) -> Result<Anchor, Violation> {
    let validators = (0..scenario.validators).map(ValidatorIndex).map(|index| Validator {
        attestation_public_key: crypto::public_key(scenario.seed, index, KeyRole::Attestation),
        proposal_public_key: crypto::public_key(scenario.seed, index, KeyRole::Proposal),
        index,
    });
    let validators =
        Validators::try_from_iter(validators).map_err(|error| Violation::setup(&format!("{error:?}")))?;
    let state = lathe_transition::generate_genesis(&Genesis {
        genesis_time: 0,
        validators,
        execution_genesis: scenario.execution.as_ref().map(|_| EXECUTION_GENESIS),
        signature_scheme: Default::default(),
    });
    Ok(Anchor::new(lathe_transition::genesis_block(&state).header(), Arc::new(state)))
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: Scenario, listener: &'a mut dyn FnMut(&str)) -> Result<Self, Violation> {
        let anchor = genesis(&scenario)?;
        let mut world = Self {
            now: -1_000,
            rng: ChaCha8Rng::seed_from_u64(scenario.seed ^ 0x5eed),
            queue: BTreeMap::new(),
            next: 0,
            nodes: Vec::new(),
            links: scenario.links.clone(),
            invariants: invariants::all(scenario.healed_slots > 0, scenario.execution.is_some()),
            tree: BlockTree::default(),
            trace: blake3::Hasher::new(),
            listener,
            observations: BTreeMap::new(),
            missed_duties: 0,
            scenario,
        };
        world.build_nodes(&anchor)?;
        world.schedule_faults();
        Ok(world)
    }

    fn build_nodes(&mut self, anchor: &Anchor) -> Result<(), Violation> {
        let mut owners: Vec<NodeId> = (0..self.scenario.nodes).collect();
        let twins =
            |(node, behaviour): (&NodeId, &Behaviour)| (*behaviour == Behaviour::Twin).then_some(*node);
        owners.extend(self.scenario.byzantine.iter().filter_map(twins));
        if self.scenario.sabotage == Some(Sabotage::TwinsOnBothSides) {
            owners.extend(0..self.scenario.nodes);
        }
        for (id, owner) in owners.iter().enumerate() {
            let ours = |validator: &u64| *validator % self.scenario.nodes as u64 == *owner as u64;
            let validators = (0..self.scenario.validators).filter(ours).map(ValidatorIndex).collect();
            let is_aggregator = self.scenario.aggregators.contains(owner);
            let mut node =
                Node::new(id, validators, is_aggregator, anchor).map_err(|error| Violation::setup(&error))?;
            node.behaviour = self.scenario.byzantine.get(owner).copied();
            node.execution = self.scenario.execution.as_ref().map(|plan| {
                let byzantine = node.behaviour == Some(Behaviour::BadPayload);
                ExecutionClient::new(id as u64, byzantine, plan.names_latest_valid.contains(owner))
            });
            // A ring and a chord, so that messages need relays.
            let count = owners.len();
            node.neighbours = [id + 1, id + count - 1, id + count / 2, id + count - count / 2]
                .map(|neighbour| neighbour % count)
                .into_iter()
                .filter(|neighbour| *neighbour != id)
                .collect();
            node.neighbours.sort_unstable();
            node.neighbours.dedup();
            self.nodes.push(node);
        }
        for node in 0..self.nodes.len() {
            self.connect(node);
            self.tell_health(node);
            self.schedule(0, Happening::Wake { node, incarnation: 0 });
        }
        Ok(())
    }

    fn schedule_faults(&mut self) {
        for crash in self.scenario.crashes.clone() {
            self.schedule_at(crash.at_ms, Happening::Crash { node: crash.node, down_ms: crash.down_ms });
        }
        for step in self.scenario.clock_steps.clone() {
            self.schedule_at(step.at_ms, Happening::ClockStep { node: step.node, skew_ms: step.skew_ms });
        }
        for fault in self.scenario.execution.as_ref().map_or_else(Vec::new, |plan| plan.faults.clone()) {
            let node = fault.node;
            self.schedule_at(fault.from_ms, Happening::Trouble { node, trouble: Some(fault.trouble) });
            self.schedule_at(fault.until_ms, Happening::Trouble { node, trouble: None });
        }
        self.schedule_at(self.scenario.heals_at_ms(), Happening::Heal);
    }

    fn schedule(&mut self, delay: i64, happening: Happening) {
        self.schedule_at(self.now + delay, happening);
    }

    fn schedule_at(&mut self, at: i64, happening: Happening) {
        self.queue.insert((at.max(self.now), self.next), happening);
        self.next += 1;
    }

    /// Runs to the end and returns the trace's hash.
    pub(crate) fn run(&mut self) -> Result<[u8; 32], Violation> {
        let end = self.scenario.ends_at_ms();
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > end {
                break;
            }
            self.now = at;
            self.happen(happening)?;
        }
        let nodes =
            self.nodes.iter().filter(|node| node.is_honest() && node.engine.is_some()).map(|node| node.id);
        let nodes = nodes.collect();
        self.tell(&Fact::End { nodes })?;
        Ok(*self.trace.finalize().as_bytes())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::Wake { node, incarnation } => {
                if self.nodes[node].incarnation != incarnation {
                    return Ok(());
                }
                self.nodes[node].wake_at = None;
                self.turn(node, Input::Tick)
            }
            Happening::Input { node, incarnation, input } => {
                if self.nodes[node].incarnation != incarnation {
                    return Ok(());
                }
                self.turn(node, *input)
            }
            Happening::Gossip { to, from, message } => {
                if self.nodes[to].engine.is_none() || !self.nodes[to].hears(&message) {
                    return Ok(());
                }
                self.turn(to, message.input(Peer(from as u64)))
            }
            Happening::Signed { node, incarnation, job, requests } => {
                self.signed(node, incarnation, job, &requests)
            }
            Happening::Synced { node, incarnation, sequence } => self.synced(node, incarnation, sequence),
            Happening::Serve { by, to, incarnation, request, what } => {
                self.serve(by, to, incarnation, request, &what);
                Ok(())
            }
            Happening::ServeStatus { by, to, incarnation } => {
                self.serve_status(by, to, incarnation);
                Ok(())
            }
            Happening::Crash { node, down_ms } => {
                self.crash(node, down_ms);
                Ok(())
            }
            Happening::Start { node } => self.restart(node),
            Happening::ClockStep { node, skew_ms } => {
                self.nodes[node].skew_ms = skew_ms;
                self.nodes[node].wake_at = None;
                self.turn(node, Input::Tick)
            }
            Happening::Trouble { node, trouble } => {
                // What begins before the healing may end after it, but nothing begins again.
                let healed = self.now >= self.scenario.heals_at_ms() && self.scenario.healed_slots > 0;
                self.trouble(node, trouble.filter(|_| !healed));
                Ok(())
            }
            Happening::Heal => self.heal(),
        }
    }

    /// One turn of one engine, and all that follows from it.
    fn turn(&mut self, id: NodeId, input: Input) -> Result<(), Violation> {
        let now = self.now;
        let node = &mut self.nodes[id];
        let clock = node.clock(now);
        let Some(engine) = &mut node.engine else {
            return Ok(());
        };
        engine.handle(clock, input);
        let mut effects = Vec::new();
        while let Some(effect) = engine.poll_effect() {
            effects.push(effect);
        }
        for effect in effects {
            self.perform(id, effect)?;
        }
        self.set_alarm(id);
        Ok(())
    }

    fn set_alarm(&mut self, id: NodeId) {
        let node = &self.nodes[id];
        let Some(Millis(timeout)) = node.engine.as_ref().and_then(lathe_engine::Engine::next_timeout) else {
            return;
        };
        let at = (timeout - node.skew_ms).max(self.now);
        if node.wake_at.is_none_or(|wake_at| at < wake_at) {
            let incarnation = node.incarnation;
            self.nodes[id].wake_at = Some(at);
            self.schedule_at(at, Happening::Wake { node: id, incarnation });
        }
    }

    fn perform(&mut self, id: NodeId, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Verify { job, request } => self.work(id, 1..=6, worker::verify(job, &request)),
            Effect::Aggregate { job, request, .. } => self.work(id, 1..=20, worker::aggregate(job, &request)),
            Effect::Prove { job, request, .. } => self.work(id, 200..=2_500, worker::prove(job, &request)),
            Effect::Prepare { job, request, .. } => self.work(id, 2..=30, worker::prepare(job, &request)),
            Effect::Seal { job, prepared, signature } => {
                self.nodes[id].prepared = Some(prepared.clone());
                self.work(id, 1..=10, worker::seal(job, &prepared, &signature));
            }
            Effect::Split { job, block, wanted, .. } => {
                self.work(id, 1..=5, worker::split(job, &block, &wanted))
            }
            Effect::Sign { job, requests } => {
                let (delay, incarnation) = (self.rng.random_range(5..=45), self.nodes[id].incarnation);
                self.schedule(delay, Happening::Signed { node: id, incarnation, job, requests });
            }
            Effect::Persist { sequence, batch } => self.persist(id, sequence, batch)?,
            Effect::Publish { message } => self.publish(id, &message)?,
            Effect::GossipVerdict { id: message, verdict, peer } => self.judged(id, message, peer, verdict),
            Effect::Fetch { request, peer, what } => self.fetch(id, request, peer, what),
            Effect::RequestStatus { peer } => self.request_status(id, peer),
            Effect::Penalise { .. } => {}
            Effect::NewPayload(_)
            | Effect::ForkchoiceUpdated { .. }
            | Effect::GetPayload { .. }
            | Effect::ReplayPayloads { .. } => self.ask_client(id, effect)?,
            Effect::Announce(event) => self.announced(id, &event)?,
        }
        Ok(())
    }

    fn work(&mut self, node: NodeId, within: std::ops::RangeInclusive<i64>, answer: Input) {
        let delay = self.rng.random_range(within);
        self.answer(node, delay, answer);
    }

    fn answer(&mut self, node: NodeId, delay: i64, input: Input) {
        let incarnation = self.nodes[node].incarnation;
        self.schedule(delay, Happening::Input { node, incarnation, input: Box::new(input) });
    }
}

mod execution;
mod faults;
mod io;
