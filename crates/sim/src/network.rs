//! Links between nodes: delay, loss, partitions.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A node's position in the simulated network.
pub type NodeId = usize;

/// A time during which some nodes do not hear others.
#[derive(Clone, Debug)]
pub struct Partition {
    /// When it begins, in milliseconds since genesis.
    pub from_ms: i64,
    /// When it ends.
    pub until_ms: i64,
    /// Nodes on the one side; all others are on the other.
    pub side: Vec<NodeId>,
    /// Whether the other side still hears this side.
    pub one_way: bool,
}

impl Partition {
    fn blocks(&self, now: i64, from: NodeId, to: NodeId) -> bool {
        let (inside, outside) = (self.side.contains(&from), self.side.contains(&to));
        let cut = if self.one_way { !inside && outside } else { inside != outside };
        (self.from_ms..self.until_ms).contains(&now) && cut
    }
}

/// How the links behave.
#[derive(Clone, Debug)]
pub struct Links {
    /// Shortest delay in milliseconds.
    pub min_delay_ms: i64,
    /// Longest delay; different delays reorder messages.
    pub max_delay_ms: i64,
    /// Messages lost, in percent.
    pub loss_percent: u32,
    /// Partitions.
    pub partitions: Vec<Partition>,
}

impl Links {
    /// A network in good health.
    pub fn healthy() -> Self {
        Self { min_delay_ms: 2, max_delay_ms: 40, loss_percent: 0, partitions: Vec::new() }
    }

    /// How long a message takes; `None` if it is lost.
    pub(crate) fn transit(&self, rng: &mut ChaCha8Rng, now: i64, from: NodeId, to: NodeId) -> Option<i64> {
        // The dice are thrown in any case, so that a partition does not shift all later ones.
        let lost = rng.random_range(0..100) < self.loss_percent;
        let delay = rng.random_range(self.min_delay_ms..=self.max_delay_ms);
        let cut = self.partitions.iter().any(|partition| partition.blocks(now, from, to));
        (!lost && !cut).then_some(delay)
    }
}
