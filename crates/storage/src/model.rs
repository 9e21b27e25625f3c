//! What callers hand in and get back.

use std::fmt;
use std::sync::Arc;

use lathe_types::{BlockHeader, Checkpoint, Root, SignedBlock, Slot, State};

/// The network that a database belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkId {
    /// Root of the genesis block.
    pub genesis: Root,
    /// What else tells networks of one genesis apart: container variant and proof system.
    pub variant: String,
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "genesis {}, {}", self.genesis, self.variant)
    }
}

/// A block with its root and the state after it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedBlock {
    /// Hash tree root of the block.
    pub root: Root,
    /// The block.
    pub block: Arc<SignedBlock>,
    /// The state after it.
    pub state: Arc<State>,
}

/// A block that is known by its header alone, with its root and the state after it: where a chain begins that comes
/// from a server without blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct BareAnchor {
    /// Hash tree root of the header, which is the block's.
    pub root: Root,
    /// The header.
    pub header: BlockHeader,
    /// The state after the block.
    pub state: Arc<State>,
}

/// What one import or head change writes: all of it or none of it becomes durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Imported blocks; a parent comes before its children or is stored already.
    pub blocks: Vec<ImportedBlock>,
    /// Where the chain begins anew, if its block is not among [`Self::blocks`]. `finalized` names it.
    pub anchor: Option<BareAnchor>,
    /// Slots whose canonical block changed; `None` empties a slot.
    pub canonical: Vec<(Slot, Option<Root>)>,
    /// The new head, if it changed.
    pub head: Option<Checkpoint>,
    /// The new justified checkpoint, if it changed.
    pub justified: Option<Checkpoint>,
    /// The new finalized checkpoint, if it changed. One at a lower slot than the stored one is ignored: it is an
    /// ancestor, and what lies below the stored one is gone.
    pub finalized: Option<Checkpoint>,
    /// States that nothing needs any more. The finalized one is kept whatever this says.
    pub drop_states: Vec<Root>,
}

/// Where the stored chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// The head.
    pub head: Checkpoint,
    /// The highest justified checkpoint.
    pub justified: Checkpoint,
    /// The highest finalized checkpoint; its block and state are stored.
    pub finalized: Checkpoint,
}
