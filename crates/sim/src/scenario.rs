//! What happens in a run: all of it follows from the seed.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::execution::ExecutionTrouble;
use crate::network::{Links, NodeId, Partition};

/// How a node misbehaves. Never more than a third of the validators do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Tells half of the network one thing and the other half another: votes and blocks.
    Equivocate,
    /// Keeps about half of what it should publish to itself.
    Withhold,
    /// Claims a chain that nobody has, and answers requests with nothing.
    Lie,
    /// Has an execution client that makes payloads which no other accepts; on an execution-paired chain.
    BadPayload,
    /// Runs with keys that another node runs with as well, each with a ledger of its own.
    Twin,
}

/// A bug put back in, to see the detector find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The signer signs a second root for every vote.
    SignsTwice,
    /// Whatever the execution client says is taken for a yes.
    BelievesEveryPayload,
    /// The disk says that writes are durable before they are.
    SyncsNothing,
    /// Every validator is run twice, on machines that know nothing of each other; for the two sides of a partition.
    TwinsOnBothSides,
}

/// A machine that loses power.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// When, in milliseconds since genesis.
    pub at_ms: i64,
    /// Which node.
    pub node: NodeId,
    /// For how long.
    pub down_ms: i64,
}

/// A clock that is set wrong.
#[derive(Clone, Copy, Debug)]
pub struct ClockStep {
    /// When.
    pub at_ms: i64,
    /// Which node.
    pub node: NodeId,
    /// How far its clock is off from then on.
    pub skew_ms: i64,
}

/// An execution client in trouble.
#[derive(Clone, Copy, Debug)]
pub struct ExecutionFault {
    /// From when.
    pub from_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// Whose client.
    pub node: NodeId,
    /// What is wrong.
    pub trouble: ExecutionTrouble,
}

/// The execution layer of a paired chain.
#[derive(Clone, Debug, Default)]
pub struct ExecutionPlan {
    /// What goes wrong; all is well once healed.
    pub faults: Vec<ExecutionFault>,
    /// Nodes whose clients say which payload was the last valid one.
    pub names_latest_valid: Vec<NodeId>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where all the randomness comes from.
    pub seed: u64,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of validators, spread over the nodes in turn.
    pub validators: u64,
    /// Nodes that aggregate.
    pub aggregators: Vec<NodeId>,
    /// Nodes that misbehave.
    pub byzantine: BTreeMap<NodeId, Behaviour>,
    /// Links while there are faults.
    pub links: Links,
    /// Power losses.
    pub crashes: Vec<Crash>,
    /// Clock errors; all clocks are right once healed.
    pub clock_steps: Vec<ClockStep>,
    /// Slots with faults.
    pub faulty_slots: u64,
    /// Slots after everything has healed.
    pub healed_slots: u64,
    /// The execution layer, if the chain is paired with one.
    pub execution: Option<ExecutionPlan>,
    /// A bug put back in.
    pub sabotage: Option<Sabotage>,
}

/// Slots within which a healed network finalizes something new. After 24 slots without finality the second-next
/// justifiable slot is at most 12 away; the pipeline takes 8, a missing proposer or two the rest.
pub const HEALED_SLOTS: u64 = 36;

/// The same where a node goes on proposing blocks that everybody refuses: finality takes two justifiable slots in a row
/// with a block each, and every second one may be its turn, as theirs lie five to eight slots apart by then.
const HEALED_SLOTS_WITH_BAD_PAYLOADS: u64 = 2 * HEALED_SLOTS;

impl Scenario {
    /// Four nodes with a validator each, no faults at all.
    pub fn healthy(seed: u64, slots: u64) -> Self {
        Self {
            seed,
            nodes: 4,
            validators: 4,
            aggregators: vec![0, 1],
            byzantine: BTreeMap::new(),
            links: Links::healthy(),
            crashes: Vec::new(),
            clock_steps: Vec::new(),
            faulty_slots: slots,
            healed_slots: 0,
            execution: None,
            sabotage: None,
        }
    }

