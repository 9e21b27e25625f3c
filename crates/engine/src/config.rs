//! What the engine is told when it starts.

use std::sync::Arc;

use lathe_types::{BlockHeader, Rejection, Root, SignedBlock, SubnetId, ValidatorIndex, WrongVariant};

/// Default of [`EngineConfig::sign_lead_ms`].
pub const DEFAULT_SIGN_LEAD_MS: u64 = 60;
/// Default of [`EngineConfig::aggregate_capacity`]: how many production signatures fit into one 512 KiB proof.
pub const DEFAULT_AGGREGATE_CAPACITY: usize = 206;

/// Default of [`EngineConfig::merges_at_a_time`]: where merging is free, nobody ever waits for it.
const DEFAULT_MERGES_AT_A_TIME: usize = 4;

/// The engine's settings. Nothing here changes while it runs, except the aggregator role
/// ([`crate::Input::SetAggregator`]).
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Validators whose keys are here, ascending.
    pub local_validators: Vec<ValidatorIndex>,
    /// Whether this node aggregates.
    pub is_aggregator: bool,
    /// Attestation committees, that is subnets; at least one.
    pub committee_count: u64,
    /// Subnets that reach this node: those of its validators, and those that it aggregates. An aggregator expects
    /// the votes of exactly these.
    pub subnets: Vec<SubnetId>,
    /// How long before the start of its slot a block is signed, in milliseconds.
    ///
    /// Signing spends the slot's one-time leaf, so it waits until the block can hardly change any more; but ledger
    /// record, fsync, XMSS signature and final merge must be over at the boundary. On two busy cores these take about
    /// 10 + 10 + 25 + 5 ms with raw proofs, so 60 ms leaves room for one slow fsync and still lets any block of the
    /// slot before, which reaches us up to 3.9 s late, move the head first. What a final merge takes beyond that comes
    /// on top: [`Self::merge_ms`].
    pub sign_lead_ms: u64,
    /// How long the final merge of a block takes, in milliseconds, as long as no prepared block has said so
    /// ([`crate::PreparedBlock::merge_ms`]).
    pub merge_ms: u64,
    /// How much later than interval 4 an aggregate may be finished, in milliseconds: nothing where proofs are cheap;
    /// where they take seconds, votes that count a slot late are better than none.
    pub aggregation_grace_ms: u64,
    /// Raw signatures that one aggregate may fold; more are folded into further, disjoint aggregates.
    pub aggregate_capacity: usize,
    /// Votes beyond which proofs are made for a block of ours; `None` if the backend has none apart from aggregates.
    pub prove_beyond: Option<usize>,
    /// Whether single votes are kept for blocks of ours: the backend proves them together with the block.
    pub keeps_single_votes: bool,
    /// Blocks of ours that may be merged at a time: as many as the backend has provers.
    pub merges_at_a_time: usize,
    /// Votes that may be taken out of one imported block's proof. Splitting raw parts is free; with a proving backend
    /// each takes seconds, so four.
    pub splits_per_block: usize,
    /// Tells a proof of another proof system, in a network that may use another than this node; `None` where the
    /// network's name says that all use the same. Nobody is blamed for such a proof: what it proves is not known here.
    pub is_foreign_proof: Option<fn(&[u8]) -> bool>,
}

impl Default for EngineConfig {
    /// An observer of a network with one subnet and raw proofs.
    fn default() -> Self {
        Self {
            local_validators: Vec::new(),
            is_aggregator: false,
            committee_count: 1,
            subnets: Vec::new(),
            sign_lead_ms: DEFAULT_SIGN_LEAD_MS,
            merge_ms: 0,
            aggregation_grace_ms: 0,
            aggregate_capacity: DEFAULT_AGGREGATE_CAPACITY,
            prove_beyond: None,
            keeps_single_votes: false,
            merges_at_a_time: DEFAULT_MERGES_AT_A_TIME,
            splits_per_block: lathe_types::MAX_ATTESTATIONS_DATA,
            is_foreign_proof: None,
        }
    }
}

/// Where the chain starts for this run.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// Header of the genesis block, or of the newest finalized block that is held.
    pub header: BlockHeader,
    /// State after it.
    pub state: Arc<lathe_types::State>,
    /// Blocks after the anchor with their post-states, every parent before its children. They were verified before
    /// they were stored and are not verified again.
    pub later: Vec<(Arc<SignedBlock>, Arc<lathe_types::State>)>,
    /// The head when the node stopped. Fork choice decides anew; where it decides otherwise, the difference is
    /// persisted.
    pub head: Option<Root>,
}

impl Anchor {
    /// A chain that has nothing after its anchor.
    pub fn new(header: BlockHeader, state: Arc<lathe_types::State>) -> Self {
        Self { header, state, later: Vec::new(), head: None }
    }
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Anchor block and state do not belong together.
    #[error("the anchor block and its state do not belong together: {0}")]
    Anchor(Rejection),
    /// Blocks and states of both chain variants are mixed.
    #[error("{source}")]
    Variant {
        /// What was found.
        source: WrongVariant,
    },
    /// A stored block does not fit onto the anchor.
    #[error("stored block {root} does not fit onto the chain: {source}")]
    Resume {
        /// The block.
        root: Root,
        /// Why.
        source: Rejection,
    },
}
