//! What every room of the engine works on: the store, the time, the settings, and the way out.
//!
//! The core knows no room. It answers for what must hold whoever acts: a job is answered once, a gossip message is
//! judged once, and a change of the store is announced and written.

mod changes;
mod coverage;
mod foreign;
mod groups;
mod jobs;
mod persistence;
mod reports;
mod singles;
mod state;
mod verdicts;
mod witness;

pub(crate) use jobs::JobKind;
pub use singles::Singles;
pub(crate) use singles::is_useful;
pub(crate) use state::Core;
