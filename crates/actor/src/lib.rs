//! Mailboxes, supervision and shutdown: what every actor stands on.
//!
//! An actor is a loop that owns its state and reads one [`Inbox`]. A mailbox is bounded, and each [`Message`] says by
//! its [`Policy`] what happens when there is no room; nothing is lost without a count. The [`Supervisor`] runs the
//! actors, and one that ends before it is told to takes the whole process down: nothing stays half alive.

mod mailbox;
mod queue;
mod shutdown;
mod supervisor;

pub use mailbox::{Delivery, Inbox, Mailbox, Probe, SendError, Stats, mailbox};
pub use queue::{Bounds, Message, Policy};
pub use shutdown::{Reason, Shutdown};
pub use supervisor::{BoxError, FAILURE_STOP, Failure, ORDERLY_STOP, Supervisor};
