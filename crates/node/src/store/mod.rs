//! The store: writes what the chain wants kept, and reads blocks for everybody else.
//!
//! Writing is a thread of its own; batches that wait are merged and share one sync. Reading goes past it, straight to
//! the database, and never waits for a write.

mod actor;
mod mailbox;
mod reader;

pub(crate) use actor::run;
pub(crate) use mailbox::{Mailbox, Write, open};
pub(crate) use reader::Reader;
