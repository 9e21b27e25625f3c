//! Kinds of faults, and how often a run met each.

use std::collections::BTreeMap;

use strum::{EnumIter, IntoStaticStr};

/// What went wrong in a run. Only what had an effect counts: a power loss of a machine that was off does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, IntoStaticStr)]
pub enum Fault {
    /// A message was lost, or a partition kept it back.
    MessageLost,
    /// A machine lost power.
    PowerLost,
    /// A process died; what it had written stayed.
    ProcessDied,
    /// The power went after a write reached the disk and before anybody was told.
    UnreportedWrite,
    /// The power went while the ledger was written.
    TornRecord,
    /// The end of a ledger was lost although it was synced.
    LedgerEndLost,
    /// A ledger was gone.
    LedgerLost,
    /// An older copy of a ledger was put in its place.
    LedgerRestored,
    /// A node was back in the slot that it stopped in.
    RestartedInSlot,
    /// A write to the database failed, and ended the node.
    WriteFailed,
    /// A process died right after one write of several batches: what merging loses no later batch has repeated.
    DiedAfterMerge,
    /// A write to the ledger failed, and ended the node.
    LedgerFailed,
    /// A clock was set wrong, or right.
    ClockStepped,
    /// A job was refused at the door.
    JobRefused,
    /// A job waited until its deadline had passed.
    JobLate,
    /// A job was answered twice as late as its deadline, or after seconds if it had none.
    JobSlow,
    /// The proof system failed at a job.
    JobFailed,
    /// A job panicked.
    JobPanicked,
    /// The signer had too much to do.
    SignerOverloaded,
    /// The signer took seconds.
    SignerSlow,
    /// A write to the database took seconds.
    WriteSlow,
    /// A proof for a block was made in time: no fault, but to be seen.
    ProofMade,
    /// A proof for a block came too late.
    ProofLate,
    /// A proof for a block was not worth its time, or it failed.
    ProofDeclined,
    /// A proof for a block was asked for while another was under way.
    ProverBusy,
    /// An execution client was in trouble.
    ExecutionTrouble,
    /// A node told one half of the network one thing and the other half another.
    Equivocation,
    /// A node made another valid block for its slot.
    Multiplied,
    /// A node kept a message to itself.
    Withheld,
    /// A node, or a stranger, claimed a chain that nobody has.
    FalseStatus,
    /// A stranger sent a block whose parent nobody has.
    OrphanSent,
    /// A payload that no honest client accepts was imported.
    BadPayload,
}

/// How often each kind struck.
pub type Coverage = BTreeMap<Fault, u64>;

/// How often drivers fail while there are faults, per thousand times. Zero is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct DriverFaults {
    /// [`Fault::JobRefused`], per job.
    pub refused: u32,
    /// [`Fault::JobSlow`], per job.
    pub slow: u32,
    /// [`Fault::JobFailed`], per job.
    pub failed: u32,
    /// [`Fault::JobPanicked`], per job.
    pub panicked: u32,
    /// [`Fault::SignerOverloaded`] and [`Fault::SignerSlow`], per group of signatures.
    pub signer: u32,
    /// [`Fault::WriteFailed`] and [`Fault::WriteSlow`], per write to the database.
    pub writes: u32,
    /// [`Fault::LedgerFailed`], per group of signatures.
    pub ledger: u32,
    /// [`Fault::LedgerEndLost`], [`Fault::LedgerLost`] and [`Fault::LedgerRestored`], per stop.
    pub ledger_lost: u32,
}
