//! A node at one glance, as far as it is shown here. Nodes of other clients have none.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The answer of `node/overview`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Overview {
    /// Its name.
    pub name: String,
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// Validators of the network.
    pub validator_count: u64,
    /// Progress of synchronisation.
    pub syncing: Syncing,
    /// Peers.
    pub peers: Vec<Peer>,
    /// Duties since the start.
    pub duties: Duties,
    /// What the process takes.
    pub process: Option<Process>,
    /// The last slots, ascending.
    pub slots: Vec<Slot>,
    /// Whether it aggregates.
    pub is_aggregator: bool,
    /// Validators whose keys it has.
    pub local_validators: Vec<u64>,
}

/// Progress of synchronisation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Syncing {
    /// Whether duties rest.
    pub is_syncing: bool,
    /// Milliseconds since the chain did something.
    pub age_ms: u64,
    /// Whether the execution client has yet to validate the head; `None` without one.
    pub is_optimistic: Option<bool>,
    /// Whether it cannot be reached; `None` without one.
    pub el_offline: Option<bool>,
}

/// A peer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Peer {
    /// Its identity.
    pub peer_id: String,
    /// Its name, if it is known.
    pub name: Option<String>,
    /// Where it is.
    pub address: Option<String>,
    /// Whether it connected to the node.
    pub inbound: bool,
}

/// Numbers of duties.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Duties {
    /// Votes.
    pub attested: u64,
    /// Blocks.
    pub proposed: u64,
    /// Aggregates.
    pub aggregated: u64,
    /// Not done, by reason.
    pub missed: BTreeMap<String, u64>,
}

impl Duties {
    /// All that were not done.
    pub(crate) fn all_missed(&self) -> u64 {
        self.missed.values().sum()
    }
}

/// What a process takes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Process {
    /// Resident memory in bytes.
    pub resident_bytes: u64,
}

/// What a node has seen of one slot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Slot {
    /// The slot.
    pub slot: u64,
    /// Its blocks.
    pub blocks: Vec<SlotBlock>,
    /// Votes from the network.
    pub votes: Votes,
    /// Aggregates.
    pub aggregates: Vec<Aggregate>,
    /// Duties of the node in it.
    pub duties: Duties,
}

/// A block of a slot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct SlotBlock {
    /// Root.
    pub root: String,
    /// Who proposed it.
    pub proposer_index: u64,
    /// When it came, in milliseconds after the start of the slot.
    pub arrival_ms: Option<i64>,
    /// Votes that it carries.
    pub votes: Option<u64>,
}

/// Votes of a slot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Votes {
    /// How many.
    pub count: u64,
}

/// An aggregate of a slot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Aggregate {
    /// Validators in it.
    pub participants: u64,
}
