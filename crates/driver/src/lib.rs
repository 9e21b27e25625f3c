//! What the engine asks for, carried out: jobs, the queue that they wait in, batches on their way to the database, and
//! where a chain goes on after a start.
//!
//! All of it is functions and plain structs without a thread, a clock or a log, so that a node and the simulator run
//! the same code: the one with threads and disks, the other with virtual time and faults. What a job has to say
//! beside its answer comes back as a [`Remark`]; a job that panics fails alone.

mod batch;
mod chain;
mod clock;
mod kit;
mod perform;
mod pool;
mod prepare;
mod prove;
mod serve;
mod task;

pub use batch::{BLOCKS_PER_WRITE, Persist, gather};
pub use chain::{GenesisBlock, begin_at, resume};
pub use clock::{Timeline, next_boundary, to_micros, to_millis};
pub use kit::Kit;
pub use perform::{Done, JobError, Remark, perform};
pub use pool::{Next, Pool};
pub use prove::{ProofOutcome, Proved, conclude, prove, signatures};
pub use serve::{Refusal, blocks_in_range};
pub use task::{Kind, Task, Urgency};
