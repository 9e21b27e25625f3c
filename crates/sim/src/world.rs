//! The loop of a run: one event at a time, in the order of virtual time.

use std::collections::{BTreeMap, BTreeSet};

use lathe_driver::{GenesisBlock, Kind, ProofOutcome, Proved};
use lathe_engine::{Effect, Engine, FetchWhat, Input, JobId, KeyRole, MessageId, Millis, Peer, RequestId};
use lathe_types::{Checkpoint, Genesis, Slot, Validator, ValidatorIndex, Validators};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::costs::backend;
use crate::execution::{EXECUTION_GENESIS, ExecutionClient, ExecutionTrouble};
use crate::faults::{Coverage, Fault};
use crate::invariants::{self, BlockTree, Fact, Invariant};
use crate::keys::Scheme;
use crate::machine::{Machine, Running};
use crate::message::Message;
use crate::network::{Links, NodeId};
use crate::scenario::{Behaviour, Sabotage, Scenario};
use crate::{Violation, keys};

/// Honest nodes neither reject what other honest nodes publish nor blame them for breaking rules.
const TRUST: &str = "honest nodes believe each other";
/// When a run begins, in milliseconds since genesis.
const BEGINS_AT_MS: i64 = -1_000;

/// What happens in a run.
enum Happening {
    /// Something that a node, or another one for it, had under way; it ends with the node.
    To {
        node: NodeId,
        incarnation: u32,
        what: Arrival,
    },
    Gossip {
        to: NodeId,
        from: NodeId,
        message: Message,
    },
    Crash {
        node: NodeId,
        down_ms: i64,
        power: bool,
    },
    Start {
        node: NodeId,
    },
    ClockStep {
        node: NodeId,
        skew_ms: i64,
    },
    Trouble {
        node: NodeId,
        trouble: Option<ExecutionTrouble>,
    },
    Heal,
    /// Strangers come under new names.
    Strangers,
    /// The faults of another round begin.
    Round {
        index: usize,
    },
}

/// What comes to a node.
enum Arrival {
    Wake,
    Input(Box<Input>),
    /// A worker is done.
    Worked {
        kind: Kind,
        answer: Box<Input>,
    },
    Proved {
        job: JobId,
        made: Result<Proved, ProofOutcome>,
        took_ms: i64,
        deadline: Millis,
    },
    /// The signer is done with its first group.
    Signed,
    /// The write under way is over.
    Written,
    /// A request of the node reaches a peer.
    Request {
        by: NodeId,
        request: RequestId,
        what: FetchWhat,
    },
    StatusRequest {
        by: NodeId,
    },
}

/// A run in progress.
pub(crate) struct World<'a> {
    scenario: Scenario,
    now: i64,
    rng: ChaCha8Rng,
    /// For what happens to ledgers: a stream of its own, so that all else stays as it is in runs without that.
    ledger_rng: ChaCha8Rng,
    /// For what strangers do, likewise.
    stranger_rng: ChaCha8Rng,
    /// The name of the next stranger.
    next_name: u64,
    queue: BTreeMap<(i64, u64), Happening>,
    next: u64,
    genesis: GenesisBlock,
    nodes: Vec<Machine>,
    /// Whether the faults of a round are on.
    is_faulty: bool,
    links: Links,
    invariants: Vec<Box<dyn Invariant>>,
    tree: BlockTree,
    /// What honest nodes published.
    honest: BTreeSet<MessageId>,
    trace: blake3::Hasher,
    listener: &'a mut dyn FnMut(&str),
    /// What is to be seen of each node when all is done.
    pub(crate) observations: BTreeMap<(NodeId, Slot), (Checkpoint, Checkpoint, Checkpoint)>,
    pub(crate) missed_duties: u64,
    pub(crate) coverage: Coverage,
}

