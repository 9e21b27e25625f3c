//! What the server asks of the node.

use std::str::FromStr;
use std::sync::Arc;

use lathe_types::{Checkpoint, Root, SignedBlock, Slot, State, ValidatorIndex};
use serde::Serialize;

use crate::events::Feed;
use crate::overview::Overview;

/// Why the node has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Not ready, or that part of the node does not run; 503.
    #[error("not available now")]
    Unavailable,
    /// There is no such object; 404.
    #[error("not found")]
    NotFound,
    /// The node failed to answer; 500.
    #[error("internal error")]
    Internal,
}

/// Changes how much a program logs, while it runs.
pub trait LogSwitch: Send + Sync {
    /// The level, or the list of levels, as it was asked for.
    fn level(&self) -> String;

    /// Sets another; the error says why it is none.
    fn set(&self, level: &str) -> Result<(), String>;
}

/// The node, as the server sees it.
///
/// Answers come from a view that the node keeps up to date. [`Self::state`] and [`Self::block`] may read a disk and are
/// called on a blocking thread; all others must return at once.
pub trait Api: Send + Sync + 'static {
    /// Whether the node does its work; the error says what is wrong in one line.
    fn health(&self) -> Result<(), String>;

    /// The state after a block, with the block's root.
    fn state(&self, id: BlockId) -> Result<(Root, Arc<State>), ApiError>;

    /// A block and its root; at genesis the anchor block with an empty proof.
    fn block(&self, id: BlockId) -> Result<(Root, Arc<SignedBlock>), ApiError>;

    /// The head.
    fn head(&self) -> Result<Checkpoint, ApiError>;

    /// The node at one glance.
    fn overview(&self) -> Result<Overview, ApiError>;

    /// Where events are published.
    fn feed(&self) -> Feed;

    /// Highest justified checkpoint.
    fn justified_checkpoint(&self) -> Result<Checkpoint, ApiError>;

    /// The block tree from the finalized slot on.
    fn fork_choice(&self) -> Result<ForkChoice, ApiError>;

    /// Progress of synchronisation.
    fn syncing(&self) -> Result<Syncing, ApiError>;

    /// What changes how much the node logs, if that can be changed.
    fn log(&self) -> Option<&dyn LogSwitch> {
        None
    }

    /// Whether the node aggregates.
    fn is_aggregator(&self) -> Result<bool, ApiError>;

    /// Turns the aggregator role on or off and returns what it was. [`Self::is_aggregator`] tells the new role from now
    /// on.
    fn set_aggregator(&self, enabled: bool) -> Result<bool, ApiError>;

    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> Result<String, ApiError>;

    /// Who the node is.
    fn identity(&self) -> Result<Identity, ApiError>;

    /// Connected peers.
    fn peers(&self) -> Result<Vec<PeerInfo>, ApiError>;

    /// What the network agreed on.
    fn network(&self) -> Result<NetworkInfo, ApiError>;
}

/// Which block is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// The head.
    Head,
    /// The highest justified block.
    Justified,
    /// The finalized block.
    Finalized,
    /// The canonical block of a slot.
    Slot(Slot),
    /// The block with this hash tree root.
    Root(Root),
}

impl FromStr for BlockId {
    type Err = ();

    /// `head`, `justified`, `finalized`, a slot in decimal, or a root: `0x` and 64 digits.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "head" => Ok(Self::Head),
            "justified" => Ok(Self::Justified),
            "finalized" => Ok(Self::Finalized),
            _ if text.len() == 66 && text.starts_with("0x") => text.parse().map(Self::Root).map_err(drop),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(|slot| Self::Slot(Slot(slot))).map_err(drop)
            }
            _ => Err(()),
        }
    }
}

/// A picture of the fork choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForkChoice {
    /// Every block at or above the finalized slot.
    pub nodes: Vec<ForkChoiceNode>,
    /// Root of the head.
    pub head: Root,
    /// Highest justified checkpoint.
    pub justified: Checkpoint,
    /// Finalized checkpoint.
    pub finalized: Checkpoint,
    /// Root of the block that is safe to attest to.
    pub safe_target: Root,
    /// Validators in the head's state; `None` if it is not at hand.
    pub validator_count: Option<u64>,
}

/// A block in the fork choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ForkChoiceNode {
    /// Its root.
    pub root: Root,
    /// Its slot.
    pub slot: Slot,
    /// Its parent.
    pub parent_root: Root,
    /// Who proposed it.
    pub proposer_index: ValidatorIndex,
    /// Validators whose latest counted vote supports it.
    pub weight: u64,
}

/// Progress of synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Syncing {
    /// Whether duties are withheld because the chain is behind.
    pub is_syncing: bool,
    /// Slot of the head.
    pub head_slot: Slot,
    /// Slots between the clock, now, and the head.
    pub sync_distance: u64,
    /// Finalized slot.
    pub finalized_slot: Slot,
    /// Milliseconds since the chain last did something; it does so every interval. All else here is that old.
    pub age_ms: u64,
    /// The execution client's part; only on a network that has an execution layer.
    #[serde(flatten)]
    pub execution: Option<ExecutionSync>,
}

/// Whether the execution client keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ExecutionSync {
    /// Whether it has yet to validate the head.
    pub is_optimistic: bool,
    /// Whether it cannot be reached.
    pub el_offline: bool,
}

/// Who the node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Program and version.
    pub version: String,
    /// Identity on the network.
    pub peer_id: String,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeerInfo {
    /// Its identity.
    pub peer_id: String,
    /// Its name in the network's configuration, if it has one.
    pub name: Option<String>,
    /// Where it is, if known.
    pub address: Option<String>,
    /// Whether it connected to us.
    pub inbound: bool,
}

/// What the network agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// Validators in the genesis registry.
    pub validator_count: u64,
    /// Digest in the gossip topics.
    pub fork_digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_named_in_five_ways() {
        let root = format!("0x{}", "ab".repeat(32));
        assert_eq!(root.parse(), Ok(BlockId::Root(Root::repeat_byte(0xab))));
        assert_eq!("17".parse(), Ok(BlockId::Slot(Slot(17))));
        for (text, id) in
            [("head", BlockId::Head), ("justified", BlockId::Justified), ("finalized", BlockId::Finalized)]
        {
            assert_eq!(text.parse(), Ok(id));
        }
        for text in ["", "-1", "+1", "Head", "0x12", &root[2..], "99999999999999999999999"] {
            assert_eq!(text.parse::<BlockId>(), Err(()), "{text}");
        }
    }

    #[test]
    fn the_execution_clients_part_is_told_where_there_is_one() {
        let mut syncing = Syncing {
            is_syncing: false,
            head_slot: Slot(3),
            sync_distance: 0,
            finalized_slot: Slot(1),
            age_ms: 7,
            execution: None,
        };
        let plain = r#"{"is_syncing":false,"head_slot":3,"sync_distance":0,"finalized_slot":1,"age_ms":7"#;
        assert_eq!(serde_json::to_string(&syncing).ok(), Some(format!("{plain}}}")));
        syncing.execution = Some(ExecutionSync { is_optimistic: true, el_offline: false });
        let paired = format!(r#"{plain},"is_optimistic":true,"el_offline":false}}"#);
        assert_eq!(serde_json::to_string(&syncing).ok(), Some(paired));
    }
}
