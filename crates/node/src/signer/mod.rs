//! The signer.
mod actor;
mod mailbox;
pub(crate) use actor::{Keys, open, run};
pub(crate) use mailbox::{Mailbox, Order, mailbox};
