//! What must survive a restart: blocks, states and the chain's checkpoints.
//!
//! A batch is all there or not at all, and [`Database::write`] returns once it survives a power loss. A failed write
//! is fatal to the handle: what reached the disk is unknown until the database is opened again, so every later write is
//! refused. Reading takes no lock that a writer holds for long.
//!
//! [`ChainDb`] has the format and the rules, on any store of keys and values: a file in a node, [`MemoryDb`] where
//! nothing has to last, and [`FaultyDisk`] in place of disks that fail and machines that lose power.

mod chain;
mod error;
mod faulty;
mod format;
mod key_value;
mod memory;
mod model;
mod restore;
mod upkeep;

pub use chain::{ChainDb, Database, HISTORY_SLOTS};
pub use error::{BatchFlaw, StorageError};
pub use faulty::{Failure, FaultyDb, FaultyDisk, FaultyKv};
pub use key_value::{Column, KeyValue, Op, Visitor};
pub use memory::{MemoryDb, MemoryKv};
pub use model::{BareAnchor, Batch, Checkpoints, ImportedBlock, NetworkId};
pub use upkeep::{Checked, Tally};