    /// The run that belongs to a seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let nodes = rng.random_range(4..=7);
        let faulty_slots = rng.random_range(16..=24);
        let end_ms = faulty_slots as i64 * 4_000;
        let mut scenario = Self {
            nodes,
            validators: nodes as u64 * *pick(&mut rng, &[1, 1, 2, 4]),
            aggregators: vec![0, 1, 2],
            faulty_slots,
            healed_slots: HEALED_SLOTS,
            links: Links {
                min_delay_ms: 1,
                max_delay_ms: *pick(&mut rng, &[50, 400, 1_500, 3_000]),
                loss_percent: *pick(&mut rng, &[0, 5, 20]),
                partitions: Vec::new(),
            },
            ..Self::healthy(seed, faulty_slots)
        };
        // Fewer than a third: one of four to six, two of seven.
        let byzantine = rng.random_range(0..=(nodes - 1) / 3);
        for node in nodes - byzantine..nodes {
            let behaviours = [Behaviour::Equivocate, Behaviour::Withhold, Behaviour::Lie, Behaviour::Twin];
            scenario.byzantine.insert(node, *pick(&mut rng, &behaviours));
        }
        for _ in 0..rng.random_range(0..=2) {
            let from_ms = rng.random_range(0..end_ms);
            let until_ms = from_ms + rng.random_range(4_000..end_ms);
            let side = (0..nodes).filter(|_| rng.random_bool(0.5)).collect();
            let one_way = rng.random_bool(0.3);
            scenario.links.partitions.push(Partition { from_ms, until_ms, side, one_way });
        }
        for _ in 0..rng.random_range(0..=4) {
            let crash = Crash {
                at_ms: rng.random_range(0..end_ms),
                node: rng.random_range(0..nodes),
                down_ms: rng.random_range(10..20_000),
            };
            scenario.crashes.push(crash);
        }
        for _ in 0..rng.random_range(0..=2) {
            let step = ClockStep {
                at_ms: rng.random_range(0..end_ms),
                node: rng.random_range(0..nodes),
                skew_ms: *pick(&mut rng, &[-5_000, -800, -400, 400, 800, 5_000, 30_000]),
            };
            scenario.clock_steps.push(step);
        }
        scenario
    }

    /// The run that belongs to a seed on an execution-paired chain: the same faults, and execution clients in trouble.
    pub fn paired_from_seed(seed: u64) -> Self {
        let mut scenario = Self::from_seed(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xe1);
        let end_ms = scenario.heals_at_ms();
        for behaviour in scenario.byzantine.values_mut() {
            if rng.random_bool(0.6) {
                *behaviour = Behaviour::BadPayload;
                scenario.healed_slots = HEALED_SLOTS_WITH_BAD_PAYLOADS;
            }
        }
        let names_latest_valid = (0..scenario.nodes).filter(|_| rng.random_bool(0.5)).collect();
        let mut plan = ExecutionPlan { faults: Vec::new(), names_latest_valid };
        for node in 0..scenario.nodes {
            // One trouble after the other, so that the end of one is not the end of another.
            let mut from_ms = rng.random_range(0..end_ms);
            while from_ms < end_ms && rng.random_bool(0.5) {
                use ExecutionTrouble::{Offline, Syncing, Useless, Wiped};
                let until_ms = from_ms + rng.random_range(100..30_000);
                let trouble = *pick(&mut rng, &[Offline, Wiped, Syncing, Useless]);
                plan.faults.push(ExecutionFault { from_ms, until_ms, node, trouble });
                from_ms = until_ms + rng.random_range(1..20_000);
            }
        }
        Self { execution: Some(plan), ..scenario }
    }

    /// When the faults end, in milliseconds since genesis.
    pub fn heals_at_ms(&self) -> i64 {
        self.faulty_slots as i64 * 4_000
    }

    /// When the run ends: in the last interval of its last slot.
    pub fn ends_at_ms(&self) -> i64 {
        (self.faulty_slots + self.healed_slots) as i64 * 4_000 + 3_999
    }
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}
