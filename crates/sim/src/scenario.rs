//! What happens in a run: all of it follows from the seed.

use std::collections::BTreeMap;

use lathe_types::Slot;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::costs::ProofCosts;
use crate::execution::ExecutionTrouble;
use crate::faults::DriverFaults;
use crate::network::{Links, NodeId, Partition};

/// How a node misbehaves. Never more than a third of the validators do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Tells half of the network one thing and the other half another: votes and blocks.
    Equivocate,
    /// Publishes as many valid blocks for its slot as it can.
    Multiply,
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

/// A node that stops in the middle of whatever it does.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// When, in milliseconds since genesis.
    pub at_ms: i64,
    /// Which node.
    pub node: NodeId,
    /// For how long.
    pub down_ms: i64,
    /// Whether the power goes, and not just the process.
    pub power: bool,
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

/// Strangers at every node.
#[derive(Clone, Copy, Debug)]
pub struct Strangers {
    /// Peers at a time, each of whom claims a head of its own at the clock and delivers nothing.
    pub liars: u64,
    /// Blocks without a parent that each of them sends in a slot.
    pub orphans: u64,
    /// Whether all of them share the address of an honest node.
    pub one_address: bool,
}

/// Proofs in place of signatures, and what they cost.
#[derive(Clone, Debug)]
pub struct ProvingPlan {
    /// Bytes of signatures in a block beyond which proofs are wanted.
    pub max_raw_bytes: usize,
    /// What proving a signature takes on each node's machine, give or take a factor of two.
    pub ms_per_signature: Vec<i64>,
}

/// Length of a slot.
const SLOT_MS: i64 = lathe_types::MILLISECONDS_PER_SLOT as i64;
/// Length of an interval.
const INTERVAL_MS: i64 = lathe_types::MILLISECONDS_PER_INTERVAL as i64;
/// How far clocks are ahead that are wrong.
const CLOCK_ERRORS_MS: [i64; 7] = [-5_000, -800, -400, 400, 800, 5_000, 30_000];
/// Slots with faults in a round of a random run.
const MIN_FAULTY_SLOTS: u64 = 16;
const MAX_FAULTY_SLOTS: u64 = 24;

/// Tells the dice for proofs from all others.
const PROVING_STREAM: u64 = 0x9e37_79b9_7f4a_7c15;
/// The same for strangers.
const STRANGERS_STREAM: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// Faults for a while, then none, and the network must finalize.
#[derive(Clone, Debug)]
pub struct Round {
    /// Slots with faults.
    pub faulty_slots: u64,
    /// Slots after everything has healed.
    pub healed_slots: u64,
    /// Links while there are faults.
    pub links: Links,
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
    /// One after the other.
    pub rounds: Vec<Round>,
    /// Nodes that stop.
    pub crashes: Vec<Crash>,
    /// Clock errors; all clocks are right once healed.
    pub clock_steps: Vec<ClockStep>,
    /// Workers, signers and disks that fail.
    pub drivers: DriverFaults,
    /// The execution layer, if the chain is paired with one.
    pub execution: Option<ExecutionPlan>,
    /// What proofs cost, if they are those of an external system.
    pub proofs: Option<ProofCosts>,
    /// Peers without keys that never go away.
    pub strangers: Option<Strangers>,
    /// Proofs, if the network has them.
    pub proving: Option<ProvingPlan>,
    /// A bug put back in.
    pub sabotage: Option<Sabotage>,
}

/// Slots within which a healed network without misbehaving nodes finalizes something new: two justifiable slots in a
/// row, which come within 20 slots of healing for any lag of up to a hundred, and [`PIPELINE_SLOTS`].
pub const HEALED_SLOTS: u64 = 20 + PIPELINE_SLOTS;
/// Until all nodes have caught up and trust what they see again, and from a block until it is final everywhere.
const PIPELINE_SLOTS: u64 = 16;
/// The lag of finality that a round may heal with: its faults, and the longest wait for finality before them.
const MAX_LAG_SLOTS: u64 = 64;

