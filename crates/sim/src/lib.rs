//! A seeded simulator of many engines: for finding the runs in which consensus goes wrong, and for
//! running them again.
//!
//! One thread, virtual time, one source of randomness: the same seed gives the same run, down to the last byte of its
//! trace. The engine is the real one, and so is what carries its work out: jobs and their queue, proofs, the rules of
//! the database, the signing ledger, chain time. Threads, disks, clocks and the network are simulated, and fail as
//! theirs do; signatures cost nothing. Faults come in rounds, during which only safety is asked for; then everything
//! heals, and the network must finalize. A violated invariant ends the run with the command that replays it.

mod byzantine;
mod costs;
mod execution;
mod faults;
pub mod invariants;
mod keys;
mod machine;
mod message;
mod network;
mod scenario;
mod world;

use std::collections::BTreeMap;

use lathe_types::{Checkpoint, Slot};

pub use costs::ProofCosts;
pub use execution::ExecutionTrouble;
pub use faults::{Coverage, DriverFaults, Fault};
pub use network::{Links, NodeId, Partition};
pub use scenario::{
    Behaviour, ClockStep, Crash, ExecutionFault, ExecutionPlan, HEALED_SLOTS, ProvingPlan, Round, Sabotage,
    Scenario, Strangers,
};

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Hash over everything that happened.
    pub trace: [u8; 32],
    /// Head, and the justified and finalized checkpoints of its state, per node at interval 3 of every slot.
    pub observations: BTreeMap<(NodeId, Slot), (Checkpoint, Checkpoint, Checkpoint)>,
    /// Duties that were not done, over all nodes.
    pub missed_duties: u64,
    /// The faults that struck.
    pub coverage: Coverage,
}

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {what} (at {at_ms} ms)")]
pub struct Violation {
    /// Which property.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// When, in milliseconds since genesis.
    pub at_ms: i64,
}

/// Runs a scenario to its end, or to the first violation.
pub fn run(scenario: Scenario) -> Result<Outcome, Violation> {
    run_telling(scenario, &mut |_| ())
}

/// Runs a scenario, and tells every event of every node: time, node, event.
pub fn run_telling(scenario: Scenario, tell: &mut dyn FnMut(&str)) -> Result<Outcome, Violation> {
    let mut world = world::World::new(scenario, tell)?;
    let trace = world.run()?;
    Ok(Outcome {
        trace,
        observations: world.observations,
        missed_duties: world.missed_duties,
        coverage: world.coverage,
    })
}

/// The command that runs one seed again.
pub fn replay_command(seed: u64, slots: u64) -> String {
    format!("cargo run -p lathe-sim -- --seed {seed} --seeds 1 --slots {slots}")
}