fn genesis(scenario: &Scenario) -> Result<GenesisBlock, Violation> {
    let validators = (0..scenario.validators).map(ValidatorIndex).map(|index| Validator {
        attestation_public_key: keys::public_key(scenario.seed, index, KeyRole::Attestation),
        proposal_public_key: keys::public_key(scenario.seed, index, KeyRole::Proposal),
        index,
    });
    let validators = Validators::try_from_iter(validators).map_err(|error| Violation {
        invariant: "a node starts",
        what: format!("{error:?}"),
        at_ms: BEGINS_AT_MS,
    })?;
    let execution_genesis = scenario.execution.as_ref().map(|_| EXECUTION_GENESIS);
    Ok(GenesisBlock::new(&Genesis {
        genesis_time: 0,
        validators,
        execution_genesis,
        signature_scheme: Default::default(),
    }))
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: Scenario, listener: &'a mut dyn FnMut(&str)) -> Result<Self, Violation> {
        let heals = scenario.rounds.iter().any(|round| round.healed_slots > 0);
        let mut world = Self {
            now: BEGINS_AT_MS,
            rng: ChaCha8Rng::seed_from_u64(scenario.seed ^ 0x5eed),
            ledger_rng: ChaCha8Rng::seed_from_u64(scenario.seed ^ 0x1ed6e2),
            stranger_rng: ChaCha8Rng::seed_from_u64(scenario.seed ^ 0x57a46e2),
            next_name: strangers::FIRST_NAME,
            queue: BTreeMap::new(),
            next: 0,
            genesis: genesis(&scenario)?,
            nodes: Vec::new(),
            is_faulty: true,
            links: scenario.rounds.first().map_or_else(Links::healthy, |round| round.links.clone()),
            invariants: invariants::all(heals, scenario.execution.is_some()),
            tree: BlockTree::default(),
            honest: BTreeSet::new(),
            trace: blake3::Hasher::new(),
            listener,
            observations: BTreeMap::new(),
            missed_duties: 0,
            coverage: Coverage::default(),
            scenario,
        };
        world.build_nodes()?;
        world.schedule_faults();
        Ok(world)
    }

    fn build_nodes(&mut self) -> Result<(), Violation> {
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
            let scheme = Scheme::default();
            let backend = backend(&scheme, &self.scenario);
            let mut node = Machine::new(id, validators, is_aggregator, scheme, backend);
            node.behaviour = self.scenario.byzantine.get(owner).copied();
            node.execution = self.scenario.execution.as_ref().map(|plan| {
                let byzantine = node.behaviour == Some(Behaviour::BadPayload);
                ExecutionClient::new(id as u64, byzantine, plan.names_latest_valid.contains(owner))
            });
            if self.scenario.sabotage == Some(Sabotage::SyncsNothing) {
                node.disk.turn_sync_off();
            }
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
        (0..self.nodes.len()).try_for_each(|node| self.start(node))
    }

    fn schedule_faults(&mut self) {
        self.schedule_at(0, Happening::Strangers);
        for crash in self.scenario.crashes.clone() {
            let (node, down_ms, power) = (crash.node, crash.down_ms, crash.power);
            self.schedule_at(crash.at_ms, Happening::Crash { node, down_ms, power });
        }
        for step in self.scenario.clock_steps.clone() {
            self.schedule_at(step.at_ms, Happening::ClockStep { node: step.node, skew_ms: step.skew_ms });
        }
        for fault in self.scenario.execution.as_ref().map_or_else(Vec::new, |plan| plan.faults.clone()) {
            let node = fault.node;
            self.schedule_at(fault.from_ms, Happening::Trouble { node, trouble: Some(fault.trouble) });
            self.schedule_at(fault.until_ms, Happening::Trouble { node, trouble: None });
        }
        let mut slots = 0;
        for (index, round) in self.scenario.rounds.clone().into_iter().enumerate() {
            if index > 0 {
                self.schedule_at(Millis::of_slot(Slot(slots)).0, Happening::Round { index });
            }
            if round.healed_slots > 0 {
                let heals_at = Millis::of_slot(Slot(slots + round.faulty_slots));
                self.schedule_at(heals_at.0, Happening::Heal);
            }
            slots += round.faulty_slots + round.healed_slots;
        }
    }

    fn schedule_at(&mut self, at: i64, happening: Happening) {
        self.queue.insert((at.max(self.now), self.next), happening);
        self.next += 1;
    }

    /// Lets something come to a node that runs, unless it has stopped by then.
    fn schedule(&mut self, node: NodeId, delay: i64, what: Arrival) {
        let incarnation = self.nodes[node].incarnation;
        self.schedule_at(self.now + delay, Happening::To { node, incarnation, what });
    }

    fn answer(&mut self, node: NodeId, delay: i64, input: Input) {
        self.schedule(node, delay, Arrival::Input(Box::new(input)));
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
        self.settle()?;
        Ok(*self.trace.finalize().as_bytes())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::To { node, incarnation, what } => {
                let is_there = self.nodes[node].running.is_some();
                if is_there && self.nodes[node].incarnation == incarnation {
                    self.arrive(node, what)
                } else {
                    Ok(())
                }
            }
            Happening::Gossip { to, from, message } => {
                if self.running(to).is_some_and(|running| running.hears(&message)) {
                    self.turn(to, message.input(Peer(from as u64)))
                } else {
                    Ok(())
                }
            }
            Happening::Crash { node, down_ms, power } => {
                let fault = if power { Fault::PowerLost } else { Fault::ProcessDied };
                self.crash(node, down_ms, fault);
                Ok(())
            }
            Happening::Start { node } => self.start(node),
            Happening::ClockStep { node, skew_ms } => {
                self.note(Fault::ClockStepped);
                self.nodes[node].skew_ms = skew_ms;
                self.turn(node, Input::Tick)
            }
            Happening::Trouble { node, trouble } => {
                // What begins before the healing may end after it, but nothing begins again.
                self.trouble(node, trouble.filter(|_| self.is_faulty));
                Ok(())
            }
            Happening::Heal => self.heal(),
            Happening::Strangers => {
                self.strangers_come();
                Ok(())
            }
            Happening::Round { index } => self.next_round(index),
        }
    }

    fn arrive(&mut self, id: NodeId, what: Arrival) -> Result<(), Violation> {
        match what {
            Arrival::Wake => {
                let now = self.now;
                // An alarm that was set earlier still goes off, and is not meant any more.
                let is_due = self
                    .running(id)
                    .is_some_and(|running| running.wake_at.take_if(|at| *at == now).is_some());
                if is_due { self.turn(id, Input::Tick) } else { Ok(()) }
            }
            Arrival::Input(input) => self.turn(id, *input),
            Arrival::Worked { kind, answer } => self.worked(id, kind, *answer),
            Arrival::Proved { job, made, took_ms, deadline } => self.proved(id, job, made, took_ms, deadline),
            Arrival::Signed => self.signed(id),
            Arrival::Written => self.written(id),
            Arrival::Request { by, request, what } => {
                self.serve(by, id, request, &what);
                Ok(())
            }
            Arrival::StatusRequest { by } => {
                self.serve_status(by, id);
                Ok(())
            }
        }
    }

    fn running(&mut self, id: NodeId) -> Option<&mut Running> {
        self.nodes[id].running.as_mut()
    }

    fn engine(&mut self, id: NodeId) -> Option<&mut Engine> {
        self.running(id).map(|running| &mut running.engine)
    }

    /// One turn of one engine, and all that follows from it.
    fn turn(&mut self, id: NodeId, input: Input) -> Result<(), Violation> {
        let clock = self.nodes[id].clock(self.now);
        let mut next = Some(input);
        while let Some(input) = next {
            let Some(engine) = self.engine(id) else { return Ok(()) };
            engine.handle(clock, input);
            let effects: Vec<Effect> = std::iter::from_fn(|| engine.poll_effect()).collect();
            for effect in effects {
                self.perform(id, clock, effect)?;
            }
            next = self.running(id).and_then(|running| running.immediate.pop_front());
        }
        self.set_alarm(id);
        Ok(())
    }

    fn set_alarm(&mut self, id: NodeId) {
        let now = self.now;
        let Some(running) = self.running(id) else { return };
        let Some(at) = running.next_wake(now) else { return };
        if running.wake_at.is_none_or(|wake_at| at < wake_at) {
            running.wake_at = Some(at);
            self.schedule(id, at - now, Arrival::Wake);
        }
    }

    fn perform(&mut self, id: NodeId, clock: Millis, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Verify { .. }
            | Effect::Aggregate { .. }
            | Effect::Prepare { .. }
            | Effect::Seal { .. }
            | Effect::Split { .. } => self.submit(id, clock, effect)?,
            Effect::Prove { job, request, deadline } => self.prove(id, clock, job, &request, deadline),
            Effect::Sign { job, requests } => self.sign(id, job, requests),
            Effect::Persist { sequence, batch } => self.persist(id, sequence, batch)?,
            Effect::Publish { message, .. } => self.publish(id, &message)?,
            Effect::GossipVerdict { id: message, verdict, peer } => {
                self.judged(id, message, peer, verdict)?;
            }
            Effect::Fetch { request, peer, what } => self.fetch(id, request, peer, what),
            Effect::RequestStatus { peer } => self.request_status(id, peer),
            Effect::Penalise { peer, offence } => self.blamed(id, peer, offence)?,
            Effect::NewPayload(_)
            | Effect::ForkchoiceUpdated { .. }
            | Effect::GetPayload { .. }
            | Effect::ReplayPayloads { .. } => self.ask_client(id, effect)?,
            Effect::Announce(event) => self.announced(id, &event)?,
        }
        Ok(())
    }

    /// A fault had an effect.
    fn note(&mut self, fault: Fault) {
        *self.coverage.entry(fault).or_default() += 1;
    }

    /// Whether a fault strikes that does so that often in a thousand times, as long as there are any.
    fn strikes(&mut self, fault: Fault, per_thousand: u32) -> bool {
        let strikes = self.is_faulty && per_thousand > 0 && self.rng.random_range(0..1_000) < per_thousand;
        if strikes {
            self.note(fault);
        }
        strikes
    }
}

mod execution;
mod faults;
mod keep;
mod network;
mod strangers;
mod work;