/// The same where the last `misbehaving` of so many nodes let all their turns pass without a block that counts: both of
/// the two justifiable slots must be turns of others, wherever among the turns finality stands.
fn healed_slots(nodes: u64, misbehaving: u64) -> u64 {
    let has_block = |slot: Slot| slot.0 % nodes < nodes - misbehaving;
    let wait = |finalized: u64, lag: u64| {
        let healed = finalized + lag;
        let mut justifiable =
            (healed + 1..).map(Slot).filter(|slot| slot.is_justifiable_after(Slot(finalized)));
        let mut last = false;
        let second = justifiable.find(|slot| {
            let this = has_block(*slot);
            std::mem::replace(&mut last, this) && this
        });
        second.map_or(0, |second| second.0 - healed)
    };
    let cases = (0..nodes).flat_map(|finalized| (0..=MAX_LAG_SLOTS).map(move |lag| (finalized, lag)));
    cases.map(|(finalized, lag)| wait(finalized, lag)).max().unwrap_or_default() + PIPELINE_SLOTS
}

impl Scenario {
    /// Four nodes with a validator each, no faults at all.
    pub fn healthy(seed: u64, slots: u64) -> Self {
        Self {
            seed,
            nodes: 4,
            validators: 4,
            aggregators: vec![0, 1],
            byzantine: BTreeMap::new(),
            rounds: vec![Round { faulty_slots: slots, healed_slots: 0, links: Links::healthy() }],
            crashes: Vec::new(),
            clock_steps: Vec::new(),
            drivers: DriverFaults::default(),
            execution: None,
            proofs: None,
            proving: None,
            strangers: None,
            sabotage: None,
        }
    }

    /// The same, and the network heals at the end.
    #[must_use]
    pub fn healing(mut self) -> Self {
        self.rounds.iter_mut().for_each(|round| round.healed_slots = HEALED_SLOTS);
        self
    }

    /// The same, and some nodes do not hear others for a while.
    #[must_use]
    pub fn parted(mut self, partition: &Partition) -> Self {
        self.rounds.iter_mut().for_each(|round| round.links.partitions.push(partition.clone()));
        self
    }

    /// The run of that many slots, or few more, that belongs to a seed.
    pub fn from_seed(seed: u64, slots: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let nodes = rng.random_range(4..=7);
        let mut scenario = Self {
            nodes,
            validators: nodes as u64 * *pick(&mut rng, &[1, 1, 2, 4]),
            aggregators: vec![0, 1, 2],
            drivers: driver_faults(&mut rng),
            rounds: Vec::new(),
            ..Self::healthy(seed, 0)
        };
        let is_paired = rng.random_bool(0.3);
        // Fewer than a third: one of four to six, two of seven.
        for node in nodes - rng.random_range(0..=(nodes - 1) / 3)..nodes {
            use Behaviour::{BadPayload, Equivocate, Lie, Multiply, Twin, Withhold};
            let others = *pick(&mut rng, &[Equivocate, Withhold, Lie, Twin, Multiply]);
            let behaviour = if is_paired && rng.random_bool(0.6) { BadPayload } else { others };
            scenario.byzantine.insert(node, behaviour);
        }
        let healed = healed_slots(nodes as u64, scenario.byzantine.len() as u64);
        while scenario.rounds.is_empty() || scenario.slots() + MAX_FAULTY_SLOTS + healed <= slots {
            scenario.add_round(&mut rng, healed);
        }
        let missing = slots.saturating_sub(scenario.slots());
        scenario.rounds.iter_mut().next_back().iter_mut().for_each(|last| last.healed_slots += missing);
        if is_paired {
            scenario.execution = Some(scenario.execution_plan(&mut rng));
        }
        // A stream of its own, so that the runs without are what they would be.
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ PROVING_STREAM);
        if rng.random_bool(0.2) {
            scenario.proofs = Some(ProofCosts {
                aggregate_ms: rng.random_range(50..=800),
                per_signature_ms: rng.random_range(0..=20),
                merge_ms: rng.random_range(50..=800),
                per_component_ms: rng.random_range(20..=300),
                provers: rng.random_range(1..=2),
            });
        } else if rng.random_bool(0.4) {
            scenario.proving = Some(ProvingPlan {
                max_raw_bytes: *pick(&mut rng, &[0, 2_000, 6_000]),
                ms_per_signature: (0..nodes).map(|_| *pick(&mut rng, &[1, 20, 200, 2_000])).collect(),
            });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ STRANGERS_STREAM);
        if rng.random_bool(0.3) {
            scenario.strangers = Some(Strangers {
                liars: *pick(&mut rng, &[1, 4, 12]),
                orphans: *pick(&mut rng, &[0, 1, 4]),
                one_address: rng.random_bool(0.5),
            });
        }
        scenario
    }

    /// Adds a round, and what happens to machines in it.
    fn add_round(&mut self, rng: &mut ChaCha8Rng, healed_slots: u64) {
        let (nodes, begins) = (self.nodes, self.slots() as i64 * SLOT_MS);
        let faulty_slots = rng.random_range(MIN_FAULTY_SLOTS..=MAX_FAULTY_SLOTS);
        let length = faulty_slots as i64 * SLOT_MS;
        let mut links = Links {
            min_delay_ms: 1,
            max_delay_ms: *pick(rng, &[50, 400, 1_500, 3_000]),
            loss_percent: *pick(rng, &[0, 5, 20]),
            partitions: Vec::new(),
        };
        for _ in 0..rng.random_range(0..=2) {
            let from_ms = begins + rng.random_range(0..length);
            let until_ms = from_ms + rng.random_range(4_000..length);
            let side = (0..nodes).filter(|_| rng.random_bool(0.5)).collect();
            links.partitions.push(Partition { from_ms, until_ms, side, one_way: rng.random_bool(0.3) });
        }
        for _ in 0..rng.random_range(0..=4) {
            // At any time, or while duties are done.
            let mut at_ms = begins + rng.random_range(0..length);
            if rng.random_bool(0.5) {
                at_ms += rng.random_range(0..100) - at_ms.rem_euclid(INTERVAL_MS);
            }
            // Back within its slot, or away for some.
            let longest = *pick(rng, &[400, 20_000]);
            let down_ms = rng.random_range(10..longest);
            let (node, power) = (rng.random_range(0..nodes), rng.random_bool(0.7));
            self.crashes.push(Crash { at_ms, node, down_ms, power });
        }
        for _ in 0..rng.random_range(0..=2) {
            let (at_ms, node) = (begins + rng.random_range(0..length), rng.random_range(0..nodes));
            let skew_ms = *pick(rng, &CLOCK_ERRORS_MS);
            self.clock_steps.push(ClockStep { at_ms, node, skew_ms });
        }
        self.rounds.push(Round { faulty_slots, healed_slots, links });
    }

    fn execution_plan(&self, rng: &mut ChaCha8Rng) -> ExecutionPlan {
        let names_latest_valid = (0..self.nodes).filter(|_| rng.random_bool(0.5)).collect();
        let mut plan = ExecutionPlan { faults: Vec::new(), names_latest_valid };
        let mut begins = 0;
        for round in &self.rounds {
            let ends = begins + round.faulty_slots as i64 * SLOT_MS;
            for node in 0..self.nodes {
                // One trouble after the other, so that the end of one is not the end of another.
                let mut from_ms = rng.random_range(begins..ends);
                while from_ms < ends && rng.random_bool(0.5) {
                    use ExecutionTrouble::{Offline, Syncing, Useless, Wiped};
                    let until_ms = from_ms + rng.random_range(100..30_000);
                    let trouble = *pick(rng, &[Offline, Wiped, Syncing, Useless]);
                    plan.faults.push(ExecutionFault { from_ms, until_ms, node, trouble });
                    from_ms = until_ms + rng.random_range(1..20_000);
                }
            }
            begins = ends + round.healed_slots as i64 * SLOT_MS;
        }
        plan
    }

    /// Slots of all rounds.
    pub fn slots(&self) -> u64 {
        self.rounds.iter().map(|round| round.faulty_slots + round.healed_slots).sum()
    }

    /// When the run ends: in the last interval of its last slot.
    pub(crate) fn ends_at_ms(&self) -> i64 {
        self.slots() as i64 * SLOT_MS + SLOT_MS - 1
    }
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

/// Each kind of driver fault in half of all runs, rare in some and frequent in others.
fn driver_faults(rng: &mut ChaCha8Rng) -> DriverFaults {
    let mut rate = |rates: &[u32]| if rng.random_bool(0.5) { *pick(rng, rates) } else { 0 };
    DriverFaults {
        refused: rate(&[5, 50]),
        slow: rate(&[5, 50]),
        failed: rate(&[5, 50]),
        panicked: rate(&[5, 50]),
        signer: rate(&[20, 100]),
        writes: rate(&[2, 10]),
        ledger: rate(&[2, 10]),
        ledger_lost: rate(&[600]),
    }
}
